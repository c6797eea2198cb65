"""Databases of earlier versions come to this one with everything that was in them, and to the schema that a new one has."""

import asyncio
import importlib.util
import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

import callgate.storage.migrations
from callgate.errors import StorageUnavailable
from callgate.ledger.verify import verify
from callgate.service.add_endpoint import KeepEndpoint
from callgate.service.books import AccountKey
from callgate.service.due import due_at
from callgate.service.endpoint import Endpoint
from callgate.storage.dialect import words
from callgate.storage.postgres import PostgresStore
from callgate.storage.schema import SCHEMA
from callgate.storage.sqlite import SqliteStore

if TYPE_CHECKING:
    from tests.conftest import Postgres

VERSIONS = Path(next(iter(callgate.storage.migrations.__path__))) / "versions"

STEPS = sorted(path.stem for path in VERSIONS.glob("[0-9]*.py"))

ROWS = (
    """INSERT INTO applications VALUES ('app', 'sinch', 'App', 'active', 0, '["c2VhbGVk"]', '{}', '{}')""",
    "INSERT INTO accounts VALUES ('app', 'alice', 'USD', 'active', 'standard', '{}')",
    "INSERT INTO wallets VALUES ('app', 'alice', 'USD', 50000, 0, 0, 0, 1)",
    """INSERT INTO transfers (application, id, kind, debit, credit, amount_micros, currency, subject, at, who, why)
    VALUES ('app', 't1', 'topup', 'topups:USD', 'wallet:alice', 50000, 'USD', 'x', 0, '', '')""",
    "INSERT INTO house_accounts VALUES ('app', 'USD', 'topups:USD', -50000)",
)
"""An account with money, as the first version wrote it."""


def steps_of(name: str, engine: str) -> list[str]:
    """The statements of one migration, which is loaded as Alembic does: by its path."""
    found = importlib.util.spec_from_file_location(name, VERSIONS / f"{name}.py")
    assert found is not None and found.loader is not None
    module: ModuleType = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return words(module.STATEMENTS, engine)


def statements_until(last: str, engine: str) -> list[str]:
    """Everything that a database has been told when its newest migration is `last`, with rows from the very first day."""
    statements = [*steps_of(STEPS[0], engine), *ROWS]
    for name in STEPS[1 : STEPS.index(last) + 1]:
        statements += steps_of(name, engine)
    version = last.partition("_")[0]
    return [
        *statements,
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL CONSTRAINT alembic_version_pkc PRIMARY KEY)",
        f"INSERT INTO alembic_version VALUES ('{version}')",  # noqa: S608 - a file's name
    ]


async def upgraded(store: Any) -> None:
    """Migrate, and find what was there."""
    if STEPS[-1].partition("_")[0] == SCHEMA:
        await store.migrate()
        await store.migrate()  # a second time there is nothing to do
    await store.open()
    try:
        found = await store.account(AccountKey("app", "alice"))
        assert found is not None and found.wallet.posted_micros == 50_000
        assert await store.inspect_ledger(lambda rows: verify(rows).faults) == ()
        assert len(await store.applications()) == 1
        endpoint = Endpoint(
            id="ep_1",
            url="https://crm.example.com/",
            types=(),
            allow_private=False,
            created_at=datetime(2026, 11, 23, tzinfo=UTC),
            sealed_secrets=(b"sealed",),
        )
        await store.perform(KeepEndpoint(endpoint=endpoint))
        assert await store.endpoints() == [endpoint]
    finally:
        await store.close()


def test_calls_of_before_are_asked_about_like_all_others(tmp_path: Path) -> None:
    """Each open hold gets the time at which it is due, and one whose end was unclear is due; no other call is asked about."""
    path = tmp_path / "gate.db"
    second = 1_000_000
    calls = [
        ("rings", "arrived", "open", 1_000 * second, None, ""),
        ("talks", "answered", "open", 1_000 * second, 1_030 * second, "conflict"),
        ("odd", "answered", "open", 1_000 * second, 1_030 * second, "conflict end_unclear"),
        ("done", "ended", "posted", 1_000 * second, None, "end_unclear"),
    ]
    with sqlite3.connect(path) as books:
        for statement in statements_until(STEPS[0], "sqlite"):
            books.execute(statement)
        books.executemany(
            """INSERT INTO calls (application, call_id, state, caller, destination, fingerprint, granted_s, trace, answer,
            hold_micros, hold_placed_at, hold_state, decided_at, answered_at, flags)
            VALUES ('app', ?, ?, '', '', '', 60, x'', x'', 1, 0, ?, ?, ?, ?)""",
            calls,
        )
    books.close()

    async def steps() -> None:
        store = SqliteStore(str(path))
        await store.migrate()
        await store.open()
        found = {call.key.call_id: call for call in await store.calls(None, limit=10)}
        asked = {name: call.ask_at and call.ask_at.timestamp() for name, call in found.items()}
        assert asked == {"rings": 1_360, "talks": 1_210, "odd": 1_000, "done": None}
        assert all(call.ask_at == due_at(call) for name, call in found.items() if name in ("rings", "talks"))
        assert {(call.resource, call.ask_count, call.elastic) for call in found.values()} == {("", 0, None)}
        await store.close()

    asyncio.run(steps())


def test_the_code_was_written_for_the_newest_step() -> None:
    """Who adds a step says so in `SCHEMA`, or no server would open what it migrated."""
    assert STEPS[-1].startswith(f"{SCHEMA}_")


def sqlite_schema(path: Path) -> list[tuple[str, ...]]:
    with sqlite3.connect(path) as books:
        found = books.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'"
        )
        schema = sorted((kind, name, re.sub(r"--.*|\s+", " ", sql)) for kind, name, sql in found)
    books.close()
    return schema


@pytest.mark.parametrize("last", STEPS)
def test_sqlite_of_each_version(last: str, tmp_path: Path, template: Path) -> None:
    """Before the migration it is not opened, and the message says what to do."""
    path = tmp_path / "gate.db"
    with sqlite3.connect(path) as books:
        for statement in statements_until(last, "sqlite"):
            books.execute(statement)
    books.close()

    async def steps() -> None:
        store = SqliteStore(str(path))
        if last != STEPS[-1]:
            with pytest.raises(StorageUnavailable, match=rf"has schema {last[:4]}.*run: callgate migrate"):
                await store.open()
        await upgraded(store)

    asyncio.run(steps())
    assert sqlite_schema(path) == sqlite_schema(template)


POSTGRES_SCHEMA = """
    SELECT 'column', table_name || '.' || column_name, data_type || ' ' || is_nullable || ' ' || coalesce(collation_name, '')
        || ' ' || coalesce(column_default, '') || ' ' || is_identity FROM information_schema.columns WHERE table_schema = 'public'
    UNION SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION SELECT 'constraint', conrelid::regclass::text || '.' || conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
    UNION SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION SELECT 'function', proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1, 2
"""


@pytest.mark.parametrize("last", STEPS)
def test_postgres_of_each_version(last: str, postgres: "Postgres") -> None:
    """As on SQLite. No version before 0005 worked on PostgreSQL, but the steps from there on must lead somewhere."""
    name = f"from_{last}"
    postgres.make(name, template="template1")

    async def steps() -> None:
        connection = await asyncpg.connect(postgres.url(name))
        for statement in statements_until(last, "postgresql"):
            await connection.execute(statement)
        # Secrets as the first version wrote them are nobody's on this engine, and no step of its brings them on.
        await connection.execute("UPDATE applications SET sealed_secrets = '[]'")
        await connection.close()
        store = PostgresStore(postgres.url(name))
        if last != STEPS[-1]:
            with pytest.raises(StorageUnavailable, match=rf"has schema {last[:4]}.*run: callgate migrate"):
                await store.open()
        await upgraded(store)

    asyncio.run(steps())
    assert postgres.ask(POSTGRES_SCHEMA, name) == postgres.ask(POSTGRES_SCHEMA, "empty")


def test_two_who_migrate_at_once(postgres: "Postgres") -> None:
    """One waits for the other, and finds nothing to do."""
    postgres.make("twice", template="template1")

    async def steps() -> None:
        stores = [PostgresStore(postgres.url("twice")) for _ in range(2)]
        await asyncio.gather(*(store.migrate() for store in stores))
        await stores[0].open()
        for store in stores:
            await store.close()

    asyncio.run(steps())


def test_a_database_that_a_newer_version_made(
    postgres_url: str, file_store: Callable[..., Any], tmp_path: Path
) -> None:
    """It is neither opened nor migrated."""
    path = tmp_path / "newer.db"
    file_store(path)
    with sqlite3.connect(path) as books:
        books.execute("UPDATE alembic_version SET version_num = '9999'")
    books.close()

    async def steps() -> None:
        connection = await asyncpg.connect(postgres_url)
        await connection.execute("UPDATE alembic_version SET version_num = '9999'")
        await connection.close()
        for store in (SqliteStore(str(path)), PostgresStore(postgres_url)):
            with pytest.raises(StorageUnavailable, match="a newer version made it"):
                await store.open()
            with pytest.raises(StorageUnavailable, match="did a newer one make it"):
                await store.migrate()
            await store.close()

    asyncio.run(steps())
