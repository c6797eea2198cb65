"""The time of emulated calls: the real one, faster or slower by a factor; or virtual, which leaps to what is due next.

A call waits on a clock and may be woken by what is done to it. Times are seconds of the call's own time.
"""

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from callgate.emulator.sinch import Happened, Input


class Inbox:
    """What is done to one call: keys, hanging up, updates. Read by the clock that the call waits on."""

    def __init__(self) -> None:
        self._waiting: deque[Input] = deque()
        self._wake: Callable[[], None] | None = None

    def put(self, what: Input) -> None:
        """Do something to the call. It comes into effect as soon as the call waits."""
        self._waiting.append(what)
        if self._wake is not None:
            self._wake()

    def take(self) -> Input | None:
        """The oldest that is waiting, or None."""
        return self._waiting.popleft() if self._waiting else None

    def on_input(self, wake: Callable[[], None] | None) -> None:
        """Who is to be woken when something is put in."""
        self._wake = wake


class Clock(Protocol):
    """What the time of calls passes on."""

    def now(self) -> datetime:
        """The time that a call which begins now has."""

    def seconds(self) -> float:
        """Seconds of call time since some moment in the past."""

    async def wait(self, seconds: float, inbox: Inbox) -> Happened | None:
        """Return None once so much time has passed, or what was put into the inbox before that."""

    def began(self) -> None:
        """One more call is up: time that leaps must wait for it."""

    def ended(self) -> None:
        """One call less is up."""


class RealClock:
    """Time as it passes, times a factor: `pace` is how much real time a second of a call takes, 1 unless said otherwise."""

    def __init__(self, pace: float = 1.0) -> None:
        self._pace = pace

    def now(self) -> datetime:
        return datetime.now(UTC)

    def seconds(self) -> float:
        return asyncio.get_running_loop().time() / self._pace

    async def wait(self, seconds: float, inbox: Inbox) -> Happened | None:
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        if (what := inbox.take()) is None:
            woken = loop.create_future()
            timer = loop.call_later(seconds * self._pace, _resolve, woken)
            inbox.on_input(lambda: _resolve(woken))
            try:
                await woken
            finally:
                timer.cancel()
                inbox.on_input(None)
            if (what := inbox.take()) is None:
                return None
        return Happened(what, min(seconds, (loop.time() - began_at) / self._pace))

    def began(self) -> None:
        """Real time waits for nobody."""

    def ended(self) -> None:
        """Nor does it need to be told."""


class OwnTime:
    """No time that calls share: each has its own, and lets it pass in no time at all. Fast, but nobody can cut in."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def seconds(self) -> float:
        return asyncio.get_running_loop().time()

    async def wait(self, seconds: float, inbox: Inbox) -> Happened | None:  # noqa: ARG002 - any time is no time
        what = inbox.take()
        return None if what is None else Happened(what)

    def began(self) -> None:
        """Calls do not know of each other."""

    def ended(self) -> None:
        """So none misses another."""


class VirtualClock:
    """Time that stands still while any call is busy, and then leaps to what is due next. The same calls in the same order
    get the same times, however slow the machine is.
    """

    def __init__(self, started_at: datetime | None = None) -> None:
        self._started_at = started_at or datetime.now(UTC).replace(microsecond=0)
        self._seconds = 0.0
        self._busy = 0
        self._due: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        return self._started_at + timedelta(seconds=self._seconds)

    def seconds(self) -> float:
        return self._seconds

    async def wait(self, seconds: float, inbox: Inbox) -> Happened | None:
        began_at = self._seconds
        if (what := inbox.take()) is None:
            woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._due, (began_at + seconds, next(self._order), woken))
            inbox.on_input(lambda: self._rouse(woken))
            self.ended()
            try:
                await woken
            except asyncio.CancelledError:
                self._rouse(woken)  # who is gone is nevertheless counted once by whoever counts the end
                raise
            finally:
                inbox.on_input(None)
            if (what := inbox.take()) is None:
                return None
        return Happened(what, self._seconds - began_at)

    def began(self) -> None:
        self._busy += 1

    def ended(self) -> None:
        """When the last busy one waits, time leaps; later, so that whoever is being woken just now counts."""
        self._busy -= 1
        if self._busy == 0:
            asyncio.get_running_loop().call_soon(self._leap)

    def _leap(self) -> None:
        while self._busy == 0 and self._due:
            due_at, _, woken = heapq.heappop(self._due)
            if not woken.done():
                self._seconds = max(self._seconds, due_at)
                self._rouse(woken)

    def _rouse(self, woken: "asyncio.Future[None]") -> None:
        if not woken.done():
            self._busy += 1
            woken.set_result(None)
        elif woken.cancelled():
            self._busy += 1


def _resolve(woken: "asyncio.Future[None]") -> None:
    if not woken.done():
        woken.set_result(None)
