"""Scratch databases: filled with the same callers and prices for every server, and read afterwards.

What was held must be to the micro what the calls that were answered cost: a server that answers well and holds badly is
found out here. Also says how long this disk takes to sync, without which no figure means anything.
"""

import asyncio
import os
import sqlite3
import statistics
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import policy
from calls import CURRENCY, DECK, KEY, SECRET, WALLET_UNITS, Caller

from callgate.app import build_store, build_vault, opened
from callgate.money import MICROS
from callgate.rating.deck_merge import ImportMode
from callgate.rating.rate import Rate
from callgate.service.add_application import AddApplication
from callgate.service.books import Job
from callgate.service.import_deck import import_deck
from callgate.service.open_account import OpenAccount
from callgate.service.ports import Store
from callgate.service.set_limits import SetAccountLimits, SetApplicationLimits
from callgate.service.top_up import TopUp
from callgate.settings import Settings

PORTION = 1_000
"""Callers added at once: well below the queue's limit."""


class Held(NamedTuple):
    """What a server has in its books: calls, the events it logged, and micros held in all wallets."""

    calls: int
    events: int
    micros: int


def fill_callgate(settings: Settings, who: list[Caller], rates: Iterable[Rate], *, has_policy: bool = False) -> None:
    """Make the database of a server of ours, through its own use cases."""
    asyncio.run(fill(settings, who, rates, has_policy=has_policy))


async def fill(settings: Settings, who: list[Caller], rates: Iterable[Rate], *, has_policy: bool = False) -> None:
    """The same, on a running event loop. `has_policy`: with all the policy that there is."""
    store, now = build_store(settings), datetime.now(UTC)
    await store.migrate()
    async with opened(store):
        seal = build_vault(settings).seal
        await store.perform(AddApplication(provider="sinch", key=KEY, secret=SECRET, name="", seal=seal, now=now))
        await store.perform(SetApplicationLimits(application=KEY, words=("open",)))
        await import_deck(store, DECK, CURRENCY, list(rates), mode=ImportMode.REPLACE, is_dry_run=False, now=now)
        for first in range(0, len(who), PORTION):
            await _open_accounts(store, who[first : first + PORTION], now)
        if has_policy:
            await policy.set_up(store, now)


async def _open_accounts(store: Store, who: list[Caller], now: datetime) -> None:
    """Each with money, and with the one limit that says what a call of theirs is granted."""
    steps: list[list[Job[object]]] = [
        [OpenAccount(application=KEY, account=caller.user, currency=CURRENCY, deck=DECK) for caller in who],
        [
            TopUp(
                application=KEY,
                account=caller.user,
                amount_micros=WALLET_UNITS * MICROS,
                reference="first",
                now=now,
                who="bench",
            )
            for caller in who
        ],
        [SetAccountLimits(application=KEY, account=caller.user, words=("open",)) for caller in who],
        [
            SetAccountLimits(application=KEY, account=caller.user, words=(f"max_seconds={caller.grant_s}",))
            for caller in who
        ],
    ]
    for jobs in steps:
        await asyncio.gather(*(store.perform(job) for job in jobs))


def fill_express(database: Path, schema: Path, who: list[Caller], rates: Iterable[Rate]) -> None:
    """Make the database of the Express peer."""
    connection = sqlite3.connect(database)
    connection.executescript(schema.read_text(encoding="utf-8"))
    with connection:
        connection.executemany(
            "INSERT INTO wallets (user, posted_micros, max_seconds) VALUES (?, ?, ?)",
            ((caller.user, WALLET_UNITS * MICROS, caller.grant_s) for caller in who),
        )
        connection.executemany(
            "INSERT INTO rates VALUES (?, ?, ?, ?, ?)",
            (
                (
                    rate.prefix,
                    rate.rate_nanos_per_min,
                    rate.connect_fee_micros,
                    rate.first_increment_s,
                    rate.increment_s,
                )
                for rate in rates
            ),
        )
    connection.close()


def read_callgate(database: Path) -> Held:
    return _read(database, "callbacks")


def read_express(database: Path) -> Held:
    return _read(database, "events")


def _read(database: Path, events: str) -> Held:
    connection = sqlite3.connect(database)
    try:
        found = connection.execute(
            f"SELECT (SELECT count(*) FROM calls), (SELECT count(*) FROM {events}), (SELECT sum(held_micros) FROM wallets)"  # noqa: S608 - ours
        )
        return Held(*found.fetchone())
    finally:
        connection.close()


def sync_ms(folder: Path) -> float:
    """Return how long this folder's disk takes to sync a page, the median of a few."""
    took: list[float] = []
    path = folder / "sync"
    with path.open("wb", buffering=0) as file:
        for _ in range(100):
            file.write(bytes(4096))
            started = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - started)
    path.unlink()
    return statistics.median(took) * 1000
