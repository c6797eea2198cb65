"""Databases of earlier versions come to this one with everything that was in them."""

import asyncio
import importlib.util
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

import callgate.storage.migrations
from callgate.errors import StorageUnavailable
from callgate.service.add_endpoint import KeepEndpoint
from callgate.service.endpoint import Endpoint
from callgate.storage.schema import SCHEMA
from callgate.storage.sqlite import SqliteStore

VERSIONS = Path(next(iter(callgate.storage.migrations.__path__))) / "versions"

RECORD = """INSERT INTO records (record_id, application, call_id, account, sequence, ended_at, record)
    VALUES ('app/c1', 'app', 'c1', 'alice', 1, 0, '{}')"""


def step(name: str) -> ModuleType:
    """One migration, loaded as Alembic does: by its path."""
    found = importlib.util.spec_from_file_location(name, VERSIONS / f"{name}.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def at_0001(path: Path) -> None:
    """A database as the first version left it, with a record in it."""
    with sqlite3.connect(path) as books:
        for statement in step("0001_first_call").STATEMENTS:
            books.execute(statement)
        books.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        books.execute("INSERT INTO alembic_version VALUES ('0001')")
        books.execute(RECORD.replace("'{}'", "x'7b7d'"))
    books.close()


def test_a_database_of_0001_keeps_its_records_and_takes_endpoints(tmp_path: Path) -> None:
    """Before the migration it is not opened, and the message says what to do; afterwards both worlds are there."""
    path = tmp_path / "gate.db"
    at_0001(path)
    endpoint = Endpoint(
        id="ep_1",
        url="https://crm.example.com/",
        types=(),
        allow_private=False,
        created_at=datetime(2026, 11, 23, tzinfo=UTC),
        sealed_secrets=(b"sealed",),
    )

    async def steps() -> None:
        store = SqliteStore(str(path))
        with pytest.raises(StorageUnavailable, match=r"has schema 0001.*run: callgate migrate"):
            await store.open()
        await store.migrate()
        await store.migrate()  # a second time there is nothing to do
        await store.open()
        await store.perform(KeepEndpoint(endpoint=endpoint))
        assert await store.endpoints() == [endpoint]
        await store.close()

    asyncio.run(steps())
    with sqlite3.connect(path) as books:
        assert books.execute("SELECT record_id, sequence FROM records").fetchall() == [("app/c1", 1)]
        assert books.execute("SELECT version_num FROM alembic_version").fetchall() == [(SCHEMA,)]
    books.close()


def test_the_code_was_written_for_the_newest_step() -> None:
    """Who adds a step says so in `SCHEMA`, or no server would open what it migrated."""
    assert max(path.name for path in VERSIONS.glob("[0-9]*.py")).startswith(f"{SCHEMA}_")
