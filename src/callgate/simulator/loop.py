"""Virtual time: one agenda of all that will happen, and event loops that live on it. Nothing here waits or reads a clock."""

import asyncio
import contextvars
import heapq
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar, cast

T = TypeVar("T")
PRUNE_AT = 1_000
"""Tasks that a loop remembers before it looks which of them are done."""


class Killed(BaseException):
    """The process is gone: whatever it was doing stops here."""


class Entry:
    """Something on the agenda, or ready to run on a loop; asyncio calls it a handle."""

    __slots__ = ("args", "callback", "context", "is_off")

    def __init__(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: contextvars.Context | None = None
    ) -> None:
        self.callback = callback
        self.args = args
        self.context = context
        self.is_off = False

    def cancel(self) -> None:
        self.is_off = True

    def cancelled(self) -> bool:
        return self.is_off


class Agenda:
    """What happens when. `now` is in seconds since the simulation began; it moves only from one entry to the next."""

    def __init__(self) -> None:
        self.now = 0.0
        self._entries: list[tuple[float, int, Entry]] = []
        self._number = 0
        self.loop: VirtualLoop | None = None  # the one whose ready callbacks run between entries

    def at(self, when: float, callback: Callable[..., object], *args: Any) -> Entry:
        """Do it then; at once where that has passed, behind what is due before it."""
        self._number += 1
        entry = Entry(callback, args)
        heapq.heappush(self._entries, (when, self._number, entry))
        return entry

    def run(self, until: float = float("inf"), *, unless_dead: "VirtualLoop | None" = None) -> None:
        """Do all that is due up to `until`, which may add to it. May be called by what it does; then it ends at once when
        the loop on whose behalf it goes on has died.
        """
        entries = self._entries
        while True:
            if unless_dead is not None and unless_dead.is_dead:
                return
            if (loop := self.loop) is not None and loop.ready:
                loop.run_ready()
                continue  # it may have died, or another lives
            if not entries or entries[0][0] > until:
                break
            when, _, entry = heapq.heappop(entries)
            if entry.is_off:
                continue
            self.now = max(self.now, when)
            entry.callback(*entry.args)
        if until != float("inf"):
            self.now = max(self.now, until)


class VirtualLoop:
    """An event loop whose clock is the agenda's, and whose threads are entries on it: as much of one as our server asks for.

    A loop that was killed runs nothing any more: that is how a process dies here. `fail` is told of every exception that
    nobody caught. `threads` takes functions that asyncio would run in an executor.
    """

    def __init__(
        self, agenda: Agenda, *, fail: Callable[[str, BaseException | None], None], threads: Callable[..., None]
    ) -> None:
        self._agenda = agenda
        self._fail = fail
        self._threads = threads
        self._self = cast("asyncio.AbstractEventLoop", self)
        self._tasks: list[asyncio.Task[Any]] = []  # of which some may be done
        self._prune_at = PRUNE_AT
        self.ready: deque[Entry] = deque()
        self.is_dead = False
        self._steps_left = -1
        self._after_steps: Callable[[], None] = lambda: None

    def kill(self) -> None:
        """Nothing runs any more. What was suspended is ended here, where all it tries is in vain, and not by the garbage
        collector at a time of its own.
        """
        self.is_dead = True
        tasks, self._tasks = self._tasks, []
        events._set_running_loop(self._self)  # noqa: SLF001 - what event loops are meant to call
        try:
            for task in tasks:
                if not task.done() and (coroutine := task.get_coro()) is not None:
                    with suppress(BaseException):
                        cast("Coroutine[Any, Any, Any]", coroutine).close()
        finally:
            events._set_running_loop(None)  # noqa: SLF001 - see above
        self.ready.clear()

    def after(self, steps: int, do: Callable[[], None]) -> None:
        """Have it done when so many more callbacks have run."""
        self._steps_left, self._after_steps = steps, do

    def run_ready(self) -> None:
        """Run what is ready, and what that makes ready, in order."""
        ready = self.ready
        events._set_running_loop(self._self)  # noqa: SLF001 - see above
        try:
            while ready:
                entry = ready.popleft()
                if not entry.is_off:
                    if entry.context is None:
                        entry.callback(*entry.args)
                    else:
                        entry.context.run(entry.callback, *entry.args)
                if self._steps_left > 0:
                    self._steps_left -= 1
                    if self._steps_left == 0:
                        self._after_steps()
        finally:
            events._set_running_loop(None)  # noqa: SLF001 - see above

    # -- what asyncio asks of a loop -----------------------------------------------------------------------------------

    def time(self) -> float:
        return self._agenda.now

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> Entry:
        entry = Entry(callback, args, context)
        if not self.is_dead:
            self.ready.append(entry)
        return entry

    call_soon_threadsafe = call_soon

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> Entry:
        entry = self._agenda.at(when, self._due)
        entry.args = (entry, callback, args, context)
        return entry

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> Entry:
        return self.call_at(self._agenda.now + delay, callback, *args, context=context)

    def _due(
        self,
        timer: Entry,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: contextvars.Context | None,
    ) -> None:
        if not self.is_dead:
            # The same handle: what is cancelled after it is due but before it has run does not run.
            timer.callback, timer.args, timer.context = callback, args, context
            self.ready.append(timer)

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self._self)

    def create_task(
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: contextvars.Context | None = None
    ) -> "asyncio.Task[T]":
        if self.is_dead:
            coro.close()
            raise Killed
        task = asyncio.Task(coro, loop=self._self, name=name, context=context)
        self._tasks.append(task)
        if len(self._tasks) > self._prune_at:
            self._tasks = [each for each in self._tasks if not each.done()]
            self._prune_at = 2 * len(self._tasks) + PRUNE_AT
        return task

    def run_in_executor(self, _: object, func: Callable[..., T], *args: Any) -> "asyncio.Future[T]":
        if self.is_dead:
            raise Killed
        future: asyncio.Future[T] = self.create_future()
        self._threads(self._run_thread, future, func, args)
        return future

    def _run_thread(self, future: "asyncio.Future[T]", func: Callable[..., T], args: tuple[Any, ...]) -> None:
        if self.is_dead or future.cancelled():
            return
        try:
            result = func(*args)
        except Exception as error:  # noqa: BLE001 - as an executor does
            if not future.cancelled():
                future.set_exception(error)
        else:
            if not future.cancelled():
                future.set_result(result)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self.is_dead

    def is_closed(self) -> bool:
        return self.is_dead

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self.is_dead:
            self._fail(str(context.get("message")), context.get("exception"))
