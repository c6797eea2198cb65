"""Two hundred callers at once on one wallet: whoever comes first is served, and nobody is served twice."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from callgate.protocol import WireReply, sinch
from callgate.protocol.call import CallEvent
from callgate.service.ask import TakeTurn
from callgate.service.books import AccountKey
from callgate.service.extend import ExtendHold, Extension
from callgate.service.ports import Store
from callgate.service.respond import Responder
from callgate.storage.postgres import PostgresStore

if TYPE_CHECKING:
    from tests.conftest import House

NewHouse = Callable[..., AbstractContextManager["House"]]
Respond = Callable[[CallEvent], Any]


def responder(house: "House", store: Store) -> Respond:
    """What answers events of this house from a store; nothing is late here."""
    answering = Responder(store, lambda: house.now, decision_deadline_s=60, orphan_after=timedelta(seconds=600))
    return lambda event: answering.respond(event, b"{}", sinch, house.catalog())


@pytest.fixture(params=["file", "postgres"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path, file_store: Any) -> Callable[[], Any]:
    """Make stores on one database."""
    if request.param == "file":
        return lambda: file_store(tmp_path / "books.db")
    url = request.getfixturevalue("postgres_url")
    return lambda: PostgresStore(url)


@pytest.fixture
def busy_house(make_store: Callable[[], Any], new_house: NewHouse) -> Any:
    """A house with a wallet of ten full grants of a minute."""
    with new_house(make_store()) as house:
        house.open("alice", "0.20", max_seconds=60)
        yield house


def test_exactly_as_many_connect_as_can_pay(busy_house: "House") -> None:
    """Ten of two hundred; the rest are refused for want of credit, and the books are sound."""
    respond = responder(busy_house, busy_house.store)

    async def arrive() -> list[WireReply]:
        return await asyncio.gather(*(respond(busy_house.arrived(f"c{number}")) for number in range(200)))

    granted = Counter(busy_house.granted_s(reply.body) for reply in busy_house.run(arrive()))
    assert granted == {60: 10, 0: 190}
    assert (busy_house.wallet().held_micros, busy_house.wallet().available_micros) == (200_000, 0)
    refusals = Counter(busy_house.call(f"c{number}").refusal for number in range(200))
    assert refusals == {None: 10, "insufficient_credit": 190}
    assert busy_house.faults() == ()


def test_repeats_at_once_are_one_call(busy_house: "House") -> None:
    """A hundred of each of two calls hold twice, and all of a call get the same bytes."""
    respond = responder(busy_house, busy_house.store)

    async def arrive() -> list[WireReply]:
        return await asyncio.gather(*(respond(busy_house.arrived(f"c{number % 2}")) for number in range(200)))

    replies = busy_house.run(arrive())
    assert [len({reply.body for reply in replies[first::2]}) for first in (0, 1)] == [1, 1]
    assert busy_house.wallet().held_micros == 40_000


def test_calls_that_begin_and_end_at_once(busy_house: "House") -> None:
    """Whatever overtakes what: in the end nothing is held, and each call that connected or was parked is paid for once."""
    respond = responder(busy_house, busy_house.store)

    async def live(call: str) -> None:
        events = [busy_house.arrived(call), busy_house.answered(call), busy_house.ended(call, 30)]
        await asyncio.gather(*(respond(event) for event in [*events, *reversed(events)]))
        await respond(busy_house.ended(call, 30))

    async def all_of_them() -> None:
        await asyncio.gather(*(live(f"c{number}") for number in range(60)))

    busy_house.run(all_of_them())
    wallet = busy_house.wallet()
    charged = [record.charge_micros for record in busy_house.records()]
    assert charged == [20_000] * 10
    assert (wallet.posted_micros, wallet.held_micros, wallet.owed_micros) == (0, 0, 0)
    assert busy_house.faults() == ()


def test_servers_on_one_database_share_the_wallet(make_store: Callable[[], Any], new_house: NewHouse) -> None:
    """Three stores with a writer each, and still exactly ten; a call that comes to all three is one call."""
    with new_house(make_store()) as house:
        house.open("alice", "0.20", max_seconds=60)
        others = [make_store() for _ in range(2)]

        async def arrive() -> list[WireReply]:
            for other in others:
                await other.open()
            answering = [responder(house, store) for store in (house.store, *others)]
            replies = await asyncio.gather(
                *(respond(house.arrived(f"c{number}")) for number in range(67) for respond in answering)
            )
            for other in others:
                assert (await other.account(AccountKey("app", "alice"))) is not None
                await other.close()
            return replies

        replies = house.run(arrive())
        assert Counter(house.granted_s(reply.body) for reply in replies) == {60: 30, 0: 171}
        assert all(len({reply.body for reply in replies[first : first + 3]}) == 1 for first in range(0, 201, 3))
        assert house.wallet().held_micros == 200_000
        assert house.faults() == ()


def test_servers_that_keep_the_same_timers_do_each_once(make_store: Callable[[], Any], new_house: NewHouse) -> None:
    """Two stores with twenty elastic calls whose timers go off, five slices left, and ends and new calls in between.

    Five hold more, whoever does it; who does not is warned by one of the two alone; what is due is asked about once.
    """
    with new_house(make_store()) as house:
        house.open("alice", "2.5")
        house.set_elastic()
        for number in range(20):
            house.perform(house.job(house.arrived(f"c{number}")))
        house.tick(240)
        other = make_store()
        keys = [house.ended(f"c{number}").key for number in range(20)]

        async def go_off() -> list[tuple[Extension, Extension]]:
            await other.open()
            done = await asyncio.gather(
                *(store.perform(ExtendHold(call=key, now=house.now)) for store in (house.store, other) for key in keys)
            )
            return list(zip(done[:20], done[20:], strict=True))

        def taken_by(turns: list[list[Any]]) -> list[str]:
            return [call.key.call_id for turn in turns for call in turn]

        async def fall_due() -> list[list[Any]]:
            turns = TakeTurn(calls=tuple(keys), now=house.now + timedelta(days=1))
            ends = [store.perform(house.job(house.ended("c7", 30))) for store in (house.store, other)]
            found = await asyncio.gather(house.store.perform(turns), other.perform(turns), *ends)
            await other.close()
            return found[:2]

        outcomes = house.run(go_off())
        assert Counter(frozenset(pair) for pair in outcomes) == {
            frozenset({Extension.HELD, Extension.NOTHING}): 5,
            frozenset({Extension.WARN, Extension.NOTHING}): 15,
        }
        assert (house.wallet().held_micros, house.wallet().available_micros) == (2_500_000, 0)
        taken = taken_by(house.run(fall_due()))
        assert len(taken) == len(set(taken)) and set(taken) >= {key.call_id for key in keys} - {"c7"}
        assert (len(house.records()), house.faults()) == (1, ())
