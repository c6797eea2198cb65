"""Work that one server does at a time: nobody does it twice at once, and somebody goes on when a server is gone."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from callgate.service.take_lease import LENGTH, SKEW, Holder, LeaveLease, TakeLease
from callgate.storage.postgres import PostgresStore

if TYPE_CHECKING:
    from tests.conftest import House

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def take(holder: str, seconds: float) -> TakeLease:
    return TakeLease(name="sweep", holder=holder, now=NOW + timedelta(seconds=seconds))


def test_a_lease_is_one_servers_at_a_time(house: "House") -> None:
    """Renewed, it stays with its holder; let go, or past its end and what clocks may differ by, another has it."""
    length_s, skew_s = LENGTH.total_seconds(), SKEW.total_seconds()
    assert house.perform(take("one", 0))
    assert not house.perform(take("two", 0))
    assert house.perform(take("one", 3))
    assert not house.perform(take("two", 3 + length_s + skew_s))
    assert house.perform(take("two", 3 + length_s + skew_s + 0.001))
    assert not house.perform(take("one", 3 + length_s + skew_s + 1))
    house.perform(LeaveLease(name="sweep", holder="one", now=NOW))  # not its own any more
    assert not house.perform(take("one", 3 + length_s + skew_s + 1))
    end = NOW + timedelta(seconds=3 + length_s + skew_s + 1)
    house.perform(LeaveLease(name="sweep", holder="two", now=end))
    assert house.perform(take("one", 3 + length_s + skew_s + 1.001))


def test_one_of_two_servers_works_and_the_other_takes_over(postgres_url: str) -> None:
    """When the first stops, the second begins at its next look."""
    working: list[str] = []
    most = 0

    def work(name: str) -> Callable[[], Any]:
        async def act() -> None:
            nonlocal most
            working.append(name)
            most = max(most, len(working))
            try:
                await asyncio.Event().wait()
            finally:
                working.remove(name)

        return act

    async def steps() -> None:
        stores = [PostgresStore(postgres_url) for _ in range(2)]
        tasks = []
        for store, name in zip(stores, ("one", "two"), strict=True):
            await store.open()
            holder = Holder(store, name, lambda: datetime.now(UTC))
            tasks.append(asyncio.create_task(holder.work("sweep", work(name))))
            while not working:  # noqa: ASYNC110 - the first is to be first
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        assert working == ["one"]
        tasks[0].cancel()
        async with asyncio.timeout(10):
            while working != ["two"]:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.05)
        tasks[1].cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        for store in stores:
            await store.close()

    asyncio.run(steps())
    assert (working, most) == ([], 1)
