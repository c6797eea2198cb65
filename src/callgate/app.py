"""Composition, for commands and servers alike: settings in, an engine and a vault out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from callgate.errors import SettingsInvalid
from callgate.service.application import Application
from callgate.service.application import opened as unsealed
from callgate.service.ports import Platform, Store
from callgate.service.signing import Signing
from callgate.settings import Settings
from callgate.vault import Vault


def clock() -> datetime:
    """The time, aware and in UTC. Everything that decides is handed a time; this is where it comes from."""
    return datetime.now(UTC)


def build_store(settings: Settings) -> Store:
    """Choose the engine that the database URL names; the other is not even loaded. The store is not open yet.

    Raises `SettingsInvalid` when the driver of PostgreSQL is not installed.
    """
    file = settings.sqlite_file
    if file is not None:
        from callgate.storage.sqlite import SqliteStore  # noqa: PLC0415 - see above

        return SqliteStore(file, queue_limit=settings.queue_limit)
    try:
        from callgate.storage.postgres import PostgresStore  # noqa: PLC0415 - see above
    except ModuleNotFoundError as error:
        raise SettingsInvalid(
            "database_url", "PostgreSQL, whose driver is not installed", "pip install 'callgate[postgres]'"
        ) from error
    return PostgresStore(settings.database_url, queue_limit=settings.queue_limit)


def build_vault(settings: Settings) -> Vault:
    """Raises `SettingsInvalid` when there is no secret key."""
    if not settings.secret_key:
        raise SettingsInvalid(
            "secret_key", "none", "the one in callgate.toml, or CALLGATE_SECRET_KEY; `callgate init` makes one"
        )
    return Vault(settings.secret_key)


def build_signing(vault: Vault) -> Signing:
    """What we sign ourselves is signed with keys made of the secret key."""
    return Signing(tickets=vault.derived("callgate tickets"), holds=vault.derived("callgate holds"))


@asynccontextmanager
async def opened(store: Store) -> AsyncIterator[Store]:
    """The store, open for as long as the block runs."""
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def asked(store: Store, settings: Settings) -> AsyncIterator[Platform]:
    """The platforms of the applications that there are now, for as long as the block runs. For commands: a server's own
    follow what is changed meanwhile. Raises `SettingsInvalid`.
    """
    from callgate.platform.platforms import platforms  # noqa: PLC0415 - most commands ask nobody

    vault = build_vault(settings)
    applications: dict[str, Application] = {row.key: unsealed(row, vault.unseal) for row in await store.applications()}
    async with platforms(applications.get, clock) as asking:
        yield asking
