"""Figures of a load: latencies in a histogram whose size does not grow with the run, and the report made of them."""

import math
from array import array

import msgspec

GROWTH = 1.01
"""Each bucket ends 1 % above where it begins, and so exact is a percentile."""

_PER_E = 1 / math.log(GROWTH)
_BUCKETS = 2_000
"""From a microsecond to more than seven minutes."""


class Histogram:
    """Latencies, counted by size. One that lies outside is counted in the first or the last bucket."""

    def __init__(self) -> None:
        self._counts = array("Q", bytes(8 * _BUCKETS))
        self.count = 0
        self.worst_s = 0.0

    def add(self, seconds: float) -> None:
        micros = seconds * 1_000_000
        bucket = int(math.log(micros) * _PER_E) if micros > 1 else 0
        self._counts[bucket if bucket < _BUCKETS else _BUCKETS - 1] += 1
        self.count += 1
        self.worst_s = max(self.worst_s, seconds)

    def percentile_ms(self, percent: float) -> float:
        """Return what so many of a hundred did not exceed, to 1 %; 0 where nothing was counted."""
        wanted = max(1, math.ceil(self.count * percent / 100))
        seen = 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if seen >= wanted:
                return min(GROWTH ** (bucket + 1) / 1_000, self.worst_s * 1_000)
        return 0.0

    def summary(self) -> "Latency":
        """Return the figures that a table shows."""
        return Latency(
            count=self.count,
            p50_ms=round(self.percentile_ms(50), 2),
            p90_ms=round(self.percentile_ms(90), 2),
            p99_ms=round(self.percentile_ms(99), 2),
            p999_ms=round(self.percentile_ms(99.9), 2),
            worst_ms=round(self.worst_s * 1_000, 2),
        )


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """How long answers took, from when each event was due."""

    count: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    worst_ms: float


class Wrong(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of wrong answer: how many, and the first of them in words."""

    kind: str
    count: int
    first: str


class Generator(msgspec.Struct, frozen=True, kw_only=True):
    """How the generator itself fared. `lag` is how late it noticed that a call was due, `cpu_share` the part of its core
    that it used, `verdict` empty unless it was the bottleneck.
    """

    lag_p99_ms: float
    lag_worst_ms: float
    cpu_share: float
    verdict: str


class LoadReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a load came to. `calls` and what follows them are counts of calls, `callbacks` of events that were answered.

    Rates are of the time in which calls began; nothing `asked_per_s` is as fast as the target goes. `unsent` fell due and
    were given up, because the target did not keep up.
    """

    target: str
    seed: int
    asked_per_s: float | None
    seconds: float
    calls: int
    calls_per_s: float
    callbacks: int
    callbacks_per_s: float
    ended_as: dict[str, int]
    repeats: int
    unsent: int
    talked_s: int
    reconnects: int
    latency: dict[str, Latency]
    wrong: list[Wrong]
    generator: Generator

    @property
    def wrong_count(self) -> int:
        return sum(wrong.count for wrong in self.wrong)
