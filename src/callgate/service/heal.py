"""What goes on beside the callbacks for calls whose end does not come, and for calls that hold their money in slices.

The platform is asked about holds that are past their time, and timers of elastic calls are kept. Both live in rows: nothing
here is lost when the server dies, and where several servers run, each row is one server's turn.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from datetime import datetime

from callgate.errors import PlatformFailed, StorageUnavailable
from callgate.logs import log
from callgate.policy.limits import UNLIMITED, Limits
from callgate.protocol.call import CallEnded, CallKey, CallOngoing
from callgate.service.ask import SettleAsked, SettleByEstimate, TakeTurn
from callgate.service.catalog import Catalogs
from callgate.service.dial import dial_leg, told
from callgate.service.due import is_too_old
from callgate.service.extend import ConfirmHangUp, ExtendHold, Extension
from callgate.service.ports import Platform, Store
from callgate.service.records import Call, is_unplaced
from callgate.service.tend_callout import TendBridge, Tending
from callgate.service.warning import warning_of

LOOK_S = 1.0
"""How often due calls are looked for."""

PORTION = 100
"""Calls that are looked at in one go."""

ASKED_AT_ONCE = 8
"""Calls that the platform is asked about at a time."""

FOLLOWED_AT_ONCE = 32
"""Callers that are warned, and calls that are ended, at a time: money depends on these."""

FOLLOWED_WITHIN_S = 2.0
"""How long timers wait for what follows from those before them; it goes on beside them."""


class Healer:
    """Asks about calls and keeps their timers. One per server."""

    def __init__(
        self,
        store: Store,
        platform: Platform,
        catalogs: Catalogs,
        clock: Callable[[], datetime],
        bridge: asyncio.Event | None = None,
    ) -> None:
        """`bridge` is set when there is news for the other side of a bridge: it is not looked for only once a second."""
        self._store = store
        self._platform = platform
        self._catalogs = catalogs
        self._clock = clock
        self._following: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(FOLLOWED_AT_ONCE)
        self._bridge = asyncio.Event() if bridge is None else bridge

    async def ask_for_ever(self) -> None:
        """Ask about holds past their time, until cancelled. A store that is down is waited for."""
        await _for_ever(self.ask_due)

    async def extend_for_ever(self) -> None:
        """Keep the timers of elastic calls, until cancelled. They do not wait for calls that are asked about."""
        try:
            await _for_ever(self.extend_due)
        finally:
            for task in self._following:  # their timers stay set
                task.cancel()

    async def tend_for_ever(self) -> None:
        """Dial and end the sides of bridges, until cancelled."""
        try:
            while True:
                self._bridge.clear()
                try:
                    found = await self.tend_bridges()
                except StorageUnavailable as error:
                    log.warning("healer.waits", error=str(error))
                    found = 0
                if found < PORTION:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_S):
                            await self._bridge.wait()
        finally:
            for task in self._following:  # a leg that was asked for stays so
                task.cancel()

    async def tend_bridges(self) -> int:
        """Look at one portion of the bridges whose sides are not both up; return how many did something."""
        now, endpoints, count = self._clock(), self._catalogs.now.endpoints, 0
        for key, peer in await self._store.bridges_to_tend(PORTION):
            todo, call = await self._store.perform(TendBridge(call=key, peer=peer, now=now, endpoints=endpoints))
            if call is not None:
                count += 1
                self._follow_up(self._dial(call) if todo is Tending.DIAL else self._end(call))
        return count

    async def settle_down(self) -> None:
        """Wait for all that goes on beside."""
        while self._following:
            await asyncio.wait(self._following)

    def _follow_up(self, steps: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(steps)
        self._following.add(task)
        task.add_done_callback(self._following.discard)

    async def _dial(self, call: Call) -> None:
        """Have the second side of a bridge rung. Whatever comes of it, the platform is not asked again."""
        assert call.callout is not None, "only calls that we place are dialled"
        try:
            placed = await dial_leg(
                self._store, self._platform, call, self._clock, endpoints=self._catalogs.now.endpoints
            )
        except (PlatformFailed, StorageUnavailable) as error:
            log.error("callout.not_placed", reference=call.callout.ref, error=str(error))
        else:
            log.info("callout.dialled", **told(placed, call.callout.ref))
        self._bridge.set()

    async def _end(self, call: Call) -> None:
        """End a side of a bridge whose other side has gone. Where the platform does not do it, a timer goes on trying."""
        try:
            await self._platform.hang_up(call.key, call.resource)
            await self._store.perform(ConfirmHangUp(call=call.key, now=self._clock()))
        except (PlatformFailed, StorageUnavailable) as error:
            log.error("call.not_reached", call_id=call.key.call_id, wanted="hang_up", error=str(error))
        else:
            log.info("callout.ended", call_id=call.key.call_id, peer=call.callout and call.callout.peer)

    async def ask_due(self) -> int:
        """Ask about one portion of the calls that are past their time; return how many."""
        now = self._clock()
        due = await self._store.calls_to_ask(now, PORTION)
        if not due:
            return 0
        taken = await self._store.perform(TakeTurn(calls=tuple(due), now=now))
        outcomes = await asyncio.gather(*_in_turns(ASKED_AT_ONCE, map(self._ask, taken)), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return len(due)

    async def extend_due(self) -> int:
        """Deal with one portion of the timers that have gone off; return how many."""
        now = self._clock()
        due = await self._store.calls_to_extend(now, PORTION)
        jobs = [self._store.perform(ExtendHold(call=key, now=now, limits=self._limits(key))) for key in due]
        for key, outcome in zip(due, await asyncio.gather(*jobs, return_exceptions=True), strict=True):
            if isinstance(outcome, BaseException):
                log.error("call.not_extended", call_id=key.call_id, error=str(outcome))
            elif outcome in _FOLLOWED:
                self._follow_up(self._follow(key, outcome))
        if self._following:
            await asyncio.wait(self._following, timeout=FOLLOWED_WITHIN_S)
        return len(due)

    def _limits(self, call: CallKey) -> Limits:
        application = self._catalogs.now.applications.get(call.application)
        return UNLIMITED if application is None else application.row.limits

    async def _ask(self, call: Call) -> None:
        endpoints = self._catalogs.now.endpoints
        try:
            found = None if is_unplaced(call) else await self._platform.ask(call.key, call.resource)
        except PlatformFailed as error:
            log.warning("call.not_told", call_id=call.key.call_id, ask_count=call.ask_count, error=str(error))
            found = CallOngoing()
        if isinstance(found, CallEnded):
            settled = await self._store.perform(SettleAsked(ended=found, now=self._clock(), endpoints=endpoints))
            if settled is not None:
                return _report(settled)
        if found is not None and not is_too_old(call, self._clock()):
            return None  # it is asked about again, at the time that its turn was given
        estimated = await self._store.perform(
            SettleByEstimate(call=call.key, is_unknown=found is None, now=self._clock(), endpoints=endpoints)
        )
        return _report(estimated) if estimated is not None else None

    async def _follow(self, key: CallKey, outcome: Extension) -> None:
        """Tell the caller, or end the call: its timer stays set until the platform has done it."""
        try:
            async with self._turns:
                call = await self._store.call(key)
                resource = "" if call is None else call.resource
                if outcome is Extension.WARN:
                    await self._platform.warn(key, resource, *warning_of(self._catalogs.now, key.application))
                else:
                    await self._platform.hang_up(key, resource)
                    await self._store.perform(ConfirmHangUp(call=key, now=self._clock()))
        except (PlatformFailed, StorageUnavailable) as error:
            log.error("call.not_reached", call_id=key.call_id, wanted=outcome.name.lower(), error=str(error))
        else:
            log.info("call.credit_ends", call_id=key.call_id, did=outcome.name.lower())


_FOLLOWED = frozenset({Extension.WARN, Extension.HANG_UP})


def _report(settled: Call) -> None:
    log.warning(
        "call.healed", call_id=settled.key.call_id, settled_by=settled.settled_by, duration_s=settled.duration_s
    )


def _in_turns(at_once: int, steps: Iterable[Awaitable[None]]) -> list[Awaitable[None]]:
    """The same steps, of which no more than so many go on at a time."""
    turns = asyncio.Semaphore(at_once)

    async def in_turn(step: Awaitable[None]) -> None:
        async with turns:
            await step

    return [in_turn(step) for step in steps]


async def _for_ever(look: Callable[[], Awaitable[int]]) -> None:
    while True:
        try:
            found = await look()
        except StorageUnavailable as error:
            log.warning("healer.waits", error=str(error))
            found = 0
        if found < PORTION:
            await asyncio.sleep(LOOK_S)
