"""Sessions for what goes on beside the batches: everything that is read, decks in portions, the ledger as a whole."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg

from callgate.errors import StorageUnavailable
from callgate.ledger.verify import LedgerRows
from callgate.storage.ledger import ledger_rows
from callgate.storage.postgres.session import Address, Connection, Cursor, LostConnection, connect, numbered, translate
from callgate.storage.rows import Row

T = TypeVar("T")

READERS = 4
"""Sessions that read beside the writer."""

ANSWER_S = 30.0
"""How long a reader waits for an answer."""

PORTION = 5_000
"""Rows of the ledger that are fetched at once."""


class Readers:
    """A few sessions, made when they are needed; one that is lost is replaced. For one event loop."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._idle: list[Connection] = []
        self._room = asyncio.Semaphore(READERS)

    async def close(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            try:
                await connection.close(timeout=1)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection.terminate()
                await asyncio.sleep(
                    0
                )  # its socket is closed in the next round of the event loop, which may be the last

    async def fetch(self, statement: str, *values: object) -> Sequence[Row]:
        """Return all rows. A session that was lost while it was idle is no reason to fail. Raises `StorageUnavailable`."""
        try:
            return await self._fetch(statement, values)
        except LostConnection:
            await self.close()
            return await self._fetch(statement, values)

    async def _fetch(self, statement: str, values: Sequence[object]) -> Sequence[Row]:
        async with self.session() as connection, asyncio.timeout(ANSWER_S):
            return [tuple(row) for row in await connection.fetch(numbered(statement), *values)]

    @asynccontextmanager
    async def session(self, *, has_one_view: bool = False) -> AsyncIterator[Connection]:
        """A session for one statement, or for one consistent view. Raises `StorageUnavailable` for whatever is wrong."""
        async with self._room:
            connection = self._idle.pop() if self._idle else await connect(self._address)
            try:
                if has_one_view:
                    async with connection.transaction(isolation="repeatable_read", readonly=True):
                        yield connection
                elif self._address.is_pooled:  # what prepares a statement and what runs it must reach one session
                    async with connection.transaction():
                        yield connection
                else:
                    yield connection
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                connection.terminate()
                meaning = translate(error)
                raise (
                    meaning if isinstance(meaning, StorageUnavailable) else StorageUnavailable(str(meaning))
                ) from error
            except BaseException:
                connection.terminate()
                raise
            self._idle.append(connection)

    async def inspect_ledger(self, look: Callable[[LedgerRows], T]) -> T:
        """Call `look` in a thread, with one consistent view that is fetched in portions as it is read."""
        loop = asyncio.get_running_loop()
        async with self.session(has_one_view=True) as connection:

            def ask(statement: str) -> Iterator[Row]:
                cursor = asyncio.run_coroutine_threadsafe(_cursor(connection, statement), loop).result()
                while portion := asyncio.run_coroutine_threadsafe(_portion(cursor), loop).result():
                    yield from portion

            return await asyncio.to_thread(lambda: look(ledger_rows(ask)))


async def _cursor(connection: Connection, statement: str) -> Cursor:
    return await connection.cursor(statement)


async def _portion(cursor: Cursor) -> list[Row]:
    return [tuple(row) for row in await cursor.fetch(PORTION)]
