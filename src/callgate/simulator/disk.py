"""Where the server writes: the real engine on a real file, stepped by the agenda instead of by a thread.

The engine has seams. At each the rest of the world goes on for a while, the process may die, or the file may fail.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from enum import Enum
from functools import partial
from typing import Any, Generic, TypeVar, cast

from callgate.service.books import Books, Job, Keys
from callgate.simulator.causes import AnyCause, CallId
from callgate.simulator.loop import Agenda, Killed, VirtualLoop
from callgate.storage.batch import Step as Stage
from callgate.storage.batch import Waiting
from callgate.storage.queue import Commit, Writer, commit_wanted
from callgate.storage.sqlite import SqliteStore
from callgate.storage.sqlite.connection import connect

T = TypeVar("T")

CAUSE: ContextVar[AnyCause] = ContextVar("CAUSE")
"""For what the code that runs now was called."""


class Step:
    """A job that ran in a transaction, what it was for, and what came of it."""

    __slots__ = ("cause", "error", "job", "now_us", "result")

    def __init__(self, job: Job[Any], cause: AnyCause, now_us: int) -> None:
        self.job, self.cause, self.now_us = job, cause, now_us
        self.error: Exception | None = None
        self.result: Any = None

    @property
    def name(self) -> str:
        return type(self.job).__name__

    @property
    def outcome(self) -> str:
        """The name of what the job returned, or of its first part, where that is one of several."""
        said = self.result[0] if isinstance(self.result, tuple) and self.result else self.result
        return said.name if isinstance(said, Enum) else ""

    @property
    def taken(self) -> Sequence[CallId]:
        """The calls that the job took to be asked about."""
        return [call.key for call in self.result]

    @property
    def call(self) -> CallId:
        """The first call that the job names."""
        return self.calls[0]

    @property
    def calls(self) -> Sequence[CallId]:
        return self.job.keys().calls


class _Recorded(Generic[T]):
    """A job, with a note of its having run."""

    __slots__ = ("_disk", "_job", "_step")

    def __init__(self, job: Job[T], step: Step, disk: "Disk") -> None:
        self._job, self._step, self._disk = job, step, disk

    def keys(self) -> Keys:
        return self._job.keys()

    def run(self, books: Books) -> T:
        step = self._step
        self._disk.runs(step)
        try:
            result = step.result = self._job.run(books)
        except Exception as error:
            step.error = error
            raise
        step.error = None
        return result


class Disk:
    """One process's view of the file, and its threads, which are run one at a time.

    `pass_seam` lets the world go on, and raises what happens there; `committed` is told what a commit made durable.
    """

    def __init__(
        self,
        agenda: Agenda,
        pass_seam: Callable[[str], None],
        committed: Callable[[list[Step]], None],
        now_us: Callable[[], int],
    ) -> None:
        self.pass_seam = pass_seam
        self.now_us = now_us
        self.failing = ""  # the seam at which the file fails now
        self.died: Callable[[], None] = lambda: None  # called when a thread has noticed that its process is dead
        self._agenda = agenda
        self._committed = committed
        self._ran: list[Step] = []
        self._fails_at = ""
        self._threads: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._is_busy = False

    # -- threads -------------------------------------------------------------------------------------------------------

    def thread(self, work: Callable[..., None], *args: Any) -> None:
        """Do the work beside the event loop, when the threads before it are done."""
        self._threads.append((work, args))
        if not self._is_busy and len(self._threads) == 1:
            self._agenda.at(self._agenda.now, self._run_thread)

    def _run_thread(self) -> None:
        work, args = self._threads.popleft()
        self._is_busy = True
        try:
            work(*args)
        except Killed:
            self._threads.clear()
            self.died()
            return
        finally:
            self._is_busy = False
        if self._threads:
            self._agenda.at(self._agenda.now, self._run_thread)

    @property
    def is_busy(self) -> bool:
        """Whether a thread of this process is at work, and so holds the file."""
        return self._is_busy

    # -- a transaction -------------------------------------------------------------------------------------------------

    def stage(self, stage: Stage) -> None:
        """The engine says where a batch stands."""
        self._fails_at = _FAILS_BEHIND.get(stage, "")
        if (seam := _SEAMS.get(stage)) is not None:
            self.pass_seam(seam)

    def runs(self, step: Step) -> None:
        self._ran.append(step)

    def begin(self, execute: Callable[[str], sqlite3.Cursor], sql: str) -> sqlite3.Cursor:
        self._ran, self._fails_at = [], "begin"
        self.pass_seam("begin")
        self.fail()
        return execute(sql)

    def commit(self, execute: Callable[[str], sqlite3.Cursor], sql: str) -> sqlite3.Cursor:
        self._fails_at = "commit"
        self.pass_seam("commit")
        self.fail()
        cursor = execute(sql)
        ran, self._ran = self._ran, []
        self._committed(ran)
        self.pass_seam("committed")
        return cursor

    def roll_back(self, execute: Callable[[str], sqlite3.Cursor], sql: str) -> sqlite3.Cursor:
        self._ran = []
        return execute(sql)

    def fail(self) -> None:
        """Fail, where the file fails in what is being done now."""
        if self.failing and self.failing == self._fails_at:
            self.pass_seam("failed")
            error = sqlite3.OperationalError("disk I/O error, as the simulation has it")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error


_SEAMS = {Stage.BEGUN: "begun", Stage.LOADED: "loaded", Stage.RUN: "run", Stage.SAVED: "saved"}
_FAILS_BEHIND = {Stage.BEGUN: "load", Stage.RUN: "save"}
_TRANSACTION = {"BEGIN IMMEDIATE": Disk.begin, "COMMIT": Disk.commit, "ROLLBACK": Disk.roll_back}


class _Connection(sqlite3.Connection):
    """The writer's connection, whose transactions have seams."""

    disk: Disk | None = None

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        if (disk := self.disk) is None:
            return super().execute(sql, parameters)
        if (step := _TRANSACTION.get(sql)) is not None:
            return step(disk, super().execute, sql)
        if disk.failing:
            disk.fail()
        return super().execute(sql, parameters)


class _SteppedWriter(Writer):
    """The writer without its thread: it takes what waits whenever the agenda lets it, and works it off as it always does."""

    def __init__(self, disk: Disk, commit: Commit, *, queue_limit: int) -> None:
        super().__init__(commit, queue_limit=queue_limit)
        self._disk = disk
        self._is_fresh = False

    def start(self) -> None:
        pass

    def close(self) -> None:
        self._is_closing = True
        while self._queue:
            self._step()

    def _wake_writer(self, loop: asyncio.AbstractEventLoop) -> None:
        self._waking.discard(loop)
        self._disk.thread(self._step)

    def _step(self) -> None:
        """One turn of the thread's loop."""
        self._is_fresh = True
        self._work()
        if self._queue and not self._is_closing:
            self._disk.thread(self._step)

    def _next_batch(self) -> list[Waiting]:
        is_fresh, self._is_fresh = self._is_fresh, False
        return super()._next_batch() if is_fresh and self._queue else []


class SteppedStore(SqliteStore):
    """The engine, recorded and interruptible."""

    def __init__(self, path: str, disk: Disk) -> None:
        super().__init__(path, writer=partial(_SteppedWriter, disk), on_step=disk.stage)
        self._disk = disk
        self._checkpointer = None  # it works by the clock on the wall

    async def perform(self, job: Job[T], *, is_urgent: bool = False, is_patient: bool = False) -> T:
        if asyncio.get_running_loop().is_closed():
            raise Killed
        step = Step(job, CAUSE.get(), self._disk.now_us())
        return await super().perform(_Recorded(job, step, self._disk), is_urgent=is_urgent, is_patient=is_patient)

    def _open(self) -> None:
        self._connection = connect(self._path, _Connection)
        super()._open()
        assert isinstance(self._connection, _Connection)
        self._connection.disk = self._disk

    def open_now(self) -> None:
        """Without an event loop to wait on."""
        self._open()

    def die(self) -> None:
        """What the system does with a process's files: what was not committed never was."""
        for connection in (self._connection, *self._reading):
            if connection is not None:
                if isinstance(connection, _Connection):
                    connection.disk = None
                connection.close()


class Desk:
    """Another process on the same file, as commands are: it does one thing at a time, when nobody else writes."""

    def __init__(self, path: str, disk: Disk, loop: VirtualLoop) -> None:
        self._disk, self._loop = disk, cast("asyncio.AbstractEventLoop", loop)
        self._store = SteppedStore(path, disk)

    def open(self) -> None:
        self._store.open_now()

    def close(self) -> None:
        self._store.die()

    def perform(self, job: Job[Any], cause: AnyCause, *, is_failing: bool) -> None:
        """Run the job as a batch of its own; one that the file does not take is not tried again."""
        self._disk.failing = "begin" if is_failing else ""
        waiting = Waiting(_Recorded(job, Step(job, cause, self._disk.now_us()), self._disk), self._loop)
        commit_wanted([waiting], self._store.commit)
