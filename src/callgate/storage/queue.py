"""Group commit: jobs wait in one queue, a single writer takes all that wait, and each caller gets its own answer.

What happens to a batch is the engine's; that the writer never dies and that nobody waits for ever is kept here.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeVar

from callgate.errors import CLOSED, StorageOverloaded, StorageUnavailable
from callgate.logs import log
from callgate.service.books import Job
from callgate.storage.batch import Waiting

T = TypeVar("T")
BATCH_LIMIT = 512
"""Jobs in one transaction: beyond a few hundred a bigger batch gains nothing, and the first in it waits longer."""

PATIENCE_S = 0.02
"""How long a patient job waits for another to go with, at most."""

Commit = Callable[[list[Waiting]], None]
"""Saves a batch and sets each job's result or error; a plain function that returns when all is durable. It may raise."""


class Queue(Protocol):
    """How jobs come to `Commit`: in a server by a thread, in a simulation as its own clock says."""

    @property
    def is_closing(self) -> bool: ...

    @property
    def waiting_count(self) -> int: ...

    def start(self) -> None: ...

    def close(self) -> None: ...

    async def perform(self, job: Job[T], *, is_urgent: bool, is_patient: bool = False) -> T: ...


class Writer:
    """One thread that commits batches."""

    def __init__(self, commit: Commit, *, queue_limit: int) -> None:
        self._commit = commit
        self._queue_limit = queue_limit
        self._queue: deque[Waiting] = deque()
        self._patient: deque[Waiting] = deque()  # go with the next batch, one with each
        self._wake = threading.Condition()
        self._is_closing = False
        self._waking: set[asyncio.AbstractEventLoop] = set()  # event loops that will wake the writer
        self._thread = threading.Thread(target=self._work, name="callgate-writer", daemon=True)

    @property
    def is_closing(self) -> bool:
        return self._is_closing

    @property
    def waiting_count(self) -> int:
        """Jobs that wait for the next batch."""
        return len(self._queue) + len(self._patient)

    @property
    def has_more(self) -> bool:
        """Whether jobs wait already for the batch after this one."""
        return bool(self._queue)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Finish what waits, then stop; returns when the thread has ended."""
        with self._wake:
            self._is_closing = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()

    async def perform(self, job: Job[T], *, is_urgent: bool, is_patient: bool = False) -> T:
        """Queue the job and wait for its answer, see `service.ports.Store.perform`."""
        loop = asyncio.get_running_loop()
        waiting = Waiting(job, loop)
        with self._wake:
            if self._is_closing:
                raise StorageUnavailable("the store is closed", CLOSED)
            if len(self._queue) >= self._queue_limit and not is_urgent:
                raise StorageOverloaded(f"{len(self._queue)} jobs wait already")
            (self._patient if is_patient else self._queue).append(waiting)
        if is_patient:
            loop.call_later(PATIENCE_S, self._end_patience, waiting)
        elif loop not in self._waking:
            self._waking.add(loop)
            loop.call_soon(self._wake_writer, loop)
        result: T = await waiting.future
        return result

    def _wake_writer(self, loop: asyncio.AbstractEventLoop) -> None:
        """Once for all that the loop had ready: a writer that is woken for each job would commit each alone."""
        self._waking.discard(loop)
        with self._wake:
            self._wake.notify()

    def _end_patience(self, waiting: Waiting) -> None:
        """Nobody came to go with: it goes now, if it has not gone."""
        with self._wake:
            if waiting in self._patient:
                self._patient.remove(waiting)
                self._queue.append(waiting)
                self._wake.notify()

    def _work(self) -> None:
        while batch := self._next_batch():
            _answer(commit_wanted(batch, self._commit))

    def _next_batch(self) -> list[Waiting]:
        """Wait for work and take all of it up to the limit; an empty batch means that it is time to stop."""
        with self._wake:
            while not self._queue and not self._is_closing:
                self._wake.wait()
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_LIMIT))]
            if self._patient:
                batch.append(self._patient.popleft())
            return batch


def commit_wanted(batch: list[Waiting], commit: Commit) -> list[Waiting]:
    """Commit what is still waited for, and return it with each job's result or error. Never raises an `Exception`."""
    wanted = [waiting for waiting in batch if not waiting.future.cancelled()]
    try:
        if wanted:
            commit(wanted)
    except StorageUnavailable as error:
        log.error("store.unavailable", jobs=len(wanted), error=str(error))
        _fail(wanted, error, error.state)
    except Exception as error:  # noqa: BLE001 - the writer lives on, whatever happened
        log.exception("store.batch_failed", jobs=len(wanted))
        _fail(wanted, error)
    return wanted


def _fail(batch: list[Waiting], error: Exception, state: str = "unavailable") -> None:
    for waiting in batch:
        waiting.error = StorageUnavailable(f"the batch failed: {error}", state)


def _answer(batch: list[Waiting]) -> None:
    """Wake each event loop once for all of its callers."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Waiting]] = {}
    for waiting in batch:
        by_loop.setdefault(waiting.loop, []).append(waiting)
    for loop, answered in by_loop.items():
        try:
            loop.call_soon_threadsafe(_answer_all, answered)
        except RuntimeError:  # that loop is gone, and with it everybody who waited
            log.warning("store.nobody_waits", jobs=len(answered))


def _answer_all(batch: list[Waiting]) -> None:
    for waiting in batch:
        waiting.answer()
