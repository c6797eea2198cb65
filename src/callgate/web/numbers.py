"""Rented numbers: whose they are, where calls that reach them go, and renting out more."""

from collections.abc import Sequence
from typing import Any

from litestar import Response, get, post

from callgate.errors import Error, Invalid, NotFound, StorageUnavailable
from callgate.service.did import DidKey
from callgate.service.rented import AddDid, DidReport, RemoveDid, dids_of, read_did, report_did
from callgate.service.token import Role
from callgate.web.desk import AnyRequest, AtDesk, Desk, Form
from callgate.web.forms import Filled, sentence_of
from callgate.web.lists import Listed, as_file, form_of, given, paths, query
from callgate.web.search import fragment_of, holds

SHOWN = 100

MENU = "menu"
"""The field that faults of a menu are told beside, by the part of it that they are in."""


@get(paths("/numbers"))
async def list_numbers(desk: AtDesk, request: AnyRequest) -> Response[Any]:
    """The rented numbers of an application, in their order: with a part of a `number`, or of one `account`."""
    desk.who()
    filters = given(request, ("number", "account", "app", "after"))
    if not desk.applications:
        nothing: dict[str, Any] = {"listed": Listed((), None, filters), "app": "", "applications": ()}
        form = form_of(request)
        return as_file(form, (), None, "numbers") if form else await desk.page("numbers.html", request, **nothing)
    app = desk.application(filters["app"])
    return await _page(desk, request, app, filters, Filled())


async def _page(desk: Desk, request: AnyRequest, app: str, filters: dict[str, str], form: Filled) -> Response[Any]:
    found = await _found(desk, app, filters)
    items = found[:SHOWN]
    following = query(request, after=items[-1].number) if len(found) > SHOWN else None
    if kind := form_of(request):
        return as_file(kind, items, following, "numbers")
    del filters["after"], filters["app"]
    return await desk.page(
        "numbers.html",
        request,
        listed=Listed(items, following, filters),
        app=app,
        applications=tuple(desk.applications),
        form=form,
        same=query(request, after=None),
        status_code=422 if form.is_faulty else 200,
    )


async def _found(desk: Desk, app: str, filters: dict[str, str]) -> Sequence[DidReport]:
    """Those that are wanted, from behind the last page on. There are as many as somebody pays rent for."""
    fragment = fragment_of(filters["number"])
    return [
        report_did(did)
        for did in await dids_of(desk.store, app)
        if did.number > filters["after"]
        and holds(fragment, did.number, did.route.address if did.route is not None else "")
        and filters["account"] in ("", did.account)
    ]


@post("/numbers")
async def add_number(desk: AtDesk, request: AnyRequest, data: Form) -> Response[Any]:
    """Say where calls to a number go; a number that is there gets the new route."""
    desk.at_least(Role.ADMIN)
    form = Filled(data)
    app = desk.application(form["app"])
    try:
        if not form["account"].strip():
            raise Invalid("account", "nothing", "the id of the account that pays")
        did = read_did(
            app,
            form["number"].strip(),
            form["account"].strip(),
            to=form["to"].strip(),
            menu=form["menu"].replace("\r\n", "\n").strip(),
            receive=form["receive"].strip(),
        )
        await desk.store.perform(AddDid(did=did))
    except StorageUnavailable:
        raise
    except Error as error:
        filters = dict.fromkeys(("number", "account", "app", "after"), "")
        return await _page(desk, request, app, filters, _blamed(form, error))
    await desk.catalogs.refresh()
    return desk.done(request, f"numbers?app={app}", f"Calls to {did.number} go there from now on.")


def _blamed(form: Filled, error: Error) -> Filled:
    """Beside its field; of a menu, which says in which line of it, beside that."""
    if isinstance(error, NotFound):
        return form.blame(error, {}, "account")
    if not isinstance(error, Invalid):
        return form.blame(error, {}, "receive")
    form.blame(error, {"number": "number", "account": "account", "to": "to", "receive": "receive"}, MENU)
    form.faults = {name: said.replace("or menu:FILE", "or a menu below") for name, said in form.faults.items()}
    return form


@post("/numbers/remove")
async def remove_number(desk: AtDesk, request: AnyRequest, data: Form) -> Response[Any]:
    """Refuse calls to a number from now on."""
    desk.at_least(Role.ADMIN)
    app, number = desk.application(data.get("app", "")), data.get("number", "")
    try:
        await desk.store.perform(RemoveDid(key=DidKey(app, number)))
    except NotFound as error:
        return desk.done(request, f"numbers?app={app}", f"Not removed: {sentence_of(error)}")
    await desk.catalogs.refresh()
    return desk.done(request, f"numbers?app={app}", f"Calls to {number} are refused from now on.")


number_routes = (list_numbers, add_number, remove_number)
