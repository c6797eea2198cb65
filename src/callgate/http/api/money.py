"""Routes of money that is moved by hand: adjustments, refunds, and the statement that shows all of it."""

import secrets

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, JSONBody

from callgate.errors import Invalid, NotFound
from callgate.http.api.access import may_look, may_operate
from callgate.http.api.accounts import IdempotencyKey, InApp
from callgate.http.api.desk import ApiRequest, TheDesk
from callgate.http.api.paging import Cursor, Limit, Page, read_cursor, write_cursor
from callgate.money import format_micros, parse_micros
from callgate.protocol.call import CallKey
from callgate.service.adjust import Adjust, Moved
from callgate.service.books import AccountKey
from callgate.service.refund import Refund
from callgate.service.statement import StatementLine, StatementPosition, statement_page


class Movement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`why` is kept with the transfer. `reference` is the caller's own name for it: the same again moves nothing."""

    amount: str
    why: str
    reference: str | None = None


class MovementReply(msgspec.Struct, frozen=True, kw_only=True):
    """The transfer that moved the money, and what is available after it."""

    transfer_id: str
    available: str
    currency: str


@post("/accounts/{account:str}/adjustments", guards=[may_operate])
async def adjust_account(
    request: ApiRequest,
    desk: TheDesk,
    account: FromPath[str],
    data: JSONBody[Movement],
    app: InApp = None,
    key: IdempotencyKey = None,
) -> Response[MovementReply]:
    """Correct a balance by hand: add money, or take it with an amount below 0."""
    del key  # read by the desk; named here for the reference
    job = Adjust(
        application=desk.application(app),
        account=account,
        amount_micros=parse_micros(data.amount),
        why=data.why,
        reference=_reference(data),
        now=desk.clock(),
        who=request.auth.name,
    )
    return await desk.do(request, job, _moved, status=201)


@post("/calls/{call_id:str}/refunds", guards=[may_operate])
async def refund_call(
    request: ApiRequest,
    desk: TheDesk,
    call_id: FromPath[str],
    data: JSONBody[Movement],
    app: InApp = None,
    key: IdempotencyKey = None,
) -> Response[MovementReply]:
    """Give back what a call was charged, or a part of it; never more."""
    del key  # read by the desk; named here for the reference
    job = Refund(
        call=CallKey(desk.application(app), call_id),
        amount_micros=parse_micros(data.amount),
        why=data.why,
        reference=_reference(data),
        now=desk.clock(),
        who=request.auth.name,
    )
    return await desk.do(request, job, _moved, status=201)


@get("/accounts/{account:str}/statement", guards=[may_look])
async def show_statement(
    desk: TheDesk, account: FromPath[str], app: InApp = None, cursor: Cursor = None, limit: Limit = 50
) -> Page[StatementLine]:
    """List what moved on an account, newest first, each with the balance after it."""
    application = desk.application(app)
    behind = _read_position(cursor)
    found = await statement_page(desk.store, AccountKey(application, account), limit=limit, behind=behind)
    if found is None:
        raise NotFound(f"there is no account {account} in application {application}")
    lines, place = found
    return Page(items=lines, next=None if place is None else write_cursor(msgspec.json.encode(place).decode()))


def _reference(data: Movement) -> str:
    return data.reference if data.reference is not None else secrets.token_hex(8)


def _moved(done: Moved) -> MovementReply:
    return MovementReply(
        transfer_id=done.transfer_id,
        available=format_micros(done.wallet.available_micros),
        currency=done.wallet.currency,
    )


def _read_position(cursor: str | None) -> StatementPosition | None:
    if not cursor:
        return None
    try:
        return msgspec.json.decode(read_cursor(cursor), type=StatementPosition)
    except msgspec.MsgspecError:
        raise Invalid("cursor", repr(cursor[:40]), "the `next` of the page before") from None
