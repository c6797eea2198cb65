"""No interleaving of calls passes a limit: on SQLite, and on three nodes of one PostgreSQL."""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from callgate.ledger.verify import verify
from callgate.policy.limits import UNLIMITED, change_limits
from callgate.policy.refusal import Refusal
from callgate.protocol import sinch
from callgate.protocol.call import CallArrived, CallEnded, CallKey, CallResult, Endpoint, EndpointKind, Origin
from callgate.rating.deck import Deck
from callgate.rating.rate import Rate
from callgate.service.add_application import AddApplication
from callgate.service.application import ApplicationRow
from callgate.service.authorize import Authorize
from callgate.service.books import AccountKey
from callgate.service.open_account import OpenAccount
from callgate.service.ports import Store
from callgate.service.set_limits import SetAccountLimits
from callgate.service.settle import Settle
from callgate.service.top_up import TopUp
from callgate.storage.postgres import PostgresStore
from callgate.storage.sqlite import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
RATE = Rate(
    prefix="46", destination="Sweden", rate_nanos_per_min=20_000_000, connect_fee_micros=0, first_increment_s=60,
    increment_s=60, effective_from=datetime(2020, 1, 1, tzinfo=UTC),
)  # fmt: skip
DECKS = {"standard": Deck(name="standard", currency="USD", rows=[RATE])}
CALLS = 60


@asynccontextmanager
async def gate(stores: Sequence[Store], *words: str) -> AsyncIterator[ApplicationRow]:
    """One account with much money and these limits; the books are sound afterwards."""
    for store in stores:
        await store.open()
    try:
        first = stores[0]
        row = await first.perform(
            AddApplication(
                provider="sinch", key="app", secret="c2Vj", name="", seal=str.encode, now=NOW, limits=UNLIMITED
            )
        )
        limits = change_limits(UNLIMITED, words)
        await first.perform(OpenAccount(application="app", account="alice", currency="USD", limits=limits))
        await first.perform(TopUp(application="app", account="alice", amount_micros=10**9, reference="r", now=NOW))
        yield row
        assert await first.inspect_ledger(lambda rows: verify(rows).faults) == ()
    finally:
        for store in stores:
            await store.close()


def ask(row: ApplicationRow, name: str, to: str, now: datetime = NOW) -> Authorize:
    call = CallArrived(
        key=CallKey("app", name), name="ice", destination=Endpoint(EndpointKind.NUMBER, to), fingerprint=name, user="alice",
        origin=Origin.IN_APP,
    )  # fmt: skip
    return Authorize(
        call=call, body=b"{}", provider=sinch, application=row, decks=DECKS, now=now, orphan_after=timedelta(minutes=10)
    )


def end(name: str, now: datetime = NOW) -> Settle:
    ended = CallEnded(
        key=CallKey("app", name), name="dice", result=CallResult.ANSWERED, reason="callerhangup", is_cut=False, duration_s=60,
        debit=None, user="alice", destination=None,
    )  # fmt: skip
    return Settle(ended=ended, body=b"{}", provider=sinch, now=now)


async def outcomes(store: Store, names: Sequence[str]) -> Counter[Refusal | None]:
    calls = [await store.call(CallKey("app", name)) for name in names]
    return Counter(call.refusal for call in calls if call is not None)


@pytest.fixture(params=["sqlite", "postgres"])
def stores(request: pytest.FixtureRequest, tmp_path: "Path") -> Sequence[Store]:
    """One server on SQLite, or three on PostgreSQL."""
    if request.param == "sqlite":
        store = SqliteStore(str(tmp_path / "gate.db"))
        asyncio.run(store.migrate())
        return [store]
    url = request.getfixturevalue("postgres_url")
    return [PostgresStore(url) for _ in range(3)]


def number(place: int) -> str:
    return f"+46701740{place:03}"


@pytest.mark.parametrize(
    ("words", "is_one_number", "let_through", "refusal"),
    [
        (("concurrent_calls=7", "max_seconds=60"), False, 7, Refusal.TOO_MANY_CONCURRENT_CALLS),
        (("calls_per_minute=7", "max_seconds=60"), False, 7, Refusal.TOO_MANY_CALLS),
        (("destinations_per_hour=7", "max_seconds=60"), False, 7, Refusal.TOO_MANY_DESTINATIONS),
        (("repeats_per_hour=7", "max_seconds=60"), True, 7, Refusal.REPEATED_DESTINATION),
        (("spend_per_hour=0.14", "max_seconds=60"), False, 7, Refusal.SPEND_CAP_REACHED),
        (("spend_per_day=0.14", "max_seconds=60"), False, 7, Refusal.SPEND_CAP_REACHED),
        (("spend_per_month=0.14", "max_seconds=60"), False, 7, Refusal.SPEND_CAP_REACHED),
    ],
)
def test_calls_at_once(
    stores: Sequence[Store], words: tuple[str, ...], is_one_number: bool, let_through: int, refusal: Refusal  # noqa: FBT001 - a parameter of the table
) -> None:  # fmt: skip
    """Exactly as many as the limit lets through, whichever node they come to."""

    async def scenario() -> None:
        async with gate(stores, *words) as row:
            names = [f"c{place}" for place in range(CALLS)]
            asked = [ask(row, name, number(0 if is_one_number else place)) for place, name in enumerate(names)]
            await asyncio.gather(*(stores[place % len(stores)].perform(job) for place, job in enumerate(asked)))
            assert await outcomes(stores[0], names) == {None: let_through, refusal: CALLS - let_through}

    asyncio.run(scenario())


def test_emergency_calls_at_once(stores: Sequence[Store]) -> None:
    """Two of one caller, whichever node they come to; those of others are not counted."""

    async def scenario() -> None:
        async with gate(stores) as row:
            home = msgspec.structs.replace(row, settings=row.settings.changed(["home_country=SE"]))
            jobs = [ask(home, f"c{place}", "112") for place in range(12)]
            stranger = msgspec.structs.replace(jobs[0].call, user="stranger")
            strangers = [
                dataclasses.replace(jobs[0], call=msgspec.structs.replace(stranger, key=CallKey("app", f"s{place}")))
                for place in range(6)
            ]
            every = [*jobs, *strangers]
            await asyncio.gather(*(stores[place % len(stores)].perform(job) for place, job in enumerate(every)))
            refused = Refusal.TOO_MANY_CONCURRENT_CALLS
            assert await outcomes(stores[0], [f"c{place}" for place in range(12)]) == {None: 2, refused: 10}
            assert await outcomes(stores[0], [f"s{place}" for place in range(6)]) == {None: 2, refused: 4}

    asyncio.run(scenario())


def test_calls_that_end_while_others_begin(stores: Sequence[Store]) -> None:
    """Room that an end makes is taken once; what is charged and what is held never pass the day's cap together."""

    async def scenario() -> None:
        async with gate(stores, "spend_per_day=0.60", "concurrent_calls=4", "max_seconds=60") as row:

            async def caller(place: int) -> int:
                store, done = stores[place % len(stores)], 0
                for turn in range(6):
                    name = f"c{place}-{turn}"
                    await store.perform(ask(row, name, number(place), NOW + timedelta(seconds=turn)))
                    opened = await store.account(AccountKey("app", "alice"))
                    assert opened is not None
                    wallet = opened.wallet
                    assert wallet.day_spent_micros + wallet.held_micros <= 600_000
                    assert wallet.hold_count <= 4
                    call = await store.call(CallKey("app", name))
                    if call is not None and call.refusal is None:
                        await stores[(place + 1) % len(stores)].perform(end(name, NOW + timedelta(seconds=turn)))
                        done += 1
                return done

            done = await asyncio.gather(*(caller(place) for place in range(12)))
            opened = await stores[0].account(AccountKey("app", "alice"))
            assert opened is not None
            assert opened.wallet.day_spent_micros == 20_000 * sum(done) <= 600_000

    asyncio.run(scenario())


def test_a_limit_that_is_cut_meanwhile(stores: Sequence[Store]) -> None:
    """Calls behind the cut see it; none of those that were let through is taken back."""

    async def scenario() -> None:
        async with gate(stores, "concurrent_calls=50", "max_seconds=60") as row:
            names = [f"c{place}" for place in range(CALLS)]
            jobs = [ask(row, name, number(place)) for place, name in enumerate(names)]
            cut = SetAccountLimits(application="app", account="alice", words=("concurrent_calls=5",))
            before = [stores[place % len(stores)].perform(job) for place, job in enumerate(jobs[:30])]
            await asyncio.gather(*before, stores[0].perform(cut))
            await asyncio.gather(*(stores[place % len(stores)].perform(job) for place, job in enumerate(jobs[30:])))
            told = await outcomes(stores[0], names[30:])
            already = (await outcomes(stores[0], names[:30]))[None]
            assert told[None] == max(0, 5 - already)

    asyncio.run(scenario())
