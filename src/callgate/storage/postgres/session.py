"""Connections to PostgreSQL: how they are made, what their errors mean, and whether a pooler stands between."""

import asyncio
import re
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import NamedTuple, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

from callgate.errors import StorageUnavailable
from callgate.storage.batch import Refused
from callgate.storage.rows import Row
from callgate.storage.schema import SCHEMA


class Cursor(Protocol):
    """What we use of asyncpg's cursor."""

    async def fetch(self, count: int) -> list[Row]: ...


class Connection(Protocol):
    """What we use of asyncpg's connection."""

    async def execute(self, statement: str, *values: object) -> str: ...

    async def fetch(self, statement: str, *values: object) -> list[Row]: ...

    async def fetchval(self, statement: str, *values: object) -> object: ...

    def cursor(self, statement: str) -> Awaitable[Cursor]: ...

    def transaction(self, **words: object) -> AbstractAsyncContextManager[None]: ...

    def get_server_pid(self) -> int: ...

    def is_closed(self) -> bool: ...

    async def close(self, *, timeout: float | None = None) -> None: ...  # noqa: ASYNC109 - as asyncpg spells it

    def terminate(self) -> None: ...


CONNECT_S = 5.0
"""How long one attempt to connect may take, all hosts of the address together."""

STATEMENTS = 256

_SESSION = (
    "SET jit = off",  # compiling takes longer than any statement of ours
    "SET plan_cache_mode = force_generic_plan",  # so does planning a batch anew
    # Batches find rows by their keys. While a table is small, or was never analysed, a plan would rather read all of it, and
    # be kept when it has grown.
    "SET enable_seqscan = off",
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    # A node that is cut off must not hold its locks until the network gives up.
    "SET idle_in_transaction_session_timeout = '15s'",
    "SET tcp_keepalives_idle = 5",
    "SET tcp_keepalives_interval = 2",
    "SET tcp_keepalives_count = 3",
)
"""Settings of a writer's session."""


class Address(NamedTuple):
    """Where the database is. `is_pooled`: statements are not kept prepared, since the next one may go to another session."""

    dsn: str
    is_pooled: bool


def read_address(url: str) -> Address:
    """Read a database URL; of its parameters, `statement_cache_size=0` is ours, the others are PostgreSQL's."""
    parts = urlsplit(url)
    named = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(name, value) for name, value in named if name != "statement_cache_size"]
    is_pooled = ("statement_cache_size", "0") in named
    if "target_session_attrs" not in dict(kept):
        kept.append(("target_session_attrs", "read-write"))  # never a standby, and after a failover the new leader
    return Address(urlunsplit(parts._replace(query=urlencode(kept, safe="/,:"))), is_pooled)


async def connect(address: Address) -> Connection:
    """Raises `LostConnection`, `StorageUnavailable` when the address itself is wrong."""
    try:
        async with asyncio.timeout(CONNECT_S):
            connection: Connection = await asyncpg.connect(
                address.dsn,
                timeout=CONNECT_S,
                statement_cache_size=0 if address.is_pooled else STATEMENTS,
                max_cacheable_statement_size=0,
                max_cached_statement_lifetime=0,
            )
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise StorageUnavailable(f"PostgreSQL refuses us: {error}") from error
    except asyncpg.InvalidCatalogNameError as error:
        raise StorageUnavailable(f"PostgreSQL: {error}; create it with: createdb") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError) as error:
        raise LostConnection(f"PostgreSQL does not answer: {describe(error)}") from error
    return connection


async def connect_writer(address: Address) -> tuple[Connection, bool]:
    """Return a session that is ready for batches, and whether a pooler stands before it."""
    connection = await connect(address)
    is_pooled = address.is_pooled or await stands_behind_pooler(connection)
    if is_pooled and not address.is_pooled:
        await connection.close()
        connection = await connect(address._replace(is_pooled=True))
    elif not is_pooled:
        await connection.execute(";".join(_SESSION))
    return connection, is_pooled


def begin(*, is_pooled: bool) -> str:
    """What begins a batch. Behind a pooler a session is ours for one transaction only, and so are its settings."""
    settings = [each.replace("SET ", "SET LOCAL ") for each in _SESSION] if is_pooled else []
    return ";".join(["BEGIN", *settings])


async def stands_behind_pooler(connection: Connection) -> bool:
    """A pooler, such as PgBouncer, tells us a process of its own making, not the one that answers."""
    return bool(await connection.fetchval("SELECT pg_backend_pid()") != connection.get_server_pid())


async def schema_of(connection: Connection) -> str | None:
    """The last migration that the database has seen, None for none."""
    if await connection.fetchval("SELECT to_regclass('alembic_version') IS NULL"):  # an error would end a transaction
        return None
    found = await connection.fetchval("SELECT version_num FROM alembic_version")
    return None if found is None else str(found)


async def check_schema(connection: Connection) -> None:
    """Raises `StorageUnavailable` when the database was made by another version."""
    found = await schema_of(connection)
    if found != SCHEMA:
        does = "a newer version made it, use that one" if (found or "") > SCHEMA else "run: callgate migrate"
        raise StorageUnavailable(f"the database has schema {found or 'none'}, this version works with {SCHEMA}; {does}")


class LostConnection(StorageUnavailable):
    """The session is gone, or of no more use: another one may do."""

    def __init__(self, explanation: str) -> None:
        super().__init__(explanation, "unreachable")


class Beaten(Exception):
    """Another node was there first: a row that is there by now, a deadlock, a conflict of transactions. Try again."""


def translate(error: Exception) -> Exception:
    """Say what an error of the driver means for a batch: `Beaten`, `LostConnection`, `StorageUnavailable` or `Refused`.

    An error that is none of the driver's stays what it is.
    """
    told = f"PostgreSQL: {describe(error)}"
    if isinstance(error, asyncpg.DiskFullError):
        return StorageUnavailable(told, "disk full")
    for kinds, meaning in _MEANINGS:
        if isinstance(error, kinds):
            return meaning(told)
    return error


_MEANINGS: tuple[tuple[tuple[type[Exception], ...], type[Exception]], ...] = (
    ((asyncpg.UniqueViolationError, asyncpg.TransactionRollbackError), Beaten),
    ((asyncpg.DataError,), Refused),  # a value that no column takes
    (
        (
            asyncpg.PostgresConnectionError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
            asyncpg.OperatorInterventionError,  # shut down, crashed, not yet up, cancelled
            asyncpg.IdleInTransactionSessionTimeoutError,
            asyncpg.ReadOnlySQLTransactionError,  # it was the leader, and is a standby now
            OSError,
            TimeoutError,
        ),
        LostConnection,
    ),
    (
        (
            asyncpg.InsufficientResourcesError,  # disk full, out of memory, too many connections
            asyncpg.PostgresIOError,
            asyncpg.InternalServerError,
            asyncpg.LockNotAvailableError,
        ),
        StorageUnavailable,
    ),
    ((asyncpg.PostgresError,), Refused),
)


def describe(error: BaseException) -> str:
    """An error in a line, without the password that an address may hold."""
    return re.sub(
        r"(://[^:/@\s]*):[^@\s]*@", r"\1:***@", str(error).splitlines()[0] if str(error) else type(error).__name__
    )


@cache
def numbered(statement: str) -> str:
    """Question marks as PostgreSQL writes placeholders."""
    parts = statement.split("?")
    return parts[0] + "".join(f"${place}{part}" for place, part in enumerate(parts[1:], 1))


async def column_types(connection: Connection) -> dict[tuple[str, str], str]:
    """The type of every column of ours, by table and column: what arrays of its values are cast to."""
    found = await connection.fetch(
        """SELECT table_name, column_name, data_type FROM information_schema.columns
        WHERE table_schema = current_schema()"""
    )
    return {(row[0], row[1]): row[2] for row in found}
