"""Composition, for commands and servers alike: settings in, an engine and a vault out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from callgate.errors import SettingsInvalid
from callgate.service.application import Application
from callgate.service.application import opened as unsealed
from callgate.service.endpoint import Security, SmtpServer
from callgate.service.ports import Platform, Store
from callgate.service.scheduled_export import Bucket
from callgate.service.signing import Signing
from callgate.settings import S3, Settings
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


def mail_server(settings: Settings) -> SmtpServer | None:
    """The mail server that is set, None for none."""
    if not settings.smtp_host:
        return None
    return SmtpServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=Security(settings.smtp_security),
        user=settings.smtp_user,
        password=settings.smtp_password,
        sender=settings.smtp_from,
        authority=Path(settings.smtp_authority) if settings.smtp_authority else None,
        templates=Path(settings.mail_templates) if settings.mail_templates else None,
    )


def export_place(settings: Settings) -> Path | Bucket | None:
    """Where files of call records go, None where none are written."""
    if not settings.export_to.startswith(S3):
        return Path(settings.export_to) if settings.export_to else None
    name, _, prefix = settings.export_to.removeprefix(S3).partition("/")
    return Bucket(
        url=settings.export_s3_url or f"https://s3.{settings.export_s3_region}.amazonaws.com",
        region=settings.export_s3_region,
        name=name,
        prefix=f"{prefix.rstrip('/')}/" if prefix else "",
        key=settings.export_s3_key,
        secret=settings.export_s3_secret,
    )


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
