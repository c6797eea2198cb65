"""How many deliveries go out beside calls: as many as calls make and some of a backlog, evenly and never in a burst."""

from collections.abc import Callable

BACKLOG_PER_S = 100.0
"""Of what is left from before, beside calls: they take no notice of so many, and a million are gone in three hours."""

LOOKED_S = 1.0
"""How often it is looked at how many calls come."""


def gap_s(callbacks_per_s: float, endpoints: int) -> float:
    """From the beginning of one attempt to that of the next. A record has one callback at least, that of a refused call, or two
    or three, and goes to each endpoint once: this is more than what calls make.
    """
    return 1 / (BACKLOG_PER_S + callbacks_per_s * max(1, endpoints))


class Pace:
    """The pace at which attempts begin. `heard` says how many callbacks there have been."""

    def __init__(self, heard: Callable[[], int]) -> None:
        self._heard = heard
        self._count, self._looked_at_s, self._per_s = heard(), 0.0, 0.0
        self._began_at_s = 0.0

    def pause_s(self, now_s: float, endpoints: int) -> float:
        """How long to wait before an attempt begins, at a time of a clock that only goes on."""
        passed_s = now_s - self._looked_at_s
        if passed_s >= LOOKED_S:
            count = self._heard()
            self._per_s = (count - self._count) / passed_s
            self._count, self._looked_at_s = count, now_s
        return max(0.0, self._began_at_s + gap_s(self._per_s, endpoints) - now_s)

    def begin(self, now_s: float) -> None:
        """An attempt begins."""
        self._began_at_s = now_s
