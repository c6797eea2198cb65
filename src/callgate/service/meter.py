"""What the server counts of itself while it answers: decisions, refusals by name, how long they took.

Counts are 64-bit slots in a piece of memory, which several server processes may share, each in its own stripe: whichever is
asked adds up all of them, and a process that takes the place of one that died goes on where that one stopped. Nothing here
is about anybody: no number, no name, no amount.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from callgate.policy.refusal import Refusal
from callgate.protocol.call import CallAnswered, CallArrived, CallEnded, CallInput

BUCKETS_US = (500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000)
"""Upper ends of the histogram of decisions, in microseconds; what took longer is counted behind the last."""

CALLBACKS: dict[type[object], str] = {
    CallArrived: "arrived",
    CallAnswered: "answered",
    CallInput: "input",
    CallEnded: "ended",
}
"""Callbacks that are counted by what they say."""

OTHER = "other"
_KINDS = (*CALLBACKS.values(), OTHER)

REJECTED = (400, 401, 404, 405, 408, 413, 503)
"""Statuses of callbacks that were not taken."""

_REFUSALS = {refusal.value: place for place, refusal in enumerate(Refusal)}
_CONNECTS = 0
_FALLBACKS = 1
_TOTAL_US = 2
_BUCKET = 3
_REFUSAL = _BUCKET + len(BUCKETS_US) + 1
_CALLBACK = _REFUSAL + len(_REFUSALS)
_REJECTED = _CALLBACK + len(_KINDS)
SLOTS = _REJECTED + len(REJECTED)
STRIPE_BYTES = SLOTS * 8


class Counted(NamedTuple):
    """All stripes together. `buckets` are not yet cumulative: one more than `BUCKETS_US`."""

    connects: int
    fallbacks: int
    total_us: int
    buckets: Sequence[int]
    refusals: dict[str, int]
    callbacks: dict[str, int]
    rejected: dict[int, int]


class Meter:
    """One process's stripe of the memory, and a look at all of them. Without memory of others' it has its own."""

    def __init__(self, memory: memoryview | None = None, stripe: int = 0) -> None:
        whole = memory if memory is not None else memoryview(bytearray(STRIPE_BYTES))
        self._whole = whole.cast("q")
        self._mine = self._whole[stripe * SLOTS : (stripe + 1) * SLOTS]

    def decided(self, decision: str, took_s: float) -> None:
        """A decision, `connect` or the name of a refusal, was answered."""
        took_us = int(took_s * 1_000_000)
        mine = self._mine
        mine[_BUCKET + bisect_left(BUCKETS_US, took_us)] += 1
        mine[_TOTAL_US] += took_us
        place = _REFUSALS.get(decision)
        mine[_CONNECTS if place is None else _REFUSAL + place] += 1

    def fell_back(self) -> None:
        """The store did not decide in time, so that the fallback was answered."""
        self._mine[_FALLBACKS] += 1

    def heard(self, kind: type[object]) -> None:
        """A genuine callback came."""
        self._mine[_CALLBACK + _KINDS.index(CALLBACKS.get(kind, OTHER))] += 1

    def heard_here(self) -> int:
        """How many genuine callbacks came to this process."""
        return sum(self._mine[_CALLBACK:_REJECTED])

    def rejected(self, status: int) -> None:
        """Something came that was not taken."""
        if status in REJECTED:
            self._mine[_REJECTED + REJECTED.index(status)] += 1

    def read(self) -> Counted:
        """What all processes have counted."""
        sums = [sum(self._whole[slot::SLOTS]) for slot in range(SLOTS)]
        return Counted(
            connects=sums[_CONNECTS],
            fallbacks=sums[_FALLBACKS],
            total_us=sums[_TOTAL_US],
            buckets=sums[_BUCKET:_REFUSAL],
            refusals={name: sums[_REFUSAL + place] for name, place in _REFUSALS.items()},
            callbacks=dict(zip(_KINDS, sums[_CALLBACK:_REJECTED], strict=True)),
            rejected=dict(zip(REJECTED, sums[_REJECTED:], strict=True)),
        )


def cumulated(buckets: Sequence[int]) -> Iterator[int]:
    """How many took at most so long, as histograms are written."""
    total = 0
    for count in buckets:
        total += count
        yield total
