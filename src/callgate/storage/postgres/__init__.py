"""The scaled engine: PostgreSQL through asyncpg, many nodes on one database, group commit on each."""

from callgate.storage.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
