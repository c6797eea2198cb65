"""The store stalls, for real: another connection holds SQLite's lock. The platform is answered in time all the same, and
afterwards nothing is held for what was not sent.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from callgate.errors import StorageUnavailable
from callgate.protocol import sinch
from callgate.protocol.call import CallEvent
from callgate.service.respond import Responder
from callgate.storage.sqlite import SqliteStore

if TYPE_CHECKING:
    from tests.conftest import House

structlog.get_logger()
"""The first line that is logged would load it: a third of a second, which a server spends at its start."""

DEADLINE_S = 0.2
SLACK_S = 0.5
"""How much later an answer may be there, on a busy machine."""


class Gate:
    """A house whose store can be stalled, and what answers its callbacks."""

    def __init__(self, house: "House", path: Path, deadline_s: float = DEADLINE_S) -> None:
        self.house = house
        self.path = path
        self._deadline_s = deadline_s
        self._ticks = 0
        self._responder = Responder(
            house.store, self._clock, decision_deadline_s=deadline_s, orphan_after=timedelta(seconds=600)
        )

    def _clock(self) -> Any:
        """No two readings are the same, as on a real clock."""
        self._ticks += 1
        return self.house.now + timedelta(microseconds=self._ticks)

    async def hear(self, event: CallEvent) -> bytes:
        return (await self._responder.respond(event, b"{}", sinch, self.house.catalog())).body

    async def hear_in_time(self, event: CallEvent) -> bytes:
        """Answered before the deadline has long gone by."""
        began = time.monotonic()
        answer = await self.hear(event)
        assert time.monotonic() - began < self._deadline_s + SLACK_S
        return answer

    @asynccontextmanager
    async def stalled(self, *, is_drained: bool = True) -> AsyncIterator[None]:
        """Another process holds the lock; when it lets go, what was answered late is undone, if that is waited for."""
        other = sqlite3.connect(self.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")
            other.close()
        if is_drained:
            await self.drain()

    async def drain(self) -> None:
        await self._responder.drain()

    def run(self, steps: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.house.run(steps())
        assert self.house.faults() == ()


@pytest.fixture(params=[30.0, 0.05], ids=["patient", "impatient"])
def gate(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    new_house: Callable[[SqliteStore], AbstractContextManager["House"]],
    file_store: Callable[..., SqliteStore],
) -> Iterator[Gate]:
    """A patient store waits for the lock as long as it takes; an impatient one gives up, and fails what waits."""
    path = tmp_path / "books.db"
    with new_house(file_store(path, patience_s=request.param)) as house:
        house.open("alice", "0.20", max_seconds=60)
        yield Gate(house, path)


def test_the_fallback_is_sent_in_time_and_nothing_is_held(gate: Gate) -> None:
    """Neither for the decision that was being made nor for those that waited behind it; repeats get what was sent."""
    house = gate.house

    async def steps() -> None:
        async with gate.stalled():
            answers = await asyncio.gather(*(gate.hear_in_time(house.arrived(f"c{number}")) for number in range(20)))
            assert set(answers) == {house.hang_up}
        assert [await gate.hear(house.arrived(f"c{number}")) for number in range(20)] == answers

    gate.run(steps)
    for number in range(20):
        call = house.call(f"c{number}")
        assert (call.state, call.refusal) == ("refused", "not_decided_in_time")
    assert (house.wallet().held_micros, house.moved()) == (0, [])


def test_a_stall_of_three_seconds(gate: Gate) -> None:
    """Calls come one after another while it lasts; each is answered in its own time."""
    house = gate.house

    async def steps() -> None:
        async with gate.stalled():
            until, number = time.monotonic() + 3, 0
            while time.monotonic() < until:
                assert await gate.hear_in_time(house.arrived(f"c{number}")) == house.hang_up
                number += 1
        assert number > 5
        assert house.granted_s(await gate.hear(house.arrived("after"))) == 60

    gate.run(steps)
    assert house.wallet().held_micros == 20_000


def test_repeats_that_wait_behind_a_late_decision(gate: Gate) -> None:
    """They get the fallback too, each before its own deadline and not one after another, and hold nothing."""
    house = gate.house
    gate = Gate(house, gate.path, deadline_s=0.7)  # more than the slack, so that two of them one after another are seen

    async def steps() -> None:
        async with gate.stalled():
            first = asyncio.create_task(gate.hear_in_time(house.arrived()))
            await asyncio.sleep(0.05)
            repeats = [asyncio.create_task(gate.hear_in_time(house.arrived())) for _ in range(5)]
            assert {await answer for answer in [first, *repeats]} == {house.hang_up}

    gate.run(steps)
    assert (house.call().state, house.wallet().held_micros) == ("refused", 0)


def test_a_repeat_that_outlives_the_stall_gets_what_was_sent(gate: Gate) -> None:
    """Though by then there would be time and money to decide otherwise."""
    house = gate.house

    async def steps() -> None:
        async with gate.stalled():
            first = asyncio.create_task(gate.hear_in_time(house.arrived()))
            await asyncio.sleep(DEADLINE_S * 0.9)
            repeat = asyncio.create_task(gate.hear_in_time(house.arrived()))
            assert await first == house.hang_up
        assert await repeat == house.hang_up

    gate.run(steps)
    assert (house.call().state, house.wallet().held_micros) == ("refused", 0)


def test_a_repeat_between_the_fallback_and_its_writing(gate: Gate) -> None:
    """The store is back and does not know of the call yet: asked, it would let it through."""
    house = gate.house

    async def steps() -> None:
        async with gate.stalled(is_drained=False):
            assert await gate.hear_in_time(house.arrived()) == house.hang_up
            await asyncio.sleep(0.8)  # by then an impatient store has given up; it is tried again a second later
        assert await gate.hear(house.arrived()) == house.hang_up
        await gate.drain()
        assert await gate.hear(house.arrived()) == house.hang_up

    gate.run(steps)
    assert (house.call().state, house.call().refusal) == ("refused", "not_decided_in_time")
    assert (house.wallet().held_micros, house.moved()) == (0, [])


def test_a_decision_that_was_sent_in_time_stands(gate: Gate) -> None:
    """Its repeat is answered with the fallback while the store stalls; the hold stays until the call ends."""
    house = gate.house

    async def steps() -> None:
        answer = await gate.hear(house.arrived())
        assert house.granted_s(answer) == 60
        async with gate.stalled():
            assert await gate.hear_in_time(house.arrived()) == house.hang_up
        assert await gate.hear(house.arrived()) == answer

    gate.run(steps)
    assert (house.call().state, house.wallet().held_micros) == ("arrived", 20_000)
    house.hear(house.ended(seconds=30))
    assert house.moved() == [("wallet:alice", "revenue:USD", 20_000)]


def test_an_end_during_the_stall_is_settled_afterwards(gate: Gate) -> None:
    """The platform waits for it or sends it again; money moves once."""
    house = gate.house

    async def steps() -> None:
        await gate.hear(house.arrived())
        async with gate.stalled():
            ending = asyncio.create_task(gate.hear(house.ended(seconds=30)))
            late = await gate.hear_in_time(house.arrived("late"))
        assert late == house.hang_up
        await asyncio.gather(ending, return_exceptions=True)
        assert await gate.hear(house.ended(seconds=30)) == b"{}"

    gate.run(steps)
    assert (house.moved(), house.wallet().held_micros) == ([("wallet:alice", "revenue:USD", 20_000)], 0)


def test_an_end_that_overtook_a_start_which_was_not_decided_in_time(gate: Gate) -> None:
    """The start was refused: nothing moves for its end, then or later."""
    house = gate.house

    async def steps() -> None:
        await gate.hear(house.ended(seconds=30))
        async with gate.stalled():
            held_up = [asyncio.create_task(gate.hear(house.arrived("before")))]
            await asyncio.sleep(0.02)  # the writer is busy with that one: the next has not begun when its time is over
            assert await gate.hear_in_time(house.arrived()) == house.hang_up
            await asyncio.gather(*held_up)

    gate.run(steps)
    house.tick(700)
    house.expire()
    assert (house.call().state, house.call().refusal) == ("refused", "not_decided_in_time")
    assert (house.moved(), house.wallet().held_micros) == ([], 0)


def test_overload_hangs_up_at_once(
    tmp_path: Path,
    new_house: Callable[[SqliteStore], AbstractContextManager["House"]],
    file_store: Callable[..., SqliteStore],
) -> None:
    """No decision is queued behind it: when there is room again, what was sent stands, and nothing is held. Ends are told
    to come again.
    """
    path = tmp_path / "books.db"
    with new_house(file_store(path, queue_limit=4)) as house:
        house.open("alice", "0.20", max_seconds=60)
        gate = Gate(house, path)

        async def steps() -> None:
            async with gate.stalled():
                begun = asyncio.create_task(gate.hear(house.arrived("begun")))
                await asyncio.sleep(0.05)
                waiting = [asyncio.create_task(gate.hear(house.arrived(f"w{number}"))) for number in range(4)]
                await asyncio.sleep(0)
                began = time.monotonic()
                for number in range(50):
                    assert await gate.hear(house.arrived(f"refused{number}")) == house.hang_up
                with pytest.raises(StorageUnavailable):
                    await gate.hear(house.ended("refused0", 30))
                assert time.monotonic() - began < DEADLINE_S / 2
                assert set(await asyncio.gather(begun, *waiting)) == {house.hang_up}
            for number in range(50):
                assert await gate.hear(house.arrived(f"refused{number}")) == house.hang_up
            assert house.granted_s(await gate.hear(house.arrived("after"))) == 60

        gate.run(steps)
        assert house.wallet().held_micros == 20_000
        for number in range(50):
            call = house.call(f"refused{number}")
            assert (call.refusal, call.hold, call.flags) == ("not_decided_in_time", None, ("late",))
