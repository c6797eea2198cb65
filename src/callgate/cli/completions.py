"""`callgate completions`: what a shell needs to complete the commands."""

from typing import Literal

from callgate.cli.desk import AsJson, say, say_json


def completions(shell: Literal["bash", "zsh", "fish", "powershell"], *, json: AsJson = False) -> int:
    """Print the script that completes these commands in a shell.

    Parameters
    ----------
    shell
        For bash: callgate completions bash > ~/.local/share/bash-completion/completions/callgate
    """
    from callgate.cli import build

    script = build().generate_completion(shell=shell)
    if json:
        say_json({"shell": shell, "script": script})
    else:
        say(script)
    return 0
