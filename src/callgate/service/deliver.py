"""The steps of a delivery that are written down: claim it before it is sent, conclude it afterwards."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import msgspec

from callgate.service.books import Books, Keys
from callgate.service.delivery import Delivery, DeliveryState
from callgate.service.endpoint import Endpoint, EndpointState


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


class News(NamedTuple):
    """What an attempt told of its endpoint as a whole. `failing` and `disables` say why, empty when they are not so."""

    is_well: bool = False
    failing: str = ""
    disables: str = ""


NO_NEWS = News()


@dataclass(frozen=True, kw_only=True)
class Conclude:
    """What became of a claimed delivery."""

    claimed: Delivery
    concluded: Delivery
    news: News = NO_NEWS

    def keys(self) -> Keys:
        is_news = self.news is not NO_NEWS
        return Keys(deliveries=(self.claimed.id,), endpoints=(self.claimed.lane.endpoint,) if is_news else ())

    def run(self, books: Books) -> None:
        """A worker that comes back after its claim changes nothing: by then it is somebody else's."""
        if books.deliveries.get(self.claimed.id) == self.claimed:
            books.deliveries.put(self.claimed.id, self.concluded)
        if self.news is not NO_NEWS:
            endpoint = books.endpoints.get(self.claimed.lane.endpoint)
            assert endpoint is not None, "a delivery has an endpoint"
            told = tell(endpoint, self.news, self.claimed.attempted_at)
            if told != endpoint:
                books.endpoints.put(endpoint.id, told)


def tell(endpoint: Endpoint, news: News, at: datetime | None) -> Endpoint:
    """Return the endpoint with the news written down. One that is disabled stays as it is: an operator enables it. `at` is
    when the attempt began that told them.
    """
    if endpoint.state is EndpointState.DISABLED:
        return endpoint
    if news.disables:
        return msgspec.structs.replace(endpoint, state=EndpointState.DISABLED, why=news.disables, failing_since=None)
    if news.is_well:
        return msgspec.structs.replace(endpoint, why="", failing_since=None)
    return msgspec.structs.replace(endpoint, why=news.failing, failing_since=endpoint.failing_since or at)
