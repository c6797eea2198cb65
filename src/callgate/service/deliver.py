"""What is written down of a delivery after it was sent. Claims, before, are the engine's: see `Store.claim_deliveries`."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import msgspec

from callgate.service.books import AccountKey, Books, Keys
from callgate.service.delivery import Delivery
from callgate.service.endpoint import Endpoint, EndpointState


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

    def keys(self) -> Keys:
        """The order of a lane is kept by the lock of its account's wallet."""
        return Keys(
            accounts=tuple(AccountKey(*each.claimed.lane[1:]) for each in self.of),
            endpoints=tuple(each.claimed.lane.endpoint for each in self.of if each.news is not NO_NEWS),
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
