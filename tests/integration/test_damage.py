"""Books that somebody changed past the server: `ledger verify` finds it, and names the fault."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import callgate
from callgate.service.reports import ledger_verdict
from callgate.storage.sqlite import SqliteStore

DAMAGES = [
    # 1. For every currency the sum over all ledger accounts is 0.
    (
        "1: all accounts in USD add up to 0.000001, not to 0",
        "UPDATE house_accounts SET posted_micros = posted_micros + 1 WHERE name = 'revenue:USD'",
    ),
    ("1: all accounts in USD add up to -0.05, not to 0", "UPDATE wallets SET posted_micros = 0"),
    # 2. What is held is covered, and is the sum of the open holds.
    (
        "2: wallet alice says 0.020001 held, its open holds add up to 0.02",
        "UPDATE wallets SET held_micros = held_micros + 1",
    ),
    ("2: wallet alice holds 9.00 of 0.05 with a credit limit of 0.00", "UPDATE wallets SET held_micros = 9000000"),
    (
        "2: wallet alice says 0.02 held, its open holds add up to 0.019999",
        "UPDATE calls SET hold_micros = 19999 WHERE call_id = 'up'",
    ),
    ("2: wallet alice says 0.02 held, its open holds add up to 0.00", "DELETE FROM calls WHERE call_id = 'up'"),
    # 3. A call that ended has one outcome, a hold one end.
    (
        "3: the hold of call up (app) is open, but the call is not up",
        "UPDATE calls SET state = 'refused' WHERE call_id = 'up'",
    ),
    ("3: call done (app) ended, but its hold is open", "UPDATE calls SET hold_state = 'open' WHERE call_id = 'done'"),
    ("3: call done (app) ended and has 0 records, not one", "DELETE FROM records"),
    (
        "3: call done (app) ended and has 2 records, not one",
        """INSERT INTO records (record_id, application, call_id, account, sequence, ended_at, corrects, record)
        SELECT 'x', application, call_id, account, 9, ended_at, corrects, record FROM records""",
    ),
    (
        "3: call done (app) ended and was charged 0.02, but 0.019999 moved",
        "UPDATE transfers SET amount_micros = 19999 WHERE call_id = 'done'",
    ),
    (
        "3: call done (app) ended and was charged 0.01, but 0.02 moved",
        "UPDATE calls SET charge_micros = 10000 WHERE call_id = 'done'",
    ),
    (
        "3: call done (app) was never charged, but has 1 records, and 0.02 moved",
        "UPDATE calls SET charge_micros = NULL WHERE call_id = 'done'",
    ),
    (
        "3: call done (app) was never charged, but has 1 records, and 0.02 moved",
        "UPDATE calls SET state = 'refused' WHERE call_id = 'done'",
    ),
    (
        "3: call done (app) was never charged, but has 1 records, and 0.02 moved",
        "DELETE FROM calls WHERE call_id = 'done'",
    ),
    # 4. All transfers, played again, give the balances.
    ("4: wallet:alice (app) is stored as 0.05, its transfers give -0.02", "DELETE FROM transfers WHERE kind = 'topup'"),
    ("4: wallet:alice (app) is stored as 0.05, its transfers give 0.07", "DELETE FROM transfers WHERE kind = 'charge'"),
    (
        "4: wallet:alice (app) is stored as 0.050001, its transfers give 0.05",
        "UPDATE wallets SET posted_micros = posted_micros + 1",
    ),
    ("4: owed:alice (app) is stored as -0.000001, its transfers give 0.00", "UPDATE wallets SET owed_micros = 1"),
    (
        "4: wallet:alice (app) is stored as 0.05, its transfers give 0.049999",
        """INSERT INTO transfers SELECT application, 'x', kind, debit, credit, 1, currency, subject, NULL, at, who, why
        FROM transfers WHERE kind = 'charge'""",
    ),
    ("4: wallet:alice (app) is stored as 0.00, its transfers give 0.05", "DELETE FROM wallets"),
]
"""What `ledger verify` says, and the damage that it says it of: one row each."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, new_house: Any, file_store: Callable[..., SqliteStore]) -> Path:
    """Books with one call that is up and one that is done."""
    path = tmp_path_factory.mktemp("sound") / "books.db"
    with new_house(file_store(path)) as house:
        house.open("alice", "0.07", max_seconds=60)
        house.hear(house.arrived("done"))
        house.hear(house.ended("done", 30))
        house.hear(house.arrived("up"))
        assert house.faults() == ()
    return path


def damaged(sound: Path, path: Path, statement: str) -> Path:
    """A copy of sound books, damaged past everything that the schema would say."""
    path.write_bytes(sound.read_bytes())
    db = sqlite3.connect(path)
    db.execute("PRAGMA ignore_check_constraints = ON")
    for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {trigger}")
    assert db.execute(statement).rowcount == 1
    db.commit()
    db.close()
    return path


@pytest.mark.parametrize(("fault", "statement"), DAMAGES)
def test_damage_to_the_books_is_found_and_named(
    sound: Path, tmp_path: Path, fault: str, statement: str, file_store: Callable[..., SqliteStore]
) -> None:
    """Whichever invariant it breaks, and whichever row was touched."""

    async def verdict(path: Path) -> tuple[str, ...]:
        store = file_store(path)
        await store.open()
        try:
            return (await ledger_verdict(store)).faults
        finally:
            await store.close()

    faults = asyncio.run(verdict(damaged(sound, tmp_path / "damaged.db", statement)))
    assert fault in faults


def test_the_command_says_what_is_wrong(sound: Path, tmp_path: Path) -> None:
    """And ends with 1, so that a script notices."""
    path = damaged(sound, tmp_path / "damaged.db", "UPDATE wallets SET held_micros = 9000000")
    done = subprocess.run(
        [sys.executable, "-c", "from callgate.cli import main; main()", "ledger", "verify"],
        cwd=tmp_path,
        env=os.environ
        | {"CALLGATE_DATABASE_URL": f"sqlite:///{path}", "PYTHONPATH": str(Path(callgate.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines() == [
        "2 transfers, 1 wallets, 1 ended calls",
        "2: wallet alice holds 9.00 of 0.05 with a credit limit of 0.00",
        "2: wallet alice says 9.00 held, its open holds add up to 0.02",
    ]
