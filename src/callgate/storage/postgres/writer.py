"""The one session of a node that writes batches, and what becomes of a batch when it is lost."""

import asyncio
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from itertools import count

import asyncpg

from callgate.errors import StorageUnavailable
from callgate.logs import log
from callgate.service.books import Books
from callgate.storage.batch import OnStep, Refused, Step, Waiting, named_by
from callgate.storage.postgres.load import load
from callgate.storage.postgres.save import save
from callgate.storage.postgres.session import (
    Address,
    Beaten,
    Connection,
    LostConnection,
    begin,
    check_schema,
    column_types,
    connect_writer,
    translate,
)
from callgate.storage.postgres.statements import Statements

BACK_OFF_S = (0.0, 0.01, 0.05, 0.1, 0.2, 0.5)
"""Pauses before the next try, by how many there were; the last one for all that follow."""

BEATEN_LIMIT = 3
"""How often a batch may be beaten by other nodes before its jobs go one by one, and then each of them."""

SILENCE_S = 10.0
"""A statement that has no answer for so long is given up, and its session with it."""


class UnknownOutcome(Exception):
    """The connection was lost while it committed."""


class BatchWriter:
    """Commits batches on a session of its own, in one thread and its event loop. Connects again when it is lost.

    A batch whose outcome is unknown is looked up under its number before anything else is done: it is answered as committed
    when it was, run again when it was not. Until that is known its callers wait, whatever their patience.
    """

    def __init__(
        self,
        address: Address,
        *,
        patience_s: float,
        is_closing: Callable[[], bool],
        on_step: OnStep,
        has_more: Callable[[], bool],
    ) -> None:
        self._address = address
        self._patience_s = patience_s
        self._is_closing = is_closing
        self._on_step = on_step
        self._has_more = has_more
        self._name = uuid.uuid4().hex
        self._batch = 0
        self._connection: Connection | None = None
        self._statements: Statements | None = None
        self._is_pooled = False
        self.is_lost = False
        """Whether the database was lost and has not been found again."""
        self._is_begun = False  # the transaction for the next batch, together with the end of the last

    async def commit(self, batch: list[Waiting]) -> None:
        """Run jobs in one transaction. Raises `StorageUnavailable`, `Refused`."""
        give_up_at = time.monotonic() + self._patience_s
        for tries in count(1):
            try:
                await self._try(batch)
            except Beaten as error:
                if tries > BEATEN_LIMIT:
                    raise Refused(str(error)) from error
            except UnknownOutcome:
                self.is_lost = True
                if await self._was_committed():
                    self.is_lost = False
                    return
            except LostConnection as error:
                self.is_lost = True
                log.warning("store.connection_lost", jobs=len(batch), error=str(error))
                if self._is_closing() or time.monotonic() > give_up_at:
                    raise
            else:
                self.is_lost = False
                return
            await asyncio.sleep(BACK_OFF_S[min(tries, len(BACK_OFF_S)) - 1])
        raise AssertionError("it counts for ever")

    async def close(self) -> None:
        """Take our line out of the list of writers, where that can be done."""
        connection, self._connection = self._connection, None
        if connection is None or connection.is_closed():
            return
        try:
            async with asyncio.timeout(1):
                if self._is_begun:
                    await connection.execute("ROLLBACK")
                await connection.execute("DELETE FROM commits WHERE writer = $1", self._name)
                await connection.close()
        except Exception:  # noqa: BLE001 - the line is in nobody's way
            connection.terminate()
            await asyncio.sleep(0)  # its socket is closed in the next round of the event loop, which may be the last

    # -- one try -------------------------------------------------------------------------------------------------------

    async def _try(self, batch: list[Waiting]) -> None:
        connection, statements = await self._connected()
        self._batch += 1
        is_committing = False
        books = Books()
        try:
            async with asyncio.timeout(SILENCE_S):
                await self._begin(connection)
                self._on_step(Step.BEGUN)
                await load(connection, statements, books, named_by(batch))
            self._on_step(Step.LOADED)
            for waiting in batch:
                waiting.run(books)
            self._on_step(Step.RUN)
            async with asyncio.timeout(SILENCE_S):
                is_committing = await save(connection, statements, books, self._name, self._batch)
                self._on_step(Step.SAVED)
                await self._end(connection)
        except Exception as error:
            meaning = translate(error)
            await self._forget(connection, meaning)
            if is_committing and isinstance(meaning, LostConnection):
                raise UnknownOutcome from error
            raise meaning from error
        self._on_step(Step.COMMITTED)

    async def _begin(self, connection: Connection) -> None:
        if not self._is_begun:
            await connection.execute(begin(is_pooled=self._is_pooled))
            self._is_begun = True

    async def _end(self, connection: Connection) -> None:
        """Commit; where more waits already, begin in the same round."""
        if self._has_more():
            await connection.execute(f"COMMIT;{begin(is_pooled=self._is_pooled)}")
        else:
            await connection.execute("COMMIT")
            self._is_begun = False

    async def _forget(self, connection: Connection, meaning: Exception) -> None:
        """Nothing of this try remains; a session that cannot say so goes with it."""
        self._is_begun = False
        if not isinstance(meaning, LostConnection) and not connection.is_closed():
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                async with asyncio.timeout(SILENCE_S):
                    await connection.execute("ROLLBACK")
                return
        connection.terminate()
        self._connection = None

    async def _connected(self) -> tuple[Connection, Statements]:
        """Raises `LostConnection`, `StorageUnavailable`."""
        if self._connection is None or self._connection.is_closed() or self._statements is None:
            self._is_begun = False
            connection, self._is_pooled = await connect_writer(self._address)
            try:
                await check_schema(connection)
                self._statements = Statements(await column_types(connection))
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                connection.terminate()
                raise translate(error) from error
            self._connection = connection
        return self._connection, self._statements

    async def _was_committed(self) -> bool:
        """Whether the last batch was. Waits for as long as the session that was lost may yet commit it.

        Raises `StorageUnavailable` when the store is closed before that is known.
        """
        while True:
            try:
                connection, _ = await self._connected()
                async with asyncio.timeout(SILENCE_S):
                    return bool(await connection.fetchval(_LAST_BATCH, self._name) == self._batch)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, StorageUnavailable) as error:
                log.error("store.outcome_unknown", error=str(error))
                if self._is_closing():
                    raise StorageUnavailable(
                        "closed while it was not known whether the last batch was committed"
                    ) from error
                self._connection = None
            await asyncio.sleep(BACK_OFF_S[-1])


_LAST_BATCH = """INSERT INTO commits (writer, batch) VALUES ($1, -1)
    ON CONFLICT (writer) DO UPDATE SET at = excluded.at RETURNING batch"""
"""Writing to the line waits for a transaction that has written to it and is not over: afterwards nothing is open."""
