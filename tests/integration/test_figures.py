"""Figures are what the books say: counted beside the callbacks, hour by hour, and once more while ends may come."""

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec

from callgate.policy.limits import UNLIMITED
from callgate.protocol import sinch
from callgate.protocol.call import CallArrived, CallEnded, CallKey, CallResult, Endpoint, EndpointKind, Origin, Price
from callgate.rating.deck import Deck
from callgate.rating.rate import Rate
from callgate.service.add_application import AddApplication
from callgate.service.authorize import Authorize
from callgate.service.figures import HOUR, Figures, Hour
from callgate.service.open_account import OpenAccount
from callgate.service.settle import Settle
from callgate.service.top_up import TopUp
from callgate.storage.sqlite import SqliteStore

START = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
RATE = Rate(
    prefix="46",
    destination="Sweden",
    rate_nanos_per_min=20_000_000,
    connect_fee_micros=0,
    first_increment_s=60,
    increment_s=60,
    effective_from=datetime(2020, 1, 1, tzinfo=UTC),
)


def test_hours_are_counted_and_counted_again(tmp_path: Path) -> None:
    """Refused, let through, what was paid and what the carrier asked for it; the same of records that are read one by one."""

    async def steps() -> None:
        path = tmp_path / "gate.db"
        store, now = SqliteStore(str(path)), START
        await store.migrate()
        await store.open()
        application = await store.perform(
            AddApplication(provider="sinch", key="app", secret="c2VjcmV0", name="", seal=str.encode, now=now)
        )
        await store.perform(OpenAccount(application="app", account="alice", currency="USD"))
        await store.perform(TopUp(application="app", account="alice", amount_micros=10**7, reference="first", now=now))

        async def place(call_id: str, user: str) -> None:
            call = CallArrived(
                key=CallKey("app", call_id),
                name="ice",
                destination=Endpoint(EndpointKind.NUMBER, "+46701740605"),
                fingerprint=call_id,
                user=user,
                origin=Origin.IN_APP,
            )
            job = Authorize(
                call=call,
                body=b"{}",
                provider=sinch,
                application=msgspec.structs.replace(application, limits=UNLIMITED),
                decks={"standard": Deck(name="standard", currency="USD", rows=[RATE])},
                now=now,
                orphan_after=timedelta(minutes=10),
            )
            await store.perform(job)

        async def end(call_id: str) -> None:
            ended = CallEnded(
                key=CallKey("app", call_id),
                name="dice",
                result=CallResult.ANSWERED,
                duration_s=65,
                debit=Price(Decimal("0.0123"), "USD"),
            )
            await store.perform(Settle(ended=ended, body=b"{}", provider=sinch, now=now))

        figures = Figures(store, lambda: now)
        await place("one", "alice")
        await place("two", "alice")
        await place("no", "mallory")
        await end("one")
        hours, missing = figures.since(now - HOUR, None)
        assert (hours, missing) == ([], 2)
        await figures.counted()
        hours, missing = figures.since(now - HOUR, None)
        assert missing == 0
        assert [hour.passed for hour in hours] == [0, 2]
        assert hours[1].refused == {"caller_unknown": 1}
        assert (hours[1].connected, hours[1].talked_s, hours[1].revenue) == (1, 65, {"USD": Decimal("0.04")})
        assert [hour.passed for hour in figures.since(now - HOUR, "other")[0]] == [0, 0]
        await end("two")
        now += timedelta(minutes=1)
        figures.since(now - HOUR, None)
        await figures.counted()
        assert figures.since(now - HOUR, None)[0][-1].revenue == {"USD": Decimal("0.08")}
        summed = await counted(figures_of(store, now), now)
        assert summed.cost == {"USD": Decimal("0.0246")} and summed.margin == {"USD": Decimal("0.0554")}
        forget_what_is_summed(path)
        assert await store.sums(START - HOUR, now + HOUR) is None
        assert await counted(figures_of(store, now), now) == summed
        await store.close()

    asyncio.run(steps())


def figures_of(store: SqliteStore, now: datetime) -> Figures:
    """Figures that nobody has counted yet."""
    return Figures(store, lambda: now)


async def counted(figures: Figures, now: datetime) -> Hour:
    figures.since(now, None)
    await figures.counted()
    return figures.since(now, None)[0][-1]


def forget_what_is_summed(path: Path) -> None:
    """Make the records what they are in a database of an earlier version."""
    with sqlite3.connect(path) as db:
        db.execute("DROP TRIGGER records_are_never_updated")
        db.execute("UPDATE records SET currency = NULL, charge_micros = NULL, duration_s = NULL, cost_nanos = NULL")
    db.close()
