"""The books in one SQLite file: its life, its batches, and what is written in portions beside them."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Protocol, TypeVar

from callgate.errors import StorageUnavailable
from callgate.ledger.verify import LedgerRows
from callgate.rating.rate import Rate
from callgate.rating.rates import sorted_rates
from callgate.service.books import Books, DeckHead, Job, Keys
from callgate.service.delivery import Delivery
from callgate.service.portions import each_in_portions, in_portions
from callgate.service.signature_fault import SignatureFault
from callgate.storage import list_rows, outbox_rows, rows
from callgate.storage.batch import OnStep, Step, Waiting, commit_batch, named_by, pass_on
from callgate.storage.deck_rows import DROP_PORTIONS, PAGE, from_rates
from callgate.storage.ledger import ledger_rows
from callgate.storage.queue import Commit, Queue, Writer
from callgate.storage.reads import Reads
from callgate.storage.rows import Row
from callgate.storage.schema import SCHEMA
from callgate.storage.sql import insert
from callgate.storage.sqlite import connection as connections
from callgate.storage.sqlite.connection import MEMORY, Checkpointer, check_file, check_schema, connect, schema_of
from callgate.storage.sqlite.kept import Kept
from callgate.storage.sqlite.load import load
from callgate.storage.sqlite.save import save

T = TypeVar("T")

READERS = 4
"""Threads that read beside the writer."""

STAGE_PORTION = 2_000
"""Rows removed in one transaction: about 10 ms, so that decisions go on between them."""


STAGE_LIST_PORTION = 10_000
"""Entries of a list, which are smaller: about 10 ms too."""


class MakeQueue(Protocol):
    """How a store gets its queue: `queue.Writer` in a server."""

    def __call__(self, commit: Commit, *, queue_limit: int) -> Queue: ...


class SqliteStore(Reads):
    """The books in one SQLite file, see `service.ports.Store`.

    Several processes may open the same file: the server and the commands beside it. `patience_s` is how long a batch waits
    while another process holds the lock; once the store is closing it waits no longer.

    Without threads, for a simulation on a clock of its own: `writer` makes a queue that calls `commit` when it sees fit, a
    plain function that returns when the batch is durable; `is_threaded=False` reads in the caller's own thread and leaves
    the log to commits; and `on_step` is told where each batch stands, so that it may raise there what ends the process.
    """

    is_shared = False
    order_written = "rowid"

    def __init__(  # noqa: PLR0913 - the last three are for simulations
        self,
        path: str,
        *,
        queue_limit: int = 10_000,
        patience_s: float = 30.0,
        writer: MakeQueue = Writer,
        is_threaded: bool = True,
        on_step: OnStep = pass_on,
    ) -> None:
        self._path = path
        self._patience_s = patience_s
        self._writer = writer(self.commit, queue_limit=queue_limit)
        self._is_threaded = is_threaded
        self._on_step = on_step
        self._lock = threading.Lock()  # one transaction at a time on the writer's connection
        self._readers = ThreadPoolExecutor(1 if path == MEMORY else READERS, thread_name_prefix="callgate-reader")
        self._per_thread = threading.local()
        self._reading: list[sqlite3.Connection] = []
        self._connection: sqlite3.Connection | None = None
        self._checkpointer = Checkpointer(path) if is_threaded and path != MEMORY else None
        self._kept = Kept()

    async def open(self) -> None:
        await self._beside(self._open)
        self._writer.start()

    async def close(self) -> None:
        await self._beside(self._close)

    async def migrate(self) -> None:
        """Bring the schema to this version, creating the file where there is none. Before `open`."""
        await self._beside(self._migrate)

    async def describe(self) -> str:
        return f"SQLite {sqlite3.sqlite_version}"

    @property
    def waiting_count(self) -> int:
        return self._writer.waiting_count

    @property
    def is_lost(self) -> bool:
        return False  # a file is there, or a batch fails at once

    async def perform(self, job: Job[T], *, is_urgent: bool = False, is_patient: bool = False) -> T:
        return await self._writer.perform(job, is_urgent=is_urgent, is_patient=is_patient)

    # -- a batch -------------------------------------------------------------------------------------------------------

    def commit(self, batch: list[Waiting]) -> None:
        """Run jobs and make what they did durable, see `queue.Commit`; a bad one fails alone."""
        commit_batch(batch, self._commit_once)

    def _commit_once(self, batch: list[Waiting]) -> None:
        books = Books()
        with self._writing() as connection:
            self._on_step(Step.BEGUN)
            self._kept.check(connection)
            load(connection, books, named_by(batch), self._kept)
            self._on_step(Step.LOADED)
            for waiting in batch:
                waiting.run(books)
            self._on_step(Step.RUN)
            save(connection, books)
            self._on_step(Step.SAVED)
        self._kept.renew(books)
        if self._checkpointer is not None:
            self._checkpointer.wrote(len(batch))
        self._on_step(Step.COMMITTED)

    def claim(self, endpoint: str, now_us: int, until_us: int, limit: int) -> str:
        """Within a batch. Return the numbers of what was claimed, as JSON: in one piece, since each row that comes out of a
        statement makes the writer wait for a busy event loop. Raises `StorageUnavailable`.
        """
        assert self._connection is not None, "a batch is being written"
        try:
            (numbers,) = self._connection.execute(_DUE, (endpoint, now_us, limit)).fetchone()
            self._connection.execute(_CLAIM, (now_us, until_us, numbers))
        except sqlite3.Error as error:
            raise connections.translate(error) from error
        return str(numbers)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction on the writer's connection: committed at the end, rolled back when anything is raised.

        Raises `StorageUnavailable` and `Refused` for what the engine says.
        """
        assert self._connection is not None, "the store is not open"
        with self._lock:
            connection = self._connection
            try:
                if self._checkpointer is not None:
                    self._checkpointer.finish(connection)
                self._begin(connection)
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise connections.translate(error) from error

    def _begin(self, connection: sqlite3.Connection) -> None:
        give_up_at = time.monotonic() + self._patience_s
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                is_over = self._writer.is_closing or time.monotonic() > give_up_at
                if is_over or not connections.is_busy(error):
                    raise
            else:
                return

    # -- opening and closing -------------------------------------------------------------------------------------------

    def _open(self) -> None:
        check_file(self._path)
        connection = self._connection = self._connection or connect(self._path)
        check_schema(connection, self._path)
        if self._checkpointer is not None:
            self._checkpointer.start(connection)

    def _migrate(self) -> None:
        connection = self._connection = self._connection or connect(self._path)
        with self._lock:
            if schema_of(connection, self._path) != SCHEMA:
                from callgate.storage.migrate import migrate_sqlite  # noqa: PLC0415 - takes half a second to load

                migrate_sqlite(connection)

    def _close(self) -> None:
        self._writer.close()
        if self._checkpointer is not None:
            self._checkpointer.stop()
        self._readers.shutdown()
        for reader in self._reading:  # the last connection to close folds the log back into the file
            reader.close()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # -- reading -------------------------------------------------------------------------------------------------------

    async def fetch(self, statement: str, *values: object) -> Sequence[Row]:
        return await self._read(lambda db: db.execute(statement, values).fetchall())

    async def inspect_ledger(self, look: Callable[[LedgerRows], T]) -> T:
        return await self._read(lambda db: look(ledger_rows(db.execute)))

    async def _read(self, look: Callable[[sqlite3.Connection], T]) -> T:
        """Call `look` on a reader's connection, in a thread, with one consistent view."""
        if not self._is_threaded:
            return self._look(look)
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._look, look)

    def _look(self, look: Callable[[sqlite3.Connection], T]) -> T:
        if self._path == MEMORY:  # a database in memory has the one connection
            with self._writing() as connection:
                return look(connection)
        try:
            connection = self._reader()
            connection.execute("BEGIN")
            try:
                return look(connection)
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise StorageUnavailable(f"SQLite: {error}") from error

    def _reader(self) -> sqlite3.Connection:
        if not hasattr(self._per_thread, "connection"):
            connection = connect(self._path)
            connection.execute("PRAGMA query_only = ON")
            self._per_thread.connection = connection
            self._reading.append(connection)
        reader: sqlite3.Connection = self._per_thread.connection
        return reader

    # -- beside the batches, in portions -------------------------------------------------------------------------------

    async def next_deck_version(self) -> int:
        statement = "UPDATE configuration SET deck_versions = deck_versions + 1 RETURNING deck_versions"
        return await self._write(lambda db: int(db.execute(statement).fetchone()[0]))

    async def stage_deck(self, head: DeckHead, rates: Iterable[Rate]) -> None:
        pages = from_rates(head, await asyncio.to_thread(sorted_rates, rates))
        await each_in_portions(pages, lambda page: self._add("deck_pages", PAGE, [page]))

    async def drop_deck_rows(self, head: DeckHead) -> None:
        for statement, count in DROP_PORTIONS:
            await in_portions(partial(self._write, partial(_count, statement, (head.name, head.version, count))))

    async def stage_list(self, version: int, entries: Iterable[int]) -> None:
        staged = ((version, entry) for entry in entries)
        portions = iter(lambda: list(islice(staged, STAGE_LIST_PORTION)), [])
        await each_in_portions(portions, partial(self._add, "list_entries", list_rows.ENTRY))

    async def drop_list_rows(self, version: int) -> None:
        for statement in (_DROP_LIST_ENTRIES, _DROP_LIST_CHANGES):
            await in_portions(partial(self._write, partial(_count, statement, (version, STAGE_LIST_PORTION))))

    async def keep_faults(self, faults: Sequence[SignatureFault], most: int) -> None:
        await self._add("signature_faults", rows.FAULT, list(map(rows.from_fault, faults)))
        forgotten = [(is_known, is_known, most) for is_known in (0, 1)]
        await self._write(lambda db: db.executemany(_FORGET_FAULTS, forgotten).rowcount)

    async def forget_replies(self, before: datetime) -> None:
        statement = "DELETE FROM replies WHERE scope IN (SELECT scope FROM replies WHERE at < ? LIMIT ?)"
        await self._write(lambda db: db.execute(statement, (rows.to_us(before), STAGE_PORTION)).rowcount)

    async def forget_tickets(self, before: datetime) -> None:
        statement = """DELETE FROM tickets WHERE (application, id) IN
            (SELECT application, id FROM tickets WHERE expires_at < ? LIMIT ?)"""
        await self._write(lambda db: db.execute(statement, (rows.to_us(before), STAGE_PORTION)).rowcount)

    async def forget_deliveries(self, before: datetime) -> None:
        statement = """DELETE FROM deliveries WHERE number IN
            (SELECT number FROM deliveries WHERE state = 'delivered' AND occurred_at < ? LIMIT ?)"""
        await in_portions(partial(self._write, partial(_count, statement, (rows.to_us(before), STAGE_PORTION))))

    async def forget_sessions(self, before: datetime) -> None:
        statement = "DELETE FROM sessions WHERE digest IN (SELECT digest FROM sessions WHERE expires_at < ? LIMIT ?)"
        await self._write(lambda db: db.execute(statement, (rows.to_us(before), STAGE_PORTION)).rowcount)

    async def records_mark(self) -> int:
        return await self._number("SELECT coalesce(max(rowid), 0) FROM records")

    async def claim_deliveries(
        self, endpoint: str, now: datetime, until: datetime, limit: int, *, is_patient: bool = False
    ) -> Sequence[Delivery]:
        now_us = rows.to_us(now)
        if not await self.fetch(_ANY_DUE, endpoint, now_us):  # else nothing is worth a transaction
            return []
        claim = _Claim(self, endpoint, now_us, rows.to_us(until), limit)
        numbers = await self.perform(claim, is_patient=is_patient)
        return list(map(outbox_rows.to_delivery, await self.fetch(_CLAIMED, numbers, now_us)))

    async def drop_deliveries(self, endpoint: str) -> None:
        statement = """DELETE FROM deliveries WHERE number IN
            (SELECT number FROM deliveries WHERE endpoint = ? LIMIT ?)"""
        await in_portions(partial(self._write, partial(_count, statement, (endpoint, STAGE_PORTION))))

    async def _add(self, table: str, columns: tuple[str, ...], added: list[Row]) -> None:
        await self._write(lambda db: db.executemany(insert(table, columns), added).rowcount)

    async def _write(self, write: Callable[[sqlite3.Connection], int]) -> int:
        """A transaction between two batches. A number comes out of it: a cursor would touch the connection when it dies."""

        def work() -> int:
            with self._writing() as connection:
                return write(connection)

        return await self._beside(work)

    async def _beside(self, work: Callable[[], T]) -> T:
        """Not on the event loop, which goes on meanwhile."""
        return await asyncio.to_thread(work) if self._is_threaded else work()


@dataclass(frozen=True)
class _Claim:
    """Claims go with the batches, so that they take no commit of their own. Their rows are no books: nothing else sees them."""

    store: SqliteStore
    endpoint: str
    now_us: int
    until_us: int
    limit: int

    def keys(self) -> Keys:
        return Keys()

    def run(self, _: Books) -> str:
        return self.store.claim(self.endpoint, self.now_us, self.until_us, self.limit)


_ANY_DUE = "SELECT 1 FROM deliveries WHERE state = 'next' AND endpoint = ? AND due_at <= ? LIMIT 1"
_DUE = """SELECT json_group_array(number) FROM (SELECT number FROM deliveries
    WHERE state = 'next' AND endpoint = ? AND due_at <= ? ORDER BY due_at LIMIT ?)"""
_CLAIM = """UPDATE deliveries SET attempt_count = attempt_count + 1, attempted_at = ?, due_at = ?
    WHERE number IN (SELECT value FROM json_each(?))"""
_CLAIMED = f"""SELECT {", ".join(f"d.{name}" for name in outbox_rows.DELIVERY)}
    FROM json_each(?) AS claimed CROSS JOIN deliveries AS d ON d.number = claimed.value WHERE d.attempted_at = ?"""  # noqa: S608
"""Claimed, and by nobody else since."""
_DROP_LIST_ENTRIES = """DELETE FROM list_entries WHERE (version, entry) IN
    (SELECT version, entry FROM list_entries WHERE version = ? LIMIT ?)"""
_DROP_LIST_CHANGES = """DELETE FROM list_changes WHERE (version, revision, entry) IN
    (SELECT version, revision, entry FROM list_changes WHERE version = ? LIMIT ?)"""


def _count(statement: str, values: tuple[object, ...], db: sqlite3.Connection) -> int:
    """Run a statement and return how many rows it touched."""
    return db.execute(statement, values).rowcount


_FORGET_FAULTS = """DELETE FROM signature_faults WHERE is_known = ?
    AND id NOT IN (SELECT id FROM signature_faults WHERE is_known = ? ORDER BY id DESC LIMIT ?)"""
