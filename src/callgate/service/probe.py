"""How well the ground is that decisions stand on: whether the queue moves, the engine commits, and the clock goes forward."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter

from callgate.service.books import Books, Keys
from callgate.service.ports import Store

SLOW_COMMIT_S = 0.040
"""What a commit may take; a slower disk holds up every caller by as much."""

COMMITS = 3
"""So many are timed before the disk is called slow: the fastest says what it can do, whatever else the machine does."""

CLOCK_TOLERANCE = timedelta(seconds=5)
"""By so much may the clocks of several servers differ."""


@dataclass(frozen=True)
class Probe:
    """What a decision needs, without a decision: it changes nothing and yet is written. A disk that is full does not pass."""

    def keys(self) -> Keys:
        return Keys()

    def run(self, books: Books) -> None:
        books.is_probed = True


async def commit_s(store: Store) -> float:
    """How long a job takes from the queue to the disk, in seconds. Raises `StorageUnavailable`."""
    fastest_s = float("inf")
    for _ in range(COMMITS):
        began = perf_counter()
        await store.perform(Probe())
        fastest_s = min(fastest_s, perf_counter() - began)
        if fastest_s <= SLOW_COMMIT_S:
            break
    return fastest_s


async def behind_by(store: Store, now: datetime) -> timedelta:
    """How far the clock is behind what is recorded, which cannot lie ahead of it; nothing within the tolerance.

    There is nobody to ask the time, so that a clock that was always slow is not noticed here. Raises `StorageUnavailable`.
    """
    newest = await store.calls(None, limit=1)
    behind = newest[0].decided_at - now if newest else timedelta()
    return behind if behind > CLOCK_TOLERANCE else timedelta()
