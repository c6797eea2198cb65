"""Our own REST client and the emulated platform understand each other: every operation, and every error."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from callgate.emulator.applications import Application
from callgate.emulator.clock import RealClock
from callgate.emulator.demo import KEY, SECRET
from callgate.emulator.emulated import Platform
from callgate.emulator.phones import Manner
from callgate.emulator.place import opened
from callgate.emulator.rest import add_rest
from callgate.errors import PlatformRefused
from callgate.platform.sinch import SinchClient
from callgate.protocol import sinch
from callgate.protocol.sinch import rest

PHONE = sinch.Address(type="number", endpoint="+46701740605")


@asynccontextmanager
async def whole(*, is_basic: bool = False, pace: float = 0.01) -> AsyncIterator[tuple[Platform, SinchClient]]:
    async with opened() as session:
        platform = Platform(session, RealClock(pace))
        platform.add(Application(key=KEY, secret=SECRET))
        app = web.Application()
        add_rest(app, platform)
        async with TestServer(app) as server:
            base = f"http://127.0.0.1:{server.port}"
            async with SinchClient(KEY, SECRET, base_url=base, is_basic=is_basic) as client:
                yield platform, client
        await platform.reset()


@pytest.mark.parametrize("is_basic", [False, True])
def test_a_call_is_placed_asked_for_and_ended(is_basic: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Signed and with HTTP Basic."""

    async def steps() -> None:
        async with whole(is_basic=is_basic) as (platform, client):
            placed = await client.send(rest.TtsCallout(destination=PHONE, cli="+46846500400", text="Hello " * 90))
            assert placed.call_id is not None
            assert (await client.send(rest.GetCall(call_id=placed.call_id))).status == "ONGOING"
            await asyncio.sleep(0.1)  # it has been answered
            hang_up = sinch.Svaml(action=sinch.Hangup())
            await client.send(rest.UpdateCall(call_id=placed.call_id, svaml=hang_up))
            await platform.calls[placed.call_id].task  # type: ignore[misc]
            told = await client.send(rest.GetCall(call_id=placed.call_id))
            assert (told.status, told.result, told.reason) == ("FINAL", "ANSWERED", "MANAGERHANGUP")
            with pytest.raises(PlatformRefused) as refused:
                await client.send(rest.UpdateCall(call_id=placed.call_id, svaml=hang_up))
            assert refused.value.code == 40400

    asyncio.run(steps())


def test_a_conference_is_managed() -> None:
    """Somebody is called into it, muted, put on hold, spoken to, and put out."""

    async def steps() -> None:
        async with whole() as (platform, client):
            platform.phones[PHONE.endpoint] = Manner(talk_s=3600, ring_s=0)
            placed = await client.send(rest.ConferenceCallout(destination=PHONE, conference_id="room"))
            assert placed.call_id is not None
            await asyncio.sleep(0.1)
            for command in ("mute", "onhold"):
                await client.send(rest.UpdateParticipant(conference_id="room", call_id=placed.call_id, command=command))
            (inside,) = (await client.send(rest.GetConference(conference_id="room"))).participants
            assert (inside.call_id, inside.is_muted, inside.is_on_hold) == (placed.call_id, True, True)
            say = sinch.Svaml(instructions=(sinch.Say(text="Hello"),), action=sinch.Continue())
            await client.send(rest.UpdateLeg(call_id=placed.call_id, leg="callee", svaml=say))
            await client.send(rest.KickParticipant(conference_id="room", call_id=placed.call_id))
            await platform.calls[placed.call_id].task  # type: ignore[misc]
            with pytest.raises(PlatformRefused, match="40400"):
                await client.send(rest.GetConference(conference_id="room"))

    asyncio.run(steps())


def test_numbers_and_callback_urls_are_configured() -> None:
    """Rented, listed, given back; where callbacks go; what a number is."""

    async def steps() -> None:
        async with whole() as (_, client):
            await client.send(rest.AssignNumbers(numbers=("+46846500400",), capability="voice"))
            listed = await client.send(rest.GetNumbers())
            assert [each.number for each in listed.numbers] == ["+46846500400"]
            await client.send(rest.UnassignNumber(number="+46846500400"))
            await client.send(rest.UpdateCallbacks(application_key=KEY, primary="https://gate.example.com/"))
            told = await client.send(rest.GetCallbacks(application_key=KEY))
            assert "https://gate.example.com/" in repr(told)
            found = await client.send(rest.QueryNumber(number=PHONE.endpoint))
            assert "SE" in repr(found)

    asyncio.run(steps())
