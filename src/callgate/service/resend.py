"""Send records again: one, or all of a time. Each keeps its id, body and sequence, and its place among its account's."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from callgate.errors import Conflict, NotFound
from callgate.service.books import Books, Keys
from callgate.service.delivery import Delivery, DeliveryState
from callgate.service.endpoint import EndpointState
from callgate.service.ports import Store

PORTION = 200
"""Deliveries that are put back at once, so that decisions go on between them."""


AGAIN = "sent again by hand"
"""Noted of a delivery that had not failed before."""


@dataclass(frozen=True, kw_only=True)
class Resend:
    """Put deliveries back, with all their attempts before them. Safe to repeat. `endpoints` are those they go to."""

    ids: tuple[str, ...]
    endpoints: frozenset[str]
    now: datetime

    def keys(self) -> Keys:
        return Keys(deliveries=self.ids, endpoints=tuple(self.endpoints))

    def run(self, books: Books) -> int:
        """Return how many. Raises `Conflict` where an endpoint is disabled: nothing would be sent there."""
        for named in self.endpoints:
            endpoint = books.endpoints.get(named)
            if endpoint is not None and endpoint.state is EndpointState.DISABLED:
                raise Conflict(f"endpoint {named} is disabled; first: callgate endpoint enable {named}")
        count = 0
        for named in self.ids:
            delivery = books.deliveries.get(named)
            if delivery is not None:  # else it was delivered long ago, and has just been forgotten
                books.deliveries.put(named, self._again(delivery))
                count += 1
        return count

    def _again(self, delivery: Delivery) -> Delivery:
        """One that is next stays so; any other waits, and the engine lets the first that waits in a lane step forward."""
        is_next = delivery.state is DeliveryState.NEXT
        return msgspec.structs.replace(
            delivery,
            state=DeliveryState.NEXT if is_next else DeliveryState.WAITING,
            attempt_count=0,
            attempted_at=None,  # whoever is sending it just now has no say in it any more
            due_at=self.now,
            why=delivery.why or AGAIN,  # so that who must not do it twice looks first
        )


async def resend_one(store: Store, named: str, now: datetime) -> int:
    """Send one again and return 1. Raises `NotFound`, `Conflict`."""
    delivery = await store.delivery(named)
    if delivery is None:
        raise NotFound(f"there is no delivery {named}; see: callgate deliveries list")
    return await store.perform(Resend(ids=(named,), endpoints=frozenset((delivery.lane.endpoint,)), now=now))


async def resend_since(store: Store, state: DeliveryState, since: datetime, now: datetime) -> int:
    """Send again what is in this state and happened since then; return how many. Endpoints that are disabled are left out."""
    active = {endpoint.id for endpoint in await store.endpoints() if endpoint.state is EndpointState.ACTIVE}
    found = [each for each in await store.deliveries_since(state, since) if each[1] in active]
    count = 0
    for start in range(0, len(found), PORTION):
        ids, endpoints = zip(*found[start : start + PORTION], strict=True)
        count += await store.perform(Resend(ids=ids, endpoints=frozenset(endpoints), now=now))
    return count
