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

_STATEMENTS = 1_024

CHECKPOINT_S = 1.0
"""How often the log is folded back into the file, at the least."""

CHECKPOINT_JOBS = 1_000
"""After so many jobs it is done at once, so that the log stays short and its pages are written over, not added."""

LONG_LOG_PAGES = 4_096
"""A log of 16 MiB: it is begun anew as soon as all of it is folded back, for which the writer stands still for a moment."""

LONGEST_LOG_PAGES = 100_000
"""Should nobody fold it back, a commit does so at this length."""


def connect(path: str, kind: type[sqlite3.Connection] = sqlite3.Connection) -> sqlite3.Connection:
    """Connect, with a kind of connection of the caller's own where one is named. Raises `StorageUnavailable`."""
    try:
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS, factory=kind
        )
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
    state = _TAKES_NOTHING.get(code)
    return Refused(f"SQLite: {error}") if state is None else StorageUnavailable(f"SQLite: {error}", state)


_TAKES_NOTHING = {
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
    sqlite3.SQLITE_NOMEM: "out of memory",
    sqlite3.SQLITE_READONLY: "read-only",
    sqlite3.SQLITE_IOERR: "disk error",
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_FULL: "disk full",
    sqlite3.SQLITE_CANTOPEN: "disk error",
    sqlite3.SQLITE_PROTOCOL: "locked",
    sqlite3.SQLITE_NOTADB: "damaged",
}
"""Errors with which nothing can be written, whatever it is, and how the store is then."""


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
        self._is_due = threading.Event()
        self._is_over = False
        self._is_long = False
        self._jobs = 0
        self._thread = threading.Thread(target=self._work, name="callgate-checkpointer", daemon=True)

    def start(self, writer: sqlite3.Connection) -> None:
        """From now on the writer's commits leave the log alone."""
        writer.execute(f"PRAGMA wal_autocheckpoint = {LONGEST_LOG_PAGES}")
        self._thread.start()

    def stop(self) -> None:
        self._is_over = True
        self._is_due.set()
        if self._thread.is_alive():
            self._thread.join()

    def wrote(self, jobs: int) -> None:
        """For the writer: so many more are in the log."""
        self._jobs += jobs
        if self._jobs >= CHECKPOINT_JOBS:
            self._jobs = 0
            self._is_due.set()

    def finish(self, writer: sqlite3.Connection) -> None:
        """For the writer, outside a transaction: begin a long log anew."""
        if self._is_long:
            self._is_long = False
            writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def _work(self) -> None:
        connection: sqlite3.Connection | None = None
        while not self._is_over:
            self._is_due.wait(CHECKPOINT_S)
            self._is_due.clear()
            try:
                connection = connection or connect(self._path)
                _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                self._is_long = pages > LONG_LOG_PAGES
            except (sqlite3.Error, StorageUnavailable) as error:  # the disk may be full: the writer hears of it too
                log.warning("store.not_checkpointed", error=str(error))
        if connection is not None:
            connection.close()
