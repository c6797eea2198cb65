"""What most commands need: the settings, the open books, the one application that they mean, and a way to say things."""

import os
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from callgate.errors import NotFound
from callgate.settings import Settings, load_settings

if TYPE_CHECKING:
    from callgate.storage.sqlite import SqliteStore

Config = Annotated[Path | None, Parameter(name="--config", help="Settings file; callgate.toml unless given.")]
AsJson = Annotated[bool, Parameter(name="--json", help="Print one JSON document.")]
InApp = Annotated[str | None, Parameter(name="--app", help="Application key; may be left out while there is only one.")]


def read_settings(config: Path | None) -> Settings:
    """Settings of the command line: the file that is named, and this process's environment."""
    return load_settings(config, os.environ)


@asynccontextmanager
async def open_books(config: Path | None) -> AsyncIterator["SqliteStore"]:
    """The books, for as long as the block runs. A running server sees within a second what is changed in them."""
    from callgate.app import build_store, opened

    async with opened(build_store(read_settings(config))) as store:
        yield store


async def the_application(store: "SqliteStore", named: str | None) -> str:
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


def say(text: str) -> None:
    """Print a line for a person."""
    sys.stdout.write(f"{text}\n")


def say_json(value: object) -> None:
    """Print a value for a program."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


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
