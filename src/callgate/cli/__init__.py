"""The command line: one file a command, no logic of its own.

Exit 0 done, 1 refused or failed, 2 not understood. Commands load what they need when they run, so that `--help` is quick.
"""

import sys
from collections.abc import Sequence

import cyclopts

from callgate import __version__
from callgate.errors import Error

DONE, FAILED, MISUSED = 0, 1, 2

COMMANDS = {
    "init": "Write a commented callgate.toml, create the database, print the first admin token once.",
    "serve": "Serve callbacks and the dashboard until told to stop.",
    "dev": "Start a server to look at and to build against: a demonstration on loopback, with calls that come and go.",
    "migrate": "Bring the database to this version's schema.",
    "call": "Place one emulated call and print its timeline.",
}
"""Commands by their names, with what `--help` says of them: the modules that know more are not loaded for that."""

GROUPS = {
    "app": (
        "Provider applications.",
        {
            "add": "Add an application by the key and secret that the platform shows for it.",
            "list": "List the applications; secrets are never shown.",
            "set": "Set what is trusted, and how fresh callbacks must be; without NAME=VALUE show it.",
            "limits": "Set or show an application's limits. Limits of application and account must both hold.",
        },
    ),
    "account": (
        "Accounts and their wallets.",
        {
            "create": "Open an account. Without --identity it answers to the in-app user of the same id.",
            "topup": "Add money to an account. A repeated --ref moves nothing.",
            "show": "Show an account and its money.",
            "limits": "Set or show an account's limits. Limits of application and account must both hold.",
        },
    ),
    "rates": (
        "Rate decks.",
        {
            "import": "Import a rate deck from CSV, and say what changes in price.",
            "quote": "Say what a call would cost.",
        },
    ),
    "calls": (
        "Calls and why they were decided as they were.",
        {
            "list": "List calls, newest first.",
            "show": "Show one call: its timeline, and the reason of its decision.",
        },
    ),
    "endpoint": (
        "Receivers of call records.",
        {
            "add": "Add a receiver of call records, and print its signing secret once.",
            "list": "List the receivers; secrets are never shown.",
            "rotate": "Give a receiver a new signing secret, and print it once.",
            "enable": "Send to a receiver again: what waits for it, and what comes.",
            "disable": "Send nothing more to a receiver, and queue nothing more for it; what waits stays.",
        },
    ),
    "deliveries": (
        "Call records on their way to their receivers.",
        {
            "list": "List deliveries, newest first.",
            "resend": "Send a record again, or all of a time, with the same id, body and sequence.",
        },
    ),
    "ledger": (
        "The books.",
        {"verify": "Check the four invariants of the ledger on the live database; exit 1 when one does not hold."},
    ),
}
"""Groups of commands, in the same manner."""


def build() -> cyclopts.App:
    """Every command there is, by where it is found: nothing of it is imported until it runs."""
    app = cyclopts.App(
        name="callgate",
        help="The gate that every call asks before it connects.",
        version=__version__,
        default_parameter=cyclopts.Parameter(negative=()),
        help_format="plaintext",  # rendering markdown takes longer to load than all the rest
    )
    for command, about in COMMANDS.items():
        app.command(f"callgate.cli.{command}:{command}", name=command, help=about)
    for group, (about, commands) in GROUPS.items():
        inner = cyclopts.App(name=group, help=about)
        for command, its_about in commands.items():
            place = f"callgate.cli.{group}:{command.replace('import', 'import_')}"
            inner.command(place, name=command, help=its_about)
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
    except OSError as error:  # a full disk, a folder that is gone
        sys.stderr.write(f"{error}\n")
        code = FAILED
    sys.exit(code if isinstance(code, int) else DONE)


def _plain(error: cyclopts.CycloptsError) -> str:
    return str(error).strip()
