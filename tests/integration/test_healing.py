"""The whole server heals: what became of calls is asked of a platform over HTTP, and callers without credit are hung up."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from callgate.app import build_vault
from callgate.ledger.verify import verify
from callgate.policy.limits import UNLIMITED
from callgate.protocol import sinch
from callgate.protocol.call import CallAnswered, CallArrived, CallKey, Endpoint, EndpointKind, Origin
from callgate.rating.deck import Deck
from callgate.rating.deck_csv import read_deck
from callgate.server import Gate
from callgate.service.add_application import AddApplication, SetApplication
from callgate.service.answered import GoAhead
from callgate.service.authorize import Authorize
from callgate.service.books import AccountKey
from callgate.service.open_account import OpenAccount
from callgate.service.ports import Store
from callgate.service.records import Call, Flag
from callgate.service.set_account import SetAccount
from callgate.service.take_lease import LENGTH, TakeLease
from callgate.service.top_up import TopUp
from callgate.settings import Settings
from callgate.storage.postgres import PostgresStore
from callgate.vault import new_key

KEY = "669E367E-6BBA-48AB-AF15-266871C28135"
SECRET = "BeIukql3pTKJ8RGL5zo0DA=="
DECK = b"""prefix,destination,rate_per_min,connect_fee,first_s,next_s,effective_from
4670,Sweden,0.02,0,60,60,2020-01-01
"""
WITHIN_S = 20.0


class Server:
    """A server's database, with calls in it that began some time ago."""

    def __init__(self, path: Path | str, store: Store) -> None:
        url = path if isinstance(path, str) else f"sqlite:///{path}"
        self.settings = Settings(database_url=url, secret_key=new_key())
        self.store = store

    async def open(self, platform_url: str) -> None:
        await self.store.open()
        now, seal = datetime.now(UTC), build_vault(self.settings).seal
        for job in (
            AddApplication(provider="sinch", key=KEY, secret=SECRET, name="", seal=seal, now=now, limits=UNLIMITED),
            SetApplication(key=KEY, words=(f"platform={platform_url}", "locale=sv-SE")),
        ):
            await self.store.perform(job)

    async def account(self, name: str, micros: int, *words: str) -> None:
        now = datetime.now(UTC)
        await self.store.perform(OpenAccount(application=KEY, account=name, currency="USD", limits=UNLIMITED))
        await self.store.perform(TopUp(application=KEY, account=name, amount_micros=micros, reference="r", now=now))
        if words:
            await self.store.perform(SetAccount(application=KEY, account=name, words=words))

    async def place(self, call_id: str, user: str, age: timedelta) -> None:
        """A call that was answered so long ago."""
        key, now = CallKey(KEY, call_id), datetime.now(UTC) - age
        rows = {row.key: row for row in await self.store.applications()}
        deck = Deck(name="standard", currency="USD", rows=read_deck(DECK, "deck", now).rows)
        arrived = CallArrived(
            key=key, name="ice", destination=Endpoint(EndpointKind.NUMBER, "+46701740605"), fingerprint=call_id, user=user,
            origin=Origin.IN_APP, resource="https://evil.example.com/x",
        )  # fmt: skip
        await self.store.perform(
            Authorize(
                call=arrived, body=b"{}", provider=sinch, application=rows[KEY], decks={"standard": deck}, now=now,
                orphan_after=timedelta(seconds=600),
            )
        )  # fmt: skip
        await self.store.perform(
            GoAhead(answered=CallAnswered(key=key, name="ace"), body=b"{}", provider=sinch, now=now)
        )

    async def call(self, call_id: str) -> Call:
        call = await self.store.call(CallKey(KEY, call_id))
        assert call is not None
        return call

    async def until(self, is_so: Callable[[], Awaitable[bool]]) -> None:
        """Run the server until something is so."""
        async with Gate(self.settings, self.store).working(), asyncio.timeout(WITHIN_S):
            while not await is_so():  # noqa: ASYNC110 - another part of this process writes it
                await asyncio.sleep(0.02)

    async def faults(self) -> tuple[str, ...]:
        return await self.store.inspect_ledger(lambda rows: verify(rows).faults)


def test_the_server_asks_about_calls_whose_end_was_lost(platform: Any, file_store: Any, tmp_path: Path) -> None:
    """It settles by what the platform says, by estimate where it knows nothing, and asks again where it does not say."""

    async def scenario() -> None:
        server = Server(tmp_path / "gate.db", file_store(tmp_path / "gate.db"))
        await server.open(platform.url)
        await server.account("alice", 80_000)
        await server.account("bob", 60_000)
        await server.account("carol", 60_000)
        await server.place("told", "alice", timedelta(seconds=240 + 120))
        await server.place("unknown", "bob", timedelta(hours=1))
        await server.place("ongoing", "carol", timedelta(hours=1))
        final = {"status": "FINAL", "result": "ANSWERED", "reason": "CALLERHANGUP", "duration": 61, "callId": "told"}
        platform.calls |= {"told": final, "ongoing": {"status": "ONGOING", "callId": "ongoing"}}

        async def is_healed() -> bool:
            calls = [await server.call(call_id) for call_id in ("told", "unknown", "ongoing")]
            return [call.state for call in calls] == ["ended", "ended", "answered"] and calls[2].ask_count == 1

        await server.until(is_healed)
        told, unknown = await server.call("told"), await server.call("unknown")
        assert (told.settled_by, told.charge_micros, told.duration_s) == ("provider", 40_000, 61)
        assert (unknown.settled_by, unknown.charge_micros, unknown.duration_s) == ("estimate", 60_000, 180)
        assert {heard.method for heard in platform.heard} == {"GET"}
        assert await server.faults() == ()
        await server.store.close()

    asyncio.run(scenario())


def test_the_server_ends_calls_whose_credit_ends_and_goes_on_after_a_restart(
    platform: Any, file_store: Any, tmp_path: Path
) -> None:
    """A platform that is down for a while is asked again; by the server that runs then."""

    async def down(_: web.Request) -> web.Response:
        return web.Response(status=503)

    async def scenario() -> None:
        server = Server(tmp_path / "gate.db", file_store(tmp_path / "gate.db"))
        await server.open(platform.url)
        await server.account("rich", 1_000_000, "elastic=on")
        await server.account("poor", 120_000, "elastic=on")
        await server.account("broke", 120_000, "elastic=on")
        for name, seconds in (("rich", 250), ("poor", 310), ("broke", 355)):
            await server.place(name, name, timedelta(seconds=seconds))
            platform.calls[name] = {"status": "ONGOING", "callId": name}
        platform.misbehave = down

        async def is_tried() -> bool:
            return Flag.CREDIT_ENDED in (await server.call("broke")).flags and len(platform.heard) > 0

        await server.until(is_tried)
        assert set(platform.calls) == {"rich", "poor", "broke"}
        platform.misbehave = None
        platform.heard.clear()

        async def is_ended() -> bool:
            elastic = (await server.call("broke")).elastic
            return elastic is not None and elastic.look_at is None

        await server.until(is_ended)
        rich, poor, broke = [await server.call(name) for name in ("rich", "poor", "broke")]
        assert [call.elastic and call.elastic.held_s for call in (rich, poor, broke)] == [600, 360, 360]
        assert (poor.elastic is not None and poor.elastic.is_refused, poor.flags, broke.flags) == (
            True,
            (),
            (Flag.CREDIT_ENDED,),
        )
        assert set(platform.calls) == {"rich", "poor"}
        assert broke.ask_at is not None and broke.ask_at < datetime.now(UTC) + timedelta(seconds=60)
        assert await server.faults() == ()
        found = await server.store.account(AccountKey(KEY, "rich"))
        assert found is not None and found.wallet.held_micros == 200_000
        await server.store.close()

    asyncio.run(scenario())


def test_a_caller_is_warned_in_the_words_of_the_application(platform: Any, file_store: Any, tmp_path: Path) -> None:
    """Spoken to the caller's leg, once."""

    async def scenario() -> None:
        server = Server(tmp_path / "gate.db", file_store(tmp_path / "gate.db"))
        await server.open(platform.url)
        await server.account("poor", 120_000, "elastic=on")
        await server.place("poor", "poor", timedelta(seconds=310))
        platform.calls["poor"] = {"status": "ONGOING", "callId": "poor"}

        async def is_warned() -> bool:
            return bool(platform.heard)

        await server.until(is_warned)
        await server.store.close()

    asyncio.run(scenario())
    (warning,) = platform.heard
    assert warning.path == "/calling/v1/calls/id/poor/leg/caller"
    said = msgspec.json.decode(warning.body)
    assert said["instructions"][0]["text"] == "Ditt saldo är nästan slut. Samtalet avslutas strax."


def test_slices_are_extended_by_a_server_that_holds_no_lease(platform: Any, postgres_url: str) -> None:
    """Money and minutes go on while the leases are a dead server's."""

    async def scenario() -> None:
        server = Server(postgres_url, PostgresStore(postgres_url))
        await server.open(platform.url)
        await server.account("rich", 1_000_000, "elastic=on")
        await server.place("rich", "rich", timedelta(seconds=250))
        for lease in ("sweep", "outbox", "ask", "extend"):
            assert await server.store.perform(TakeLease(name=lease, holder="a dead server", now=datetime.now(UTC)))

        async def is_extended() -> bool:
            elastic = (await server.call("rich")).elastic
            return elastic is not None and elastic.held_s == 600

        async with asyncio.timeout(LENGTH.total_seconds() / 2):
            await server.until(is_extended)
        assert await server.faults() == ()
        await server.store.close()

    asyncio.run(scenario())
