"""Calls that are let through while the store is down: to the allow list, a minute each, a few at a time, from memory.

Who opens it (`fallback=connect_limited`) bears what it may cost at most: `MOST_AT_ONCE` calls of `LIMITED_S` at a time for each
process, to numbers on the application's own allow list, placed by callers whom the platform has proven. What a limited call costs
is charged when the store is back, by `service.record_limited`.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from callgate.policy.account import Status
from callgate.policy.destination import is_valid_number
from callgate.policy.number_list import ListKind, NumberList, judge_lists
from callgate.protocol.call import CallArrived, CallKey, Connect, EndpointKind, Origin
from callgate.service.application import NUMBER, ApplicationRow, Fallback
from callgate.service.due import RINGING

LIMITED_S = 60
"""Longest limited call."""

MOST_AT_ONCE = 5
"""Limited calls of one application that this process takes to be up at once."""

GONE_AFTER = RINGING + timedelta(seconds=LIMITED_S)
"""A limited call whose end nobody told us of is over by then: the longest ringing, then the longest talk."""

MOST_REMEMBERED = 10_000
"""Limited calls that wait to be written down: beyond it none is let through."""


class LimitedCall(msgspec.Struct, kw_only=True):
    """A call that was let through. `recorded` ends when it stands in the store; what the platform told of it since waits for
    that.
    """

    fingerprint: str
    answer: bytes
    recorded: "asyncio.Task[None]"


class Limited:
    """The limited calls of one process, in memory."""

    def __init__(self) -> None:
        self._up: dict[str, deque[tuple[datetime, CallKey]]] = {}  # by application, the oldest first
        self._unrecorded: dict[CallKey, LimitedCall] = {}

    def grant(
        self, call: CallArrived, application: ApplicationRow, lists: Sequence[NumberList], now: datetime
    ) -> Connect | None:
        """Let a call through, and count it; None for one that is not let through."""
        if not may_be_limited(call, application, lists) or len(self._unrecorded) >= MOST_REMEMBERED:
            return None
        up = self._up.setdefault(application.key, deque())
        while up and now - up[0][0] >= GONE_AFTER:
            up.popleft()
        if len(up) >= MOST_AT_ONCE:
            return None
        up.append((now, call.key))
        return Connect(number=call.destination.address, max_duration_s=LIMITED_S, cli=None)

    def remember(self, call: CallArrived, answer: bytes, recorded: "asyncio.Task[None]") -> None:
        """What was sent to a call, until it is recorded."""
        self._unrecorded[call.key] = LimitedCall(fingerprint=call.fingerprint, answer=answer, recorded=recorded)
        recorded.add_done_callback(lambda _: self._unrecorded.pop(call.key, None))

    def find(self, key: CallKey) -> LimitedCall | None:
        """A call that is not recorded yet."""
        return self._unrecorded.get(key)

    def is_over(self, key: CallKey) -> None:
        """The platform said so: another call may take its place."""
        if (up := self._up.get(key.application)) is not None:
            for place, (_, each) in enumerate(up):
                if each == key:
                    del up[place]
                    return


def may_be_limited(call: CallArrived, application: ApplicationRow, lists: Sequence[NumberList]) -> bool:
    """Whether a call may be let through without the store: to a number that an allow list of the whole application has and no
    deny list, from somebody who can be charged for it afterwards as far as that is told without the store.
    """
    if application.settings.fallback is not Fallback.CONNECT_LIMITED or application.status is not Status.ACTIVE:
        return False
    is_proven = call.origin is Origin.IN_APP and bool(call.user)
    is_trusted = bool(call.cli) and NUMBER in application.settings.trust
    if call.destination.kind is not EndpointKind.NUMBER or not (is_proven or is_trusted):
        return False
    number = call.destination.address
    if not is_valid_number(number):
        return False
    met = [each for each in lists if each.kind is ListKind.DENY or each.account is None]
    return any(each.kind is ListKind.ALLOW for each in met) and judge_lists(number, met)[0] is None
