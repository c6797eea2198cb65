"""Routes of deny and allow lists."""

from typing import Annotated

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter

from callgate.errors import Invalid
from callgate.http.api.access import may_configure, may_look
from callgate.http.api.accounts import InApp
from callgate.http.api.desk import TheDesk
from callgate.http.api.paging import Cursor, Limit, Page, page, read_cursor, write_cursor
from callgate.policy.number_list import ListKind
from callgate.rating.deck_merge import ImportMode
from callgate.service.number_list import ListHead, ListKey
from callgate.service.number_lists import (
    change_list,
    drop_list,
    find_list,
    import_list,
    page_of_list,
    read_entries,
    shown_entries,
)

MAX_BODY_BYTES = 128 * 1024 * 1024
"""Some six million numbers."""

DryRun = Annotated[bool, QueryParameter(name="dry_run", description="Say what would change, and change nothing.")]


class NewList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of a list. Entries are numbers such as `+46701740605` and prefixes such as `+4690*`."""

    kind: ListKind
    entries: tuple[str, ...] = ()
    account: str | None = None


class NewEntries(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Entries to put on a list."""

    entries: tuple[str, ...]


class ListReport(msgspec.Struct, frozen=True, kw_only=True):
    """A list. With an `account` it is met by that one only."""

    name: str
    application: str
    kind: ListKind
    account: str | None
    entry_count: int


class ListPage(ListReport, frozen=True, kw_only=True):
    """A list with a page of its entries, by their digits. `next` is the cursor of the next page."""

    entries: list[str]
    next: str | None


class ListChanged(ListReport, frozen=True, kw_only=True):
    """A list after a change, or as it would be after it, and how many entries came, went and stayed."""

    added: int
    removed: int
    unchanged: int


@get("/lists", guards=[may_look])
async def list_lists(desk: TheDesk, app: InApp = None, cursor: Cursor = None, limit: Limit = 50) -> Page[ListReport]:
    """List deny and allow lists by name."""
    application, after = desk.application(app), read_cursor(cursor)
    heads = [head for head in await desk.store.list_heads() if head.application == application and head.name > after]
    return page(heads[: limit + 1], limit, lambda head: head.name, report_list)


@put("/lists/{name:str}", guards=[may_configure], request_max_body_size=MAX_BODY_BYTES)
async def put_list(
    desk: TheDesk,
    name: FromPath[str],
    data: JSONBody[NewList],
    app: InApp = None,
    dry_run: DryRun = False,  # noqa: FBT002 - a query parameter
) -> ListChanged:
    """Make a list, or put these entries in the place of all that it has."""
    key = ListKey(desk.application(app), name)
    entries = read_entries(data.entries, "entries")
    diff = await import_list(
        desk.store,
        key,
        entries,
        mode=ImportMode.REPLACE,
        is_dry_run=dry_run,
        kind=data.kind,
        account=data.account,
    )
    return ListChanged(
        name=name,
        application=key.application,
        kind=data.kind,
        account=data.account,
        entry_count=diff.added + diff.unchanged,
        **msgspec.structs.asdict(diff),
    )


@get("/lists/{name:str}", guards=[may_look])
async def show_list(
    desk: TheDesk, name: FromPath[str], app: InApp = None, cursor: Cursor = None, limit: Limit = 1_000
) -> ListPage:
    """Show a list and a page of its entries."""
    head = await find_list(desk.store, ListKey(desk.application(app), name))
    found = await page_of_list(desk.store, head, _read_position(cursor), limit + 1)
    return ListPage(
        **msgspec.structs.asdict(report_list(head)),
        entries=shown_entries(found[:limit]),
        next=write_cursor(str(found[limit - 1])) if len(found) > limit else None,
    )


@delete("/lists/{name:str}", guards=[may_configure])
async def delete_list(desk: TheDesk, name: FromPath[str], app: InApp = None) -> None:
    """Take a list out of force, with all of its entries."""
    await drop_list(desk.store, ListKey(desk.application(app), name))


@post("/lists/{name:str}/entries", guards=[may_configure], status_code=200, request_max_body_size=MAX_BODY_BYTES)
async def add_entries(desk: TheDesk, name: FromPath[str], data: JSONBody[NewEntries], app: InApp = None) -> ListChanged:
    """Put entries on a list; what is on it already stays."""
    return await _change(desk, name, app, added=read_entries(data.entries, "entries"))


@delete("/lists/{name:str}/entries/{value:str}", guards=[may_configure], status_code=200)
async def remove_entry(desk: TheDesk, name: FromPath[str], value: FromPath[str], app: InApp = None) -> ListChanged:
    """Take one entry off a list; what is not on it is no error."""
    return await _change(desk, name, app, removed=read_entries([value], "entry"))


async def _change(
    desk: TheDesk, name: str, app: str | None, *, added: list[int] | None = None, removed: list[int] | None = None
) -> ListChanged:
    key = ListKey(desk.application(app), name)
    diff = await change_list(desk.store, key, added=added or [], removed=removed or [])
    head = await find_list(desk.store, key)
    return ListChanged(**msgspec.structs.asdict(report_list(head)), **msgspec.structs.asdict(diff))


def report_list(head: ListHead) -> ListReport:
    return ListReport(
        name=head.name,
        application=head.application,
        kind=head.kind,
        account=head.account,
        entry_count=head.entry_count,
    )


def _read_position(cursor: str | None) -> int:
    position = read_cursor(cursor) or "-1"
    try:
        return int(position)
    except ValueError:
        raise Invalid("cursor", repr(position[:40]), "the `next` of the page before") from None
