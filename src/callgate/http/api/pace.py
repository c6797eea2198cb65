"""How often one token may ask: a bucket of requests each, filled at a steady pace. Of this process alone, and of no store."""

import time
from collections.abc import Callable

MAX_BUCKETS = 10_000
"""Tokens that are looked after at once. Only tokens that we know have one of their own."""

BURST_S = 2.0
"""A bucket that nobody used is full: so many seconds of its pace may be asked at once."""


class Pace:
    """`per_s` is how many requests a second each token may make, 0 for as many as it likes."""

    def __init__(self, per_s: float, timer: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._timer = timer
        self._buckets: dict[str, tuple[float, float]] = {}  # what was left, and when

    def wait_s(self, whose: str) -> float:
        """Take one request; return 0, or how many seconds it is too early."""
        if self._per_s <= 0:
            return 0.0
        now, full = self._timer(), max(1.0, self._per_s * BURST_S)
        left, at = self._buckets.pop(whose, (full, now))
        left = min(full, left + (now - at) * self._per_s)
        is_early = left < 1
        self._buckets[whose] = (left if is_early else left - 1, now)
        if len(self._buckets) > MAX_BUCKETS:
            del self._buckets[next(iter(self._buckets))]
        return (1 - left) / self._per_s if is_early else 0.0
