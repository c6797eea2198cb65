"""Routes of rented numbers."""

import msgspec
from litestar import Response, delete, get, post
from litestar.params import FromPath, JSONBody

from callgate.http.api.access import may_configure, may_look
from callgate.http.api.accounts import IdempotencyKey, InApp
from callgate.http.api.desk import ApiRequest, TheDesk
from callgate.http.api.paging import Cursor, Limit, Page, page, read_cursor
from callgate.service.did import DidKey
from callgate.service.rented import AddDid, DidReport, RemoveDid, dids_of, read_did, read_number, report_did


class NewDid(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rented number and who pays. `to` is `user:ID`, `number:+46...`, `sip:USER@DOMAIN` or `conference:ID`; or `menu` is a
    document of menus as TOML. `receive` is a price per minute on top.
    """

    number: str
    account: str
    to: str = ""
    menu: str = ""
    receive: str = ""


@get("/dids", guards=[may_look])
async def list_dids(desk: TheDesk, app: InApp = None, cursor: Cursor = None, limit: Limit = 50) -> Page[DidReport]:
    """List rented numbers with their routes."""
    after = read_cursor(cursor)
    found = [did for did in await dids_of(desk.store, desk.application(app)) if did.number > after]
    return page(found[: limit + 1], limit, lambda did: did.number, report_did)


@post("/dids", guards=[may_configure])
async def add_did(
    request: ApiRequest, desk: TheDesk, data: JSONBody[NewDid], app: InApp = None, key: IdempotencyKey = None
) -> Response[DidReport]:
    """Say where calls to a rented number go; a number that is there gets the new route."""
    del key  # read by the desk; named here for the reference
    did = read_did(desk.application(app), data.number, data.account, to=data.to, menu=data.menu, receive=data.receive)
    return await desk.do(request, AddDid(did=did), report_did, status=201)


@delete("/dids/{number:str}", guards=[may_configure])
async def remove_did(desk: TheDesk, number: FromPath[str], app: InApp = None) -> None:
    """Refuse calls to a rented number from now on."""
    await desk.store.perform(RemoveDid(key=DidKey(desk.application(app), read_number(number))))
