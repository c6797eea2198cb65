"""What most commands need: the settings, the open books, the one application that they mean, and a way to say things."""

import getpass
import os
import re
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, Token
from cyclopts.validators import Number

from callgate.errors import NotFound

if TYPE_CHECKING:
    from callgate.service.ports import Store
    from callgate.settings import Settings


def _read_whole(_: type[int], tokens: Sequence[Token]) -> int:
    """Read a whole number as it is written: cyclopts would round `1.5`."""
    text = tokens[0].value
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise ValueError(f"{text[:40]!r} is not a whole number")
    return int(text)


Whole = Annotated[int, Parameter(converter=_read_whole)]
Config = Annotated[Path | None, Parameter(name="--config", help="Settings file; callgate.toml unless given.")]
AsJson = Annotated[bool, Parameter(name="--json", help="Print one JSON document.")]
InApp = Annotated[str | None, Parameter(name="--app", help="Application key; may be left out while there is only one.")]
Limit = Annotated[
    int,
    Parameter(name="--limit", help="How many, at most 1000.", converter=_read_whole, validator=Number(gte=1, lte=1000)),
]
Ref = Annotated[str | None, Parameter(name="--ref", help="Your own name for this; a repeated one moves nothing.")]


def read_settings(config: Path | None) -> "Settings":
    """Settings of the command line: the file that is named, and this process's environment."""
    from callgate.settings import load_settings

    return load_settings(config, os.environ)


@asynccontextmanager
async def open_books(config: Path | None) -> AsyncIterator["Store"]:
    """The books, for as long as the block runs. A running server sees within a second what is changed in them.

    What is changed is written in the audit log, with the name of who runs the command.
    """
    from callgate.app import build_store, clock, opened
    from callgate.service.audit_entry import Actor, Via
    from callgate.service.audited import audited

    async with opened(build_store(read_settings(config))) as store:
        yield audited(store, Actor(who=who(), via=Via.CLI), clock)


async def the_application(store: "Store", named: str | None) -> str:
    """Return the key of the application that a command works in. Raises `NotFound` when that is not plain."""
    keys = [row.key for row in await store.applications()]
    if named is not None and named in keys:
        return named
    if named is not None:
        raise NotFound(f"there is no application {named}; there are: {', '.join(keys) or 'none'}")
    if len(keys) == 1:
        return keys[0]
    if not keys:
        raise NotFound("there is no application yet; add one with: callgate app add KEY SECRET")
    raise NotFound(f"there are {len(keys)} applications, say which with --app: {', '.join(keys)}")


def who() -> str:
    """Who moves money from the command line, for the books: `cli:` and the name in this machine's user list."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container whose user has no name
        return f"cli:{os.getuid()}"


def say(text: str) -> None:
    """Print a line for a person."""
    sys.stdout.write(f"{text}\n")


def say_json(value: object) -> None:
    """Print a value for a program."""
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def say_steps(trace: Iterable[Mapping[str, Any]]) -> None:
    """Print the steps of a decision, one a line, with what each saw. What a rule came to has a line of its own."""
    for step in trace:
        saw = dict(step["saw"])
        matches = saw.pop("matches", ())
        facts = saw.pop("facts", {})
        told = ", ".join(f"{name} {_plain(value)}" for name, value in (saw | facts).items())
        say(f"  {step['step']:<12} {step['refusal'] or 'passed'}  ({told})")
        for match in matches:
            why = f"could not be judged: {match['error']}" if "error" in match else f"holds: {match['effect']}"
            say(f"  {'':<12} rule {match['rule']} ({match['mode']}) {why}")


def _plain(value: object) -> str:
    """A fact as its rule would write it; structures as JSON."""
    import msgspec

    return str(value) if isinstance(value, str) and value else msgspec.json.encode(value).decode()


def table(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """Print lines under column heads; on a terminal with colours, in a pipe as plain text."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for line in lines:
        drawn.add_row(*(Text(cell) for cell in line))
    console = Console()
    if not console.is_terminal:
        console = Console(width=200, color_system=None)
    console.print(drawn)
