"""Records on their way from settled calls to a real receiver, over real HTTP and a real database."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import described
import msgspec
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer, unused_port
from fake_pipedrive import FakePipedrive
from fake_salesforce import FakeSalesforce
from mail_server import write_certificate
from standardwebhooks import Webhook

from callgate.emulator.place import connect
from callgate.emulator.scenario import Scenario, parse_callee, parse_caller
from callgate.errors import Conflict, Invalid, NotFound
from callgate.outbox.connectors import check
from callgate.outbox.contract import Fault
from callgate.outbox.line import AT_ONCE, GIVEN_UP_AFTER, LONGEST_PAUSE
from callgate.outbox.senders import call_link, senders
from callgate.outbox.trouble import Trouble
from callgate.outbox.webhook import resolve
from callgate.outbox.worker import BESIDE_CALLS, CLAIMED_FOR, Worker
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
    Price,
)
from callgate.rating.deck_csv import read_deck
from callgate.rating.deck_merge import ImportMode
from callgate.service.add_application import AddApplication
from callgate.service.add_endpoint import SetEndpointState, Wanted, add_endpoint, rotate_endpoint
from callgate.service.catalog import Catalogs
from callgate.service.deliver import Conclude, Concluded
from callgate.service.delivery import Delivery, DeliveryState
from callgate.service.endpoint import EndpointState
from callgate.service.import_deck import import_deck
from callgate.service.open_account import OpenAccount
from callgate.service.resend import resend_one, resend_since
from callgate.service.respond import Responder
from callgate.service.top_up import TopUp
from callgate.storage.sqlite import SqliteStore
from callgate.vault import Vault, new_key

APP = "app-1"
SECRET = "YSBzZWNyZXQsIDMyIGJ5dGVzIGxvbmcsIHRydWx5ISE="
DECK = (
    b"prefix,destination,rate_per_min,connect_fee,first_s,next_s,effective_from\n4670,Sweden,0.02,0,60,60,2020-01-01\n"
)
NUMBER = "+46700000001"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Heard(msgspec.Struct, frozen=True):
    """One request as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(self.body)["data"]


class Receiver:
    """A receiver that answers with `statuses`, one after the other, and with 204 when they are used up."""

    def __init__(self, *statuses: int, headers: dict[str, str] | None = None) -> None:
        self.statuses = list(statuses)
        self.headers = headers
        self.heard: list[Heard] = []

    async def hear(self, request: web.Request) -> web.StreamResponse:
        self.heard.append(Heard({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        status = self.statuses.pop(0) if self.statuses else 204
        return web.Response(status=status, headers=self.headers if status >= 300 else None)

    @property
    def calls(self) -> list[str]:
        for heard in self.heard:
            described.check(heard.body)
        return [heard.data["call_id"] for heard in self.heard]


@asynccontextmanager
async def serving(handler: Handler, port: int | None = None) -> AsyncIterator[str]:
    """Serve a handler at every path of the loopback interface; gives the URL of its hook."""
    app = web.Application()
    app.router.add_post("/{anywhere:.*}", handler)
    async with TestServer(app, port=port) as server:
        yield str(server.make_url("/hook"))


class Office:
    """The books with an application, a deck and two accounts, and a clock that can be put forward."""

    def __init__(self, store: SqliteStore, vault: Vault) -> None:
        self.store = store
        self.vault = vault
        self.catalogs = Catalogs(store, vault.unseal)
        self.ahead = timedelta()
        self.responder = Responder(store, self.clock, decision_deadline_s=10, orphan_after=timedelta(minutes=10))

    def clock(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    async def found(self) -> None:
        """Set everything up."""
        now = self.clock()
        await self.store.perform(
            AddApplication(
                provider="sinch", key=APP, secret=SECRET, name="", seal=self.vault.seal, now=now, limits=UNLIMITED
            )
        )
        rates = list(read_deck(DECK, "deck", now).rows)
        await import_deck(self.store, "standard", "USD", rates, mode=ImportMode.REPLACE, is_dry_run=False, now=now)
        for account in ("alice", "bob"):
            await self.store.perform(OpenAccount(application=APP, account=account, currency="USD", limits=UNLIMITED))
            top_up = TopUp(application=APP, account=account, amount_micros=10**9, reference="first", now=now)
            await self.store.perform(top_up)

    async def add(self, url: str, *, allow_private: bool = True) -> tuple[str, str]:
        """Add an endpoint; returns its id and secret."""
        endpoint, secret = await add_endpoint(
            self.store, url, [], allow_private=allow_private, seal=self.vault.seal, resolve=resolve, now=self.clock()
        )
        await self.catalogs.refresh()
        return endpoint.id, secret

    async def call(self, call_id: str, account: str = "alice") -> None:
        """One call of 61 seconds, from its start to its settlement."""
        key = CallKey(APP, call_id)
        to = Endpoint(EndpointKind.NUMBER, NUMBER)
        await self.hear(
            CallArrived(key=key, name="ice", destination=to, fingerprint="f", user=account, origin=Origin.IN_APP)
        )
        await self.hear(CallAnswered(key=key, name="ace"))
        await self.hear(ended(call_id, account))

    async def hear(self, event: CallArrived | CallAnswered | CallEnded) -> None:
        await self.responder.respond(event, b"{}", sinch, self.catalogs.now)

    async def delivery(self, call_id: str) -> Delivery:
        """The one delivery of that call."""
        (found,) = [each for each in await self.store.deliveries(None, 1000) if call_of(each) == call_id]
        return found

    @asynccontextmanager
    async def worker(self, **how: Any) -> AsyncIterator[None]:
        """A worker for as long as the block runs."""
        work = asyncio.create_task(Worker(self.store, self.catalogs, self.clock, posts=partial(senders, **how)).work())
        try:
            yield
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work

    async def until(self, call_id: str, state: DeliveryState, *, attempts: int = 1) -> Delivery:
        """Wait until that call's delivery has been attempted so often, and is in this state."""
        async with asyncio.timeout(10):
            while True:
                found = await self.delivery(call_id)
                is_under_way = found.attempted_at is not None and found.due_at == found.attempted_at + CLAIMED_FOR
                is_concluded = state is not DeliveryState.NEXT or not is_under_way
                if found.state is state and found.attempt_count == attempts and is_concluded:
                    return found
                await asyncio.sleep(0.01)


def ended(call_id: str, account: str = "alice") -> CallEnded:
    return CallEnded(
        key=CallKey(APP, call_id),
        name="dice",
        result=CallResult.ANSWERED,
        reason="calleehangup",
        duration_s=61,
        debit=Price(Decimal("0.0000001"), "USD"),
        user=account,
        destination=Endpoint(EndpointKind.NUMBER, NUMBER),
    )


def call_of(delivery: Delivery) -> str:
    call_id: str = json.loads(delivery.body)["data"]["call_id"]
    return call_id


@asynccontextmanager
async def office(path: str = ":memory:", key: str = "") -> AsyncIterator[Office]:
    """A fresh office, or the one that is in the file already."""
    store = SqliteStore(path)
    await store.migrate()
    await store.open()
    try:
        there = Office(store, Vault(key or new_key()))
        if not await store.applications():
            await there.found()
        await there.catalogs.refresh()
        yield there
    finally:
        await store.close()


async def until(condition: Callable[[], bool], within_s: float = 10) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - it may be of anything
            await asyncio.sleep(0.01)


def test_a_settled_call_reaches_its_receiver_signed() -> None:
    """The receiver's own library verifies it, and the record says what was settled, exactly."""

    async def steps() -> None:
        receiver = Receiver()
        async with office() as there, serving(receiver.hear) as url, there.worker():
            _, secret = await there.add(url)
            await there.call("c1")
            await there.until("c1", DeliveryState.DELIVERED)
            heard = receiver.heard[0]
            record = Webhook(secret).verify(heard.body, heard.headers)
            data = record.pop("data")
            assert record == {"type": "call.ended", "timestamp": data["ended_at"]}
            times = [datetime.fromisoformat(data.pop(name)) for name in ("started_at", "answered_at", "ended_at")]
            assert times == sorted(times)
            assert data == {
                "call_id": "c1", "account": "alice", "caller": "alice", "destination": NUMBER, "duration_s": 61,
                "billed_s": 120, "charge": "0.04", "currency": "USD", "cost": "0.0000001", "cost_currency": "USD",
                "result": "answered", "reason": "calleehangup", "settled_by": "disconnect", "application": APP,
                "record_id": f"{APP}/c1", "sequence": 1, "corrects": None,
            }  # fmt: skip
            assert heard.headers["content-type"] == "application/json"

    asyncio.run(steps())


def test_a_call_that_ends_twice_is_delivered_once() -> None:
    """What settles once is queued once, and nothing is queued where nobody listens."""

    async def steps() -> None:
        async with office() as there:
            await there.call("before")
            await there.add("https://8.8.8.8/hook", allow_private=False)
            await there.call("c1")
            await there.hear(ended("c1"))
            assert [call_of(each) for each in await there.store.deliveries(None, 10)] == ["c1"]

    asyncio.run(steps())


def test_an_end_that_overtook_its_start_is_delivered_when_it_settles() -> None:
    """Both ways of settling late queue the record: with the start, and without it."""

    async def steps() -> None:
        async with office() as there:
            await there.add("https://8.8.8.8/hook", allow_private=False)
            await there.hear(ended("c1"))
            assert await there.store.deliveries(None, 10) == []
            await there.call("c1")
            assert (await there.delivery("c1")).sequence == 1

    asyncio.run(steps())


def test_a_failed_attempt_comes_again_with_the_same_id_and_body() -> None:
    """Only its time and so its signature are new; the wait before it is the schedule's."""

    async def steps() -> None:
        receiver = Receiver(500)
        async with office() as there, serving(receiver.hear) as url, there.worker():
            await there.add(url)
            await there.call("c1")
            failed = await there.until("c1", DeliveryState.NEXT)
            assert failed.why == "answered 500"
            assert failed.attempted_at is not None
            assert timedelta(seconds=5) <= failed.due_at - failed.attempted_at < timedelta(seconds=7)
            there.ahead += timedelta(seconds=6)
            await there.until("c1", DeliveryState.DELIVERED, attempts=2)
            first, second = receiver.heard
            assert (first.id, first.body) == (second.id, second.body)
            assert int(second.headers["webhook-timestamp"]) >= int(first.headers["webhook-timestamp"]) + 6
            assert second.headers["webhook-signature"] != first.headers["webhook-signature"]

    asyncio.run(steps())


def test_records_of_one_account_keep_their_order() -> None:
    """While the first is retried those behind it wait; another account's go on meanwhile."""

    async def steps() -> None:
        receiver = Receiver(503)
        async with office() as there, serving(receiver.hear) as url, there.worker():
            await there.add(url)
            await there.call("a1")
            await there.until("a1", DeliveryState.NEXT)
            for call_id in ("a2", "a3"):
                await there.call(call_id)
            await there.call("b1", "bob")
            await there.until("b1", DeliveryState.DELIVERED)
            assert receiver.calls == ["a1", "b1"]
            assert (await there.delivery("a2")).state is DeliveryState.WAITING
            there.ahead += timedelta(seconds=6)
            await there.until("a3", DeliveryState.DELIVERED)
            assert receiver.calls == ["a1", "b1", "a1", "a2", "a3"]
            assert [heard.data["sequence"] for heard in receiver.heard[2:]] == [1, 2, 3]

    asyncio.run(steps())


def test_many_records_arrive_each_once_and_in_order() -> None:
    """A burst on two accounts to two endpoints: nothing is lost, doubled or overtaken."""

    async def steps() -> None:
        first, second = Receiver(), Receiver()
        async with office() as there, serving(first.hear) as one, serving(second.hear) as two, there.worker():
            await there.add(one)
            await there.add(two)
            calls = [f"{account}-{number}" for number in range(20) for account in ("alice", "bob")]
            for call_id in calls:
                await there.call(call_id, call_id.partition("-")[0])
            await until(lambda: len(first.heard) == len(second.heard) == len(calls))
            for receiver in (first, second):
                for account in ("alice", "bob"):
                    numbers = [heard.data["sequence"] for heard in receiver.heard if heard.data["account"] == account]
                    assert numbers == list(range(1, 21))
            assert {heard.id for heard in first.heard}.isdisjoint(heard.id for heard in second.heard)

    asyncio.run(steps())


def test_a_record_that_is_given_up_is_parked_and_lets_the_next_go() -> None:
    """Ten attempts over three days; then the next one's turn has come."""

    async def steps() -> None:
        receiver = Receiver(*[500] * 10)
        async with office() as there, serving(receiver.hear) as url, there.worker():
            await there.add(url)
            await there.call("a1")
            await there.call("a2")
            for attempt in range(1, 10):
                await there.until("a1", DeliveryState.NEXT, attempts=attempt)
                there.ahead += timedelta(hours=27)
            parked = await there.until("a1", DeliveryState.PARKED, attempts=10)
            assert parked.why == "answered 500"
            there.ahead += LONGEST_PAUSE  # ten failures in a row: the endpoint itself was taken for broken
            await there.until("a2", DeliveryState.DELIVERED)
            assert receiver.calls == ["a1"] * 10 + ["a2"]

    asyncio.run(steps())


def test_a_record_that_its_receiver_cannot_read_is_parked_at_once() -> None:
    """The same bytes would be refused again, so that the next one goes on."""

    async def steps() -> None:
        receiver = Receiver(422)
        async with office() as there, serving(receiver.hear) as url, there.worker():
            await there.add(url)
            await there.call("a1")
            await there.call("a2")
            await there.until("a2", DeliveryState.DELIVERED)
            assert (await there.delivery("a1")).why == "answered 422"
            assert receiver.calls == ["a1", "a2"]

    asyncio.run(steps())


class SlowClaims(SqliteStore):
    """A store whose claims take a while to come back, and which says when there is one."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.has_claimed = asyncio.Event()

    async def claim_deliveries(
        self, endpoint: str, now: datetime, until: datetime, limit: int, *, is_patient: bool = False
    ) -> Sequence[Delivery]:
        claimed = await super().claim_deliveries(endpoint, now, until, limit, is_patient=is_patient)
        if claimed:
            self.has_claimed.set()
            await asyncio.sleep(0.3)
        return claimed


def test_what_is_claimed_while_the_worker_is_told_to_stop_is_sent() -> None:
    """It does not wait until its claim ends."""

    async def steps() -> None:
        receiver = Receiver()
        store = SlowClaims(":memory:")
        await store.migrate()
        await store.open()
        there = Office(store, Vault(new_key()))
        await there.found()
        async with serving(receiver.hear) as url:
            await there.add(url)
            await there.call("a1")
            async with there.worker():
                await asyncio.wait_for(store.has_claimed.wait(), 10)
            assert (receiver.calls, (await there.delivery("a1")).state) == (["a1"], DeliveryState.DELIVERED)
        await store.close()

    asyncio.run(steps())


def test_a_receiver_that_is_gone_is_disabled_until_it_is_enabled_again() -> None:
    """410 ends it: nothing is sent, nothing is queued, a resend says what to do; enabled, it gets what waited."""

    async def steps() -> None:
        receiver = Receiver(410)
        async with office() as there, serving(receiver.hear) as url:
            endpoint, _ = await there.add(url)
            await there.call("a1")
            await there.call("a2")
            async with there.worker():
                await there.until("a1", DeliveryState.PARKED)
            await there.catalogs.refresh()
            (stored,) = await there.store.endpoints()
            assert (stored.state, stored.why) == (EndpointState.DISABLED, "answered 410")
            async with there.worker():
                await there.call("never-queued")
                with pytest.raises(Conflict, match=f"callgate endpoint enable {endpoint}"):
                    await resend_one(there.store, (await there.delivery("a1")).id, there.clock())
                assert (
                    await resend_since(there.store, DeliveryState.PARKED, there.clock() - timedelta(1), there.clock())
                    == 0
                )
                await there.store.perform(SetEndpointState(id=endpoint, state=EndpointState.ACTIVE))
                await there.catalogs.refresh()
                await until(lambda: "a2" in receiver.calls)
            assert receiver.calls == ["a1", "a2"]

    asyncio.run(steps())


def test_a_receiver_that_asks_for_time_is_left_alone_as_a_whole() -> None:
    """`Retry-After` holds back its other accounts' records too, and is longer than our own wait."""

    async def steps() -> None:
        receiver = Receiver(429, headers={"retry-after": "600"})
        async with office() as there, serving(receiver.hear) as url, there.worker():
            await there.add(url)
            await there.call("a1")
            failed = await there.until("a1", DeliveryState.NEXT)
            assert failed.due_at - there.clock() > timedelta(seconds=590)
            await there.call("b1", "bob")
            there.ahead += timedelta(seconds=500)
            await asyncio.sleep(0.6)  # two looks of the worker
            assert receiver.calls == ["a1"]
            there.ahead += timedelta(seconds=101)
            await there.until("a1", DeliveryState.DELIVERED, attempts=2)
            await there.until("b1", DeliveryState.DELIVERED)

    asyncio.run(steps())


def test_what_a_killed_worker_had_in_its_hands_comes_back() -> None:
    """When its claim ends another one sends it, under the same id; the try counts, and the dead one's word does not."""

    async def steps() -> None:
        receiver = Receiver()
        async with office() as there, serving(receiver.hear) as url:
            await there.add(url)
            await there.call("a1")
            queued = await there.delivery("a1")
            now = there.clock()
            claim = (queued.lane.endpoint, now, now + CLAIMED_FOR, 10)
            (claimed,) = await there.store.claim_deliveries(*claim)
            assert (claimed.attempt_count, claimed.attempted_at, claimed.due_at) == (1, now, now + CLAIMED_FOR)
            assert await there.store.claim_deliveries(*claim) == []
            async with there.worker():
                await asyncio.sleep(0.6)  # two looks: it is somebody else's
                assert receiver.heard == []
                there.ahead += CLAIMED_FOR
                delivered = await there.until("a1", DeliveryState.DELIVERED, attempts=2)
            parked = msgspec.structs.replace(claimed, state=DeliveryState.PARKED)
            await there.store.perform(Conclude(of=(Concluded(claimed, parked),)))
            assert await there.delivery("a1") == delivered
            assert [heard.id for heard in receiver.heard] == [queued.id]

    asyncio.run(steps())


def test_what_waits_survives_a_restart(tmp_path: Path) -> None:
    """Deliveries, endpoints and secrets are all in the database."""

    async def steps() -> None:
        receiver, key, path = Receiver(503), new_key(), str(tmp_path / "gate.db")
        async with serving(receiver.hear) as url:
            async with office(path, key) as there, there.worker():
                _, secret = await there.add(url)
                await there.call("a1")
                await there.call("a2")
                await there.until("a1", DeliveryState.NEXT)
            async with office(path, key) as there:
                there.ahead = timedelta(seconds=6)
                async with there.worker():
                    await there.until("a2", DeliveryState.DELIVERED)
        assert receiver.calls == ["a1", "a1", "a2"]
        Webhook(secret).verify(receiver.heard[-1].body, receiver.heard[-1].headers)

    asyncio.run(steps())


def test_a_private_address_is_refused_when_it_is_added() -> None:
    """By number and by name, with the way out in the message; one that nobody knows yet may be added."""

    async def steps() -> None:
        async with office() as there:
            for url in ("http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]/", "http://169.254.169.254/latest"):
                with pytest.raises(Invalid, match="not a public address; expected a public one, or --allow-private"):
                    await there.add(url, allow_private=False)
            await there.add("https://8.8.8.8/hook", allow_private=False)
            assert len(await there.store.endpoints()) == 1

    asyncio.run(steps())


class Rebinding(AbstractResolver):
    """A name server in bad hands: whatever is asked is this machine."""

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:  # noqa: ARG002
        return [
            ResolveResult(hostname=host, host=host_address, port=port, family=family, proto=0, flags=0)
            for host_address, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6))
        ]

    async def close(self) -> None:
        """Nothing is open."""


def test_a_name_that_turned_private_is_not_sent_to() -> None:
    """It was public when it was added. The address that is checked is the one that would be connected to."""

    async def public(host: str) -> list[str]:
        assert host == "rebind.example"
        return ["8.8.8.8"]

    async def steps() -> None:
        receiver = Receiver()
        async with office() as there, serving(receiver.hear) as url:
            port = url.rpartition(":")[2].partition("/")[0]
            await there.add(url)  # may be private: it opens connections to this machine that nobody else may use
            endpoint, _ = await add_endpoint(
                there.store, f"http://rebind.example:{port}/secret-path", [], allow_private=False,
                seal=there.vault.seal, resolve=public, now=there.clock(),
            )  # fmt: skip
            await there.catalogs.refresh()
            async with there.worker(resolver=Rebinding()):
                await there.call("a1")
                await until(lambda: len(receiver.heard) == 1)
                await there.call("b1", "bob")
                await until(lambda: len(receiver.heard) == 2)
                await asyncio.sleep(0.3)  # one more look: nothing else comes
            refused = await there.store.deliveries(DeliveryState.PARKED, 10)
            assert [each.lane.endpoint for each in refused] == [endpoint.id] * 2
            assert "not public" in refused[0].why
            assert len(receiver.heard) == 2

    asyncio.run(steps())


def test_a_redirect_is_not_followed() -> None:
    """It would carry the record to where nobody checked; it counts as a failure."""

    async def steps() -> None:
        paths: list[str] = []

        async def redirect(request: web.Request) -> web.Response:
            paths.append(request.path)
            return web.Response(status=307, headers={"location": "/elsewhere"})

        async with office() as there, serving(redirect) as url, there.worker():
            await there.add(url)
            await there.call("a1")
            assert (await there.until("a1", DeliveryState.NEXT)).why == (
                "redirected (307): it answered with a redirect, which is not followed; "
                "add the endpoint with the URL that it leads to"
            )
            assert paths == ["/hook"]

    asyncio.run(steps())


def test_a_certificate_that_nobody_vouches_for_is_a_state_of_its_own(tmp_path: Path) -> None:
    """Nothing is sent; it says what to do, and is tried again like any other failure."""

    async def steps() -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(write_certificate(tmp_path))
        receiver = Receiver()
        app = web.Application()
        app.router.add_post("/{anywhere:.*}", receiver.hear)
        server = TestServer(app, scheme="https")
        await server.start_server(ssl=context)
        async with office() as there, server, there.worker():
            await there.add(str(server.make_url("/hook")))
            await there.call("a1")
            failed = await there.until("a1", DeliveryState.NEXT)
            assert failed.why.startswith("certificate_refused: its certificate was not accepted; it must be valid for")
            assert receiver.heard == []

    asyncio.run(steps())


def test_a_receiver_that_does_not_answer_is_given_up_in_time() -> None:
    """And while it keeps us waiting, other endpoints get theirs."""

    async def steps() -> None:
        release = asyncio.Event()

        async def hang(request: web.Request) -> web.Response:  # noqa: ARG001
            await release.wait()
            return web.Response()

        prompt = Receiver()
        async with office() as there, serving(hang) as slow, serving(prompt.hear) as quick, there.worker(timeout_s=0.7):
            await there.add(slow)
            for account in range(AT_ONCE * 2):
                await there.store.perform(
                    OpenAccount(application=APP, account=f"u{account}", currency="USD", limits=UNLIMITED)
                )
                top_up = TopUp(
                    application=APP, account=f"u{account}", amount_micros=10**7, reference="r", now=there.clock()
                )
                await there.store.perform(top_up)
                await there.call(f"slow-{account}", f"u{account}")
            first = await there.until("slow-0", DeliveryState.NEXT)
            assert first.why == "no answer in time"
            await there.add(quick)
            await there.call("quick")
            await until(lambda: prompt.calls == ["quick"], within_s=0.7)
            release.set()

    asyncio.run(steps())


def test_an_endless_answer_is_hung_up_on() -> None:
    """The status is what counts; nobody fills our memory with the rest."""

    async def steps() -> None:
        sent = 0

        async def babble(request: web.Request) -> web.StreamResponse:
            nonlocal sent
            response = web.StreamResponse(status=200)
            await response.prepare(request)
            with suppress(ConnectionError):
                while sent < 1_000_000_000:
                    await response.write(b"x" * 65_536)
                    sent += 65_536
            return response

        async with office() as there, serving(babble) as url, there.worker():
            await there.add(url)
            await there.call("a1")
            await there.until("a1", DeliveryState.DELIVERED)
        assert sent < 50_000_000

    asyncio.run(steps())


def test_a_receiver_that_is_down_says_so_without_its_url() -> None:
    """What is kept and shown of a failure holds nothing of the path, where a secret may stand."""

    async def steps() -> None:
        async with office() as there, there.worker():
            await there.add(f"http://127.0.0.1:{unused_port()}/secret-path?token=secret")
            await there.call("a1")
            failed = await there.until("a1", DeliveryState.NEXT)
            assert failed.why.startswith("no connection: ")
            assert "secret" not in failed.why

    asyncio.run(steps())


def test_a_resend_keeps_id_body_and_sequence() -> None:
    """One by its id, or all that are parked since a time; each has all its attempts before it again."""

    async def steps() -> None:
        receiver = Receiver(400, 400)
        async with office() as there, serving(receiver.hear) as url, there.worker():
            await there.add(url)
            for call_id in ("a1", "a2", "a3"):
                await there.call(call_id)
            await there.until("a3", DeliveryState.DELIVERED)
            first = await there.delivery("a1")
            assert await resend_one(there.store, first.id, there.clock()) == 1
            again = await there.until("a1", DeliveryState.DELIVERED)
            assert (again.id, again.body, again.sequence) == (first.id, first.body, 1)
            hour_ago = there.clock() - timedelta(hours=1)
            assert await resend_since(there.store, DeliveryState.PARKED, hour_ago, there.clock()) == 1
            await there.until("a2", DeliveryState.DELIVERED)
            assert await resend_since(there.store, DeliveryState.DELIVERED, hour_ago, there.clock()) == 3
            await until(lambda: len(receiver.heard) == 8)
            assert receiver.calls == ["a1", "a2", "a3", "a1", "a2", "a1", "a2", "a3"]
            assert len({heard.id for heard in receiver.heard}) == 3
            assert await resend_since(there.store, DeliveryState.DELIVERED, there.clock(), there.clock()) == 0
            with pytest.raises(NotFound, match="callgate deliveries list"):
                await resend_one(there.store, "msg_none", there.clock())

    asyncio.run(steps())


def test_a_broken_receiver_is_asked_with_one_record_and_costs_the_others_no_try() -> None:
    """Ten failures in a row tell enough; it is well as soon as one arrives."""

    async def steps() -> None:
        receiver = Receiver(*[500] * AT_ONCE)
        async with office() as there, serving(receiver.hear) as url:
            await there.add(url)
            for account in [f"a{number}" for number in range(60)]:
                await there.store.perform(
                    OpenAccount(application=APP, account=account, currency="USD", limits=UNLIMITED)
                )
                top_up = TopUp(
                    application=APP, account=account, amount_micros=10**9, reference="first", now=there.clock()
                )
                await there.store.perform(top_up)
                await there.call(account, account)
            async with there.worker():
                await until(lambda: len(receiver.heard) == AT_ONCE)
                await asyncio.sleep(0.6)
                assert len(receiver.heard) == AT_ONCE
                (failing,) = await there.store.endpoints()
                assert (failing.why, failing.failing_since is None) == ("answered 500", False)
                await there.catalogs.refresh()
                receiver.statuses = [500]
                there.ahead += LONGEST_PAUSE
                await until(lambda: len(receiver.heard) == AT_ONCE + 1)
                await asyncio.sleep(0.6)
                assert len(receiver.heard) == AT_ONCE + 1
                there.ahead += LONGEST_PAUSE
                await until(lambda: len(receiver.heard) > 60)
                (well,) = await there.store.endpoints()
                assert (well.why, well.failing_since) == ("", None)

    asyncio.run(steps())


def test_a_receiver_that_fails_for_days_is_disabled_and_loses_nothing() -> None:
    """What waits stays, and goes when the endpoint is enabled."""

    async def steps() -> None:
        receiver = Receiver(*[500] * 40)
        async with office() as there, serving(receiver.hear) as url, there.worker():
            await there.add(url)
            for number in range(4):
                await there.call(f"c{number}")
            async with asyncio.timeout(20):
                while (await there.store.endpoints())[0].state is EndpointState.ACTIVE:
                    there.ahead += timedelta(hours=13)
                    await there.catalogs.refresh()
                    await asyncio.sleep(0.02)
            (endpoint,) = await there.store.endpoints()
            assert endpoint.why.startswith("failing for") and GIVEN_UP_AFTER.days >= 5
            await there.catalogs.refresh()
            receiver.statuses.clear()
            await there.store.perform(SetEndpointState(id=endpoint.id, state=EndpointState.ACTIVE))
            await there.catalogs.refresh()
            there.ahead += timedelta(hours=30)
            await until(lambda: receiver.calls[-1] == "c3")

    asyncio.run(steps())


def test_a_paced_receiver_is_sent_no_more_than_it_bears() -> None:
    """Deliveries a second, whatever waits."""

    async def steps() -> None:
        receiver = Receiver()
        async with office() as there, serving(receiver.hear) as url, there.worker():
            await add_endpoint(
                there.store, url, [], wanted=Wanted(options={"per_s": "5"}), allow_private=True, seal=there.vault.seal,
                resolve=resolve, now=there.clock(),
            )  # fmt: skip
            await there.catalogs.refresh()
            for number in range(14):
                await there.call(f"c{number}")
            began_at = asyncio.get_running_loop().time()
            await until(lambda: len(receiver.heard) == 14)
            assert asyncio.get_running_loop().time() - began_at >= 1

    asyncio.run(steps())


def test_few_are_on_their_way_while_calls_are_decided() -> None:
    """All of them arrive all the same."""

    async def steps() -> None:
        under_way, most, done = 0, 0, 0

        async def slow(request: web.Request) -> web.StreamResponse:
            nonlocal under_way, most, done
            under_way += 1
            most = max(most, under_way)
            await request.read()
            await asyncio.sleep(0.05)
            under_way, done = under_way - 1, done + 1
            return web.Response(status=204)

        async with office() as there, serving(slow) as url:
            await there.add(url)
            for number in range(20):
                await there.store.perform(OpenAccount(application=APP, account=f"a{number}", currency="USD"))
                top_up = TopUp(
                    application=APP, account=f"a{number}", amount_micros=10**9, reference="first", now=there.clock()
                )
                await there.store.perform(top_up)
                await there.call(f"c{number}", f"a{number}")
            worker = Worker(there.store, there.catalogs, there.clock, is_busy=lambda: True)
            work = asyncio.create_task(worker.work())
            await until(lambda: done == 20)
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            assert most == BESIDE_CALLS
            assert {each.state for each in await there.store.deliveries(None, 50)} == {DeliveryState.DELIVERED}

    asyncio.run(steps())


def test_an_endpoint_is_sent_only_what_it_is_limited_to() -> None:
    """By account, by application."""

    async def steps() -> None:
        async with office() as there:
            for wanted in (Wanted(accounts=("bob",)), Wanted(applications=("another",)), Wanted(applications=(APP,))):
                await add_endpoint(
                    there.store, "https://8.8.8.8/hook", [], wanted=wanted, allow_private=False,
                    seal=there.vault.seal, resolve=resolve, now=there.clock(),
                )  # fmt: skip
            await there.catalogs.refresh()
            await there.call("c1", "alice")
            await there.call("c2", "bob")
            queued = [(call_of(each), each.lane.endpoint) for each in await there.store.deliveries(None, 10)]
            of_bob, _, of_app = [endpoint.id for endpoint in await there.store.endpoints()]
            assert sorted(queued) == sorted([("c1", of_app), ("c2", of_app), ("c2", of_bob)])

    asyncio.run(steps())


def test_a_settled_call_is_logged_in_a_crm_once() -> None:
    """The whole way: books, outbox, connector, a CRM that is silent after writing; its link leads to the call's page."""

    async def steps() -> None:
        played = FakeSalesforce()
        async with office() as there, played.running():
            url, secret = check("salesforce", played.url, {}, json.dumps(dict(played.credentials)))
            await add_endpoint(
                there.store, url, [], wanted=Wanted(kind="salesforce", secret=secret), allow_private=True,
                seal=there.vault.seal, resolve=resolve, now=there.clock(),
            )  # fmt: skip
            await there.catalogs.refresh()
            contact = played.add_contact(NUMBER)
            played.fail(Fault.SILENT_AFTER_WRITING, times=1)
            async with there.worker(link=call_link("https://gate.example.com"), timeout_s=0.3):
                await there.call("c 1/2")
                failed = await there.until("c 1/2", DeliveryState.NEXT)
                assert failed.why.startswith(Trouble.NO_ANSWER)
                there.ahead += timedelta(seconds=6)
                await there.until("c 1/2", DeliveryState.DELIVERED, attempts=2)
                await resend_one(there.store, failed.id, there.clock())
                await there.until("c 1/2", DeliveryState.DELIVERED)
            (logged,) = played.calls()
            assert (logged.duration_s, logged.contact) == (61, contact)
            assert f"https://gate.example.com/calls/c%201%2F2?app={APP}" in logged.text
            assert "0.04 USD" in logged.text

    asyncio.run(steps())


def test_a_crm_that_knows_no_token_rests_until_it_is_given_another() -> None:
    """No record uses up a try; the endpoint says what is the matter, and goes on at once with the new token."""

    async def steps() -> None:
        played = FakePipedrive()
        async with office() as there, played.running(), there.worker():
            url, secret = check("pipedrive", played.url, {}, "a wrong one")
            endpoint, _ = await add_endpoint(
                there.store, url, [], wanted=Wanted(kind="pipedrive", secret=secret), allow_private=True,
                seal=there.vault.seal, resolve=resolve, now=there.clock(),
            )  # fmt: skip
            await there.catalogs.refresh()
            await there.call("c1")
            await until(lambda: bool(played.heard))
            await asyncio.sleep(0.1)
            held = await there.delivery("c1")
            assert (held.why.partition(":")[0], held.attempt_count) == (Trouble.TOKEN_WRONG, 0)
            (failing,) = await there.store.endpoints()
            assert (failing.why, failing.failing_since) == (held.why, held.attempted_at)
            _, right = check("pipedrive", played.url, {}, played.credentials["token"])
            await rotate_endpoint(
                there.store, endpoint.id, seal=there.vault.seal, old_until=there.clock(), credentials=right
            )
            await there.catalogs.refresh()
            await there.until("c1", DeliveryState.DELIVERED)
            assert len(played.calls()) == 1

    asyncio.run(steps())


def test_a_rotated_secret_signs_beside_the_old_one_for_a_time() -> None:
    """Both verify during the overlap; after it the new one alone."""

    async def steps() -> None:
        receiver = Receiver()
        async with office() as there, serving(receiver.hear) as url, there.worker():
            endpoint, old = await there.add(url)
            until_then = there.clock() + timedelta(hours=1)
            new = await rotate_endpoint(there.store, endpoint, seal=there.vault.seal, old_until=until_then)
            await there.catalogs.refresh()
            await there.call("a1")
            await there.until("a1", DeliveryState.DELIVERED)
            both = receiver.heard[0]
            assert len(both.headers["webhook-signature"].split()) == 2
            for secret in (new, old):
                Webhook(secret).verify(both.body, both.headers)
            there.ahead += timedelta(hours=1)
            await there.call("a2")
            await there.until("a2", DeliveryState.DELIVERED)
            assert len(receiver.heard[1].headers["webhook-signature"].split()) == 1
            with pytest.raises(NotFound, match="callgate endpoint list"):
                await rotate_endpoint(there.store, "ep_none", seal=there.vault.seal, old_until=until_then)

    asyncio.run(steps())


def test_secrets_lie_encrypted_in_the_database(tmp_path: Path) -> None:
    """A copy of the file does not let anybody sign."""

    async def steps() -> str:
        async with office(str(tmp_path / "gate.db")) as there:
            _, secret = await there.add("https://8.8.8.8/hook", allow_private=False)
            return secret

    secret = asyncio.run(steps())
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert secret.removeprefix("whsec_").encode() not in stored


def test_no_two_records_of_one_lane_can_be_on_their_way(tmp_path: Path) -> None:
    """The schema itself keeps the order, whatever mistake we make."""

    async def steps() -> None:
        async with office(str(tmp_path / "gate.db")) as there:
            await there.add("https://8.8.8.8/hook", allow_private=False)
            await there.call("a1")
            await there.call("a2")

    asyncio.run(steps())
    with sqlite3.connect(tmp_path / "gate.db") as books, pytest.raises(sqlite3.IntegrityError):
        books.execute("UPDATE deliveries SET state = 'next'")
    books.close()


@asynccontextmanager
async def served(folder: Path, port: int, key: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The real server as a process of its own, ready; killed at the end if it still lives."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from callgate.cli import main; main()", "serve",
        cwd=folder,
        env={
            **os.environ,
            "CALLGATE_PORT": str(port),
            "CALLGATE_SECRET_KEY": key,
            "CALLGATE_DATABASE_URL": f"sqlite:///{folder}/gate.db",
        },
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            while True:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    await writer.wait_closed()
                    break
                await asyncio.sleep(0.05)
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()


def test_a_record_survives_a_server_that_is_killed_right_after_its_answer(tmp_path: Path) -> None:
    """The settlement and its record are one transaction: what was answered is delivered, if not by this process."""

    async def steps() -> None:
        key, port, hook = new_key(), unused_port(), unused_port()
        async with office(str(tmp_path / "gate.db"), key) as there:
            await there.add(f"http://127.0.0.1:{hook}/hook")
        async with served(tmp_path, port, key) as server:
            scenario = Scenario(caller=parse_caller("alice"), callee=parse_callee(NUMBER), talk_s=61)
            async with connect(f"http://127.0.0.1:{port}/callbacks/sinch", APP, SECRET) as platform:
                timeline = await platform.place(scenario)
            server.send_signal(signal.SIGKILL)
            await server.wait()
        assert timeline.ending.is_as_asked
        receiver = Receiver()
        async with serving(receiver.hear, hook), served(tmp_path, port, key):
            await until(lambda: bool(receiver.heard), within_s=CLAIMED_FOR.total_seconds() + 10)
        assert [heard.data["duration_s"] for heard in receiver.heard] == [61]

    asyncio.run(steps())
