"""One life of the server: everything from its callback edge to its file, on an event loop of its own that can be killed."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from callgate.errors import StorageUnavailable
from callgate.http.callbacks import CallbackEdge
from callgate.protocol import WireReply, WireRequest
from callgate.service.catalog import Catalogs
from callgate.service.expire import expire_parked
from callgate.service.faults import FaultWatch
from callgate.service.heal import Healer
from callgate.service.ports import Platform
from callgate.service.respond import Responder
from callgate.service.signing import Signing
from callgate.simulator.causes import AnyCause, CallId, Delivery, Own
from callgate.simulator.disk import CAUSE, Disk, SteppedStore
from callgate.simulator.loop import Agenda, Killed, VirtualLoop
from callgate.simulator.oracle import Setup
from callgate.simulator.promises import DECIDED_WITHIN_S, ORPHAN_AFTER_S

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""When every simulation begins."""

PATIENCE_S = 10.0
"""How long after its store has failed a caller may still learn of it."""

SIGNING = Signing(tickets=b"t" * 32, holds=b"h" * 32)

T = TypeVar("T")
OWN = Own()
MICROSECOND = timedelta(microseconds=1)


class Node:
    """The server while it lives. `setup` is what it has looked up; None until it is ready."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a process is given
        self,
        agenda: Agenda,
        path: str,
        disk: Disk,
        loop: VirtualLoop,
        clock: Callable[[], datetime],
        platform: Platform,
        on_callout: Callable[[], None],
    ) -> None:
        self.disk, self.loop = disk, loop
        self.setup: Setup | None = None
        self.trouble_at = -1.0  # when its store failed last
        self.fallbacks: dict[Delivery, float] = {}  # answered with the fallback, which is not yet written down
        self.told_late: set[CallId] = set()  # calls that were hung up when the store had failed, whoever decided that
        self._agenda = agenda
        self._clock = clock
        self.store = SteppedStore(path, disk)
        disk.died = self.store.die
        self.catalogs = Catalogs(self.store, bytes.decode)
        self.responder = Responder(
            self.store,
            clock,
            decision_deadline_s=DECIDED_WITHIN_S,
            orphan_after=timedelta(seconds=ORPHAN_AFTER_S),
            signing=SIGNING,
            on_callout=on_callout,
        )
        self.healer = Healer(self.store, platform, self.catalogs, clock)
        self.edge = CallbackEdge(self.catalogs, self.responder, FaultWatch(self.store, clock), clock, "")
        agenda.loop = loop

    def begin(self, cause: AnyCause | None, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Start a coroutine as a task of this process; what it does to the books is for `cause`, else for itself."""
        context = copy_context()
        context.run(CAUSE.set, cause or OWN)
        return self.loop.create_task(work, context=context)

    def is_excused(self, error: BaseException) -> bool:
        """Whether this is what a store says that failed lately."""
        return isinstance(error, StorageUnavailable) and self.trouble_at >= self._agenda.now - PATIENCE_S

    async def start(self) -> None:
        await self.store.open()
        await self.catalogs.refresh()

    async def stop(self) -> None:
        """An orderly stop."""
        await self.responder.drain()
        await self.store.close()

    async def receive(self, request: WireRequest) -> WireReply:
        return await self.edge.receive(request, "sinch")

    async def sweep(self) -> int:
        before = self._clock() - timedelta(seconds=ORPHAN_AFTER_S)
        return await expire_parked(self.store, self.catalogs.now, before=before)

    def kill(self) -> None:
        """The process is gone, at once."""
        self.loop.kill()
        if self._agenda.loop is self.loop:
            self._agenda.loop = None
        if not self.disk.is_busy:
            self.store.die()

    def leave(self) -> None:
        """The process ends by itself, its file closed."""
        self.loop.kill()
        self._agenda.loop = None

    def check_alive(self) -> None:
        """In a thread of the process, wherever it may find itself dead."""
        if self.loop.is_dead:
            raise Killed
