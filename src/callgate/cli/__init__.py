"""The command line: one file a command, no logic of its own.

Exit 0 done, 1 refused or failed, 2 not understood. Commands load what they need when they run, so that `--help` is quick.
"""

import sys
from collections.abc import Sequence

import cyclopts

from callgate import __version__
from callgate.errors import Error

DONE, FAILED, MISUSED = 0, 1, 2


def build() -> cyclopts.App:
    """Every command there is, by where it is found: nothing of it is imported until it runs."""
    app = cyclopts.App(
        name="callgate",
        help="The gate that every call asks before it connects.",
        version=__version__,
        default_parameter=cyclopts.Parameter(negative=()),
    )
    for name, place in {
        "init": "init:init",
        "serve": "serve:serve",
        "dev": "dev:dev",
        "migrate": "migrate:migrate",
        "call": "call:call",
    }.items():
        app.command(f"callgate.cli.{place}", name=name)
    for group, about, commands in (
        ("app", "Provider applications.", ("add", "list", "set", "limits")),
        ("account", "Accounts and their wallets.", ("create", "topup", "show", "limits")),
        ("rates", "Rate decks.", ("import", "quote")),
        ("calls", "Calls and why they were decided as they were.", ("list", "show")),
        ("ledger", "The books.", ("verify",)),
        ("endpoint", "Receivers of call records.", ("add", "list", "rotate", "enable", "disable")),
        ("deliveries", "Call records on their way to their receivers.", ("list", "resend")),
    ):
        inner = cyclopts.App(name=group, help=about)
        for command in commands:
            inner.command(f"callgate.cli.{group}:{command.replace('import', 'import_')}", name=command)
        app.command(inner)
    return app


def main(words: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    app = build()
    try:
        code = app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except cyclopts.CycloptsError as error:
        sys.stderr.write(f"{_plain(error)}\nTry: callgate --help\n")
        code = MISUSED
    except Error as error:
        sys.stderr.write(f"{error}\n")
        code = FAILED
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        code = FAILED
    sys.exit(code if isinstance(code, int) else DONE)


def _plain(error: cyclopts.CycloptsError) -> str:
    return str(error).strip()
