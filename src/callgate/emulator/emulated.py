"""The emulated platform: applications, rented numbers, phones, conferences, and the calls that are up.

It gives calls their time and their callbacks; what a call does is `emulator.sinch`'s.
"""

import asyncio
import heapq
import itertools
import random
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import msgspec

from callgate.emulator.applications import Application
from callgate.emulator.clock import Clock, Inbox, RealClock
from callgate.emulator.courier import CALLBACK_TIMEOUT_S, Courier, encode
from callgate.emulator.faults import Faults
from callgate.emulator.journal import Journal
from callgate.emulator.phones import TEST_NUMBERS, Manner
from callgate.emulator.scenario import PartyKind, Scenario
from callgate.emulator.sinch import (
    Elapse,
    Ending,
    Exchange,
    Habits,
    Happened,
    Input,
    Later,
    OngoingCall,
    Rooms,
    Tell,
    run,
)
from callgate.errors import Conflict, Invalid, TargetUnfit, TargetUnreachable

MAX_LIVE = 10_000
"""Calls that are up at once."""

MAX_KEPT = 2_000
"""Calls that are remembered after their end; the oldest are forgotten."""

SINCH_API = "https://calling-euc1.api.sinch.com"
"""Where the REST interface of the platform is said to be, when there is none here."""

OnExchange = Callable[[Exchange], None]


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """A call that was played, from its first event to its ending."""

    call_id: str
    ending: Ending
    events: list[Exchange]

    def as_dict(self) -> dict[str, Any]:
        """The call id, the fields of the ending, and `events`."""
        return {"call_id": self.call_id, **msgspec.structs.asdict(self.ending), "events": self.events}

    def to_json(self) -> bytes:
        """Write it as one JSON object."""
        return encode(self.as_dict())


@dataclass
class LiveCall:
    """A call on the platform, up or ended. `step_s` is when, on the platform's clock, its own time was last right."""

    call: OngoingCall
    application: Application
    began_at: datetime
    inbox: Inbox = field(default_factory=Inbox)
    events: list[Exchange] = field(default_factory=list)
    ending: Ending | None = None
    step_s: float = 0.0
    task: "asyncio.Task[None] | None" = None
    promised: list[tuple[datetime, int, Mapping[str, Any]]] = field(default_factory=list)
    on_exchange: OnExchange | None = None
    must_reach: bool = False

    @property
    def is_up(self) -> bool:
        """Whether it has not ended."""
        return self.ending is None

    def timeline(self) -> Timeline:
        """The call as it was played, once it has ended."""
        assert self.ending is not None, "asked for after the end"
        return Timeline(call_id=self.call.call_id, ending=self.ending, events=self.events)


class Platform:
    """The platform. One per process is enough: it carries any number of applications and calls at once."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        clock: Clock | None = None,
        *,
        timeout_s: float = CALLBACK_TIMEOUT_S,
        seed: int | None = None,
    ) -> None:
        self.clock: Clock = clock or RealClock()
        self.journal = Journal()
        self.faults = Faults(seed=seed or 1)
        self.courier = Courier(session, self.journal, self.faults, timeout_s=timeout_s)
        self.habits = Habits()
        self.applications: dict[str, Application] = {}
        self.numbers: dict[str, str] = {}
        self.phones: dict[str, Manner] = {}
        self.calls: dict[str, LiveCall] = {}
        self.rooms: dict[str, Rooms] = {}
        self.resource_base = SINCH_API
        self._names = random.Random(seed) if seed is not None else None  # noqa: S311 - repeatable on purpose
        self._promises = itertools.count()
        self._ended: deque[str] = deque()

    # -- what there is -------------------------------------------------------------------------------------------------

    def add(self, application: Application) -> None:
        """Carry an application; the first is the one that is meant where none is named."""
        self.applications[application.key] = application

    def application(self, key: str | None = None) -> Application:
        """An application by its key, or the first. Raises `Invalid`."""
        if key is None and self.applications:
            return next(iter(self.applications.values()))
        if key is None or key not in self.applications:
            raise Invalid("application", repr(key), f"one of {', '.join(self.applications) or 'none: add one'}")
        return self.applications[key]

    def rooms_of(self, application: Application) -> Rooms:
        """The conferences and users of an application."""
        return self.rooms.setdefault(application.key, Rooms())

    def manner_of(self, address: str) -> Manner:
        """How the phone of this address takes calls that the backend places."""
        return self.phones.get(address) or TEST_NUMBERS.get(address) or Manner()

    def live(self) -> list[LiveCall]:
        """The calls that are up, oldest first."""
        return [each for each in self.calls.values() if each.is_up]

    def time_of(self, live: LiveCall) -> datetime:
        """What a call's own time is now."""
        return live.call.at + timedelta(seconds=self.clock.seconds() - live.step_s if live.is_up else 0)

    # -- calls ---------------------------------------------------------------------------------------------------------

    async def place(
        self, scenario: Scenario, on_exchange: OnExchange | None = None, *, application: str | None = None
    ) -> Timeline:
        """Play one call to its end. `on_exchange` hears each event as soon as it is answered.

        Raises `TargetUnreachable` when nothing listens there as the call begins, and `TargetUnfit` when no callback
        server would answer so. Later failures are part of the call.
        """
        owner = self.application(application or self._owner_of(scenario))
        live = self.start(self.new_call(scenario, owner), owner, on_exchange, must_reach=True)
        assert live.task is not None, "it was just started"
        await live.task
        return live.timeline()

    def _owner_of(self, scenario: Scenario) -> str | None:
        """The application that a rented number belongs to, if one was dialled."""
        return (self.numbers.get(scenario.callee.address) or None) if scenario.callee.kind is PartyKind.DID else None

    def new_call(self, scenario: Scenario, application: Application, **more: Any) -> OngoingCall:
        """A call that has not begun. `more` are fields of `OngoingCall`."""
        words = {"wants": frozenset[str]()} if not application.urls.primary else {}
        return OngoingCall(
            scenario,
            self._new_call_id(),
            application.key,
            self.clock.now(),
            connected_to=scenario.callee,
            habits=self.habits,
            rooms=self.rooms_of(application),
            resource_base=self.resource_base,
            **(words | more),
        )

    def start(
        self,
        call: OngoingCall,
        application: Application,
        on_exchange: OnExchange | None = None,
        *,
        must_reach: bool = False,
    ) -> LiveCall:
        """Let a call begin, and go on by itself. Raises `Conflict` when too many are up."""
        if len(self.calls) - len(self._ended) >= MAX_LIVE:
            raise Conflict(f"{MAX_LIVE} calls are up, which is the most that the emulator carries")
        live = LiveCall(call, application, call.at, on_exchange=on_exchange, must_reach=must_reach)
        live.step_s = self.clock.seconds()
        self.calls[call.call_id] = live
        self.clock.began()
        live.task = asyncio.create_task(self._lead(live))
        return live

    def do(self, call_id: str, what: Input) -> LiveCall | None:
        """Do something to a call that is up. None when there is no such call."""
        live = self.calls.get(call_id)
        if live is None or not live.is_up:
            return None
        live.inbox.put(what)
        return live

    async def reset(self) -> None:
        """Drop all calls without a word to anybody, and forget what was said."""
        tasks = [live.task for live in self.calls.values() if live.task is not None and not live.task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for kept in (self.calls, self.rooms, self.phones):
            kept.clear()
        self._ended.clear()
        self.journal.clear()
        self.faults.clear()

    def _new_call_id(self) -> str:
        """Random; the same ones in the same order where there is a seed."""
        return uuid.uuid4().hex if self._names is None else uuid.UUID(int=self._names.getrandbits(128)).hex

    def _remember(self, live: LiveCall) -> None:
        """Keep an ended call for those who ask for it, as long as there is room; one that never began is not kept."""
        if live.is_up:
            self.calls.pop(live.call.call_id, None)
            return
        self._ended.append(live.call.call_id)
        if len(self._ended) > MAX_KEPT:
            self.calls.pop(self._ended.popleft(), None)

    async def _lead(self, live: LiveCall) -> None:
        """Do what the call's script asks for, until it ends and nothing more is to be told of it."""
        script = run(live.call)
        came: Exchange | Happened | None = None
        try:
            while True:
                try:
                    step = script.send(came)
                except StopIteration as end:
                    live.ending = end.value
                    break
                match step:
                    case Tell():
                        came = await self._tell(live, step.body, step.url)
                    case Elapse():
                        came = await self._elapse(live, step.seconds)
                        live.step_s = self.clock.seconds()
                    case Later():
                        due = live.call.at + timedelta(seconds=step.seconds)
                        heapq.heappush(live.promised, (due, next(self._promises), step.body))
                        came = None
            while live.promised:
                last = max(due for due, _, _ in live.promised)
                await self._elapse(live, (last - live.call.at) / timedelta(seconds=1))
            await self.courier.finish(live.call.call_id)
        finally:
            script.close()
            self._remember(live)
            self.clock.ended()

    async def _tell(self, live: LiveCall, body: Mapping[str, Any], url: str | None = None) -> Exchange:
        exchange = await self.courier.deliver(live.application, body, url, live.call.scenario.headers)
        if live.must_reach and not live.events:
            if exchange.is_unreachable:
                raise TargetUnreachable(url or live.application.urls.primary)
            if exchange.unfit is not None:
                raise TargetUnfit(url or live.application.urls.primary, *exchange.unfit)
        live.events.append(exchange)
        if live.on_exchange is not None:
            live.on_exchange(exchange)
        return exchange

    async def _elapse(self, live: LiveCall, seconds: float) -> Happened | None:
        """Let time pass; what was promised for within it is told in between."""
        passed_s = 0.0
        while live.promised:
            due_s = (live.promised[0][0] - live.call.at) / timedelta(seconds=1)
            if due_s > seconds:
                break
            happened = await self.clock.wait(max(0.0, due_s - passed_s), live.inbox)
            if happened is not None and live.is_up:
                return Happened(happened.what, passed_s + happened.after_s)
            passed_s = due_s
            await self._tell(live, heapq.heappop(live.promised)[2])
        if not live.is_up:
            return None
        happened = await self.clock.wait(seconds - passed_s, live.inbox)
        return None if happened is None else Happened(happened.what, passed_s + happened.after_s)
