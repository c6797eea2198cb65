"""The steps of a delivery that are written down: claim it before it is sent, conclude it afterwards."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from callgate.service.books import Books, Keys
from callgate.service.delivery import Delivery, DeliveryState
from callgate.service.endpoint import EndpointState


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A worker takes what is due, and has until `until` to say what became of it."""

    ids: tuple[str, ...]
    now: datetime
    until: datetime

    def keys(self) -> Keys:
        return Keys(deliveries=self.ids)

    def run(self, books: Books) -> list[Delivery]:
        """Return what was still there to be taken, as it stands now."""
        claimed = []
        for each in self.ids:
            delivery = books.deliveries.get(each)
            if delivery is not None and delivery.state is DeliveryState.NEXT and delivery.due_at <= self.now:
                taken = msgspec.structs.replace(
                    delivery,
                    attempt_count=delivery.attempt_count + 1,  # before sending: a crash in mid-flight uses up a try
                    attempted_at=self.now,
                    due_at=self.until,
                )
                books.deliveries.put(each, taken)
                claimed.append(taken)
        return claimed


@dataclass(frozen=True, kw_only=True)
class Conclude:
    """What became of a claimed delivery. `disables` says why its endpoint is sent nothing more, empty when it is."""

    claimed: Delivery
    concluded: Delivery
    disables: str = ""

    def keys(self) -> Keys:
        return Keys(deliveries=(self.claimed.id,), endpoints=(self.claimed.lane.endpoint,) if self.disables else ())

    def run(self, books: Books) -> None:
        """A worker that comes back after its lease changes nothing: by then it is somebody else's."""
        if books.deliveries.get(self.claimed.id) == self.claimed:
            books.deliveries.put(self.claimed.id, self.concluded)
        if self.disables:
            endpoint = books.endpoints.get(self.claimed.lane.endpoint)
            assert endpoint is not None, "a delivery has an endpoint"
            disabled = msgspec.structs.replace(endpoint, state=EndpointState.DISABLED, why=self.disables)
            books.endpoints.put(endpoint.id, disabled)
