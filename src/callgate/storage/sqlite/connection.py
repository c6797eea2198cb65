"""Connections to one SQLite file, what its errors mean, and the folding of its log back into it."""

import sqlite3
import threading
from pathlib import Path

from callgate.errors import StorageUnavailable
from callgate.logs import log
from callgate.storage.batch import Refused
from callgate.storage.schema import SCHEMA

MEMORY = ":memory:"

_BUSY_MS = 250
"""How long SQLite itself waits for another process's lock before we look whether it is time to give up."""

_CACHE_KIB = 32_768

_STATEMENTS = 512

CHECKPOINT_S = 1.0
"""How often the log is folded back into the file."""

LONG_LOG_PAGES = 8_192
"""A log of 32 MiB: it is begun anew as soon as all of it is folded back, for which the writer stands still for a moment."""

LONGEST_LOG_PAGES = 100_000
"""Should nobody fold it back, a commit does so at this length."""


def connect(path: str) -> sqlite3.Connection:
    """Raises `StorageUnavailable`."""
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS)
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    except sqlite3.Error as error:
        raise StorageUnavailable(f"cannot open {path}: {error}") from error
    return connection


def schema_of(connection: sqlite3.Connection, path: str) -> str | None:
    """The last migration that the database has seen, None for none. Raises `StorageUnavailable`."""
    try:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        return None
    except sqlite3.DatabaseError as error:
        raise StorageUnavailable(f"{path} is not a database of ours: {error}") from error
    return found and str(found[0])


def check_schema(connection: sqlite3.Connection, path: str) -> None:
    """Raises `StorageUnavailable` when the database was made by another version."""
    found = schema_of(connection, path)
    if found != SCHEMA:
        does = "a newer version made it, use that one" if (found or "") > SCHEMA else "run: callgate migrate"
        raise StorageUnavailable(f"{path} has schema {found or 'none'}, this version works with {SCHEMA}; {does}")


def check_file(path: str) -> None:
    """Opening a file that is not there would make it. Raises `StorageUnavailable`."""
    if path != MEMORY and not Path(path).exists():
        raise StorageUnavailable(f"there is no database {path}; create it with: callgate init")


def translate(error: sqlite3.Error) -> StorageUnavailable | Refused:
    """Say whether the database takes nothing now, or only not what one job of the batch wrote."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    kind = StorageUnavailable if code in _TAKES_NOTHING else Refused
    return kind(f"SQLite: {error}")


_TAKES_NOTHING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    }
)


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process holds the lock."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


class Checkpointer:
    """Folds the log back into the file in a thread of its own, so that no commit waits for it.

    A log that is written without a pause is never folded back to its last page from beside, and would grow for ever. So a
    long one is finished by the writer, between two batches: only what came since the last look is left for it to do.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._is_over = threading.Event()
        self._is_long = False
        self._thread = threading.Thread(target=self._work, name="callgate-checkpointer", daemon=True)

    def start(self, writer: sqlite3.Connection) -> None:
        """From now on the writer's commits leave the log alone."""
        writer.execute(f"PRAGMA wal_autocheckpoint = {LONGEST_LOG_PAGES}")
        self._thread.start()

    def stop(self) -> None:
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join()

    def finish(self, writer: sqlite3.Connection) -> None:
        """For the writer, outside a transaction: begin a long log anew."""
        if self._is_long:
            self._is_long = False
            writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def _work(self) -> None:
        connection: sqlite3.Connection | None = None
        while not self._is_over.wait(CHECKPOINT_S):
            try:
                connection = connection or connect(self._path)
                _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                self._is_long = pages > LONG_LOG_PAGES
            except (sqlite3.Error, StorageUnavailable) as error:  # the disk may be full: the writer hears of it too
                log.warning("store.not_checkpointed", error=str(error))
        if connection is not None:
            connection.close()
