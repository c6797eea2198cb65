"""Routes of the outbox: records on their way to endpoints, and those that are to be sent again."""

from typing import Annotated, Literal

import msgspec
from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from callgate.errors import NotFound
from callgate.http.api.access import may_look, may_operate
from callgate.http.api.accounts import InApp
from callgate.http.api.desk import TheDesk
from callgate.http.api.paging import Cursor, Limit, Page, page, read_cursor
from callgate.http.api.times import Time, read_time
from callgate.service.delivery import DeliveryState
from callgate.service.reports import DeliveryReport, report_delivery
from callgate.service.resend import resend_one, resend_since


class ResendMany(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of a state that happened since then."""

    since: Time
    state: Literal["parked", "delivered"] = "parked"


class Resent(msgspec.Struct, frozen=True, kw_only=True):
    """How many are sent again."""

    resent: int


@get("/deliveries", guards=[may_look])
async def list_deliveries(
    desk: TheDesk,
    in_state: Annotated[DeliveryState | None, QueryParameter(name="state")] = None,
    endpoint: FromQuery[str | None] = None,
    app: InApp = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[DeliveryReport]:
    """List deliveries, those that were queued last first."""
    found = await desk.store.deliveries(
        in_state, limit + 1, endpoint=endpoint, application=desk.scope(app), behind=read_cursor(cursor) or None
    )
    return page(found, limit, lambda each: each.id, report_delivery)


@post("/deliveries/{delivery_id:str}/resend", guards=[may_operate], opt={"is_for_bound": True}, status_code=202)
async def resend_delivery(desk: TheDesk, delivery_id: FromPath[str]) -> DeliveryReport:
    """Send a record again. Its id, body and sequence stay the same, so that the receiver knows a repeat."""
    delivery = await desk.store.delivery(delivery_id)
    if delivery is None or desk.scope(None) not in (None, delivery.lane.application):
        raise NotFound(f"there is no delivery {delivery_id}")
    await resend_one(desk.store, delivery_id, desk.clock())
    return report_delivery(await desk.store.delivery(delivery_id) or delivery)


@post("/deliveries/resend", guards=[may_operate], status_code=202)
async def resend_deliveries(desk: TheDesk, data: JSONBody[ResendMany]) -> Resent:
    """Send again all of a time; endpoints that are disabled are left out."""
    since = read_time("since", data.since)
    return Resent(resent=await resend_since(desk.store, DeliveryState(data.state), since, desk.clock()))
