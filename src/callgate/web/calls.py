"""Calls: the list of all that were heard of, and the page of one."""

import base64
from typing import Any
from urllib.parse import quote, unquote

import msgspec
from litestar import Response, get, post
from litestar.exceptions import ClientException, NotFoundException

from callgate.errors import Conflict, NotFound, PlatformFailed
from callgate.logs import log
from callgate.protocol.call import CallKey
from callgate.service.hang_up import hang_up_call
from callgate.service.ports import CallPosition
from callgate.service.records import Call
from callgate.service.reports import report_call
from callgate.service.token import Role
from callgate.web.desk import AnyRequest, AtDesk, Form
from callgate.web.forms import sentence_of
from callgate.web.lists import Listed, as_file, form_of, given, paths, query
from callgate.web.pages import indented
from callgate.web.view import view_line

SHOWN = 50


@get(paths("/calls"))
async def list_calls(desk: AtDesk, request: AnyRequest) -> Response[Any]:
    """Calls, newest first. Filters: `app`, `account`, and `state`, which may be `live`."""
    await desk.who(request)
    filters = given(request, ("app", "account", "state", "before"))
    found = await desk.store.calls(
        desk.application(filters["app"]) if filters["app"] else None,
        account=filters["account"] or None,
        only_live=filters["state"] == "live",
        before=read_position(filters.pop("before")),
        limit=SHOWN + 1,
    )
    now = desk.clock()
    reports = [report_call(call, now) for call in found[:SHOWN]]
    following = query(request, before=write_position(found[SHOWN - 1])) if len(found) > SHOWN else None
    if form := form_of(request):
        return as_file(form, reports, following, "calls")
    return desk.page(
        "calls.html",
        request,
        listed=Listed([view_line(report) for report in reports], following, filters),
        applications=tuple(desk.applications),
        same=query(request),
    )


def write_position(call: Call) -> str:
    """Where the next page begins, as it stands in an URL."""
    return base64.urlsafe_b64encode(msgspec.json.encode((call.decided_at, call.key))).decode().rstrip("=")


def read_position(text: str) -> CallPosition | None:
    """Raises `ClientException` for what this page did not write."""
    if not text:
        return None
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=CallPosition)
    except (ValueError, msgspec.MsgspecError):
        raise ClientException(detail="This page does not begin anywhere: `before` is not one of ours.") from None


@get("/calls/{call_id:path}")
async def show_call(desk: AtDesk, request: AnyRequest) -> Response[Any]:
    """One call: what was decided and why, what was said, what it cost. `app` is the key of its application.

    The call id is the last part of the path as it was sent: once decoded, a slash within it is like any other.
    """
    await desk.who(request)
    key = CallKey(request.query_params.get("app") or "", unquote(request.scope["raw_path"].rpartition(b"/")[2]))
    call = await desk.store.call(key)
    if call is None:
        raise NotFoundException(detail="There is no such call in this application.")
    report = report_call(call, desk.clock())
    callbacks = [
        {"at": heard.at.isoformat(), "name": heard.name, "note": heard.note}
        | {"sent": indented(heard.body), "answer": indented(heard.answer)}
        for heard in await desk.store.callbacks(key)
    ]
    return desk.page("call.html", request, call=report, line=view_line(report), callbacks=callbacks)


@post("/hang-up")
async def hang_up(desk: AtDesk, request: AnyRequest, data: Form) -> Response[Any]:
    """Ask the platform to end a call that is up. `back` is `live` for the first page, else it leads to the call's own."""
    who = await desk.at_least(request, Role.OPERATOR)
    key = CallKey(data.get("app", ""), data.get("call", ""))
    facts = {"application": key.application, "call_id": key.call_id, "who": who.name}
    try:
        await hang_up_call(desk.store, desk.platform, key)
    except (Conflict, NotFound, PlatformFailed) as error:
        log.warning("call.not_hung_up", **facts, error=str(error))
        sentence = f"Not ended: {sentence_of(error)}"
    else:
        log.info("call.hung_up", **facts)
        sentence = "The platform was asked to end the call; its end shows here as soon as it is told."
    path = (
        ""
        if data.get("back") == "live"
        else f"calls/{quote(key.call_id, safe='')}?app={quote(key.application, safe='')}"
    )
    return desk.done(request, path, sentence)


call_routes = (list_calls, show_call, hang_up)
