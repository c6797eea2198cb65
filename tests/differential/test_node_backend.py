"""The platform's own kit for Node, in an Express server: it accepts every callback of the emulator, and its REST client
places, asks for and hangs up calls on it.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from callgate.emulator.applications import Application, CallbackUrls
from callgate.emulator.clock import RealClock
from callgate.emulator.demo import KEY, SECRET
from callgate.emulator.emulated import Platform
from callgate.emulator.place import opened
from callgate.emulator.rest import add_rest
from callgate.emulator.scenario import Scenario, parse_callee, parse_caller
from callgate.emulator.sinch import Verdict

HERE = Path(__file__).parent
PHONE = "+46701740605"


class Backend:
    """The Express server. `heard` are the callbacks that it took."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._replies: asyncio.Queue[Any] = asyncio.Queue()
        self._reader = asyncio.create_task(self._read())
        self.heard: list[dict[str, Any]] = []
        self.listener = asyncio.Event()
        self.refused: list[Any] = []

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            line = json.loads(raw)
            if "event" in line:
                self.heard.append(line["event"])
                self.listener.set()
            elif "refused" in line:
                self.refused.append(line)
            else:
                self._replies.put_nowait(line)

    async def reply(self) -> Any:
        async with asyncio.timeout(20):
            return await self._replies.get()

    async def ask(self, api: str, method: str, **data: Any) -> Any:
        """Have the kit's REST client do something; a failure is returned as it is."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"api": api, "method": method, "data": data}).encode() + b"\n")
        reply = await self.reply()
        return reply.get("done", reply)

    async def hear(self, event: str, *, times: int = 1) -> None:
        """Wait until so many callbacks of a kind have come."""
        async with asyncio.timeout(20):
            while sum(heard["event"] == event for heard in self.heard) < times:
                self.listener.clear()
                await self.listener.wait()

    def events_of(self, call_id: str) -> list[str]:
        return [event["event"] for event in self.heard if event["callid"] == call_id]


@asynccontextmanager
async def whole(node: str, *, pace: float = 0.001, secret: str = SECRET) -> AsyncIterator[tuple[Platform, Backend]]:
    """An emulated platform with its REST interface, and the backend that it calls and that calls it."""
    async with opened() as session:
        platform = Platform(session, RealClock(pace))
        app = web.Application()
        add_rest(app, platform)
        async with TestServer(app) as server:
            environment = os.environ | {"KEY": KEY, "SECRET": secret, "PLATFORM": str(server.make_url("")).rstrip("/")}
            process = await asyncio.create_subprocess_exec(
                node,
                HERE / "backend.cjs",
                env=environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            backend = Backend(process)
            try:
                port = (await backend.reply())["port"]
                urls = CallbackUrls(primary=f"http://127.0.0.1:{port}/callback")
                platform.add(Application(key=KEY, secret=SECRET, urls=urls))
                yield platform, backend
            finally:
                await platform.reset()
                process.kill()
                await process.wait()


Steps = Callable[[Platform, Backend], Awaitable[None]]


def run(node: str, steps: Steps, **words: Any) -> None:
    async def everything() -> None:
        async with whole(node, **words) as (platform, backend):
            await steps(platform, backend)

    asyncio.run(everything())


def scenario(caller: str, callee: str, **words: Any) -> Scenario:
    return Scenario(caller=parse_caller(caller), callee=parse_callee(callee), **words)


def test_the_kit_accepts_every_callback(node: str) -> None:
    """ICE, ACE, PIE, DiCE; and a notification of an answer that cannot be taken is signed like them."""

    async def steps(platform: Platform, backend: Backend) -> None:
        talked = await platform.place(scenario("alice", PHONE, talk_s=65))
        menu = await platform.place(scenario(PHONE, "did:+46846500400", keys=("1",)))
        assert talked.ending.summary == "connected for 65 s of at most 600 s, CALLERHANGUP"
        assert backend.events_of(talked.call_id) == ["ice", "ace", "dice"]
        assert backend.events_of(menu.call_id) == ["ice", "pie", "dice"]
        pie = next(event for event in backend.heard if event["event"] == "pie")
        assert pie["menuResult"] == {"menuId": "main", "type": "return", "value": "sales", "inputMethod": "dtmf"}
        assert pie["cookies"] == [{"key": "seen", "value": "ice"}]
        assert menu.ending.outcome is Verdict.ANSWERED
        assert backend.refused == []

    run(node, steps)


def test_the_kit_refuses_what_another_secret_has_signed(node: str) -> None:
    """So that what it accepts says something."""

    async def steps(platform: Platform, backend: Backend) -> None:
        timeline = await platform.place(scenario("alice", PHONE))
        assert timeline.ending.reason == "CALLBACKERROR"
        assert len(backend.refused) == 2

    run(node, steps, secret="YW5vdGhlciBzZWNyZXQ=")


def test_the_kits_rest_client_places_asks_for_and_hangs_up_calls(node: str) -> None:
    """A text to a phone with ACE and DiCE, which the backend ends while it is being said."""

    async def steps(platform: Platform, backend: Backend) -> None:
        wanted = {
            "method": "ttsCallout",
            "ttsCallout": {
                "destination": {"type": "number", "endpoint": PHONE},
                "cli": "+46846500400",
                "text": "Hello " * 90,
                "custom": "order 7",
                "enableAce": True,
                "enableDice": True,
            },
        }
        placed = await backend.ask("callouts", "tts", ttsCalloutRequestBody=wanted)
        call_id = placed["callId"]
        info = await backend.ask("calls", "get", callId=call_id)
        assert (info["status"], info["result"], info["to"]["endpoint"]) == ("ONGOING", "N/A", PHONE)
        await backend.hear("ace")
        body = {"action": {"name": "hangup"}}
        assert await backend.ask("calls", "update", callId=call_id, updateCallRequestBody=body) == {}
        task = platform.calls[call_id].task
        assert task is not None
        await task
        info = await backend.ask("calls", "get", callId=call_id)
        assert (info["status"], info["result"], info["reason"]) == ("FINAL", "ANSWERED", "MANAGERHANGUP")
        dice = backend.heard[-1]
        assert (dice["event"], dice["callid"], dice["custom"]) == ("dice", call_id, "order 7")

    run(node, steps, pace=0.1)


def test_the_kits_rest_client_manages_conferences_numbers_and_urls(node: str) -> None:
    """Two in a room, one muted, one put out; a number rented; where callbacks go."""

    async def steps(platform: Platform, backend: Backend) -> None:
        wanted = {
            "method": "conferenceCallout",
            "conferenceCallout": {
                "destination": {"type": "number", "endpoint": PHONE},
                "conferenceId": "room",
                "custom": "room",
                "enableAce": True,
                "enableDice": True,
            },
        }
        platform.phones[PHONE] = platform.manner_of("+4600000000010")
        calls = [await backend.ask("callouts", "conference", conferenceCalloutRequestBody=wanted) for _ in range(2)]
        ids = [call["callId"] for call in calls]
        await backend.hear("ace", times=2)
        await asyncio.sleep(0.1)  # the second answer is on its way
        mute = {"command": "mute"}
        await backend.ask(
            "conferences", "manageParticipant", conferenceId="room", callId=ids[0],
            manageParticipantRequestBody=mute,
        )  # fmt: skip
        inside = await backend.ask("conferences", "get", conferenceId="room")
        assert {each["id"]: each["muted"] for each in inside["participants"]} == {ids[0]: True, ids[1]: False}
        await backend.ask("conferences", "kickParticipant", conferenceId="room", callId=ids[1])
        await backend.ask("conferences", "kickAll", conferenceId="room")
        for call_id in ids:
            await platform.calls[call_id].task
            assert backend.events_of(call_id) == ["ace", "dice"]
        gone = await backend.ask("conferences", "get", conferenceId="room")
        assert gone["failed"] == 404

        rented = {"numbers": ["+46846500400"], "applicationkey": KEY, "capability": "voice"}
        await backend.ask("applications", "assignNumbers", assignNumbersRequestBody=rented)
        listed = await backend.ask("applications", "listNumbers")
        assert listed["numbers"] == [{"number": "+46846500400", "applicationkey": KEY, "capability": "voice"}]
        urls = {"url": {"primary": "http://127.0.0.1:9/", "fallback": "http://127.0.0.1:10/"}}
        await backend.ask("applications", "updateCallbackURLs", applicationkey=KEY, updateCallbacksRequestBody=urls)
        assert await backend.ask("applications", "getCallbackURLs", applicationkey=KEY) == urls
        found = await backend.ask("applications", "queryNumber", number=PHONE)
        assert (found["number"]["countryId"], found["number"]["numberType"]) == ("SE", "Mobile")

    run(node, steps, pace=0.02)


@pytest.mark.parametrize("call_id", ["nothing-of-that-name"])
def test_the_kit_understands_errors(node: str, call_id: str) -> None:
    """A call that there is not."""

    async def steps(_: Platform, backend: Backend) -> None:
        reply = await backend.ask("calls", "get", callId=call_id)
        assert reply["failed"] == 404

    run(node, steps)
