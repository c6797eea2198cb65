"""What is written down of a delivery after it was sent. Claims, before, are the engine's: see `Store.claim_deliveries`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import msgspec

from callgate.service.books import AccountKey, Books, Keys
from callgate.service.delivery import Delivery
from callgate.service.endpoint import Endpoint, EndpointState
from callgate.service.endpoint_events import tell_disabled


class News(NamedTuple):
    """What an attempt told of its endpoint as a whole. `failing` and `disables` say why, empty when they are not so."""

    is_well: bool = False
    failing: str = ""
    disables: str = ""


NO_NEWS = News()


class Concluded(NamedTuple):
    """What became of a delivery that was claimed, and what that told of its endpoint."""

    claimed: Delivery
    concluded: Delivery
    news: News = NO_NEWS


@dataclass(frozen=True, kw_only=True)
class Conclude:
    """What became of deliveries that a worker had claimed, each of another lane."""

    of: tuple[Concluded, ...]
    endpoints: Sequence[Endpoint] = ()  # who may want to hear that another one is disabled

    def keys(self) -> Keys:
        """The order of a lane is kept by the lock of its account's wallet, or of the endpoint that it tells of."""
        lanes = [each.claimed.lane for each in self.of]
        told_of = [lane.account for lane in lanes if not lane.application]
        news = [each.claimed.lane.endpoint for each in self.of if each.news is not NO_NEWS]
        return Keys(
            accounts=tuple(AccountKey(lane.application, lane.account) for lane in lanes if lane.application),
            endpoints=(*told_of, *news),
        )

    def run(self, books: Books) -> None:
        """A worker that comes back after its claim changes nothing: the engine sees that it is somebody else's by then."""
        for claimed, concluded, news in self.of:
            books.concluded.add(concluded)
            if news is NO_NEWS:
                continue
            endpoint = books.endpoints.get(claimed.lane.endpoint)
            assert endpoint is not None, "a delivery has an endpoint"
            told = tell(endpoint, news, claimed.attempted_at)
            if told != endpoint:
                books.endpoints.put(endpoint.id, told)
            if told.state is not endpoint.state:
                tell_disabled(books, endpoint, told.why, claimed.attempted_at or claimed.occurred_at, self.endpoints)


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
