"""What people look at: calls that are up, how the last minute went, calls that are searched for. Read in small pieces, so that
looking does not slow deciding.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec

from callgate.ledger.transfer import Transfer
from callgate.policy.refusal import Refusal
from callgate.protocol.call import CallKey
from callgate.protocol.life import CallState
from callgate.service.records import Call, CallRecord


class LiveCall(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown of a call that is up. `rate_nanos_per_min` is what it costs while it lasts."""

    key: CallKey
    state: CallState
    account: str
    caller: str
    destination: str
    granted_s: int
    decided_at: datetime
    answered_at: datetime | None
    held_micros: int
    rate_nanos_per_min: int
    currency: str


class Tally(NamedTuple):
    """How many calls were decided within one second, and how; `refusal` is None for those that were let through."""

    second: int
    refusal: Refusal | None
    calls: int


class Sums(NamedTuple):
    """What calls of one application came to that ended within a time: those that were charged in one currency and cost something
    in another, None for those whose cost is not known. What corrections changed stands by itself, with the charge alone.
    """

    application: str
    currency: str
    cost_currency: str | None
    connected: int
    talked_s: int
    charge_micros: int
    cost_nanos: int


class CallFilter(NamedTuple):
    """Which calls are searched for. `fragment` is part of a number or a name on either side. `outcome` is the name of a
    refusal, or `connected`, `refused`, `live`, `flagged`; empty for any. `since` and `until` are times of decisions.
    """

    application: str | None = None
    account: str | None = None
    fragment: str = ""
    outcome: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_of_refused(self) -> bool:
        """Whether only refused calls are wanted: all of them, or those of one refusal."""
        return self.outcome not in ("", "live", "connected", "flagged")


class Found(NamedTuple):
    """Calls that were found, newest first. `looked_until` is how far back was looked, None for all the way; a search stops
    after so many calls that even the largest database answers at once.
    """

    calls: Sequence[Call]
    looked_until: datetime | None


class Watched(Protocol):
    """What the books show to people who look. Part of `service.ports.Store`."""

    async def live_calls(self, application: str | None, limit: int) -> Sequence[LiveCall]:
        """Calls that are up, newest first; without an application, of all of them."""

    async def live_named(self, keys: Sequence[CallKey]) -> Sequence[LiveCall]:
        """Those of these calls that are up, in no order."""

    async def recent_calls(self, application: str | None, limit: int) -> Sequence[Call]:
        """The calls that ended last, and those refused last: at most `limit` of each, in no order."""

    async def tallies(self, application: str | None, since: datetime) -> Sequence[Tally]:
        """Decisions since then, by second and refusal."""

    async def decided(self, since: datetime, until: datetime) -> Sequence[tuple[str, str | None, int]]:
        """Decisions of this time by application and refusal, None for those that were let through; and how many."""

    async def sums(self, since: datetime, until: datetime) -> Sequence[Sums] | None:
        """What calls came to that ended within this time; None where some of their records were written before what is summed
        was kept apart, so that they have to be read one by one.
        """

    async def search_calls(self, wanted: CallFilter, *, before: datetime | None, limit: int) -> Found:
        """Calls that were decided before that time, newest first: at most `limit`, or as many as were found in a bounded
        look back. Calls of the same microsecond as the last one come with it.
        """

    async def transfers_of_call(self, key: CallKey) -> Sequence[Transfer]:
        """Money that a call moved, in the order in which it moved."""

    async def records_of_call(self, key: CallKey) -> Sequence[CallRecord]:
        """A call's record and its corrections, oldest first."""
