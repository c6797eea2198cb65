"""Routes of calls: what happened, and why."""

from typing import Annotated, Literal

import msgspec
from litestar import get, post
from litestar.params import FromPath, FromQuery, QueryParameter

from callgate.errors import Invalid, NotFound, PlatformFailed
from callgate.http.api.access import may_look, may_operate
from callgate.http.api.accounts import InApp
from callgate.http.api.desk import ApiRequest, TheDesk
from callgate.http.api.paging import Cursor, Limit, Page, page, read_cursor
from callgate.logs import log
from callgate.protocol.call import CallKey
from callgate.service.hang_up import hang_up_call
from callgate.service.ports import CallPosition
from callgate.service.records import Call
from callgate.service.reports import CallReport, call_report, report_call


@get("/calls", guards=[may_look])
async def list_calls(
    desk: TheDesk,
    in_state: Annotated[Literal["live"] | None, QueryParameter(name="state")] = None,
    account: FromQuery[str | None] = None,
    app: InApp = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[CallReport]:
    """List calls, newest first, without their callbacks."""
    now = desk.clock()
    calls = await desk.store.calls(
        desk.scope(app),
        account=account,
        only_live=in_state == "live",
        before=_read_position(cursor),
        limit=limit + 1,
    )
    return page(calls, limit, _position, lambda call: report_call(call, now))


@get("/calls/{call_id:str}", guards=[may_look])
async def show_call(desk: TheDesk, call_id: FromPath[str], app: InApp = None) -> CallReport:
    """Show one call with its timeline and the trace of its decision."""
    application = desk.application(app)
    report = await call_report(desk.store, CallKey(application, call_id), desk.clock())
    if report is None:
        raise NotFound(f"there is no call {call_id} in application {application}")
    return report


@post("/calls/{call_id:str}/hangup", guards=[may_operate], status_code=202)
async def hang_up(request: ApiRequest, desk: TheDesk, call_id: FromPath[str], app: InApp = None) -> CallReport:
    """End a live call at the platform. The reply is the call as it is known now: its end comes with its disconnect."""
    key = CallKey(desk.application(app), call_id)
    facts = {"application": key.application, "call_id": call_id, "who": request.auth.name}
    try:
        call = await hang_up_call(desk.store, desk.platform, key)
    except PlatformFailed as error:
        log.warning("call.not_hung_up", **facts, error=str(error))
        raise
    log.info("call.hung_up", **facts)
    await desk.note("hang_up", "call", call_id, key.application)
    return report_call(call, desk.clock())


def _position(call: Call) -> str:
    return msgspec.json.encode((call.decided_at, call.key)).decode()


def _read_position(cursor: str | None) -> CallPosition | None:
    if not cursor:
        return None
    try:
        return msgspec.json.decode(read_cursor(cursor), type=CallPosition)
    except msgspec.MsgspecError:
        raise Invalid("cursor", repr(cursor[:40]), "the `next` of the page before") from None
