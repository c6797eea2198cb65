# ruff: noqa: S608 - statements are made of constants of our own
"""A database with ten million calls: what a gate has after a few months, made in minutes.

    python tests/soak/large_database.py FILE [--calls 10000000] [--days 90] [--accounts 10000]

Filled with SQL, many rows a statement; indexes and triggers are taken away and made again as the schema has them. The same
numbers and the same `now` give the same rows. Of calls, a quarter is refused, a fifth was not answered, the newest two thousand
are up. Three in ten are of one account; the account `rare` and the application `SMALL` have a few, all of them old. Each call
that ended has its record, each that was answered its charge and cost; wallets and house accounts add up to the transfers, so that
`callgate ledger verify` passes. Callbacks are there for the newest calls, deliveries for those of the days that they are kept.
"""

import argparse
import asyncio
import json
import sqlite3
import sys
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

from callgate.app import build_store, build_vault, clock, opened
from callgate.demo import prepare_demo
from callgate.emulator import demo
from callgate.service.add_application import AddApplication
from callgate.service.set_limits import SetApplicationLimits
from callgate.settings import Settings
from callgate.storage.rows import to_us
from callgate.vault import new_key

SMALL = "SMALL"
RARE = "rare"
LIVE = 2_000
PORTION = 200_000
HEARD = 100_000
"""Newest calls that callbacks are kept of."""

DELIVERED_DAYS = 2
AUDITED = 200_000
LISTED = 200_000
TOPPED_UP_MICROS = 10**14
NO_WINDOWS = b"\x94\x90\x90\xc0\x90"

TRACE = json.dumps(
    [
        {"step": "application", "saw": {"status": "active"}, "refusal": None},
        {"step": "caller", "saw": {"origin": "in_app"}, "refusal": None},
        {"step": "account", "saw": {"status": "active"}, "refusal": None},
        {"step": "rate", "saw": {"deck": "standard", "prefix": "4670"}, "refusal": None},
        {"step": "credit", "saw": {"available": "1000476.70", "affordable_s": 14400, "least_s": 60}, "refusal": None},
    ],
    separators=(",", ":"),
)
RATE = (
    '{"prefix":"4670","destination":"Sweden mobile","rate_nanos_per_min":20000000,"connect_fee_micros":0,'
    '"first_increment_s":60,"increment_s":60,"effective_from":"2020-01-01T00:00:00Z","deck":"standard","line":6}'
)

SAW = """
    WITH RECURSIVE n(i) AS (VALUES (:start) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :end),
    saw AS (SELECT i, (i * 2654435761) & 4294967295 AS h FROM n),
    call AS (SELECT i, h,
        CASE WHEN i % 100 = 1 AND i < 20000 THEN :small ELSE :app END AS application,
        printf('%08x-0000-4000-8000-%012x', h, i) AS call_id,
        CASE WHEN i % 100 IN (0, 1) AND i < 20000 THEN 'rare'
            WHEN h % 10 < 3 THEN 'soak0' ELSE 'soak' || ((h / 10) % :accounts) END AS account,
        CASE WHEN i % 3 THEN 'user' || (h % 500000) ELSE '+4670' || printf('%07d', (h / 7) % 10000000) END AS caller,
        CASE h % 5 WHEN 0 THEN '+4670' WHEN 1 THEN '+4479' WHEN 2 THEN '+4917' WHEN 3 THEN '+1415' ELSE '+6149' END
            || printf('%07d', (i * 7919) % 10000000) AS destination,
        CASE WHEN i >= :live THEN :now - (:calls - i) * 100000
            ELSE :now - (:calls - :live) * 100000 - (:live - i) * :step END AS at,
        CASE WHEN i >= :live THEN 'up' WHEN h % 100 < 25 THEN 'refused' WHEN h % 100 < 45 THEN 'missed' ELSE 'talked' END AS kind,
        60 + 60 * (h % 7) AS talked_s
        FROM saw)
"""

CALLS = (
    SAW
    + """
    INSERT INTO calls (application, call_id, state, account, caller, destination, fingerprint, refusal, granted_s, trace,
        answer, rate, hold_micros, hold_placed_at, hold_state, decided_at, answered_at, ended_at, result, reason, duration_s,
        billed_s, charge_micros, currency, settled_by, flags, resource, ask_at, ask_count, connected)
    SELECT application, call_id, CASE kind WHEN 'up' THEN 'answered' WHEN 'refused' THEN 'refused' ELSE 'ended' END,
        account, caller, destination, printf('%032x', h),
        CASE WHEN kind <> 'refused' THEN NULL WHEN h % 100 < 15 THEN 'insufficient_credit' WHEN h % 100 < 24 THEN 'no_rate'
            WHEN (h / 100) % 1000 THEN 'country_blocked' ELSE 'spend_cap_reached' END,
        CASE WHEN kind = 'refused' THEN 0 ELSE 600 END, CAST(:trace AS BLOB),
        CASE WHEN kind = 'refused' THEN CAST('{"action":{"name":"hangup"}}' AS BLOB)
            ELSE CAST('{"action":{"name":"connectPstn","number":"' || destination || '","maxDuration":600}}' AS BLOB) END,
        CASE WHEN kind <> 'refused' THEN CAST(:rate AS BLOB) END, CASE WHEN kind <> 'refused' THEN 200000 END,
        CASE WHEN kind <> 'refused' THEN at END,
        CASE kind WHEN 'up' THEN 'open' WHEN 'talked' THEN 'posted' WHEN 'missed' THEN 'voided' END, at,
        CASE WHEN kind IN ('up', 'talked') THEN at + 8000000 END,
        CASE kind WHEN 'talked' THEN at + (8 + talked_s) * 1000000 WHEN 'missed' THEN at + 30000000 END,
        CASE kind WHEN 'talked' THEN 'answered' WHEN 'missed' THEN 'no_answer' END,
        CASE WHEN kind IN ('talked', 'missed') THEN 'callerhangup' END,
        CASE kind WHEN 'talked' THEN talked_s WHEN 'missed' THEN 0 END,
        CASE kind WHEN 'talked' THEN talked_s WHEN 'missed' THEN 0 END,
        CASE kind WHEN 'talked' THEN talked_s / 60 * 20000 WHEN 'missed' THEN 0 END, 'USD',
        CASE WHEN kind IN ('talked', 'missed') THEN 'disconnect' END, CASE WHEN h % 50000 = 77 THEN 'end_differs' ELSE '' END,
        '', CASE WHEN kind = 'up' THEN at + 14520000000 END, 0,
        CASE WHEN kind = 'refused' THEN '' ELSE 'number:' || destination END
    FROM call
    """
)

ENDED = " WHERE kind IN ('talked', 'missed')"
ENDS_AT = "at + CASE kind WHEN 'talked' THEN 8 + talked_s ELSE 30 END * 1000000"

RECORDS = (
    SAW
    + f"""
    INSERT INTO records (record_id, application, call_id, account, sequence, ended_at, record, duration_s, charge_micros,
        currency, cost_nanos, cost_currency)
    SELECT application || '/' || call_id, application, call_id, account, i + 1, {ENDS_AT},
        CAST('{{"record_id":"' || application || '/' || call_id || '","key":["' || application || '","' || call_id
        || '"],"account":"' || account || '","caller":"' || caller || '","destination":"' || destination
        || '","started_at":"' || strftime('%Y-%m-%dT%H:%M:%SZ', at / 1000000, 'unixepoch')
        || '","answered_at":null,"ended_at":"' || strftime('%Y-%m-%dT%H:%M:%S', ({ENDS_AT}) / 1000000, 'unixepoch')
        || printf('.%06dZ', ({ENDS_AT}) % 1000000)
        || CASE kind WHEN 'talked' THEN '","duration_s":' || talked_s || ',"billed_s":' || talked_s || ',"charge_micros":'
            || (talked_s / 60 * 20000) || ',"currency":"USD","cost":"' || printf('%.4f', talked_s / 60 * 0.0095)
            || '","cost_currency":"USD","result":"answered"'
            ELSE '","duration_s":0,"billed_s":0,"charge_micros":0,"currency":"USD","cost":null,"cost_currency":null,'
            || '"result":"no_answer"' END
        || ',"reason":"callerhangup","settled_by":"disconnect","sequence":' || (i + 1) || ',"corrects":null}}' AS BLOB),
        CASE kind WHEN 'talked' THEN talked_s ELSE 0 END, CASE kind WHEN 'talked' THEN talked_s / 60 * 20000 ELSE 0 END, 'USD',
        CASE kind WHEN 'talked' THEN talked_s / 60 * 9500000 END, CASE kind WHEN 'talked' THEN 'USD' END
    FROM call{ENDED}
    """
)

TRANSFERS = (
    SAW
    + f"""
    INSERT INTO transfers (application, id, kind, debit, credit, amount_micros, currency, subject, call_id, at, who, why)
    SELECT application, 'charge/wallet/' || account || '/' || call_id, 'charge', 'wallet:' || account, 'revenue:USD',
        talked_s / 60 * 20000, 'USD', call_id, call_id, {ENDS_AT}, '', '' FROM call WHERE kind = 'talked'
    """
)

CALLBACKS = (
    SAW
    + """
    INSERT INTO callbacks (application, call_id, at, name, body, answer, note)
    SELECT application, call_id, CASE event WHEN 'ice' THEN at WHEN 'ace' THEN at + 8000000 ELSE at + 300000000 END, event,
        CAST('{"event":"' || event || '","callid":"' || call_id || '","version":1,"cli":"' || caller || '","userRate":'
        || '{"currencyId":"USD","amount":0.0},"domain":"pstn","originationType":"MXP"}' AS BLOB), CAST('{}' AS BLOB), ''
    FROM call, (SELECT 'ice' AS event UNION ALL SELECT 'ace' UNION ALL SELECT 'dice')
    WHERE event = 'ice' OR kind = 'talked' OR (event = 'ace' AND kind = 'up')
    """
)

DELIVERIES = (
    SAW
    + f"""
    INSERT INTO deliveries (id, endpoint, application, account, type, sequence, body, occurred_at, due_at, state,
        attempt_count, attempted_at, why)
    SELECT printf('ev_%08x%012x', h, i), 'ep_soak', application, account, 'call.ended', i + 1,
        CAST('{{"type":"call.ended","data":{{"call_id":"' || call_id || '","account":"' || account || '"}}}}' AS BLOB),
        {ENDS_AT}, {ENDS_AT},
        CASE WHEN h % 10 = 9 THEN 'parked' WHEN h % 10 = 8 THEN 'waiting' ELSE 'delivered' END, 1, {ENDS_AT},
        CASE WHEN h % 10 = 9 THEN 'answered 500' ELSE '' END
    FROM call{ENDED}
    """
)


async def prepare(settings: Settings, now: datetime) -> str:
    """The schema, the demonstration's application with no limits, another one, and a token."""
    store, seal = build_store(settings), build_vault(settings).seal
    await store.migrate()
    async with opened(store):
        token = await prepare_demo(store, settings, now)
        await store.perform(SetApplicationLimits(application=demo.KEY, words=("open",)))
        await store.perform(
            AddApplication(provider="sinch", key=SMALL, secret=demo.SECRET, name="small", seal=seal, now=now)
        )
    return token


def fill(file: Path, *, calls: int, days: int, accounts: int, now: datetime) -> None:
    """Add the calls, and all that goes with them, to a database that `prepare` has made."""
    database = sqlite3.connect(file, isolation_level=None)
    database.executescript(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -2000000; PRAGMA threads = 2;"
    )
    apart = database.execute(
        """SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL
        AND (type = 'trigger' OR (type = 'index' AND tbl_name IN ('calls', 'records', 'transfers', 'deliveries')))"""
    ).fetchall()
    for kind, name, _ in apart:
        database.execute(f"DROP {kind} {name}")
    given: dict[str, Any] = {
        "small": SMALL, "app": demo.KEY, "accounts": accounts, "calls": calls, "live": calls - LIVE, "now": to_us(now),
        "step": days * 86_400_000_000 // calls, "trace": TRACE, "rate": RATE,
    }  # fmt: skip
    _add_accounts(database, accounts, to_us(now) - (days + 1) * 86_400_000_000)
    kept_from = calls - min(calls, calls * DELIVERED_DAYS // days)
    for start in range(0, calls, PORTION):
        portion = given | {"start": start, "end": min(calls, start + PORTION)}
        database.execute("BEGIN")
        for statement in (CALLS, RECORDS, TRANSFERS):
            database.execute(statement, portion)
        if portion["end"] > calls - HEARD:
            database.execute(CALLBACKS, portion | {"start": max(start, calls - HEARD)})
        if portion["end"] > kept_from:
            database.execute(DELIVERIES, portion | {"start": max(start, kept_from)})
        database.execute("COMMIT")
        _say(f"{portion['end']:,} calls")
    _add_up(database)
    _add_rest(database, given["now"])
    for _, name, statement in apart:
        _say(name)
        database.execute(statement)
    database.execute("PRAGMA journal_mode = WAL")
    database.close()
    _say("done\n")


def _add_accounts(database: sqlite3.Connection, count: int, at: int) -> None:
    names = [f"soak{number}" for number in range(count)]
    pairs = [*((demo.KEY, name) for name in (RARE, *names)), (SMALL, RARE)]
    database.execute("BEGIN")
    database.executemany(
        "INSERT INTO accounts (application, id, currency, status, deck, limits) VALUES (?, ?, 'USD', 'active', 'standard', '{}')",
        pairs,
    )
    database.executemany(
        """INSERT INTO wallets (application, account, currency, posted_micros, held_micros, credit_limit_micros, owed_micros,
        record_count) VALUES (?, ?, 'USD', 0, 0, 0, 0, 0)""",
        pairs,
    )
    database.executemany("INSERT INTO usages VALUES (?, ?, NULL, NULL, ?)", [(*pair, NO_WINDOWS) for pair in pairs])
    database.executemany(
        "INSERT INTO identities VALUES (?, ?, ?)", [(app, f"user:{name}", name) for app, name in pairs]
    )
    database.executemany(
        """INSERT INTO transfers (application, id, kind, debit, credit, amount_micros, currency, subject, at, who, why)
        VALUES (?, 'topup/' || ? || '/soak', 'topup', 'topups:USD', 'wallet:' || ?, ?, 'USD', 'soak', ?, 'soak', '')""",
        [(app, name, name, TOPPED_UP_MICROS, at) for app, name in pairs],
    )
    database.execute("COMMIT")


def _add_up(database: sqlite3.Connection) -> None:
    """Balances are what the transfers say, holds what calls that are up hold. Tables are read from one end to the other: by an
    index of random names it would take an hour.
    """
    _say("adding up")
    sums: Counter[tuple[str, str]] = Counter()
    for application, debit, credit, micros in database.execute(
        "SELECT application, debit, credit, sum(amount_micros) FROM transfers NOT INDEXED GROUP BY +application, debit, credit"
    ):
        sums[application, debit] -= micros
        sums[application, credit] += micros
    last = database.execute("SELECT max(rowid) FROM records").fetchone()[0]
    database.execute("BEGIN")
    for (application, name), micros in sums.items():
        kind, _, account = name.partition(":")
        if kind == "wallet":
            database.execute(
                "UPDATE wallets SET posted_micros = ?, record_count = ? WHERE application = ? AND account = ?",
                (micros, 2 * last, application, account),
            )
        else:
            database.execute(
                """INSERT INTO house_accounts (application, currency, name, posted_micros) VALUES (?, 'USD', ?, ?)
                ON CONFLICT (application, currency, name) DO UPDATE SET posted_micros = excluded.posted_micros""",
                (application, name, micros),
            )
    database.execute(
        """UPDATE wallets SET held_micros = up.micros, hold_count = up.calls FROM
        (SELECT application, account, sum(hold_micros) AS micros, count(*) AS calls FROM calls NOT INDEXED
        WHERE hold_state = 'open' GROUP BY +application, account) AS up
        WHERE up.application = wallets.application AND up.account = wallets.account"""
    )
    database.execute("COMMIT")


def _add_rest(database: sqlite3.Connection, now: int) -> None:
    """An endpoint that is switched off, and the log of many changes."""
    database.execute("BEGIN")
    database.execute(
        """INSERT INTO endpoints (id, url, types, allow_private, created_at, sealed_secrets, state, why)
        VALUES ('ep_soak', 'https://127.0.0.1:9/', '', 1, 0, '[]', 'disabled', 'the soak')"""
    )
    database.execute(
        f"""WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < {AUDITED})
        INSERT INTO audit_log (at, who, via, action, kind, subject, application, before, after)
        SELECT {now} - ({AUDITED} - i) * 1000000, 'operator:op' || (i % 7), 'api', 'change', 'account', 'soak' || (i % 10000),
        '{demo.KEY}', CAST('{{"status":"active"}}' AS BLOB), CAST('{{"status":"suspended"}}' AS BLOB) FROM n"""
    )
    database.execute("COMMIT")


def _say(words: str) -> None:
    print(f"\r{words:40}", end="", file=sys.stderr, flush=True)  # noqa: T201 - it takes minutes


def make(file: Path, *, calls: int, days: int = 90, accounts: int = 10_000, key: str = "") -> tuple[Settings, str]:
    """A database with all of it. Return how a server opens it, and a token."""
    settings = Settings(database_url=f"sqlite:///{file}", secret_key=key or new_key(), log_level="error")
    now = clock()
    token = asyncio.run(prepare(settings, now))
    fill(file, calls=calls, days=days, accounts=accounts, now=now)
    return settings, token


def main() -> int:
    parser = argparse.ArgumentParser(description="A database with ten million calls.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--calls", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--accounts", type=int, default=10_000)
    options = parser.parse_args()
    began = time.perf_counter()
    settings, token = make(options.file.resolve(), calls=options.calls, days=options.days, accounts=options.accounts)
    options.file.with_suffix(".json").write_text(json.dumps({"key": settings.secret_key, "token": token}))
    size_mb = options.file.stat().st_size // 2**20
    print(f"{options.calls:,} calls, {size_mb:,} MiB, {time.perf_counter() - began:.0f} s; key and token beside it")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
