"""The store is down, for real, and the application wants some calls let through: only to its allow list, a minute each, five at
a time; and what they cost is charged when the store is back, once, whatever came in which order.
"""

import asyncio
import random
import sqlite3
from array import array
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from callgate.errors import StorageUnavailable
from callgate.policy.account import Status
from callgate.policy.number_list import ListKind, NumberList, parse_entry
from callgate.protocol import sinch
from callgate.protocol.call import CallEvent, EndpointKind, Origin
from callgate.rating.charge import charge_micros
from callgate.service.limited import GONE_AFTER, LIMITED_S, MOST_AT_ONCE, Limited, may_be_limited
from callgate.service.respond import Responder
from callgate.storage.postgres import PostgresStore
from callgate.storage.sqlite import SqliteStore

if TYPE_CHECKING:
    from tests.conftest import House, Postgres

NewHouse = Callable[..., AbstractContextManager["House"]]


def number_list(kind: ListKind, *texts: str, account: str | None = None) -> NumberList:
    entries = sorted(entry for text in texts if (entry := parse_entry(text)) is not None)
    return NumberList(name=f"{kind} {account}", kind=kind, account=account, entries=array("q", entries))


class Gate:
    """A house whose store can be taken away, and what answers its callbacks."""

    def __init__(self, house: "House", path: Path) -> None:
        self.house, self.path, self._ticks = house, path, 0
        self.lists = [number_list(ListKind.ALLOW, house.sweden, "+49*")]
        self.begin()

    def begin(self) -> None:
        """A process, with nothing in its memory."""
        self.responder = Responder(
            self.house.store, self._clock, decision_deadline_s=2, orphan_after=timedelta(seconds=600)
        )

    def _clock(self) -> Any:
        self._ticks += 1
        return self.house.now + timedelta(microseconds=self._ticks)

    async def hear(self, event: CallEvent) -> bytes:
        catalog = msgspec.structs.replace(self.house.catalog(), lists={self.house.app: self.lists})
        return (await self.responder.respond(event, b"{}", sinch, catalog)).body

    async def hear_out(self, *events: CallEvent) -> None:
        """As the platform sends what it is not answered well, or not at all."""
        for event in events:
            with suppress(StorageUnavailable):
                await self.hear(event)

    @asynccontextmanager
    async def down(self) -> AsyncIterator[None]:
        """Another process holds the lock, and the store gives up at once; when it is back, what was sent is written."""
        other = sqlite3.connect(self.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")
            other.close()
        await self.responder.drain()

    def run(self, steps: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.house.run(steps())
        assert self.house.faults() == ()


@pytest.fixture
def gate(tmp_path: Path, new_house: NewHouse, file_store: Callable[..., SqliteStore]) -> Iterator[Gate]:
    path = tmp_path / "books.db"
    with new_house(file_store(path, patience_s=0.02)) as house:
        house.open("alice", "0.50")
        house.set_application("fallback=connect_limited")
        yield Gate(house, path)


def test_a_call_is_let_through_and_charged_afterwards(gate: Gate) -> None:
    """The rated number, no caller's number, a minute; repeats and the callee's answer meet the same; one debit."""
    house = gate.house

    async def steps() -> None:
        async with gate.down():
            answer = await gate.hear(house.arrived())
            action = msgspec.json.decode(answer)["action"]
            assert action == {"name": "connectPstn", "number": house.sweden, "maxDuration": LIMITED_S, "cli": "private"}
            assert await gate.hear(house.arrived()) == answer
            assert await gate.hear(house.arrived(to=house.sweden_too)) == house.hang_up
            assert await gate.hear(house.answered()) == house.go_on
            with pytest.raises(StorageUnavailable):  # the platform may tell it again
                await gate.hear(house.ended(seconds=31))
        assert await gate.hear(house.ended(seconds=31)) == b"{}"
        assert await gate.hear(house.answered()) == house.hang_up  # it is over

    gate.run(steps)
    assert house.moved() == [("wallet:alice", "revenue:USD", 20_000)]
    call = house.call()
    assert (call.state, call.flags[:1], call.duration_s, call.answered_at is not None) == (
        "ended",
        ("limited",),
        31,
        True,
    )
    assert (house.wallet().held_micros, house.wallet().hold_count) == (0, 0)
    assert [record.charge_micros for record in house.records()] == [20_000]


def test_a_call_that_goes_on_when_the_store_is_back(gate: Gate) -> None:
    """It is live like any other, holds nothing, counts as one that is up, and gets the same bytes again."""
    house = gate.house

    async def steps() -> None:
        async with gate.down():
            answer = await gate.hear(house.arrived())
        assert await gate.hear(house.arrived()) == answer
        assert await gate.hear(house.answered()) == house.go_on

    gate.run(steps)
    call = house.call()
    assert (call.state, call.granted_s, call.account) == ("answered", LIMITED_S, "alice")
    assert (house.wallet().held_micros, house.wallet().hold_count) == (0, 1)
    house.hear(house.ended(seconds=60))
    assert (house.moved(), house.call().flags) == ([("wallet:alice", "revenue:USD", 20_000)], ("limited",))


def test_who_has_nothing_left_owes_it(gate: Gate) -> None:
    """What is available is taken, and the next top-up pays the rest first."""
    house = gate.house
    house.open("bob", "0.005")

    async def steps() -> None:
        async with gate.down():
            assert house.granted_s(await gate.hear(house.arrived(user="bob"))) == LIMITED_S
        await gate.hear(house.ended(seconds=60, user="bob"))

    gate.run(steps)
    assert sorted(house.moved()) == [
        ("owed:bob", "revenue:USD", 15_000), ("wallet:bob", "revenue:USD", 5_000)
    ]  # fmt: skip


def test_whom_nobody_knows_is_hung_up_when_it_is_answered(gate: Gate) -> None:
    """That the platform proved a user says nothing of an account: such a call counts as refused, and nobody is charged."""
    house = gate.house

    async def steps() -> None:
        async with gate.down():
            assert house.granted_s(await gate.hear(house.arrived(user="nobody"))) == LIMITED_S
        assert await gate.hear(house.answered()) == house.hang_up
        await gate.hear(house.ended(seconds=3, user="nobody"))

    gate.run(steps)
    call = house.call()
    assert (call.state, call.refusal, house.moved()) == ("refused", "caller_unknown", [])
    assert set(call.flags) >= {"limited", "payer_unknown", "refused_yet_answered"}


def test_only_what_the_operator_has_allowed(gate: Gate) -> None:
    """Numbers on the application's own allow list that no deny list has, from proven callers, while it wants that."""
    house = gate.house
    application = house.application
    allowed = house.arrived()
    assert may_be_limited(allowed, application, gate.lists)
    for lists in (
        [],
        [number_list(ListKind.DENY, "+49*")],
        [number_list(ListKind.ALLOW, "+49*")],
        [number_list(ListKind.ALLOW, "+46*", account="alice")],
        [*gate.lists, number_list(ListKind.DENY, "+4670*")],
        [*gate.lists, number_list(ListKind.DENY, "+4670*", account="bob")],
    ):
        assert not may_be_limited(allowed, application, lists)
    for call in (
        house.arrived(kind=EndpointKind.USER, to="bob"), house.arrived(kind=EndpointKind.DID),
        house.arrived(origin=Origin.PHONE), house.arrived(user=None), house.arrived(user=None, cli="+46700000001"),
        house.arrived(to="+49"),
    ):  # fmt: skip
        assert not may_be_limited(call, application, gate.lists)
    suspended = msgspec.structs.replace(application, status=Status.SUSPENDED)
    assert not may_be_limited(allowed, suspended, gate.lists)
    house.set_application("trust=number")
    assert may_be_limited(house.arrived(user=None, cli="+46700000001"), house.application, gate.lists)
    house.set_application("fallback=hangup")
    assert not may_be_limited(allowed, house.application, gate.lists)


def test_a_store_that_is_there_is_never_gone_around(
    tmp_path: Path, new_house: NewHouse, file_store: Callable[..., SqliteStore]
) -> None:
    """One that is slow, or has too much to do, is answered with a hang-up: its calls may be decided yet."""
    path = tmp_path / "books.db"
    with new_house(file_store(path, patience_s=30, queue_limit=2)) as house:
        house.open("alice", "0.50")
        house.set_application("fallback=connect_limited")
        gate = Gate(house, path)
        gate.responder._decision_deadline_s = 0.1  # noqa: SLF001 - as an operator sets it

        async def steps() -> None:
            async with gate.down():
                calls = [asyncio.create_task(gate.hear(house.arrived(f"c{number}"))) for number in range(6)]
                assert set(await asyncio.gather(*calls)) == {house.hang_up}

        gate.run(steps)


def test_five_at_a_time(gate: Gate) -> None:
    """An end that the platform tells, or the time after which it must be over, gives a place back; applications do not share."""
    limited, application, now = Limited(), gate.house.application, gate.house.now
    calls = [gate.house.arrived(f"c{number}") for number in range(20)]
    granted = [limited.grant(call, application, gate.lists, now) is not None for call in calls]
    assert granted == [True] * MOST_AT_ONCE + [False] * 15
    other = msgspec.structs.replace(application, key="other")
    assert limited.grant(calls[0], other, gate.lists, now) is not None
    limited.is_over(calls[2].key)
    limited.is_over(calls[9].key)
    assert limited.grant(calls[10], application, gate.lists, now) is not None
    assert limited.grant(calls[11], application, gate.lists, now + GONE_AFTER - timedelta(seconds=1)) is None
    assert limited.grant(calls[12], application, gate.lists, now + GONE_AFTER) is not None


@pytest.mark.parametrize("seed", range(8))
def test_whatever_comes_in_which_order_the_money_is_right(gate: Gate, seed: int) -> None:
    """Calls of all kinds around an outage, their events repeated and out of order, some of them told to nobody: never more than
    five at a time, each talk charged once to the micro, and the invariants hold at every moment in which the store can be asked.
    """
    house, dice = gate.house, random.Random(seed)  # noqa: S311 - a seed
    house.top_up("alice", "5", "more")
    talks: dict[str, int] = {}

    async def outage(name: str) -> None:
        up: list[str] = []
        async with gate.down():
            for number in range(dice.randint(3, 12)):
                call = f"{name}{number}"
                answer = await gate.hear(house.arrived(call))
                if granted_s := house.granted_s(answer):
                    assert (granted_s, len(up)) <= (LIMITED_S, MOST_AT_ONCE - 1)
                    up.append(call)
                    talks[call] = dice.choice((0, 1, 30, 60))
                if up and dice.random() < 0.4:
                    over = up.pop(dice.randrange(len(up)))
                    events: list[CallEvent] = [house.answered(over)] if talks[over] else []
                    events.append(house.ended(over, talks[over] or None))
                    dice.shuffle(events)
                    await gate.hear_out(*events * dice.randint(1, 2))
        for call in up + list(talks):
            await gate.hear_out(house.ended(call, talks[call] or None))

    async def steps() -> None:
        for number in range(3):
            before = f"before{number}"
            assert house.granted_s(await gate.hear(house.arrived(before))) > LIMITED_S
            await outage(f"o{number}-")
            await gate.hear(house.ended(before, 60))
            talks[before] = 60

    gate.run(steps)
    rate = house.decks["standard"].rate_for(house.sweden, house.now)
    assert rate is not None
    assert sum(micros for *_, micros in house.moved()) == sum(charge_micros(rate, talk) for talk in talks.values())
    assert (house.wallet().held_micros, house.wallet().hold_count) == (0, 0)
    assert len(house.records()) == len(talks)


def test_a_process_that_dies_with_it_charges_the_end_as_one_without_a_start(gate: Gate) -> None:
    """What was in its memory is gone; the end says who called, and is charged when its start has not come for long enough."""
    house = gate.house

    async def steps() -> None:
        async with gate.down():
            assert house.granted_s(await gate.hear(house.arrived())) == LIMITED_S
            for task in list(gate.responder._overruling):  # noqa: SLF001 - it is killed
                task.cancel()
            gate.begin()
        await gate.hear(house.ended(seconds=60))

    gate.run(steps)
    house.tick(700)
    house.expire()
    assert house.moved() == [("wallet:alice", "revenue:USD", 20_000)]


def test_an_end_that_never_comes_is_asked_about(gate: Gate) -> None:
    """As for every live call; what the platform says is charged."""
    house = gate.house

    async def steps() -> None:
        async with gate.down():
            await gate.hear(house.arrived())

    gate.run(steps)
    house.tick(180 + LIMITED_S + 120 - 1)
    assert house.heal() == 0
    house.tick(2)
    assert house.heal(house.ended(seconds=20)) == 1
    assert (house.moved(), house.call().settled_by) == ([("wallet:alice", "revenue:USD", 20_000)], "provider")


def test_an_earlier_decision_that_stands_is_not_undone(gate: Gate) -> None:
    """A call that was let through in time and asks again while the store is down keeps its hold; its end is charged once."""
    house = gate.house

    async def steps() -> None:
        assert house.granted_s(await gate.hear(house.arrived())) > LIMITED_S
        async with gate.down():
            assert house.granted_s(await gate.hear(house.arrived())) == LIMITED_S
        await gate.hear(house.ended(seconds=61))

    gate.run(steps)
    assert house.moved() == [("wallet:alice", "revenue:USD", 40_000)]
    assert (house.wallet().held_micros, "conflict" in house.call().flags) == (0, True)


def test_postgresql_is_switched_off_and_on_again(
    postgres: "Postgres", postgres_url: str, new_house: NewHouse, tmp_path: Path
) -> None:
    """A patient store waits for it; as soon as it is lost calls are let through, and its own decisions give way to that."""
    with new_house(PostgresStore(postgres_url)) as house:  # type: ignore[arg-type]
        house.open("alice", "0.50", max_seconds=120)
        house.set_application("fallback=connect_limited")
        gate = Gate(house, tmp_path)
        gate.responder._decision_deadline_s = 1  # noqa: SLF001 - as an operator sets it

        async def steps() -> None:
            assert house.granted_s(await gate.hear(house.arrived("before"))) > LIMITED_S
            await asyncio.to_thread(postgres.stop)
            try:
                answer = await gate.hear(house.arrived())
                assert house.granted_s(answer) == LIMITED_S
                assert await gate.hear(house.arrived(to=house.unpriced)) == house.hang_up
            finally:
                await asyncio.to_thread(postgres.start)
            while gate.responder._overruling:  # noqa: SLF001 - until it is written
                await gate.responder.drain()
            with suppress(StorageUnavailable):  # a session that was cut is noticed by who reads next
                await house.store.deck_heads()
            assert await gate.hear(house.arrived()) == answer
            assert house.granted_s(await gate.hear(house.arrived("after"))) > LIMITED_S
            for call, seconds in (("before", 61), ("c1", 60), ("after", 1)):
                await gate.hear(house.ended(call, seconds))

        gate.run(steps)
        assert sorted(micros for *_, micros in house.moved()) == [20_000, 20_000, 40_000]
        assert house.call().flags == ("limited",)


def test_an_emergency_call_is_put_through_while_the_store_is_down(gate: Gate) -> None:
    """Whatever the application's fallback is; its answer and its end are written down behind it, and it costs nothing."""
    house = gate.house
    house.set_application("fallback=hangup", "home_country=SE")

    async def steps() -> None:
        async with gate.down():
            answer = await gate.hear(house.arrived(to="112"))
            action = msgspec.json.decode(answer)["action"]
            assert action == {"name": "connectPstn", "number": "112", "maxDuration": 14_400, "cli": "private"}
            assert await gate.hear(house.arrived(to="112")) == answer
            assert await gate.hear(house.arrived("c2")) == house.hang_up
            assert await gate.hear(house.answered()) == house.go_on
            with pytest.raises(StorageUnavailable):
                await gate.hear(house.ended(seconds=31, to="112"))
        assert await gate.hear(house.arrived(to="112")) == house.hang_up  # it is over
        assert await gate.hear(house.ended(seconds=31, to="112")) == b"{}"

    gate.run(steps)
    call = house.call()
    assert (call.state, call.duration_s, call.answered_at is not None) == ("ended", 31, True)
    assert {"emergency", "late"} <= set(call.flags)
    assert (house.moved(), house.wallet().held_micros) == ([], 0)


def test_an_emergency_call_goes_on_when_the_store_is_back(gate: Gate) -> None:
    """And its answer is no stray one."""
    house = gate.house
    house.set_application("fallback=hangup", "home_country=SE")

    async def steps() -> None:
        async with gate.down():
            answer = await gate.hear(house.arrived(to="112"))
        assert await gate.hear(house.arrived(to="112")) == answer
        assert await gate.hear(house.answered()) == house.go_on
        await gate.hear(house.ended(seconds=60, to="112"))

    gate.run(steps)
    assert (house.call().state, house.call().flags) == ("ended", ("emergency", "late"))
