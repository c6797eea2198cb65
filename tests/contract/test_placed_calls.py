"""Calls that we place, tickets and app users on each engine; and on two nodes at once: one request rings once, one ticket is good
for one call, and a call that both name at the same moment is one call.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from callgate.errors import Conflict, Error, NotFound
from callgate.ledger.verify import verify
from callgate.policy.limits import UNLIMITED
from callgate.protocol import sinch
from callgate.protocol.call import (
    CallAnswered,
    CallArrived,
    CallEnded,
    CallKey,
    CallResult,
    Endpoint,
    EndpointKind,
    Origin,
    PlaceCall,
)
from callgate.protocol.life import CallState
from callgate.rating.deck import Deck
from callgate.rating.rate import Rate
from callgate.service.add_application import AddApplication
from callgate.service.answered import GoAhead
from callgate.service.application import Application, ApplicationRow
from callgate.service.authorize import Authorize
from callgate.service.books import AccountKey, UserKey
from callgate.service.callout import CalloutKind
from callgate.service.catalog import Catalog
from callgate.service.idempotent import Asked, Idempotent
from callgate.service.manage_users import AddUser, RemoveUser, SetPassword
from callgate.service.open_account import OpenAccount
from callgate.service.place_callout import KeepNotPlaced, KeepPlaced, Leg, PlaceCallout, Placing
from callgate.service.ports import Store
from callgate.service.reply import Reply
from callgate.service.respond import Responder
from callgate.service.settle import Settle
from callgate.service.sign_in import FindPayer, SignInRefused, ticket_for
from callgate.service.signing import Signing, refer
from callgate.service.tend_callout import TendBridge, Tending
from callgate.service.ticket import KEPT_USED, LIVES, read_ticket
from callgate.service.top_up import TopUp
from callgate.storage.postgres import PostgresStore
from callgate.storage.sqlite import SqliteStore

T = TypeVar("T")

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
APP, ROOM = "app", "callgate-room"
ALICE = AccountKey(APP, "alice")
ANNA, BERT = "+46701740605", "+46701740606"
SIGNING = Signing(tickets=b"t" * 32, holds=b"h" * 32)
DECKS = {
    "standard": Deck(
        name="standard",
        currency="USD",
        rows=[
            Rate(
                prefix="46",
                destination="Sweden",
                rate_nanos_per_min=20_000_000,
                connect_fee_micros=0,
                first_increment_s=60,
                increment_s=60,
                effective_from=datetime(2020, 1, 1, tzinfo=UTC),
            )
        ],
    )
}


class Node:
    """A server's view of the books: its store, and what it does for calls that it places."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.application: ApplicationRow

    async def furnish(self) -> None:
        job = AddApplication(
            provider="sinch", key=APP, secret="c2VjcmV0", name="", seal=str.encode, now=NOW, limits=UNLIMITED
        )
        self.application = await self.store.perform(job)
        await self.store.perform(OpenAccount(application=APP, account="alice", currency="USD", limits=UNLIMITED))
        top_up = TopUp(application=APP, account="alice", amount_micros=10_000_000, reference="first", now=NOW)
        await self.store.perform(top_up)

    def callout(self, name: str, *numbers: str) -> PlaceCallout:
        legs = tuple(
            Leg(
                f"callout-{name}-{place}",
                Endpoint(EndpointKind.NUMBER, number),
                PlaceCall(
                    number="",
                    custom=refer(SIGNING.holds, APP, f"callout-{name}-{place}"),
                    max_duration_s=0,
                    conference=ROOM,
                ),
            )
            for place, number in enumerate(numbers, 1)
        )
        return PlaceCallout(
            kind=CalloutKind.BRIDGE if len(legs) > 1 else CalloutKind.CONFERENCE, legs=legs, payer=ALICE, provider=sinch,
            application=self.application, decks=DECKS, now=NOW, longest_s=600,
        )  # fmt: skip

    async def named(self, reference: str, call_id: str) -> Any:
        return await self.store.perform(KeepPlaced(call=CallKey(APP, reference), call_id=call_id, now=NOW))

    async def hear(self, what: str, call_id: str, reference: str | None = None, seconds: int = 0) -> str:
        """An event of a call that we placed; returns the action that it was answered."""
        key, known = CallKey(APP, call_id), None if reference is None else CallKey(APP, reference)
        job: GoAhead | Settle
        if what == "ace":
            job = GoAhead(answered=CallAnswered(key=key, name="ace"), body=b"{}", provider=sinch, now=NOW)
        else:
            ended = CallEnded(key=key, name="dice", result=CallResult.ANSWERED, duration_s=seconds)
            job = Settle(ended=ended, body=b"{}", provider=sinch, now=NOW)
        outcome = await self.store.perform(replace(job, reference=known))
        return str(msgspec.json.decode(outcome.answer or b"{}").get("action", {}).get("name", ""))

    async def tend(self) -> list[tuple[Tending, str]]:
        """What is to be done for bridges now, and to which call."""
        found = []
        for key, peer in await self.store.bridges_to_tend(10):
            todo, call = await self.store.perform(TendBridge(call=key, peer=peer, now=NOW))
            if call is not None:
                found.append((todo, call.key.call_id))
        return found

    def authorize(self, call_id: str, ticket: str) -> Authorize:
        """A call for which the platform names no user, with a ticket."""
        call = CallArrived(
            key=CallKey(APP, call_id),
            name="ice",
            destination=Endpoint(EndpointKind.NUMBER, ANNA),
            fingerprint=call_id,
            user="",
            origin=Origin.PHONE,
        )
        return Authorize(
            call=call, body=b"{}", provider=sinch, application=self.application, decks=DECKS, now=NOW,
            orphan_after=timedelta(minutes=10), presented=read_ticket(SIGNING.tickets, ticket, APP, NOW),
        )  # fmt: skip

    async def held(self) -> Decimal:
        found = await self.store.account(ALICE)
        assert found is not None
        return Decimal(found.wallet.held_micros) / 1_000_000


Nodes = Callable[[Callable[..., Awaitable[None]]], None]


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "sqlite":
        make: Callable[..., SqliteStore] = request.getfixturevalue("file_store")
        return make(tmp_path / "books.db")
    return PostgresStore(request.getfixturevalue("postgres_url"))


def work(steps: Callable[..., Coroutine[Any, Any, None]], *stores: Store) -> None:
    """Run steps on nodes that share one database, and find its books sound, and nothing held, afterwards."""

    async def run() -> None:
        async with AsyncExitStack() as opened:
            for each in stores:
                await each.open()
                opened.push_async_callback(each.close)
            nodes = [Node(each) for each in stores]
            await nodes[0].furnish()
            for node in nodes[1:]:
                node.application = nodes[0].application
            await steps(*nodes)
            assert await stores[0].inspect_ledger(lambda rows: verify(rows).faults) == ()
            assert await nodes[0].held() == 0

    asyncio.run(run())


# -- each engine ---------------------------------------------------------------------------------------------------------


def test_the_life_of_a_bridge(store: Store) -> None:
    """Both sides are held for before either is rung; the second is dialled when the first has answered, once; the end of one
    ends the other; both are paid for.
    """

    async def steps(node: Node) -> None:
        placing: Placing = await node.store.perform(node.callout("b", ANNA, BERT))
        assert (placing.refusal, placing.granted_s, await node.held()) == (None, 600, Decimal("0.4"))
        assert await node.tend() == []
        assert (await node.named("callout-b-1", "p1")).key.call_id == "p1"
        found = await node.store.call_referred(APP, "callout-b-1")
        assert found is not None and found.key.call_id == "p1"
        assert await node.store.call(CallKey(APP, "callout-b-1")) is None
        assert await node.hear("ace", "p1", "callout-b-1") == "connectConf"
        assert await node.tend() == [(Tending.DIAL, "callout-b-2")]
        assert await node.tend() == []
        assert await node.hear("ace", "p2", "callout-b-2") == "connectConf"  # it names the call
        assert (await node.named("callout-b-2", "p2")).state is CallState.ANSWERED
        await node.hear("dice", "p1", "callout-b-1", 61)
        assert await node.tend() == [(Tending.HANG_UP, "p2")]
        assert await node.hear("ace", "p2", "callout-b-2") == "hangup"
        await node.hear("dice", "p2", "callout-b-2", 59)
        charges = [await node.store.call(CallKey(APP, call_id)) for call_id in ("p1", "p2")]
        assert [call and call.charge_micros for call in charges] == [40_000, 20_000]

    work(steps, store)


def test_a_call_that_nobody_rings_gives_back_what_was_held(store: Store) -> None:
    """For both sides, and the same request may be tried again; one that is refused holds nothing for either."""

    async def steps(node: Node) -> None:
        kept = await node.store.perform(once(node.callout("n", ANNA, BERT), "n"))
        assert kept.body == b"callout-n-1"
        legs = (CallKey(APP, "callout-n-1"), CallKey(APP, "callout-n-2"))
        await node.store.perform(KeepNotPlaced(calls=legs, why="no", now=NOW, forget="scope n"))
        assert await node.held() == 0
        first = await node.store.call(legs[0])
        assert first is not None and (first.state, first.settled_by) == (CallState.ENDED, "not_placed")
        refused: Placing = await node.store.perform(node.callout("r", ANNA, "+461"))
        assert (str(refused.refusal), await node.held()) == ("destination_invalid", 0)
        again = await node.store.perform(once(node.callout("m", ANNA), "n"))
        assert again.body == b"callout-m-1"
        await node.store.perform(KeepNotPlaced(calls=(CallKey(APP, "callout-m-1"),), why="no", now=NOW))

    work(steps, store)


def test_a_ticket_is_kept_as_long_as_it_may_come_again(store: Store) -> None:
    """Good for the call that presents it first, and for that again; forgotten when it has long expired."""

    async def steps(node: Node) -> None:
        ticket = ticket_for(ALICE, "t1", "", key=SIGNING.tickets, now=NOW)
        for call_id, refusal in (("c1", None), ("c2", "caller_unknown"), ("c1", None)):
            await node.store.perform(node.authorize(call_id, ticket))
            call = await node.store.call(CallKey(APP, call_id))
            assert call is not None and call.refusal == refusal
        await node.store.forget_tickets(NOW + LIVES - KEPT_USED)
        await node.store.perform(node.authorize("c3", ticket))
        call = await node.store.call(CallKey(APP, "c3"))
        assert call is not None and call.refusal == "caller_unknown"
        await node.hear("dice", "c1", seconds=1)

    work(steps, store)


def test_the_life_of_an_apps_user(store: Store) -> None:
    """Added once, to an account that there is, of which it becomes an identity; given another password; removed."""

    async def steps(node: Node) -> None:
        add = AddUser(application=APP, name="zoe", account="alice", password="hash", now=NOW)
        await node.store.perform(add)
        with pytest.raises(Conflict):
            await node.store.perform(add)
        with pytest.raises(NotFound):
            await node.store.perform(replace(add, name="kid", account="nobody"))
        assert await node.store.perform(FindPayer(application=node.application, user="zoe")) == "alice"
        with pytest.raises(SignInRefused):
            await node.store.perform(FindPayer(application=node.application, user="kid"))
        await node.store.perform(SetPassword(application=APP, name="zoe", password="other"))
        found = await node.store.user(UserKey(APP, "zoe"))
        assert found is not None and (found.password, found.account, found.created_at) == ("other", "alice", NOW)
        await node.store.perform(RemoveUser(application=APP, name="zoe"))
        assert await node.store.user(UserKey(APP, "zoe")) is None
        with pytest.raises(NotFound):
            await node.store.perform(RemoveUser(application=APP, name="zoe"))

    work(steps, store)


# -- two nodes -----------------------------------------------------------------------------------------------------------


def once(job: PlaceCallout, name: str) -> Idempotent:
    """The job under an idempotency key, as the API has it; the reply says which reference is to be dialled."""

    def kept(placing: Placing) -> tuple[int, bytes]:
        return 202, placing.calls[0].key.call_id.encode()

    def refuse(error: Error) -> tuple[int, bytes]:
        raise error

    return Idempotent(job=job, asked=Asked(f"scope {name}", "digest"), now=NOW, render=kept, refuse=refuse)


@pytest.fixture
def two(request: pytest.FixtureRequest) -> tuple[PostgresStore, PostgresStore]:
    """Two servers' stores on one PostgreSQL."""
    url = request.getfixturevalue("postgres_url")
    return PostgresStore(url), PostgresStore(url)


def test_one_request_on_two_nodes_rings_once(two: tuple[PostgresStore, PostgresStore]) -> None:
    """Of twenty at once, with one key, each with references of its own, one is to be dialled, and one is held for."""

    async def steps(*nodes: Node) -> None:
        for key in range(5):
            jobs = [(nodes[number % 2], f"{key}-{number}") for number in range(20)]
            replies: list[Reply] = await asyncio.gather(
                *(node.store.perform(once(node.callout(name, ANNA, BERT), str(key))) for node, name in jobs)
            )
            assert len({reply.body for reply in replies}) == 1
            mine = [
                name
                for (_, name), reply in zip(jobs, replies, strict=True)
                if reply.body == f"callout-{name}-1".encode()
            ]
            assert len(mine) == 1
            assert await nodes[0].held() == Decimal("0.4")
            legs = tuple(CallKey(APP, f"callout-{mine[0]}-{place}") for place in (1, 2))
            await nodes[1].store.perform(KeepNotPlaced(calls=legs, why="enough", now=NOW))

    work(steps, *two)


def test_a_call_that_two_nodes_name_at_once_is_one_call(two: tuple[PostgresStore, PostgresStore]) -> None:
    """One hears the platform's answer, the other the first events of the call: whoever is first, nothing is lost or doubled, and
    each event is answered as if it had come alone.
    """

    async def steps(first: Node, second: Node) -> None:
        known = Application(row=first.application, secrets=(("c2VjcmV0", None),))
        catalog = Catalog(applications={APP: known}, decks=DECKS, endpoints=())
        responders = [
            Responder(
                node.store,
                lambda: NOW,
                decision_deadline_s=5.0,
                orphan_after=timedelta(minutes=10),
                signing=SIGNING,
            )
            for node in (first, second)
        ]
        for number in range(25):
            reference, call_id = f"callout-{number}-1", f"p{number}"
            await first.store.perform(first.callout(str(number), ANNA))
            custom, key = refer(SIGNING.holds, APP, reference), CallKey(APP, call_id)
            ace = CallAnswered(key=key, name="ace", custom=custom)
            dice = CallEnded(key=key, name="dice", result=CallResult.ANSWERED, duration_s=30, custom=custom)
            order = [
                first.named(reference, call_id),
                responders[1].respond(ace, b"{}", sinch, catalog),
                responders[0].respond(ace, b"{}", sinch, catalog),
                second.named(reference, call_id),
            ]
            turned = order[number % 4 :] + order[: number % 4]
            said = [each.body for each in await asyncio.gather(*turned) if hasattr(each, "body")]
            assert [msgspec.json.decode(body)["action"]["name"] for body in said] == ["connectConf"] * 2
            await asyncio.gather(*(each.respond(dice, b"{}", sinch, catalog) for each in responders))
            assert await first.store.call(CallKey(APP, reference)) is None
            call = await second.store.call(key)
            assert call is not None and (call.state, call.charge_micros, call.flags) == (CallState.ENDED, 20_000, ())
        calls = await first.store.calls(APP, account="alice", only_live=False, before=None, limit=100)
        assert len(calls) == 25

    work(steps, *two)


def test_one_ticket_on_two_nodes_works_once(two: tuple[PostgresStore, PostgresStore]) -> None:
    """Of ten calls that present it at the same moment, one is let through."""

    async def steps(*nodes: Node) -> None:
        for number in range(5):
            ticket = ticket_for(ALICE, f"t{number}", "", key=SIGNING.tickets, now=NOW)
            names = [f"c{number}-{each}" for each in range(10)]
            await asyncio.gather(
                *(
                    nodes[each % 2].store.perform(nodes[each % 2].authorize(name, ticket))
                    for each, name in enumerate(names)
                )
            )
            calls = [await nodes[0].store.call(CallKey(APP, name)) for name in names]
            through = [call.key.call_id for call in calls if call is not None and call.refusal is None]
            assert len(through) == 1
            assert {call.refusal for call in calls if call is not None} == {None, "caller_unknown"}
            await nodes[1].hear("dice", through[0], seconds=1)

    work(steps, *two)
