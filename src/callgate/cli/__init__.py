"""The command line: one file a command, no logic of its own.

Exit 0 done, 1 refused or failed, 2 not understood. Commands load what they need when they run, and the pages that only list
commands load nothing at all, so that `--help` is quick.
"""

import builtins
import sys
from collections.abc import Sequence
from keyword import iskeyword
from typing import TYPE_CHECKING

from callgate import __version__
from callgate.errors import Error, PlatformRefused

if TYPE_CHECKING:
    import cyclopts

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130

ABOUT = "The gate that every call asks before it connects."

COMMANDS = {
    "init": "Write a commented callgate.toml, create the database, print the first admin token once.",
    "serve": "Serve callbacks and the dashboard until told to stop.",
    "dev": "Start a server to look at and to build against: a demonstration on loopback, with calls that come and go.",
    "migrate": "Bring the database to this version's schema.",
    "doctor": "Look whether everything is well here, and say what to do where it is not.",
    "token create": "Make an API token and print it, once.",
    "token list": "List the tokens by their first characters.",
    "token revoke": "Make a token worthless at once.",
    "operator add": "Add somebody who signs in to the dashboard; the password is asked for.",
    "operator list": "List who may sign in to the dashboard.",
    "operator password": "Give an operator another password, and end every session under the name.",
    "operator role": "Let an operator do more, or less, from the next page on.",
    "operator totp": "Ask an operator for the code of an authenticator app too, and print what the app needs, once.",
    "operator sign-out": "End every session of an operator.",
    "operator remove": "Remove an operator, and end every session under the name.",
    "app add": "Add an application by the key and secret that the platform shows for it.",
    "app list": "List the applications, without their secrets.",
    "app set": "Change settings of an application, or show them all.",
    "app limits": "Set or show an application's limits.",
    "app rotate": "Give an application a new secret; the old one stays valid for a while.",
    "app suspend": "Refuse new calls of an application; live ones go on.",
    "app resume": "Take new calls of a suspended application again.",
    "account create": "Open an account.",
    "account topup": "Add money to an account.",
    "account show": "Show an account and its money.",
    "account statement": "Show what moved on an account, newest first, with the balance after each line.",
    "account set": "Change what an account may owe, what prices its calls and how they hold money; or show it.",
    "account limits": "Set or show an account's limits.",
    "account verify": "Say that you know who is behind an account: more of its calls may be up at once.",
    "account block": "Refuse an account's calls for a while; the block ends by itself.",
    "account unblock": "Lift an account's block, and forget what led to it.",
    "account blocked": "List the accounts that are blocked, and until when.",
    "account suspend": "Refuse new calls of an account; live ones go on.",
    "account resume": "Take new calls of a suspended or closed account again.",
    "account close": "Close an account; refused while it has open holds.",
    "account adjust": "Correct a balance by hand: add money, or take it with an amount below 0.",
    "account refund": "Give back what a call was charged, or a part of it.",
    "user add": "Keep a user of an app, who signs in with a password; the account pays for their calls.",
    "user list": "List an application's users, without their passwords.",
    "user passwd": "Give a user another password.",
    "user remove": "Let a user sign in no more.",
    "rates import": "Import a rate deck, and say what changes in price.",
    "rates quote": "Say what a call would cost.",
    "rates mappings": "List what is remembered of suppliers' files.",
    "rates forget": "Forget how files of a supplier are read.",
    "did add": "Say where calls to a rented number go; a number that is there gets the new route.",
    "did list": "List the rented numbers with their routes.",
    "did remove": "Refuse calls to a rented number from now on.",
    "list create": "Make a deny or allow list of numbers and prefixes.",
    "list add": "Put numbers and prefixes on a list.",
    "list remove": "Take numbers and prefixes off a list.",
    "list import": "Import numbers and prefixes from a file, and say what changes.",
    "list list": "List the deny and allow lists.",
    "list show": "Print what is on a list, one number or prefix a line.",
    "list delete": "Take a list out of force, with all that is on it.",
    "rules check": "Say what is wrong with a document of rules, by line and column; exit 1 when anything is.",
    "rules apply": "Put a document of rules in force; running servers follow within a second.",
    "rules show": "Print the rules in force, or an earlier version of them.",
    "rules history": "List the versions of the rules, newest first.",
    "rules backtest": "Say what other rules, prices or lists would have changed about past calls, and how much money.",
    "rules explain": "Say why a call was decided as it was, or how one would be that has not happened.",
    "calls list": "List calls, newest first.",
    "calls show": "Show one call: its timeline, and the reason of its decision.",
    "calls hangup": "End a live call at the platform.",
    "calls tail": "Print calls as they are decided and as they end, until Ctrl-C.",
    "endpoint add": "Add a receiver of records: a webhook, and print its signing secret once, e-mail, or a connector to a CRM.",
    "callout": "Place a call: a spoken message, a conference, or click-to-call. Its money is held before anybody is rung.",
    "endpoint list": "List the receivers; secrets are never shown.",
    "endpoint rotate": "Give a receiver a new signing secret, and print it once.",
    "endpoint test": "Send a test event to a webhook, a test mail, or look something up in a CRM, now; exit 1 when that fails.",
    "endpoint token": "Give a connector another token or other credentials, and let it try again at once.",
    "endpoint enable": "Send to a receiver again: what waits for it, and what comes.",
    "endpoint disable": "Send nothing more to a receiver, and queue nothing more for it; what waits stays.",
    "deliveries list": "List deliveries, newest first.",
    "deliveries resend": "Send a record again, or all of a time.",
    "cdr export": "Write call records as CSV, one JSON object a line, or Parquet, in the order in which calls ended.",
    "signature verify": "Say which ingredient of a callback's signature differs.",
    "signature failures": "List callbacks that failed their signature lately, and what differed.",
    "svaml check": "Say what is wrong with an answer, with JSON path and line; exit 1 when anything is.",
    "sinch token": "Print a token with which an in-app user registers with the platform.",
    "sinch callbacks get": "Ask the platform where it sends an application's callbacks.",
    "sinch callbacks set": "Tell the platform where to send an application's callbacks.",
    "ledger verify": "Check the four invariants of the ledger on the live database; exit 1 when one does not hold.",
    "call": "Place one emulated call and print its timeline.",
    "simulate": "Put the server through faults on a virtual clock and check its books after each commit; exit 1 when they break.",
    "scenario run": "Play scenario files, draw each call, and say what was not as expected.",
    "scenario list": "List the scenarios that come with the emulator, with where they lie.",
    "emulate": "Serve the emulated platform: its REST interface, a control API, and pages with a phone pad and a journal.",
    "load": "Place emulated calls by the thousand, look at every answer, print throughput, latency and all that was wrong.",
    "conformance": "Ask a callback server everything that can go wrong, and say what does, one line a check.",
    "completions": "Print the script that completes these commands in a shell.",
}
"""Every command and the sentence of its help. `app add` is the function `add` in `callgate.cli.app`, `sinch callbacks get`
is `get` in `callgate.cli.sinch_callbacks`.
"""

GROUPS = {
    "token": "API tokens: who may use the API and the dashboard.",
    "operator": "The people who sign in to the dashboard.",
    "app": "Provider applications.",
    "account": "Accounts and their wallets.",
    "user": "Users of an app, for delegated security.",
    "rates": "Rate decks.",
    "did": "Rented numbers and what happens to calls that reach them.",
    "list": "Deny and allow lists.",
    "rules": "Operators' own rules: what they say, what they would have done, why a call was decided as it was.",
    "calls": "Calls and why they were decided as they were.",
    "endpoint": "Receivers of call records.",
    "deliveries": "Call records on their way to their receivers.",
    "cdr": "Call records as files.",
    "signature": "Why a callback is not genuine.",
    "svaml": "Answers to the platform.",
    "sinch": "What only this platform knows.",
    "sinch callbacks": "Where the platform sends an application's callbacks.",
    "ledger": "The books.",
    "scenario": "Files that say what calls do, and what is expected of it.",
}


def main(words: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    sys.exit(_run(list(sys.argv[1:] if words is None else words)))


def _run(words: list[str]) -> int:
    if not all(map(_is_text, words)):
        sys.stderr.write("The command line holds bytes that are not text in UTF-8.\nTry: callgate --help\n")
        return MISUSED
    try:
        if (page := _page(words)) is not None:
            sys.stdout.write(page)
            return DONE
        return _call(words)
    except PlatformRefused as error:
        sys.stderr.write(f"{error}\n" + (f"The platform says: {error.words}\n" if error.words else ""))
    except Error as error:
        sys.stderr.write(f"{error}\n")
    except BrokenPipeError:
        sys.stderr.close()  # nobody reads on, and nobody wants to be told
    except OSError as error:
        sys.stderr.write(f"{error}\n")
    except KeyboardInterrupt:
        return INTERRUPTED
    return FAILED


def _is_text(word: str) -> bool:
    """Python smuggles bytes that it cannot read past us, to fail wherever they are first written."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in word


def _page(words: list[str]) -> str | None:
    """The page that lists all commands, or those of one group; None when something else was asked."""
    names = [word for word in words if word not in ("--help", "-h")]
    if not names:
        about, prefix = ABOUT, ""
    elif (group := " ".join(names)) in GROUPS:
        about, prefix = GROUPS[group], f"{group} "
    else:
        return None
    listed = {name: sentence for name, sentence in COMMANDS.items() if name.startswith(prefix)}
    width = max(map(len, listed))
    lines = "\n".join(f"  {name:{width}}  {sentence}" for name, sentence in listed.items())
    more = f"callgate {prefix}COMMAND --help says more of one."
    return f"Usage: callgate {prefix}COMMAND\n\n{about}\n\n{lines}\n\n{more}\n"


def _call(words: list[str]) -> int:
    import cyclopts

    try:
        code = build()(words, exit_on_error=False, print_error=False, result_action="return_value")
    except cyclopts.CycloptsError as error:
        sys.stderr.write(f"{str(error).strip()}\nTry: callgate --help\n")
        return MISUSED
    return code if isinstance(code, int) else DONE


def build() -> "cyclopts.App":
    """Every command there is, by where it is found: nothing of it is imported until it runs."""
    import cyclopts

    app = cyclopts.App(
        name="callgate",
        help=ABOUT,
        version=__version__,
        help_format="plaintext",
        default_parameter=cyclopts.Parameter(negative=()),
    )
    groups = {"": app}
    for words, about in GROUPS.items():  # a group stands behind the one that it is in
        room, _, name = words.rpartition(" ")
        groups[words] = cyclopts.App(name=name, help=about)
        groups[room].command(groups[words])
    for words in COMMANDS:
        room, _, name = words.rpartition(" ")
        function = f"{name}_" if iskeyword(name) else name.replace("-", "_")
        groups[room].command(f"callgate.cli.{module_of(words)}:{function}", name=name)
    return app


def module_of(command: str) -> str:
    """Where a command is found: in the module of its group, or one of its own. Names of Python's own are not hidden."""
    room, _, name = command.rpartition(" ")
    module = room.replace(" ", "_") or name
    return f"{module}_" if hasattr(builtins, module) else module
