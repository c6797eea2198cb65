"""How SQLite finds what lists show: by an index that has it in order, never through all that there ever was.

Without statistics it decides by the statement alone, so that an empty database tells what a large one would do.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from callgate.protocol.call import CallKey
from callgate.service.books import AccountKey
from callgate.service.delivery import DeliveryState
from callgate.service.ports import AuditFilter, CallPosition, RecordPosition, RecordRange
from callgate.service.watch import CallFilter
from callgate.storage.rows import Row
from callgate.storage.sqlite import SqliteStore

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
YEAR = RecordRange(since=NOW - timedelta(days=365), until=NOW)
BEHIND = CallPosition(NOW, CallKey("app", "c"))
BEHIND_RECORD = RecordPosition(NOW, "r")

ORDERED = (
    "calls_by_time", "calls_of_application", "calls_by_account", "calls_refused", "records_by_time", "records_of_application",
    "records_by_account",
)  # fmt: skip
"""Indexes of all that there ever was: what they find is never sorted as a whole."""

Read = Callable[[SqliteStore], Awaitable[object]]


class Planned(SqliteStore):
    """The store, which also keeps how each statement that reads was run."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.plans: list[str] = []

    async def fetch(self, statement: str, *values: object) -> Sequence[Row]:
        plan: Any = await super().fetch(f"EXPLAIN QUERY PLAN {statement}", *values)
        self.plans.append(" | ".join(step[3] for step in plan))
        return await super().fetch(statement, *values)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plans") / "gate.db"
    asyncio.run(SqliteStore(str(path)).migrate())
    return path


def search(**wanted: Any) -> Read:
    return lambda store: store.search_calls(CallFilter(**wanted), before=NOW, limit=50)


def calls(*names: str | None, **wanted: Any) -> Read:
    return lambda store: store.calls(*names, **wanted, limit=51)


def records(after: RecordPosition | None = None, **wanted: Any) -> Read:
    return lambda store: store.records(YEAR._replace(**wanted), after=after, limit=51)


def deliveries(state: DeliveryState | None = None, **wanted: Any) -> Read:
    return lambda store: store.deliveries(state, 51, **wanted)


@pytest.mark.parametrize(
    ("read", "found_by"),
    [
        (calls(None), "SCAN calls USING INDEX calls_by_time"),
        (calls(None, before=BEHIND), "calls_by_time (decided_at<?)"),
        (calls("app"), "calls_of_application (application=?)"),
        (calls("app", before=BEHIND), "calls_of_application (application=? AND decided_at<?)"),
        (calls("app", account="a"), "calls_by_account (application=? AND account=?)"),
        (calls("app", account="a", before=BEHIND), "calls_by_account (application=? AND account=? AND decided_at<?)"),
        (calls(None, only_live=True), "calls_open (hold_state=?)"),
        (calls("app", only_live=True), "calls_open (hold_state=?)"),
        (calls("app", only_live=True, before=BEHIND), "calls_open (hold_state=? AND (decided_at,application)<(?,?))"),
        (calls("app", account="a", only_live=True), "calls_open (hold_state=?)"),
        (lambda store: store.calls_named([CallKey("app", "c")] * 2), "sqlite_autoindex_calls_1 (application=? AND call_id=?)"),
        (lambda store: store.live_named([CallKey("app", "c")] * 2), "sqlite_autoindex_calls_1 (application=? AND call_id=?)"),
        (search(), "calls_by_time (decided_at<?)"),
        (search(fragment="46"), "calls_by_time (decided_at<?)"),
        (search(outcome="connected"), "calls_by_time (decided_at<?)"),
        (search(outcome="refused"), "calls_refused (decided_at<?)"),
        (search(outcome="no_rate"), "calls_refused (decided_at<?)"),
        (search(outcome="flagged"), "calls_flagged (decided_at<?)"),
        (search(outcome="live"), "calls_open (hold_state=? AND decided_at<?)"),
        (search(outcome="live", application="app"), "calls_open (hold_state=? AND decided_at<?)"),
        (search(application="app"), "calls_of_application (application=? AND decided_at<?)"),
        (search(application="app", outcome="no_rate"), "calls_of_application (application=? AND decided_at<?)"),
        (search(application="app", outcome="flagged"), "calls_of_application (application=? AND decided_at<?)"),
        (search(application="app", account="a", fragment="4"), "calls_by_account (application=? AND account=? AND decided_at<?)"),
        (
            lambda store: store.decided_calls("app", since=NOW, until=NOW, before=None, limit=9),
            "calls_of_application (application=? AND decided_at>? AND decided_at<?)",
        ),
        (lambda store: store.live_calls(None, 9), "calls_open (hold_state=?)"),
        (lambda store: store.decided(NOW, NOW), "c USING COVERING INDEX calls_of_application (application=? AND decided_at>?"),
        (lambda store: store.decided(NOW, NOW), "calls USING COVERING INDEX calls_refused (decided_at>? AND decided_at<?)"),
        (lambda store: store.decided(NOW, NOW), "calls_parked (decided_at>? AND decided_at<?)"),
        (lambda store: store.sums(NOW, NOW), "records USING COVERING INDEX records_by_time (ended_at>? AND ended_at<?)"),
        (lambda store: store.sums(NOW, NOW), "r USING COVERING INDEX records_by_time (ended_at>? AND ended_at<?)"),
        (lambda store: store.tallies(None, NOW), "calls_by_time (decided_at>?)"),
        (lambda store: store.tallies("app", NOW), "calls_of_application (application=? AND decided_at>?)"),
        (lambda store: store.bridges_to_tend(9), "calls_by_reference (reference=?)"),
        (lambda store: store.call_referred("app", "r"), "calls_by_reference (reference=?)"),
        (lambda store: store.calls_to_ask(NOW, 9), "calls_to_ask (ask_at<?)"),
        (lambda store: store.parked_since(NOW, 9), "calls_parked (decided_at<?)"),
        (records(), "records_by_time (ended_at>? AND ended_at<?)"),
        (records(BEHIND_RECORD), "records_by_time ((ended_at,record_id)>(?,?) AND ended_at<?)"),
        (records(application="app"), "records_of_application (application=? AND ended_at>? AND ended_at<?)"),
        (records(BEHIND_RECORD, application="app"), "records_of_application (application=? AND (ended_at,record_id)>(?,?) AND"),
        (records(application="app", account="a"), "records_by_account (application=? AND account=? AND ended_at>? AND"),
        (deliveries(), "SCAN deliveries"),
        (deliveries(endpoint="e"), "deliveries_of_endpoint (endpoint=? AND state=?)"),
        (deliveries(application="app"), "deliveries_of_application (application=? AND state=?)"),
        (deliveries(DeliveryState.PARKED, endpoint="e"), "deliveries_of_endpoint (endpoint=? AND state=?)"),
        (lambda store: store.transfers(AccountKey("app", "a"), 51), "transfers_by_account (application=? AND account=?)"),
        (lambda store: store.transfers_of_call(CallKey("app", "c")), "transfers_by_call (application=? AND call_id=?)"),
        (lambda store: store.records_of_call(CallKey("app", "c")), "records_by_call (application=? AND call_id=?)"),
        (lambda store: store.accounts("app", after="", limit=51), "identities_by_account (application=? AND account=?)"),
        (lambda store: store.account(AccountKey("app", "a")), "identities_by_account (application=? AND account=?)"),
        (lambda store: store.audit_entries(AuditFilter(kind="account"), before=None, limit=51), "audit_log_by_kind (kind=?)"),
        (lambda store: store.audit_entries(AuditFilter(who="w"), before=9, limit=51), "audit_log_by_who (who=? AND id<?)"),
    ],
)  # fmt: skip
def test_found_by_an_index(empty: Path, read: Read, found_by: str) -> None:
    """What is read is found by the index that is made for it, and sorted by it, except for what is few."""

    async def look() -> list[str]:
        store = Planned(str(empty))
        await store.open()
        await read(store)
        await store.close()
        return store.plans

    plans = asyncio.run(look())
    assert any(found_by in plan for plan in plans), plans
    for plan in plans:
        assert "FOR ORDER BY" not in plan or not any(f" {name} " in plan for name in ORDERED), plan
        assert "_1 (application=?)" not in plan, plan


def test_account_of_every_application(tmp_path: Path) -> None:
    """Without an application each one's account of that id is asked about, and the newest of them all come first."""
    path = str(tmp_path / "gate.db")

    async def look() -> tuple[list[str], list[str], list[bool]]:
        store = Planned(path)
        await store.migrate()
        db = sqlite3.connect(path)
        for number in range(9):
            app = f"app{number % 3}"
            db.execute(
                "INSERT OR IGNORE INTO applications VALUES (?, 'sinch', '', 'active', 0, '[]', '{}', '{}')", (app,)
            )
            db.execute(
                """INSERT INTO calls (application, call_id, state, account, caller, destination, fingerprint, granted_s,
                trace, answer, decided_at, flags, resource)
                VALUES (?, ?, 'refused', 'a', '+461', '+462', '', 0, x'5b5d', x'', ?, '', '')""",
                (app, f"c{number}", number),
            )
        db.commit()
        db.close()
        await store.open()
        listed = [call.key.call_id for call in await store.calls(None, account="a", limit=5)]
        pages, ends, before = [], [], None
        while True:
            found = await store.search_calls(CallFilter(account="a", fragment="46"), before=before, limit=4)
            pages += [call.key.call_id for call in found.calls]
            ends.append(found.looked_until is None)
            if (before := found.looked_until) is None:
                break
        await store.close()
        return listed, pages, ends

    listed, pages, ends = asyncio.run(look())
    assert listed == ["c8", "c7", "c6", "c5", "c4"]
    assert pages == [f"c{number}" for number in range(8, -1, -1)]
    assert ends == [False, False, True]
