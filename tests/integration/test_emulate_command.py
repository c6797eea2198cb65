"""`callgate emulate` as a person starts it: it says where it is, serves, and stops when told to."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"


def start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "callgate", "emulate", *words],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ask(url: str, body: object = None) -> object:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=10) as reply:  # noqa: S310 - our own server
        return json.loads(reply.read())


def test_it_serves_until_it_is_told_to_stop() -> None:
    """On a port of its own, with the application, numbers and faults of the command line."""
    words = ("--port", "0", "--target", "http://127.0.0.1:9/none", "--number", "+46846500400", "--fault", "lost:dice")
    process = start(*words, "--pace", "0", "--strict")
    try:
        assert process.stdout is not None
        url = next(found[1] for line in process.stdout if (found := re.search(r"journal  (http://\S+)/$", line)))
        state = ask(f"{url}/control/v1/state")
        assert isinstance(state, dict)
        assert state["numbers"] == {"+46846500400": state["applications"][0]["key"]}
        assert (state["faults"][0]["kind"], state["habits"]["is_strict"]) == ("lost", True)
        call = ask(f"{url}/control/v1/calls", {"from": "alice", "to": "did:+46846500400"})
        assert isinstance(call, dict)
        ended = ask(f"{url}/control/v1/calls/{call['call_id']}")
        assert isinstance(ended, dict)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        _, err = process.communicate()
    assert err == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--target", "nowhere"), "--target: found 'nowhere'; expected a URL"),
        (("--secret", "!"), "--secret: found text that is not base64"),
        (("--fault", "explode"), "--fault: found 'explode'; expected KIND"),
        (("--number", "bob"), "--number: found 'bob'"),
        (("--pace", "-1"), "--pace"),
    ],
)
def test_what_it_cannot_use_is_told(words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, in one line."""
    from callgate.cli import main  # noqa: PLC0415 - in this process, which is faster

    with pytest.raises(SystemExit) as left:
        main(["emulate", *words])
    assert left.value.code == 2
    assert told in capsys.readouterr().err


def test_a_port_that_is_taken_is_told() -> None:
    """Before anything is served."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start("--port", str(taken.getsockname()[1]))
        _, err = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "a port that nobody listens on" in err and "Traceback" not in err
