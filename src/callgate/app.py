"""Composition, for commands and servers alike: settings in, an engine and a vault out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from callgate.errors import SettingsInvalid
from callgate.settings import Settings
from callgate.storage.sqlite import SqliteStore
from callgate.vault import Vault


def clock() -> datetime:
    """The time, aware and in UTC. Everything that decides is handed a time; this is where it comes from."""
    return datetime.now(UTC)


def build_store(settings: Settings) -> SqliteStore:
    """Choose the engine that the database URL names. The store is not open yet."""
    return SqliteStore(settings.database_url.removeprefix("sqlite:///"), queue_limit=settings.queue_limit)


def build_vault(settings: Settings) -> Vault:
    """Raises `SettingsInvalid` when there is no secret key."""
    if not settings.secret_key:
        raise SettingsInvalid(
            "secret_key", "none", "the one in callgate.toml, or CALLGATE_SECRET_KEY; `callgate init` makes one"
        )
    return Vault(settings.secret_key)


@asynccontextmanager
async def opened(store: SqliteStore) -> AsyncIterator[SqliteStore]:
    """The store, open for as long as the block runs."""
    await store.open()
    try:
        yield store
    finally:
        await store.close()
