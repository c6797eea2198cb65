"""Calls: the list of all that were heard of, and the page of one."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

from litestar import Response, get, post
from litestar.exceptions import NotFoundException

from callgate.errors import Conflict, Invalid, NotFound, PlatformFailed
from callgate.logs import log
from callgate.policy.refusal import Refusal
from callgate.protocol import PROVIDERS
from callgate.protocol.call import CallKey
from callgate.protocol.life import LIVE
from callgate.service.endpoint import RecordType
from callgate.service.hang_up import hang_up_call
from callgate.service.queue_record import delivery_id
from callgate.service.records import CallRecord
from callgate.service.reports import DeliveryReport, report_call, report_delivery, report_record
from callgate.service.token import Role
from callgate.service.watch import CallFilter, Found
from callgate.web.desk import AnyRequest, AtDesk, Desk, Form
from callgate.web.formats import words
from callgate.web.forms import Filled, sentence_of
from callgate.web.ladder import ladder_of
from callgate.web.lists import Listed, as_file, form_of, given, paths, query
from callgate.web.replay import replayed
from callgate.web.search import fragment_of
from callgate.web.view import view_line

SHOWN = 50

OUTCOMES = (
    ("live", "up now"),
    ("connected", "connected"),
    ("refused", "refused"),
    ("flagged", "flagged"),
    *((refusal.value, f"refused: {words(refusal.value)}") for refusal in Refusal),
)
"""What the list can be limited to, and how that is called."""


@get(paths("/calls"))
async def list_calls(desk: AtDesk, request: AnyRequest) -> Response[Any]:
    """Calls, newest first. Filters: `number`, a part of either side; `account`, `app`, `outcome`, `since`, `until`."""
    desk.who()
    filters = given(request, ("number", "account", "outcome", "since", "until", "app", "before"))
    form, now = Filled(filters), desk.clock()
    try:
        wanted = _wanted(filters, desk.bound, now)
        before = read_time(filters["before"], "before", now)
    except Invalid as error:
        form.blame(error, {"since": "since", "until": "until"}, "since")
        return await _calls_page(desk, request, form, Found((), None), None)
    found = await desk.store.search_calls(wanted, before=before, limit=SHOWN)
    following = query(request, before=found.looked_until.isoformat()) if found.looked_until is not None else None
    if kind := form_of(request):
        return as_file(kind, [report_call(call, now) for call in found.calls], following, "calls")
    return await _calls_page(desk, request, form, found, following)


async def _calls_page(
    desk: Desk, request: AnyRequest, form: Filled, found: Found, following: str | None
) -> Response[str]:
    now = desk.clock()
    lines = [view_line(report_call(call, now)) for call in found.calls]
    names = ("number", "account", "outcome", "since", "until", "app")
    return await desk.page(
        "calls.html",
        request,
        listed=Listed(lines, following, {name: form[name] for name in names}),
        form=form,
        looked_until=None if found.looked_until is None else found.looked_until.isoformat(),
        is_cut=len(lines) < SHOWN,
        applications=tuple(desk.applications),
        outcomes=OUTCOMES,
        same=query(request, before=None),
        status_code=422 if form.is_faulty else 200,
    )


def _wanted(filters: Mapping[str, str], bound: str | None, now: datetime) -> CallFilter:
    """Raises `Invalid` for a time that is none."""
    return CallFilter(
        application=bound or filters["app"] or None,
        account=filters["account"] or None,
        fragment=fragment_of(filters["number"]),
        outcome=filters["outcome"],
        since=read_time(filters["since"], "since", now),
        until=read_time(filters["until"], "until", now),
    )


def read_time(text: str, where: str, now: datetime) -> datetime | None:
    """Read a time, or how long ago: `2h`, `7d`; without a zone it is UTC. Raises `Invalid`."""
    if not text:
        return None
    if (ago := re.fullmatch(r"([0-9]{1,5})([mhd])", text)) is not None:
        return now - timedelta(**{{"m": "minutes", "h": "hours", "d": "days"}[ago[2]]: int(ago[1])})
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(
            where, repr(text[:40]), "a time such as 2026-11-28T12:00, or how long ago, such as 2h or 7d"
        ) from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


@get("/calls/{call_id:path}")
async def show_call(desk: AtDesk, request: AnyRequest) -> Response[Any]:
    """One call: what was decided and why, what was said, what it cost. `app` is the key of its application.

    The call id is the last part of the path as it was sent: once decoded, a slash within it is like any other.
    """
    desk.who()
    key = CallKey(request.query_params.get("app") or "", unquote(request.scope["raw_path"].rpartition(b"/")[2]))
    call = await desk.store.call(key) if key.application in desk.applications else None
    if call is None:
        raise NotFoundException(detail="There is no such call in this application.")
    now = desk.clock()
    report = report_call(call, now)
    records = await desk.store.records_of_call(key)
    return await desk.page(
        "call.html",
        request,
        call=report,
        line=view_line(report),
        ladder=ladder_of(
            call, await desk.store.callbacks(key), PROVIDERS[desk.applications[key.application].row.provider]
        ),
        replay=await replayed(desk, key) if "replay" in request.query_params else None,
        transfers=await desk.store.transfers_of_call(key),
        records=[report_record(record) for record in records],
        deliveries=await _deliveries(desk, records),
        is_live=call.state in LIVE,
    )


async def _deliveries(desk: Desk, records: Sequence[CallRecord]) -> list[DeliveryReport]:
    """What was sent of a call's records, and to whom: a delivery is named after its endpoint, kind and record."""
    names = [
        delivery_id(endpoint.id, kind, record.record_id)
        for endpoint in await desk.store.endpoints()
        for record in records
        for kind in RecordType
    ]
    found = [await desk.store.delivery(name) for name in names]
    return [report_delivery(delivery) for delivery in found if delivery is not None]


@post("/hang-up")
async def hang_up(desk: AtDesk, request: AnyRequest, data: Form) -> Response[Any]:
    """Ask the platform to end a call that is up: `call` is its application, a slash and its id. `back` is `live` for the first
    page, else it leads to the call's own.
    """
    who = desk.at_least(Role.OPERATOR)
    application, _, call_id = data.get("call", "").partition("/")
    key = CallKey(desk.application(application), call_id)
    facts = {"application": key.application, "call_id": key.call_id, "who": who.name}
    try:
        await hang_up_call(desk.store, desk.platform, key)
    except (Conflict, NotFound, PlatformFailed) as error:
        log.warning("call.not_hung_up", **facts, error=str(error))
        sentence = f"Not ended: {sentence_of(error)}"
    else:
        await desk.note("hang_up", "call", key.call_id, key.application)
        log.info("call.hung_up", **facts)
        sentence = "The platform was asked to end the call; its end shows here as soon as it is told."
    path = (
        ""
        if data.get("back") == "live"
        else f"calls/{quote(key.call_id, safe='')}?app={quote(key.application, safe='')}"
    )
    return desk.done(request, path, sentence)


call_routes = (list_calls, show_call, hang_up)
