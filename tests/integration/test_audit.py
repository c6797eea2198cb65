"""The audit log: every change has its line in the same transaction, and no line is ever changed."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from api_client import api

from callgate.errors import Conflict
from callgate.service.add_application import AddApplication
from callgate.service.audit_entry import Actor, Via
from callgate.service.audited import audited
from callgate.service.books import Books, Keys
from callgate.service.issue_token import issue_token
from callgate.service.open_account import OpenAccount
from callgate.service.ports import AuditFilter, Store
from callgate.service.revoke_token import revoke_tokens
from callgate.service.set_account import SetAccount
from callgate.service.token import Role
from callgate.service.top_up import TopUp
from callgate.storage.postgres import PostgresStore
from callgate.storage.sqlite import SqliteStore

if TYPE_CHECKING:
    from tests.conftest import Postgres

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROOT = Actor(who="cli:root", via=Via.CLI)


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "sqlite":
        make: Callable[..., SqliteStore] = request.getfixturevalue("file_store")
        return make(tmp_path / "books.db")
    return PostgresStore(request.getfixturevalue("postgres_url"))


class Broken(Exception):
    """What the second half of a job raises."""


class ThenFail:
    """A job that changes something and then fails."""

    def keys(self) -> Keys:
        return OpenAccount(application="app", account="eve", currency="USD").keys()

    def run(self, books: Books) -> None:
        OpenAccount(application="app", account="eve", currency="USD").run(books)
        raise Broken


def test_what_changed(store: Store) -> None:
    """Who, what, before and after, in order; what failed or changed nothing has no line; secrets are in none."""

    async def scenario() -> None:
        await store.open()
        mine = audited(store, ROOT, lambda: NOW)
        add = AddApplication(provider="sinch", key="app", secret="c2VjcmV0", name="", seal=str.encode, now=NOW)
        await mine.perform(add)
        await mine.perform(OpenAccount(application="app", account="alice", currency="USD"))
        with pytest.raises(Conflict):
            await mine.perform(OpenAccount(application="app", account="alice", currency="USD"))
        with pytest.raises(Broken):
            await mine.perform(ThenFail())
        paid = TopUp(
            application="app", account="alice", amount_micros=5_000_000, reference="r", now=NOW, who="cli:root"
        )
        await mine.perform(paid)
        await mine.perform(paid)
        await mine.perform(SetAccount(application="app", account="alice", words=("credit_limit=3",)))
        clear = await issue_token(mine, "shop", Role.VIEWER, NOW)
        await revoke_tokens(mine, "shop")
        lines = list(reversed(await store.audit_entries(AuditFilter(), before=None, limit=100)))
        assert [(each.action, each.kind, each.subject, each.application) for each in lines] == [
            ("add_application", "application", "app", "app"),
            ("open_account", "identity", "user:alice", "app"),
            ("open_account", "account", "alice", "app"),
            ("open_account", "wallet", "alice", "app"),
            ("top_up", "wallet", "alice", "app"),
            ("top_up", "transfer", "topup/topups/alice/r", "app"),
            ("set_account", "wallet", "alice", "app"),
            ("keep_token", "token", clear[:7], ""),
            ("forget_tokens", "token", clear[:7], ""),
        ]
        assert {(each.who, each.via, each.at) for each in lines} == {("cli:root", Via.CLI, NOW)}
        limit = lines[6]
        assert limit.before is not None and limit.after is not None
        assert (json.loads(limit.before)["credit_limit"], json.loads(limit.after)["credit_limit"]) == ("0.00", "3.00")
        assert lines[8].after is None and lines[8].before is not None
        every = b"".join((each.before or b"") + (each.after or b"") for each in lines)
        assert b"c2VjcmV0" not in every and clear.encode() not in every
        of_alice = await store.audit_entries(AuditFilter(kind="wallet", subject="alice"), before=lines[6].id, limit=1)
        assert [each.action for each in of_alice] == ["top_up"]
        await store.close()

    asyncio.run(scenario())


def test_no_line_is_changed_in_a_file(file_store: Callable[..., SqliteStore], tmp_path: Path) -> None:
    """The schema refuses it, whoever asks."""
    store = file_store(tmp_path / "books.db")
    asyncio.run(one_line(store))
    db = sqlite3.connect(tmp_path / "books.db")
    for statement in (
        "UPDATE audit_log SET who = 'nobody'",
        "DELETE FROM audit_log",
        "INSERT OR REPLACE INTO audit_log VALUES (1, 0, '', 'cli', '', '', '', '', NULL, NULL)",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute(statement)
    db.close()


def test_no_line_is_changed_in_postgresql(postgres: "Postgres", postgres_url: str) -> None:
    """The same there, where a table may be emptied as a whole too."""
    asyncio.run(one_line(PostgresStore(postgres_url)))

    async def scenario() -> None:
        connection = await asyncpg.connect(postgres_url)
        for statement in ("UPDATE audit_log SET who = ''", "DELETE FROM audit_log", "TRUNCATE audit_log"):
            with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
                await connection.execute(statement)
        await connection.close()

    del postgres
    asyncio.run(scenario())


async def one_line(store: Store) -> None:
    await store.open()
    await issue_token(audited(store, ROOT, lambda: NOW), "shop", Role.VIEWER, NOW)
    await store.close()


def test_the_api_says_who() -> None:
    """A change by API is the token's; the log itself is read by admins, newest first, in pages and by subject."""

    async def scenario() -> None:
        async with api() as (ask, _):
            await ask("POST", "/api/v1/accounts", json={"id": "bob", "currency": "USD"})
            body = {"amount": "1", "reference": "r"}
            for _ in range(2):
                await ask("POST", "/api/v1/accounts/bob/topups", json=body, key="k")
            found = (await ask("GET", "/api/v1/audit")).json()["items"]
            assert [each["action"] for each in found] == ["top_up"] * 2 + ["open_account"] * 3
            assert {(each["who"], each["via"]) for each in found} == {("token:test", "api")}
            first = (await ask("GET", "/api/v1/audit?limit=2")).json()
            rest = (await ask("GET", f"/api/v1/audit?cursor={first['next']}")).json()
            assert [*first["items"], *rest["items"]] == found
            wallet = (await ask("GET", "/api/v1/audit?kind=wallet&subject=bob")).json()["items"]
            assert [each["after"]["posted"] for each in wallet] == ["1.00", "0.00"]

    asyncio.run(scenario())
