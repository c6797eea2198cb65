"""The books on PostgreSQL: their life, their batches, and what is written in portions beside them."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from typing import TypeVar

import asyncpg

from callgate.errors import StorageUnavailable
from callgate.ledger.verify import LedgerRows
from callgate.rating.rate import Rate
from callgate.rating.rates import sorted_rates
from callgate.service.books import DeckHead, Job
from callgate.service.delivery import Delivery
from callgate.service.portions import each_in_portions, in_portions
from callgate.service.signature_fault import SignatureFault
from callgate.storage import list_rows, outbox_rows, rows
from callgate.storage.batch import OnStep, Waiting, commit_batch, pass_on
from callgate.storage.deck_rows import DROP_PORTIONS, PAGE, from_rates
from callgate.storage.postgres.reading import Readers
from callgate.storage.postgres.session import (
    check_schema,
    column_types,
    connect,
    read_address,
    schema_of,
    stands_behind_pooler,
    translate,
)
from callgate.storage.postgres.statements import CLAIM, Statements
from callgate.storage.postgres.writer import BatchWriter
from callgate.storage.queue import Writer
from callgate.storage.reads import Reads
from callgate.storage.rows import Row
from callgate.storage.schema import SCHEMA

T = TypeVar("T")

STAGE_PORTION = 2_000
"""Rows removed in one transaction."""

_MARK_MS = 200
"""How long a look for the last record may make others wait that write one."""
STAGE_LIST_PORTION = 10_000
"""Entries of a list, which are smaller."""

_MIGRATING = 0x0CA11
"""The lock of whoever migrates."""


class PostgresStore(Reads):
    """The books on PostgreSQL, see `service.ports.Store`. Many nodes may work on one database.

    `patience_s` is how long a batch waits while the database is away; once the store is closing it waits no longer. Reads
    are for the event loop on which the store was opened; jobs are performed from any.
    """

    is_shared = True
    order_written = "number"

    def __init__(
        self, url: str, *, queue_limit: int = 10_000, patience_s: float = 30.0, on_step: OnStep = pass_on
    ) -> None:
        self._address = read_address(url)
        self._writer = Writer(self.commit, queue_limit=queue_limit)
        self._batches = BatchWriter(
            self._address,
            patience_s=patience_s,
            is_closing=lambda: self._writer.is_closing,
            has_more=lambda: self._writer.has_more,
            on_step=on_step,
        )
        self._runner = asyncio.Runner()  # the event loop of the writer's thread
        self._readers: Readers | None = None
        self._statements: Statements | None = None

    async def open(self) -> None:
        readers = Readers(self._address)
        async with readers.session() as connection:
            await check_schema(connection)
            self._statements = Statements(await column_types(connection))
        self._readers = readers
        self._writer.start()

    async def close(self) -> None:
        await asyncio.to_thread(self._close_writer)
        if self._readers is not None:
            await self._readers.close()
            self._readers = None

    def _close_writer(self) -> None:
        self._writer.close()
        self._runner.run(self._batches.close())
        self._runner.close()

    async def migrate(self) -> None:
        """Bring the schema to this version. The database itself must be there. Before `open`."""
        connection = await connect(self._address)
        try:
            async with connection.transaction():
                await connection.execute(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
                found = await schema_of(connection)
                if found != SCHEMA:
                    from callgate.storage.migrate import postgres_steps  # noqa: PLC0415 - takes half a second to load

                    await connection.execute(await asyncio.to_thread(postgres_steps, found))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise StorageUnavailable(f"the database does not take this version's schema: {translate(error)}") from error
        finally:
            await connection.close()

    async def describe(self) -> str:
        async with self._reading().session() as connection:
            version = await connection.fetchval("SHOW server_version")
            is_pooled = await stands_behind_pooler(connection)
        pooler = ", behind a pooler: statements are not kept prepared" if is_pooled else ""
        return f"PostgreSQL {version}{pooler}"

    @property
    def waiting_count(self) -> int:
        return self._writer.waiting_count

    @property
    def is_lost(self) -> bool:
        return self._batches.is_lost

    async def perform(self, job: Job[T], *, is_urgent: bool = False, is_patient: bool = False) -> T:
        return await self._writer.perform(job, is_urgent=is_urgent, is_patient=is_patient)

    def commit(self, batch: list[Waiting]) -> None:
        """Run jobs and make what they did durable, see `queue.Commit`; a bad one fails alone."""
        commit_batch(batch, lambda jobs: self._runner.run(self._batches.commit(jobs)))

    # -- reading -------------------------------------------------------------------------------------------------------

    async def fetch(self, statement: str, *values: object) -> Sequence[Row]:
        return await self._reading().fetch(statement, *values)

    async def inspect_ledger(self, look: Callable[[LedgerRows], T]) -> T:
        return await self._reading().inspect_ledger(look)

    def _reading(self) -> Readers:
        if self._readers is None:
            raise StorageUnavailable("the store is closed")
        return self._readers

    # -- beside the batches, in portions -------------------------------------------------------------------------------

    async def next_deck_version(self) -> int:
        return await self._number("UPDATE configuration SET deck_versions = deck_versions + 1 RETURNING deck_versions")

    async def stage_deck(self, head: DeckHead, rates: Iterable[Rate]) -> None:
        pages = from_rates(head, await asyncio.to_thread(sorted_rates, rates))
        await each_in_portions(pages, lambda page: self._add("deck_pages", PAGE, [page]))

    async def drop_deck_rows(self, head: DeckHead) -> None:
        for statement, count in DROP_PORTIONS:
            await in_portions(partial(self.fetch, f"{statement} RETURNING 1", head.name, head.version, count))

    async def stage_list(self, version: int, entries: Iterable[int]) -> None:
        staged = ((version, entry) for entry in entries)
        portions = iter(lambda: list(islice(staged, STAGE_LIST_PORTION)), [])
        await each_in_portions(portions, partial(self._add, "list_entries", list_rows.ENTRY))

    async def drop_list_rows(self, version: int) -> None:
        for table in ("list_entries", "list_changes"):
            statement = f"""DELETE FROM {table} WHERE (version, entry) IN
                (SELECT version, entry FROM {table} WHERE version = ? LIMIT ?) RETURNING 1"""  # noqa: S608 - names are ours
            await in_portions(partial(self.fetch, statement, version, STAGE_LIST_PORTION))

    async def keep_faults(self, faults: Sequence[SignatureFault], most: int) -> None:
        await self._add("signature_faults", rows.FAULT, list(map(rows.from_fault, faults)))
        for is_known in (0, 1):
            await self.fetch(_FORGET_FAULTS, is_known, is_known, most)

    async def forget_replies(self, before: datetime) -> None:
        await self.fetch(_FORGET_REPLIES, rows.to_us(before), STAGE_PORTION)
        await self.fetch(_FORGET_WRITERS)

    async def forget_tickets(self, before: datetime) -> None:
        statement = """DELETE FROM tickets WHERE (application, id) IN
            (SELECT application, id FROM tickets WHERE expires_at < ? LIMIT ?) RETURNING 1"""
        await self.fetch(statement, rows.to_us(before), STAGE_PORTION)

    async def forget_deliveries(self, before: datetime) -> None:
        await in_portions(partial(self.fetch, _FORGET_DELIVERIES, rows.to_us(before), STAGE_PORTION))

    async def forget_sessions(self, before: datetime) -> None:
        statement = "DELETE FROM sessions WHERE digest IN (SELECT digest FROM sessions WHERE expires_at < ? LIMIT ?)"
        await self.fetch(statement, rows.to_us(before), STAGE_PORTION)

    async def records_mark(self) -> int:
        """Numbers become visible out of order: whoever is just writing is waited for, a moment at most."""
        async with self._reading().session() as connection, connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = '{_MARK_MS}ms'")
            await connection.execute("LOCK TABLE records IN SHARE MODE")
            found = await connection.fetch("SELECT coalesce(max(number), 0) FROM records")
        return int(found[0][0])

    async def claim_deliveries(
        self, endpoint: str, now: datetime, until: datetime, limit: int, *, is_patient: bool = False
    ) -> Sequence[Delivery]:
        del is_patient  # it takes no turn of the writer's: its session is another
        found = await self.fetch(CLAIM, endpoint, rows.to_us(now), rows.to_us(until), limit)
        return [outbox_rows.to_delivery(row) for row in found]

    async def drop_deliveries(self, endpoint: str) -> None:
        await in_portions(partial(self.fetch, _DROP_DELIVERIES, endpoint, STAGE_PORTION))

    async def _add(self, table: str, columns: tuple[str, ...], added: list[Row]) -> None:
        assert self._statements is not None, "the store is not open"
        statement = self._statements.add(table, columns)
        async with self._reading().session() as connection:
            await connection.execute(statement, *zip(*added, strict=True))


_FORGET_FAULTS = """DELETE FROM signature_faults WHERE is_known = ?
    AND id NOT IN (SELECT id FROM signature_faults WHERE is_known = ? ORDER BY id DESC LIMIT ?)"""
_FORGET_REPLIES = "DELETE FROM replies WHERE scope IN (SELECT scope FROM replies WHERE at < ? LIMIT ?)"
_FORGET_DELIVERIES = """DELETE FROM deliveries WHERE number IN
    (SELECT number FROM deliveries WHERE state = 'delivered' AND occurred_at < ? LIMIT ?) RETURNING 1"""
_DROP_DELIVERIES = """DELETE FROM deliveries WHERE number IN
    (SELECT number FROM deliveries WHERE endpoint = ? LIMIT ?) RETURNING 1"""
_FORGET_WRITERS = "DELETE FROM commits WHERE at < now() - INTERVAL '1 day'"
"""Writers that ended without saying so. One that has been idle for a day gets its line anew with its next batch."""
