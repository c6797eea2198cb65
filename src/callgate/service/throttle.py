"""How often something may fail: so often in a window, by whom, and then not until the window has gone by. Plain values.

Kept in memory: each server process counts for itself, and a restart forgets. What is counted is bounded.
"""

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import NamedTuple

MOST_KEPT = 50_000
"""Names that are remembered; the one that was heard of longest ago goes first."""


class _Counted(NamedTuple):
    since: datetime
    tries: int


class Throttle:
    """`most` tries of one name in one window. A try counts when it begins, so that many at once are no way around it."""

    def __init__(self, most: int, window: timedelta) -> None:
        self._most = most
        self._window = window
        self._counted: OrderedDict[str, _Counted] = OrderedDict()

    def begin(self, name: str, now: datetime) -> int:
        """Count a try, and return 0; or return in how many seconds the next one may be made."""
        known = self._counted.get(name)
        if known is None or now - known.since >= self._window:
            known = _Counted(now, 0)
        if known.tries >= self._most:
            return max(1, round((known.since + self._window - now).total_seconds()))
        self._counted[name] = known._replace(tries=known.tries + 1)
        self._counted.move_to_end(name)
        if len(self._counted) > MOST_KEPT:
            self._counted.popitem(last=False)
        return 0

    def forgive(self, name: str) -> None:
        """The try was no failure: it does not count."""
        known = self._counted.get(name)
        if known is not None:
            self._counted[name] = known._replace(tries=max(0, known.tries - 1))
