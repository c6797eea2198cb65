"""The embedded engine: SQLite in WAL mode with full sync, one writer, group commit."""

from callgate.storage.sqlite.connection import MEMORY
from callgate.storage.sqlite.store import SqliteStore

__all__ = ["MEMORY", "SqliteStore"]
