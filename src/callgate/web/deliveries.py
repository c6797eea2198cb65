"""Deliveries: records on their way to their receivers, what went wrong with them, and sending them again."""

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from callgate.errors import Conflict, Invalid
from callgate.logs import log
from callgate.service.delivery import Delivery, DeliveryState
from callgate.service.look_through import Looked, look_through
from callgate.service.reports import endpoint_reports, report_delivery
from callgate.service.resend import resend_one, resend_since
from callgate.service.token import Role
from callgate.web.calls import read_time
from callgate.web.desk import AnyRequest, AtDesk, Desk, Form
from callgate.web.forms import Filled, sentence_of
from callgate.web.ladder import indented
from callgate.web.lists import Listed, as_file, form_of, given, paths, query
from callgate.web.search import fragment_of, holds

SHOWN = 50


class Sides(msgspec.Struct, frozen=True, kw_only=True):
    """Who is called by whom in what a record says, where it says that."""

    caller: str = ""
    destination: str = ""


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """As much of a record's body as is searched."""

    data: Sides = Sides()


_decode = msgspec.json.Decoder(Body).decode


@get(paths("/deliveries"))
async def list_deliveries(desk: AtDesk, request: AnyRequest) -> Response[Any]:
    """Deliveries, those queued last first: in one `state`, to one `endpoint`, of one `app`, or in any; with a part of a
    `number` on either side of the call; and the endpoints that they go to.
    """
    desk.over_all()
    return await _list(desk, request, Filled(since="24h"))


async def _list(desk: Desk, request: AnyRequest, recover: Filled) -> Response[Any]:
    filters = given(request, ("number", "state", "endpoint", "app", "before"))
    if filters["state"] not in ("", *DeliveryState):
        filters["state"] = ""
    found = await _found(desk, filters, filters.pop("before"))
    items = [report_delivery(delivery) for delivery in found.items]
    following = None if found.last is None else query(request, before=found.last.id)
    if form := form_of(request):
        return as_file(form, items, following, "deliveries")
    return await desk.page(
        "deliveries.html",
        request,
        listed=Listed(items, following, filters, is_cut=found.is_cut),
        sides=[_decode(delivery.body).data for delivery in found.items],
        endpoints=await endpoint_reports(desk.store),
        applications=tuple(desk.applications),
        states=tuple(state.value for state in DeliveryState),
        recover=recover,
        same=query(request, before=None),
        status_code=422 if recover.is_faulty else 200,
    )


async def _found(desk: Desk, filters: dict[str, str], before: str) -> Looked[Delivery]:
    async def read(last: Delivery | None, limit: int) -> Sequence[Delivery]:
        return await desk.store.deliveries(
            DeliveryState(filters["state"]) if filters["state"] else None,
            limit,
            endpoint=filters["endpoint"] or None,
            application=filters["app"] or None,
            behind=(before or None) if last is None else last.id,
        )

    def has_it(delivery: Delivery) -> bool:
        sides = _decode(delivery.body).data
        return holds(fragment, sides.caller, sides.destination)

    fragment = fragment_of(filters["number"])
    return await look_through(read, SHOWN, has_it if fragment else None)


@get("/deliveries/{delivery:str}")
async def show_delivery(desk: AtDesk, request: AnyRequest, delivery: FromPath[str]) -> Response[str]:
    """One delivery: what it says, how often it was tried, and what was answered."""
    desk.over_all()
    found = await desk.store.delivery(delivery)
    if found is None:
        raise NotFoundException(detail="There is no such delivery, or it was delivered long ago and forgotten.")
    return await desk.page("delivery.html", request, delivery=report_delivery(found), body=indented(found.body))


@post("/deliveries/recover")
async def recover(desk: AtDesk, request: AnyRequest, data: Form) -> Response[Any]:
    """Send again all that was given up since a time."""
    who = desk.over_all(Role.OPERATOR)
    form, now = Filled(data), desk.clock()
    try:
        since = read_time(form["since"].strip() or "24h", "since", now) or now
        count = await resend_since(desk.store, DeliveryState.PARKED, since, now)
    except (Invalid, Conflict) as error:
        return await _list(desk, request, form.blame(error, {}, "since"))
    log.info("deliveries.recovered", count=count, who=who.name)
    records = "1 parked record is" if count == 1 else f"{count:,} parked records are"
    return desk.done(request, "deliveries", f"{records} on the way again.")


@post("/deliveries/{delivery:str}/resend")
async def resend(desk: AtDesk, request: AnyRequest, delivery: FromPath[str]) -> Response[Any]:
    """Send one again: with the same id, body and sequence, so that its receiver knows a repeat."""
    who = desk.over_all(Role.OPERATOR)
    try:
        await resend_one(desk.store, delivery, desk.clock())
    except Conflict as error:
        return desk.done(request, f"deliveries/{delivery}", f"Not sent: {sentence_of(error)}")
    log.info("delivery.resent", delivery=delivery, who=who.name)
    return desk.done(request, f"deliveries/{delivery}", "It is on the way again.")


delivery_routes = (list_deliveries, show_delivery, recover, resend)
