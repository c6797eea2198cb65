"""How much one endpoint is sent at a time: at its pace, nothing while it asks for quiet, one at a time while it is broken.

Plain values and times that are handed in. A worker keeps one of these for each endpoint; it may lose it.
"""

from datetime import datetime, timedelta

from callgate.outbox.schedule import Answer, Fate
from callgate.service.deliver import NO_NEWS, News
from callgate.service.endpoint import Endpoint

AT_ONCE = 32
"""Deliveries on their way to one endpoint at a time, so that a slow one takes no place from the others."""

AHEAD = 480
"""Deliveries that wait in hand for their turn, at most: two commits then serve so many that no disk holds them up."""

AHEAD_S = 1.0
"""What is in hand is sent within about this time, by what attempts have taken lately; claims last much longer."""

SMOOTHED = 8
"""Over about so many attempts the time that one takes is averaged."""

CRM_AT_ONCE = 4
"""The same for connectors, whose deliveries take several requests each, at a pace: all of that within a claim."""

MAX_QUIET = timedelta(hours=1)
"""An endpoint that asks us to wait is left alone as a whole, but never longer than this on one record's word."""

BROKEN_AFTER = 10
"""Failures in a row after which an endpoint is taken for broken: it is asked with one record, and tries are not used up on
the others.
"""

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=5)
"""How long a broken endpoint is left alone between two records: twice as long each time, up to the second."""

GIVEN_UP_AFTER = timedelta(days=5)
"""An endpoint that has failed for so long is disabled. Longer than a record is tried, which is three days."""


class Line:
    """The way to one endpoint. `per_s` limits deliveries a second, 0 for no limit."""

    def __init__(self, per_s: float = 0, at_once: int = AT_ONCE) -> None:
        self._per_s = per_s
        self._at_once = at_once
        self._tokens = 1.0
        self._counted_at: datetime | None = None
        self._under_way = 0
        self._failures = 0
        self._quiet_until: datetime | None = None
        self._takes_s: float | None = None  # an attempt, lately

    @property
    def is_broken(self) -> bool:
        return self._failures >= BROKEN_AFTER

    def is_resting(self, now: datetime) -> bool:
        """Whether nothing is to be sent just now, or one record to see whether the endpoint is well again."""
        return self.is_broken or (self._quiet_until is not None and now < self._quiet_until)

    def room(self, now: datetime, *, at_most: int = AT_ONCE) -> int:
        """How many more may be sent now."""
        if self._quiet_until is not None and now < self._quiet_until:
            return 0
        free = (1 if self.is_broken else min(self._at_once, at_most)) - self._under_way
        return max(0, min(free, self._paced(now)))

    def wanted(self, now: datetime, in_hand: int, *, is_worth_while: bool, at_most: int = AT_ONCE) -> int:
        """How many more are to be claimed, where `in_hand` are that wait for their turn: as many as may be sent now, and
        some ahead of them where the endpoint takes them quickly. None where it would be few, unless nothing is under way or
        each one is worth while.
        """
        ahead = self._ahead(at_most)
        if not ahead or self.is_resting(now):
            most = min(self._at_once, at_most)
            wanted = self.room(now, at_most=at_most) - in_hand
        else:
            most = min(self._at_once, at_most) + ahead
            wanted = most - self._under_way - in_hand
        is_few = wanted < most // 2 and self._under_way + in_hand > 0
        return 0 if is_few and not is_worth_while else max(0, wanted)

    def _ahead(self, at_most: int) -> int:
        """At a pace nothing is taken in hand: another worker may serve the endpoint next."""
        if self._per_s or self._takes_s is None or self._at_once < AT_ONCE:
            return 0
        at_once = min(self._at_once, at_most)
        most = AHEAD * at_once // AT_ONCE
        return most if self._takes_s * most <= AHEAD_S * at_once else int(at_once * AHEAD_S / self._takes_s)

    def _paced(self, now: datetime) -> int:
        """A second's worth may go at once; one a second at least, or a slow pace would never have a whole one."""
        if not self._per_s:
            return self._at_once
        passed_s = 0.0 if self._counted_at is None else max(0.0, (now - self._counted_at).total_seconds())
        self._counted_at = now
        self._tokens = min(max(self._per_s, 1.0), self._tokens + passed_s * self._per_s)
        return int(self._tokens)

    def begin(self, count: int) -> None:
        """So many are sent now."""
        self._under_way += count
        self._tokens -= count if self._per_s else 0

    def drop(self) -> None:
        """One came to no answer that could be written down."""
        self._under_way -= 1

    def end(self, endpoint: Endpoint, answer: Answer, now: datetime, took_s: float = 0) -> News:
        """One was answered, after so long. Return what that tells of the endpoint."""
        self._under_way -= 1
        known_s = took_s if self._takes_s is None else self._takes_s
        self._takes_s = known_s + (took_s - known_s) / SMOOTHED
        if answer.wait and not answer.is_of_record:
            self._quiet_until = now + min(answer.wait, MAX_QUIET)
        if answer.fate is Fate.GONE:
            return News(disables=answer.why)
        if answer.fate not in {Fate.RETRY, Fate.HELD}:
            self._failures = 0
            return NO_NEWS if endpoint.failing_since is None else News(is_well=True)
        self._failures += 1
        if self.is_broken:
            self._pause(now)
        if not self.is_broken and answer.fate is not Fate.HELD:
            return NO_NEWS
        since = endpoint.failing_since
        if since is not None and now - since >= GIVEN_UP_AFTER:
            return News(disables=f"failing for {(now - since).days} days, last: {answer.why}")
        return NO_NEWS if endpoint.why == answer.why else News(failing=answer.why)

    def _pause(self, now: datetime) -> None:
        pause = min(FIRST_PAUSE * 2 ** min(self._failures - BROKEN_AFTER, 10), LONGEST_PAUSE)
        self._quiet_until = max(self._quiet_until or now, now + pause)
