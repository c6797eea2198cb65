"""The emulated platform against a real callback server: signed requests, obeyed answers, survived failures."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from callgate.cli.call import call
from callgate.emulator.demo import KEY, SECRET
from callgate.emulator.place import Timeline, connect
from callgate.emulator.scenario import Scenario, parse_callee, parse_caller
from callgate.emulator.sinch import Verdict
from callgate.emulator.target import read_target
from callgate.emulator.traffic import place_calls
from callgate.errors import Invalid, TargetUnfit, TargetUnreachable
from callgate.protocol import WireRequest, sinch

CONNECT = {"action": {"name": "connectPstn", "number": "+46701740605", "maxDuration": 180}}
CONTINUE = {"action": {"name": "continue"}}
HANGUP = {"action": {"name": "hangup"}}
GENEROUS = {"ice": CONNECT, "ace": CONTINUE}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gate:
    """A callback server of fixed answers, which refuses what is not signed as it should be."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.heard: list[dict[str, Any]] = []
        self.ports: set[int] = set()

    async def receive(self, request: web.Request) -> web.Response:
        wire = WireRequest(
            method=request.method,
            path=request.rel_url.raw_path,
            headers=dict(request.headers),
            body=await request.read(),
        )
        sinch.verify(wire, {KEY: SECRET}, datetime.now(UTC))
        body = json.loads(wire.body)
        self.heard.append(body)
        assert request.transport is not None
        self.ports.add(request.transport.get_extra_info("peername")[1])
        return web.json_response(self.answers.get(body["event"], {}))


@asynccontextmanager
async def serve(handler: Handler, port: int | None = None) -> AsyncIterator[str]:
    """Serve a handler on the loopback interface, and give its callback URL."""
    app = web.Application()
    app.router.add_post("/{anywhere:.*}", handler)
    async with TestServer(app, port=port) as server:
        yield str(server.make_url("/callbacks/sinch"))


async def place_at(target: str, *, secret: str = SECRET, timeout_s: float = 5.0, **words: Any) -> Timeline:
    scenario = Scenario(caller=parse_caller("alice"), callee=parse_callee("+46701740605"), **words)
    async with connect(target, KEY, secret, timeout_s=timeout_s) as platform:
        return await platform.place(scenario)


def run(steps: Coroutine[Any, Any, Timeline]) -> Timeline:
    return asyncio.run(steps)


async def place(handler: Handler, **words: Any) -> Timeline:
    async with serve(handler) as target:
        return await place_at(target, **words)


def test_a_call_is_signed_and_played_to_its_end() -> None:
    """Every event passes the signature check, over one kept connection."""
    gate = Gate(GENEROUS)
    timeline = run(place(gate.receive, talk_s=65))
    assert [body["event"] for body in gate.heard] == ["ice", "ace", "dice"]
    assert {body["callid"] for body in gate.heard} == {timeline.call_id}
    assert gate.heard[-1]["duration"] == 65
    assert gate.heard[-1]["debit"] == {"currencyId": "USD", "amount": 0.02}
    assert len(gate.ports) == 1
    assert timeline.ending.summary == "connected for 65 s of at most 180 s, CALLERHANGUP"


def test_the_timeline_as_json_has_an_object_for_each_event() -> None:
    """Of the four fields that other programs read."""
    written = json.loads(run(place(Gate(GENEROUS).receive)).to_json())
    assert (written["outcome"], written["reason"], written["granted_s"]) == ("answered", "CALLERHANGUP", 180)
    assert [set(event) for event in written["events"]] == [{"sent", "status", "answer", "ms"}] * 3
    assert [event["answer"] for event in written["events"]] == [CONNECT, CONTINUE, {}]
    assert written["events"][0]["sent"]["callid"] == written["call_id"]


def test_a_longer_talk_is_cut() -> None:
    """At the very second that the gate granted."""
    gate = Gate(GENEROUS)
    run(place(gate.receive, talk_s=500))
    assert (gate.heard[-1]["duration"], gate.heard[-1]["reason"]) == (180, "TIMEOUT")


def test_the_signed_path_is_the_requested_one() -> None:
    """Escapes as they are spelled, the query left out."""
    gate = Gate(GENEROUS)

    async def steps() -> Timeline:
        async with serve(gate.receive) as target:
            return await place_at(target.replace("/callbacks/sinch", "/a%20b/c?tenant=1"))

    assert run(steps()).ending.is_as_asked


def test_a_gate_that_does_not_know_the_secret_fails_the_call() -> None:
    """It answers with an error, and the platform ends the call."""

    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=401)

    timeline = run(place(refuse))
    assert timeline.ending.reason == "CALLBACKERROR"
    assert [event.status for event in timeline.events] == [401, 401]


def test_a_slow_gate_is_not_waited_for() -> None:
    """The call ends with an error after the platform's timeout."""

    async def dawdle(request: web.Request) -> web.Response:
        if (await request.json())["event"] == "ice":
            await asyncio.sleep(2)
        return web.json_response({})

    timeline = run(place(dawdle, timeout_s=0.2))
    assert timeline.ending.reason == "CALLBACKERROR"
    assert timeline.events[0].status is None
    assert timeline.events[0].fault == "no answer within 0.2 s"
    assert timeline.events[0].ms < 1500


def test_a_connection_that_breaks_is_a_failed_callback() -> None:
    """A server that hangs up in the middle of the ICE."""

    async def drop(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    assert run(place(drop)).ending.reason == "CALLBACKERROR"


def test_a_redirect_is_not_followed() -> None:
    """The signature covers the path: the platform takes no other for it, and says where it leads."""

    async def send_elsewhere(_: web.Request) -> web.Response:
        return web.Response(status=307, headers={"location": "/elsewhere"})

    with pytest.raises(TargetUnfit, match="redirects to /elsewhere"):
        run(place(send_elsewhere))


def test_a_web_page_is_no_callback_server() -> None:
    """A wrong URL is said to be one, with what would do."""

    async def show(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>Welcome</title>", content_type="text/html")

    with pytest.raises(TargetUnfit, match="page for people; expected the URL of a callback server"):
        run(place(show))


@pytest.mark.parametrize("body", [b"", b"hello", b"[]", b"\xff", b"[" * 100_000])
def test_an_answer_that_is_no_svaml_is_notified(body: bytes) -> None:
    """Whatever the bytes are."""

    async def babble(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    timeline = run(place(babble))
    assert [event.sent["event"] for event in timeline.events] == ["ice", "notify", "dice"]
    assert timeline.ending.outcome is Verdict.ERROR


def test_an_endless_answer_is_cut_off() -> None:
    """No server fills the memory of the one that tests it."""

    async def flood(_: web.Request) -> web.Response:
        return web.Response(body=b" " * 2_000_000 + b"{}")

    assert run(place(flood)).events[0].fault == "the answer is longer than 1048576 bytes"


def test_nothing_at_the_target_is_said_at_once() -> None:
    """There is no call to speak of, so none is made up."""
    target = f"http://127.0.0.1:{unused_port()}/callbacks/sinch"
    with pytest.raises(TargetUnreachable, match="callgate dev"):
        run(place_at(target))


@pytest.mark.parametrize("text", ["", "localhost:8080", "ftp://host/", "http://", "/callbacks", "http://host:99999/"])
def test_a_target_must_be_a_url(text: str) -> None:
    """The error shows one that would do."""
    with pytest.raises(Invalid, match=r"http://127\.0\.0\.1:8080/callbacks/sinch"):
        read_target(text)


async def command(gate: Gate, **options: Any) -> int:
    """Run the command beside the server it calls."""
    async with serve(gate.receive) as target:
        return await asyncio.to_thread(call, target=target, **options)


def test_the_command_draws_a_ladder(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, a closing line, nothing on the error stream."""
    assert asyncio.run(command(Gate(GENEROUS), caller="alice", callee="+46701740605", talk="65s")) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[-1] == "connected for 65 s of at most 180 s, CALLERHANGUP"
    assert "connectPstn (number +46701740605, maxDuration 180)" in shown.out
    assert not shown.err


def test_the_command_prints_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    """A refused call is printed whole, and exits 1."""
    code = asyncio.run(command(Gate({"ice": HANGUP}), caller="user:alice", callee="+46701740605", json=True))
    written = json.loads(capsys.readouterr().out)
    assert code == 1
    assert written["outcome"] == "refused"
    assert [event["sent"]["event"] for event in written["events"]] == ["ice", "dice"]


def test_real_time_waits(capsys: pytest.CaptureFixture[str]) -> None:
    """As long as the phone rings and they talk."""

    async def steps() -> float:
        began = asyncio.get_running_loop().time()
        await command(Gate(GENEROUS), caller="alice", callee="+46701740605", talk="0", real_time=True)
        return asyncio.get_running_loop().time() - began

    assert asyncio.run(steps()) >= 3
    assert "connected for 0 s" in capsys.readouterr().out


def test_the_command_says_in_one_line_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """Misuse exits 2, and so does a target where no callback server is."""
    assert call(caller="alice", callee="bob") == 2
    assert call(caller="alice", callee="+46701740605", secret="!") == 2
    assert call(caller="alice", callee="+46701740605", target=f"http://127.0.0.1:{unused_port()}/") == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["--to", "--secret", "nothing answers at http"]


def test_traffic_goes_on_until_it_is_cancelled() -> None:
    """It waits for a server that is not up yet, then calls it, and ends quietly."""
    gate = Gate(GENEROUS)
    port = unused_port()

    async def steps() -> None:
        enough = asyncio.Event()

        async def receive(request: web.Request) -> web.Response:
            response = await gate.receive(request)
            if sum(body["event"] == "dice" for body in gate.heard) >= 20:
                enough.set()
            return response

        target = f"http://127.0.0.1:{port}/callbacks/sinch"
        traffic = asyncio.create_task(place_calls(target, KEY, SECRET, rate_per_s=200, seed=1, pace=0.0))
        await asyncio.sleep(0.1)
        async with serve(receive, port):
            async with asyncio.timeout(10):
                await enough.wait()
            traffic.cancel()
            with suppress(asyncio.CancelledError):
                await traffic

    asyncio.run(steps())
    assert len({body["callid"] for body in gate.heard if body["event"] == "ice"}) >= 20


def test_traffic_keeps_to_its_bound() -> None:
    """While as many calls are up as may be, no other is placed."""
    open_calls: set[str] = set()
    most = 0

    async def count(request: web.Request) -> web.Response:
        nonlocal most
        body = await request.json()
        if body["event"] == "ice":
            open_calls.add(body["callid"])
            most = max(most, len(open_calls))
        if body["event"] == "dice":
            open_calls.discard(body["callid"])
        return web.json_response(GENEROUS.get(body["event"], {}))

    async def steps() -> None:
        async with serve(count) as target:
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await place_calls(target, KEY, SECRET, rate_per_s=500, seed=1, pace=0.001, max_concurrent=4)

    asyncio.run(steps())
    assert most == 4
