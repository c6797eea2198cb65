"""`callgate list ...`: deny and allow lists."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from callgate.cli.desk import AsJson, Config, InApp, open_books, say, say_json, table, the_application
from callgate.errors import Invalid
from callgate.policy.number_list import ListKind
from callgate.rating.deck_merge import ImportMode

if TYPE_CHECKING:
    from callgate.service.number_list import ListHead, ListKey
    from callgate.service.number_lists import ListDiff
    from callgate.service.ports import Store

PAGE = 10_000
"""Entries that are read at a time when a list is printed."""


async def create(
    name: str,
    *,
    kind: ListKind,
    account: str | None = None,
    app: InApp = None,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Make a deny or allow list of numbers and prefixes.

    Parameters
    ----------
    name
        Name of the list.
    kind
        deny: what is on it is refused. allow: where there is one, only what is on one passes.
    account
        The one account that meets it; all of the application unless given.
    """
    from callgate.service.number_lists import create_list

    async with open_books(config) as store:
        head = await create_list(store, await the_application(store, app), name, kind, account)
    if json:
        say_json(_shown(head))
    else:
        warning = " Until something is on it, nothing passes." if kind is ListKind.ALLOW else ""
        say(f"Made {kind} list {name}, empty.{warning}")
    return 0


async def add(name: str, *values: str, app: InApp = None, config: Config = None, json: AsJson = False) -> int:
    """Put numbers and prefixes on a list.

    Parameters
    ----------
    name
        Name of the list.
    values
        Numbers such as +46701740605, prefixes such as +4690*.
    """
    from callgate.service.number_lists import change_list, read_entries

    entries = read_entries(values, "the command line")
    async with open_books(config) as store:
        diff = await change_list(store, await _key(store, app, name), added=entries)
    return _say_diff(diff, name, as_json=json)


async def remove(name: str, *values: str, app: InApp = None, config: Config = None, json: AsJson = False) -> int:
    """Take numbers and prefixes off a list.

    Parameters
    ----------
    name
        Name of the list.
    values
        Numbers and prefixes as they stand on it; what does not is passed over.
    """
    from callgate.service.number_lists import change_list, read_entries

    entries = read_entries(values, "the command line")
    async with open_books(config) as store:
        diff = await change_list(store, await _key(store, app, name), removed=entries)
    return _say_diff(diff, name, as_json=json)


async def import_(
    name: str,
    file: Path,
    *,
    mode: ImportMode = ImportMode.REPLACE,
    dry_run: bool = False,
    app: InApp = None,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Import numbers and prefixes from a file, and say what changes.

    Parameters
    ----------
    name
        Name of a list that is there.
    file
        One number or prefix a line, or a CSV whose first column has them.
    mode
        replace: the file becomes the list. merge: what is on the list stays.
    dry_run
        Show what would change, and change nothing.
    """
    from callgate.service.number_lists import import_list, read_list_file

    entries = read_list_file(_content(file), str(file))
    async with open_books(config) as store:
        diff = await import_list(store, await _key(store, app, name), entries, mode=mode, is_dry_run=dry_run)
    return _say_diff(diff, name, as_json=json, is_dry_run=dry_run)


async def list(*, app: InApp = None, config: Config = None, json: AsJson = False) -> int:  # noqa: A001 - the command's own name
    """List the deny and allow lists."""
    async with open_books(config) as store:
        application = await the_application(store, app)
        heads = [head for head in await store.list_heads() if head.application == application]
    shown = [_shown(head) for head in heads]
    if json:
        say_json(shown)
    else:
        table(("name", "kind", "account", "entries"), [[str(cell or "") for cell in each.values()] for each in shown])
    return 0


async def show(name: str, *, app: InApp = None, config: Config = None, json: AsJson = False) -> int:
    """Print what is on a list, one number or prefix a line.

    Parameters
    ----------
    name
        Name of the list.
    """
    from callgate.service.number_lists import find_list, page_of_list, shown_entries

    entries: Sequence[str] = []
    async with open_books(config) as store:
        head, after = await find_list(store, await _key(store, app, name)), -1
        while found := await page_of_list(store, head, after, PAGE):
            after = found[-1]
            if json:
                entries = [*entries, *shown_entries(found)]
            else:
                sys.stdout.writelines(f"{entry}\n" for entry in shown_entries(found))
    if json:
        say_json({**_shown(head), "entry_count": head.entry_count, "entries": entries})
    return 0


async def delete(name: str, *, app: InApp = None, config: Config = None, json: AsJson = False) -> int:
    """Take a list out of force, with all that is on it.

    Parameters
    ----------
    name
        Name of the list.
    """
    from callgate.service.number_lists import drop_list

    async with open_books(config) as store:
        head = await drop_list(store, await _key(store, app, name))
    if json:
        say_json(_shown(head))
    else:
        say(f"Deleted {head.kind} list {name}, which had {head.entry_count} entries.")
    return 0


async def _key(store: "Store", app: str | None, name: str) -> "ListKey":
    from callgate.service.number_list import ListKey

    return ListKey(await the_application(store, app), name)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Invalid(str(file), error.strerror or str(error), "a readable file") from error


def _say_diff(diff: "ListDiff", name: str, *, as_json: bool, is_dry_run: bool = False) -> int:
    if as_json:
        say_json(diff)
    else:
        begin = f"Would change list {name}" if is_dry_run else f"List {name}"
        say(f"{begin}: {diff.added} added, {diff.removed} removed, {diff.unchanged} unchanged")
    return 0


def _shown(head: "ListHead") -> Mapping[str, object]:
    return {"name": head.name, "kind": str(head.kind), "account": head.account, "entries": head.entry_count}
