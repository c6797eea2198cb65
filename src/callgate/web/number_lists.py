"""Deny and allow lists of numbers and prefixes: which there are, what is on them, and putting numbers on and off."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from callgate.errors import Conflict, Error, Invalid, ListInvalid, NotFound, StorageUnavailable
from callgate.policy.number_list import ListKind
from callgate.service.look_through import Looked, look_through
from callgate.service.number_list import ListHead, ListKey
from callgate.service.number_lists import (
    change_list,
    create_list,
    drop_list,
    find_list,
    page_of_list,
    read_entries,
    read_list_file,
    shown_entries,
)
from callgate.service.token import Role
from callgate.web.desk import AnyRequest, AtDesk, Desk, Form
from callgate.web.forms import Filled, sentence_of, told_first
from callgate.web.lists import Listed, as_file, form_of, given, paths, query
from callgate.web.search import fragment_of, holds

SHOWN = 200
FAULTS_SHOWN = 20

KINDS = ((ListKind.DENY.value, "deny: refuse what is on it"), (ListKind.ALLOW.value, "allow: refuse what is on none"))


NO_FILTERS: Mapping[str, str] = {"kind": "", "find": ""}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A number or a prefix, as other programs are given it."""

    entry: str


@get(paths("/lists"))
async def list_lists(desk: AtDesk, request: AnyRequest) -> Response[Any]:
    """The lists of an application: of one `kind`, with `find` in their names."""
    desk.who()
    filters = given(request, ("app", "kind", "find"))
    app = desk.application(filters["app"])
    heads = [
        head
        for head in await _heads(desk, app)
        if filters["kind"] in ("", head.kind) and holds(filters["find"], head.name)
    ]
    if form := form_of(request):
        return as_file(form, heads, None, "lists")
    del filters["app"]
    return await _lists_page(desk, request, app, heads, Filled(kind=ListKind.DENY.value), filters)


async def _heads(desk: Desk, app: str) -> list[ListHead]:
    return [head for head in await desk.store.list_heads() if head.application == app]


async def _lists_page(  # noqa: PLR0913, PLR0917 - the list and the form beside it
    desk: Desk,
    request: AnyRequest,
    app: str,
    heads: Sequence[ListHead],
    form: Filled,
    filters: Mapping[str, str] = NO_FILTERS,
) -> Response[str]:
    return await desk.page(
        "lists.html",
        request,
        listed=Listed(heads, None, filters),
        same=query(request),
        app=app,
        applications=tuple(desk.applications),
        form=form,
        kinds=KINDS,
        status_code=422 if form.is_faulty else 200,
    )


@post("/lists")
async def open_list(desk: AtDesk, request: AnyRequest, data: Form) -> Response[Any]:
    """Make a list, which is empty at first."""
    desk.at_least(Role.ADMIN)
    form = Filled(data)
    app, name = desk.application(form["app"]), form["name"].strip()
    kind = ListKind.ALLOW if form["kind"] == ListKind.ALLOW else ListKind.DENY
    try:
        await create_list(desk.store, app, name, kind, form["account"].strip() or None)
    except StorageUnavailable:
        raise
    except Error as error:
        otherwise = "account" if isinstance(error, NotFound) else "name"
        return await _lists_page(desk, request, app, await _heads(desk, app), form.blame(error, {}, otherwise))
    await desk.catalogs.refresh()
    return desk.done(request, f"lists/{name}?app={app}", f"List {name} is in force, and empty.")


@get("/lists/{name:str}")
async def show_list(desk: AtDesk, request: AnyRequest, name: FromPath[str]) -> Response[Any]:
    """What is on a list, by its digits; with `number`, the entries that have this in them."""
    desk.who()
    return await _page(desk, request, _key(desk, request, name), Filled(), ())


async def _page(desk: Desk, request: AnyRequest, key: ListKey, form: Filled, faults: Sequence[object]) -> Response[Any]:
    head, filters = await find_list(desk.store, key), given(request, ("number", "after"))
    found = await _found(desk, head, filters["number"], filters.pop("after"))
    entries = shown_entries(found.items)
    following = None if found.last is None else query(request, after=str(found.last))
    if kind := form_of(request):
        return as_file(kind, [Entry(entry=each) for each in entries], following, key.name)
    return await desk.page(
        "list.html",
        request,
        head=head,
        listed=Listed(entries, following, filters, is_cut=found.is_cut),
        same=query(request, after=None),
        form=form,
        faults=faults[:FAULTS_SHOWN],
        status_code=422 if form.is_faulty else 200,
    )


async def _found(desk: Desk, head: ListHead, number: str, after: str) -> Looked[int]:
    first = int(after) if after.isascii() and after.isdigit() and len(after) < 19 else -1  # noqa: PLR2004 - fits the column

    async def read(last: int | None, limit: int) -> Sequence[int]:
        return await page_of_list(desk.store, head, first if last is None else last, limit)

    def has_it(entry: int) -> bool:
        return holds(fragment, *shown_entries((entry,)))

    fragment = fragment_of(number)
    return await look_through(read, SHOWN, has_it if fragment else None)


@post("/lists/{name:str}/add")
async def add_entries(desk: AtDesk, request: AnyRequest, name: FromPath[str], data: Form) -> Response[Any]:
    """Put numbers and prefixes on it, one a line."""
    desk.at_least(Role.ADMIN)
    form, key = Filled(data), _key(desk, request, name)
    try:
        entries = read_list_file(form["entries"].encode(), "what was entered")
        diff = await change_list(desk.store, key, added=entries)
    except ListInvalid as error:
        form.faults["entries"] = told_first("Nothing was put on the list", error.faults)
        return await _page(desk, request, key, form, error.faults)
    except (Invalid, Conflict) as error:
        return await _page(desk, request, key, form.blame(error, {}, "entries"), ())
    await desk.catalogs.refresh()
    return desk.done(request, f"lists/{name}?app={key.application}", f"{diff.added:,} more on the list.")


@post("/lists/{name:str}/remove")
async def remove_entry(desk: AtDesk, request: AnyRequest, name: FromPath[str], data: Form) -> Response[Any]:
    """Take one number or prefix off it."""
    desk.at_least(Role.ADMIN)
    key = _key(desk, request, name)
    try:
        await change_list(desk.store, key, removed=read_entries([data.get("entry", "")], "entry"))
    except (ListInvalid, Conflict) as error:
        return desk.done(request, f"lists/{name}?app={key.application}", f"Not removed: {sentence_of(error)}")
    await desk.catalogs.refresh()
    return desk.done(request, f"lists/{name}?app={key.application}", f"{data.get('entry', '')} is not on it any more.")


@post("/lists/{name:str}/drop")
async def remove_list(desk: AtDesk, request: AnyRequest, name: FromPath[str]) -> Response[Any]:
    """Take a list out of force, with all that is on it."""
    desk.at_least(Role.ADMIN)
    key = _key(desk, request, name)
    await drop_list(desk.store, key)
    await desk.catalogs.refresh()
    return desk.done(request, f"lists?app={key.application}", f"List {name} is gone.")


def _key(desk: Desk, request: AnyRequest, name: str) -> ListKey:
    bare = name.removesuffix(f".{form_of(request)}") if form_of(request) else name
    return ListKey(desk.application(request.query_params.get("app") or ""), bare)


number_list_routes = (list_lists, open_list, show_list, add_entries, remove_entry, remove_list)
