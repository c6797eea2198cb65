"""The emulated platform over HTTP: faults on the way, fallback, time that leaps, its REST interface, control API and pages."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, web
from aiohttp.test_utils import TestServer, unused_port

from callgate.emulator.applications import Application, CallbackUrls
from callgate.emulator.clock import Clock, OwnTime, RealClock, VirtualClock
from callgate.emulator.control import build_app
from callgate.emulator.demo import KEY, SECRET
from callgate.emulator.emulated import Platform
from callgate.emulator.faults import Fault, FaultKind, Faults, parse_fault
from callgate.emulator.phones import Manner
from callgate.emulator.place import opened
from callgate.emulator.scenario import Outcome, Scenario, parse_callee, parse_caller
from callgate.emulator.sinch import HungUp, Verdict
from callgate.errors import Invalid, SignatureInvalid
from callgate.protocol import WireRequest, sinch

PHONE = "+46701740605"
CONNECT = {"action": {"name": "connectPstn", "number": PHONE, "maxDuration": 600}}
CONTINUE = {"action": {"name": "continue"}}
HANGUP = {"action": {"name": "hangup"}}
GENEROUS = {"ice": CONNECT, "ace": CONTINUE}


class Backend:
    """A callback server of fixed answers. `heard` has event and path of what was genuine, `refused` why others were not."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.heard: list[tuple[str, str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.refused: list[str] = []
        self.listener = asyncio.Event()
        self.answering: Callable[[web.Request], Awaitable[web.Response] | None] = lambda _: None

    async def receive(self, request: web.Request) -> web.Response:
        wire = WireRequest(
            method="POST", path=request.rel_url.raw_path, headers=dict(request.headers), body=await request.read()
        )
        try:
            sinch.verify(wire, {KEY: SECRET}, datetime.now(UTC))
        except SignatureInvalid as error:
            self.refused.append(error.ingredient)
            return web.json_response({}, status=401)
        body = json.loads(wire.body)
        self.heard.append((body["event"], request.path))
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        self.listener.set()
        if (answer := self.answering(request)) is not None:
            return await answer
        return web.json_response(self.answers.get(body["event"], {}))

    async def hear(self, event: str) -> None:
        """Wait until a callback of this kind has come."""
        async with asyncio.timeout(10):
            while event not in self.events:
                self.listener.clear()
                await self.listener.wait()

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.heard]


@asynccontextmanager
async def whole(
    answers: dict[str, Any],
    *,
    clock: Clock | None = None,
    faults: Sequence[Fault] = (),
    fallback: bool = False,
    **words: Any,
) -> AsyncIterator[tuple[Platform, Backend]]:
    backend = Backend(answers)
    app = web.Application()
    app.router.add_post("/{anywhere:.*}", backend.receive)
    async with TestServer(app) as server, opened() as session:
        platform = Platform(session, clock or OwnTime(), **words)
        urls = CallbackUrls(
            primary=str(server.make_url("/primary")), fallback=str(server.make_url("/fallback")) if fallback else ""
        )
        platform.add(Application(key=KEY, secret=SECRET, urls=urls))
        for fault in faults:
            platform.faults.add(fault)
        try:
            yield platform, backend
        finally:
            await platform.reset()


def scenario(caller: str = "alice", callee: str = PHONE, **words: Any) -> Scenario:
    return Scenario(caller=parse_caller(caller), callee=parse_callee(callee), **words)


# -- faults ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "heard", "refused", "outcome"),
    [
        ("bad_signature:ice", ["dice"], ["signature"], Verdict.ERROR),
        ("bad_signature:dice", ["ice", "ace"], ["signature"], Verdict.ANSWERED),
        ("unsigned:ace", ["ice", "dice"], ["authorization"], Verdict.ANSWERED),
        ("skewed_clock:ace:-400", ["ice", "dice"], ["timestamp"], Verdict.ANSWERED),
        ("skewed_clock:ace:200", ["ice", "ace", "dice"], [], Verdict.ANSWERED),
        ("duplicate", ["ice", "ice", "ace", "dice"], [], Verdict.ANSWERED),
        ("duplicate:dice", ["ice", "ace", "dice", "dice"], [], Verdict.ANSWERED),
        ("lost:dice", ["ice", "ace"], [], Verdict.ANSWERED),
        ("lost:ice", ["dice"], [], Verdict.ERROR),
        ("late:ace", ["ice", "dice", "ace"], [], Verdict.ANSWERED),
        ("late:ice", ["dice", "ice"], [], Verdict.ERROR),
        ("reordered:ace", ["ice", "dice", "ace"], [], Verdict.ANSWERED),
        ("reordered:ice", ["dice", "ice"], [], Verdict.ERROR),
        ("late:dice", ["ice", "ace", "dice"], [], Verdict.ANSWERED),
        ("broken:ace", ["ice", "dice"], [], Verdict.ANSWERED),
        ("slow:ace:0.05", ["ice", "ace", "dice"], [], Verdict.ANSWERED),
        ("slow:ace:2", ["ice", "dice"], [], Verdict.ANSWERED),
        ("primary_down:ace", ["ice", "dice"], [], Verdict.ANSWERED),
        ("answer_lost:ace", ["ice", "ace", "ace", "dice"], [], Verdict.ANSWERED),
    ],
)
def test_what_goes_wrong_on_purpose(fault: str, heard: list[str], refused: list[str], outcome: Verdict) -> None:
    """Each kind of fault, as the backend sees it, and what becomes of the call."""

    async def steps() -> None:
        async with whole(GENEROUS, faults=[parse_fault(fault)], timeout_s=0.5) as (platform, backend):
            timeline = await platform.place(scenario())
            assert (backend.events, backend.refused) == (heard, refused)
            assert timeline.ending.outcome is outcome, timeline.ending.summary
            kind = FaultKind(fault.partition(":")[0])
            assert any(entry.note and kind in entry.note for entry in platform.journal.entries())

    asyncio.run(steps())


@pytest.mark.parametrize(
    ("fault", "heard"),
    [
        ("primary_down:ice", [("ice", "/fallback"), ("ace", "/primary"), ("dice", "/primary")]),
        ("answer_lost:ice", [("ice", "/primary"), ("ice", "/fallback"), ("ace", "/primary"), ("dice", "/primary")]),
        ("broken:dice", [("ice", "/primary"), ("ace", "/primary"), ("dice", "/fallback")]),
    ],
)
def test_the_fallback_is_asked_when_the_primary_fails(fault: str, heard: list[tuple[str, str]]) -> None:
    """Signed for its own path; a call that it saves goes as asked."""

    async def steps() -> None:
        async with whole(GENEROUS, faults=[parse_fault(fault)], fallback=True) as (platform, backend):
            timeline = await platform.place(scenario())
            assert (backend.heard, backend.refused) == (heard, [])
            assert timeline.ending.outcome is Verdict.ANSWERED

    asyncio.run(steps())


def test_a_failing_primary_falls_back_without_any_fault() -> None:
    """On any status but 2xx, on time-outs and where nothing listens."""

    async def steps() -> None:
        async with whole(GENEROUS, fallback=True, timeout_s=0.3) as (platform, backend):

            async def fail(_: web.Request) -> web.Response:
                return web.Response(status=503)

            backend.answering = lambda request: fail(request) if request.path == "/primary" else None
            timeline = await platform.place(scenario())
            assert [path for _, path in backend.heard] == ["/primary", "/fallback"] * 3
            assert timeline.ending.is_as_asked
            assert timeline.events[0].url is not None and timeline.events[0].url.endswith("/fallback")
            nowhere = CallbackUrls(primary=f"http://127.0.0.1:{unused_port()}/", fallback=timeline.events[0].url)
            platform.add(Application(key=KEY, secret=SECRET, urls=nowhere))
            assert (await platform.place(scenario())).ending.is_as_asked

    asyncio.run(steps())


def test_faults_strike_as_often_as_they_say() -> None:
    """Some calls only, some times only; chances are repeatable."""
    faults = Faults([Fault(kind=FaultKind.LOST, event="dice", call="c1", times=2)])
    struck = [
        bool(faults.strike(event, call)) for event, call in [("ice", "c1"), ("dice", "c2"), *[("dice", "c1")] * 3]
    ]
    assert struck == [False, False, True, True, False]
    assert faults.listed() == ()
    draws = []
    for _ in range(2):
        faults = Faults([Fault(kind=FaultKind.LOST, times=0, chance=0.5)], seed=7)
        draws.append([bool(faults.strike("ice", "c")) for _ in range(50)])
    assert draws[0] == draws[1]
    assert 10 < sum(draws[0]) < 40


@pytest.mark.parametrize("text", ["", "explode", "lost:nothing", "slow:ace:soon", "slow:ace:-1", "lost:"])
def test_a_fault_that_cannot_be_read_is_explained(text: str) -> None:
    """With all kinds and events."""
    if text == "lost:":
        assert parse_fault(text) == Fault(kind=FaultKind.LOST)
        return
    with pytest.raises(Invalid, match="bad_signature, unsigned"):
        parse_fault(text)


# -- time --------------------------------------------------------------------------------------------------------------


def test_an_hour_of_calls_takes_a_moment_and_is_repeatable() -> None:
    """Time leaps when no call is busy; the same seed gives the same ids and times."""

    async def steps() -> list[tuple[str, str, str]]:
        clock = VirtualClock(datetime(2026, 7, 1, 12, tzinfo=UTC))
        long = {"ice": {"action": {"name": "connectPstn", "number": PHONE, "maxDuration": 14_400}}, "ace": CONTINUE}
        async with whole(long, clock=clock, seed=3) as (platform, backend):
            owner = platform.application()
            for number in range(20):
                call = scenario(talk_s=180 * number + 30, ring_s=number % 5)
                platform.start(platform.new_call(call, owner), owner)
            await asyncio.gather(*[live.task for live in platform.calls.values() if live.task])
            assert clock.now() - datetime(2026, 7, 1, 12, tzinfo=UTC) == timedelta(seconds=3454)
            assert [body["timestamp"] for body in backend.bodies] == sorted(
                body["timestamp"] for body in backend.bodies
            )
            return sorted((body["timestamp"], body["callid"], body["event"]) for body in backend.bodies)

    assert asyncio.run(steps()) == asyncio.run(steps())


def test_something_may_be_done_in_leaping_time() -> None:
    """Whoever acts waits on the same clock."""

    async def steps() -> None:
        clock = VirtualClock()
        async with whole(GENEROUS, clock=clock) as (platform, _):
            owner = platform.application()
            live = platform.start(platform.new_call(scenario(talk_s=3000), owner), owner)

            async def act() -> None:
                clock.began()
                await clock.wait(100, type(live.inbox)())
                platform.do(live.call.call_id, HungUp(scenario().ended_by))
                clock.ended()

            assert live.task is not None
            await asyncio.gather(act(), live.task)
            assert live.ending is not None
            assert (live.ending.duration_s, live.ending.reason) == (97, "CALLERHANGUP")
            assert platform.do(live.call.call_id, HungUp(scenario().ended_by)) is None

    asyncio.run(steps())


def test_a_call_that_is_dropped_does_not_stop_time() -> None:
    """Others go on."""

    async def steps() -> None:
        clock = VirtualClock()
        async with whole(GENEROUS, clock=clock) as (platform, _):
            owner = platform.application()
            clock.began()  # hold it
            first, second = (platform.start(platform.new_call(scenario(), owner), owner) for _ in range(2))
            await asyncio.sleep(0.1)
            assert first.task is not None and second.task is not None
            first.task.cancel()
            clock.ended()
            async with asyncio.timeout(5):
                await second.task
            assert second.ending is not None

    asyncio.run(steps())


# -- the REST interface ------------------------------------------------------------------------------------------------


class Client:
    """Speaks to the REST interface and the control API, as a program does."""

    def __init__(self, session: ClientSession, server: TestServer) -> None:
        self._session = session
        self._server = server

    async def rest(
        self, method: str, path: str, body: Any = None, *, basic: bool = False, headers: dict[str, str] | None = None,
        **signing: Any,
    ) -> tuple[int, Any]:  # fmt: skip
        data = b"" if body is None else json.dumps(body).encode()
        if basic:
            sent = {
                "authorization": "Basic " + base64.b64encode(f"{KEY}:{signing.get('secret', SECRET)}".encode()).decode()
            }
        else:
            at = signing.get("at", datetime.now(UTC))
            signed_path = signing.get("signed_path", path)
            sent = sinch.sign(
                method,
                signed_path,
                data,
                signing.get("key", KEY),
                signing.get("secret", SECRET),
                at,
                "application/json",
            )
        return await self._ask(method, path, data, (sent | (headers or {})) if not signing.get("unsigned") else {})

    async def control(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        data = b"" if body is None else json.dumps(body).encode()
        return await self._ask(method, f"/control/v1{path}", data, {k.replace("_", "-"): v for k, v in headers.items()})

    async def _ask(self, method: str, path: str, data: bytes, headers: dict[str, str]) -> tuple[int, Any]:
        async with self._session.request(method, self._server.make_url(path), data=data, headers=headers) as response:
            text = await response.text()
            return response.status, json.loads(text) if text[:1] in ("{", "[") else text

    async def page(self, path: str, form: dict[str, str] | None = None, **headers: str) -> tuple[ClientResponse, str]:
        method = "GET" if form is None else "POST"
        spelled = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._session.request(method, self._server.make_url(path), data=form, headers=spelled) as response:
            return response, await response.text()


@asynccontextmanager
async def served(
    answers: dict[str, Any], *, pace: float = 0.001, **words: Any
) -> AsyncIterator[tuple[Platform, Backend, Client]]:
    async with (
        whole(answers, clock=words.pop("clock", None) or RealClock(pace), **words) as (platform, backend),
        TestServer(build_app(platform)) as server,
        ClientSession() as session,
    ):
        yield platform, backend, Client(session, server)


def tts(**more: Any) -> dict[str, Any]:
    wanted = {"destination": {"type": "number", "endpoint": PHONE}, "text": "Hello", "cli": "+46846500400", **more}
    return {"method": "ttsCallout", "ttsCallout": wanted}


def custom(**wanted: Any) -> dict[str, Any]:
    return {"method": "customCallout", "customCallout": wanted}


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        ({}, 404, 40400),
        ({"basic": True}, 404, 40400),
        ({"unsigned": True}, 401, 40100),
        ({"basic": True, "secret": "d3Jvbmc="}, 401, 40108),
        ({"secret": "d3Jvbmc="}, 401, 40102),
        ({"key": "nobody"}, 401, 40108),
        ({"signed_path": "/calling/v1/calls"}, 401, 40102),
        ({"at": datetime(2020, 1, 1, tzinfo=UTC)}, 401, 40101),
    ],
)
def test_who_asks_is_proven_first(words: dict[str, Any], status: int, code: int) -> None:
    """Signed or Basic; each thing that is wrong has its documented code."""

    async def steps() -> None:
        async with served(GENEROUS) as (platform, _, client):
            got, body = await client.rest("GET", "/calling/v1/calls/id/none", **words)
            assert (got, body["errorCode"]) == (status, code)
            assert set(body) == {"errorCode", "message", "reference"}
            entry = platform.journal.entries()[-1]
            assert SECRET not in repr(entry) and base64.b64encode(SECRET.encode()).decode() not in repr(entry)

    asyncio.run(steps())


def test_basic_may_be_forbidden() -> None:
    """For an application that wants signatures only."""

    async def steps() -> None:
        async with served(GENEROUS) as (platform, _, client):
            platform.add(Application(key=KEY, secret=SECRET, allows_basic=False))
            status, body = await client.rest("GET", "/calling/v1/calls/id/none", basic=True)
            assert (status, body["errorCode"]) == (403, 40301)

    asyncio.run(steps())


@pytest.mark.parametrize(
    ("body", "status", "code", "told"),
    [
        ([], 400, 40001, "not a JSON object"),
        ({}, 400, 40002, "method is missing"),
        ({"method": "fax"}, 400, 40001, "method: 'fax'"),
        ({"method": "ttsCallout"}, 400, 40002, "ttsCallout is missing"),
        ({"method": "ttsCallout", "ttsCallout": {"text": "x"}}, 400, 40002, "destination is missing"),
        (tts(text=None), 400, 40002, "text or prompts is missing"),
        (tts(text="x" * 601), 400, 40001, "text: 601 characters"),
        (tts(dtmf="12*"), 400, 40001, "dtmf"),
        (tts(enableAce="yes"), 400, 40001, "enableAce"),
        (tts(destination={"type": "number", "endpoint": "bob"}), 400, 40001, "not a number"),
        (tts(destination={"type": "fax", "endpoint": "1"}), 400, 40001, "destination.type"),
        (
            {"method": "conferenceCallout", "conferenceCallout": {"destination": {"endpoint": PHONE}}},
            400,
            40002,
            "conferenceId",
        ),
        (custom(ice="{not json"), 400, 40001, "ice: not JSON"),
        (custom(ice="nowhere"), 400, 40001, "neither a URL nor SVAML"),
        (custom(ice=json.dumps(CONTINUE)), 400, 40001, "illegal SVAML: $.action.name"),
        (custom(maxDuration=14_401, ice="http://127.0.0.1/"), 400, 40001, "maxDuration"),
    ],
)
def test_callouts_that_cannot_be_placed(body: Any, status: int, code: int, told: str) -> None:
    """Each with its code and what is wrong."""

    async def steps() -> None:
        async with served(GENEROUS) as (_, _, client):
            got, reply = await client.rest("POST", "/calling/v1/callouts", body)
            assert (got, reply["errorCode"]) == (status, code)
            assert told in reply["message"]

    asyncio.run(steps())


def test_callouts_are_refused_for_money_and_for_their_destination() -> None:
    """402 and 403."""

    async def steps() -> None:
        async with served(GENEROUS) as (platform, _, client):
            platform.phones[PHONE] = Manner(outcome=Outcome.BLOCKED)
            assert (await client.rest("POST", "/calling/v1/callouts", tts()))[1]["errorCode"] == 40300
            platform.add(Application(key=KEY, secret=SECRET, has_credit=False))
            assert (await client.rest("POST", "/calling/v1/callouts", tts()))[1]["errorCode"] == 40200

    asyncio.run(steps())


def test_headers_of_the_request_ride_on_its_callbacks() -> None:
    """Five X-CB- headers that keep to the limits, no others."""

    async def steps() -> None:
        async with served(GENEROUS) as (platform, backend, client):
            headers = {f"X-CB-{number}": f"value {number}" for number in range(7)}
            headers |= {"X-CB-" + "x" * 30: "too long a name", "X-Other": "no"}
            body = tts(enableAce=True, enableDice=True)
            status, reply = await client.rest("POST", "/calling/v1/callouts", body, headers=headers)
            assert status == 200
            await platform.calls[reply["callId"]].task  # type: ignore[misc]
            assert backend.events == ["ace", "dice"]
            for sent in backend.headers:
                kept = {name: value for name, value in sent.items() if name.lower().startswith("x-cb-")}
                assert kept == {f"X-CB-{number}": f"value {number}" for number in range(5)}
                assert "X-Other" not in sent

    asyncio.run(steps())


def test_a_custom_callout_asks_where_it_was_told_to() -> None:
    """Its ICE at a URL of its own, the rest at the application's."""

    async def steps() -> None:
        async with served(GENEROUS) as (platform, backend, client):
            elsewhere = platform.application().urls.primary.replace("/primary", "/elsewhere")
            _, reply = await client.rest("POST", "/calling/v1/callouts", custom(ice=elsewhere, custom="7"))
            await platform.calls[reply["callId"]].task  # type: ignore[misc]
            assert backend.heard == [("ice", "/elsewhere"), ("ace", "/primary"), ("dice", "/primary")]
            assert {body["custom"] for body in backend.bodies} == {"7"}

    asyncio.run(steps())


def test_a_call_is_shown_updated_and_ended() -> None:
    """Ongoing, then final; an illegal update says what is wrong, and an ended call is not found."""

    async def steps() -> None:
        async with served(GENEROUS, pace=0.01) as (platform, backend, client):
            owner = platform.application()
            call = platform.new_call(scenario(talk_s=None, ring_s=0, custom="7"), owner)
            live = platform.start(call, owner)
            path = f"/calling/v1/calls/id/{call.call_id}"
            await backend.hear("ace")
            _, info = await client.rest("GET", path)
            assert (info["status"], info["result"], info["custom"]) == ("ONGOING", "N/A", "7")
            status, reply = await client.rest("PATCH", path, {"action": {"name": "connectPstn"}})
            assert (status, reply["errorCode"]) == (400, 40003)
            assert "$.action.name" in reply["message"]
            say = {"instructions": [{"name": "say", "text": "x"}], "action": {"name": "continue"}}
            assert (await client.rest("PATCH", path, say))[0] == 204
            assert (await client.rest("PATCH", f"{path}/leg/callee", say))[0] == 204
            assert (await client.rest("PATCH", f"{path}/leg/nobody", say))[1]["errorCode"] == 40003
            cookie = {"instructions": [{"name": "setCookie", "key": "a", "value": "b"}], **CONTINUE}
            assert (await client.rest("PATCH", f"{path}/leg/both", cookie))[1]["errorCode"] == 40003
            assert (await client.rest("PATCH", path, HANGUP))[0] == 204
            assert live.task is not None
            await live.task
            _, info = await client.rest("GET", path)
            assert (info["status"], info["result"], info["reason"]) == ("FINAL", "ANSWERED", "MANAGERHANGUP")
            assert (await client.rest("PATCH", path, HANGUP))[1]["errorCode"] == 40400

    asyncio.run(steps())


def test_a_call_between_apps_cannot_be_updated() -> None:
    """Only those that come from or go to PSTN or SIP."""

    async def steps() -> None:
        async with served({"ice": {"action": {"name": "connectMxp"}}}, pace=1) as (platform, _, client):
            owner = platform.application()
            call = platform.new_call(scenario(callee="user:bob"), owner)
            platform.start(call, owner)
            status, reply = await client.rest("PATCH", f"/calling/v1/calls/id/{call.call_id}", HANGUP)
            assert (status, reply["errorCode"]) == (400, 40003)

    asyncio.run(steps())


def test_numbers_and_urls_have_their_errors() -> None:
    """And a call to a rented number goes to the application that it is assigned to."""

    async def steps() -> None:
        async with served(GENEROUS) as (platform, backend, client):
            numbers = "/v1/configuration/numbers"
            assert (await client.rest("POST", numbers, {"numbers": ["bob"]}))[1]["errorCode"] == 40001
            assert (await client.rest("POST", numbers, {"numbers": [], "applicationkey": KEY}))[1]["errorCode"] == 40001
            wrong = {"numbers": [PHONE], "applicationkey": "nobody"}
            assert (await client.rest("POST", numbers, wrong))[1]["errorCode"] == 40003
            assert (await client.rest("POST", f"{numbers}/", {"numbers": ["+46846500400"]}))[0] == 200
            assert (await client.rest("DELETE", numbers, {"number": PHONE}))[1]["errorCode"] == 40001
            timeline = await platform.place(scenario(PHONE, "did:+46846500400"))
            assert timeline.ending.is_as_asked and backend.events == ["ice", "ace", "dice"]
            assert (await client.rest("DELETE", numbers, {"number": "+46846500400"}))[0] == 200
            assert (await client.rest("GET", numbers))[1] == {
                "numbers": [{"number": "+46846500400", "capability": "voice"}]
            }
            urls = f"/v1/configuration/callbacks/applications/{KEY}"
            assert (await client.rest("POST", urls, {"url": {"primary": "nowhere"}}))[1]["errorCode"] == 40001
            assert (await client.rest("GET", urls.replace(KEY, "other")))[1]["errorCode"] == 40400
            assert (await client.rest("POST", urls, {"url": {"primary": "http://127.0.0.1/x"}}))[0] == 204
            assert (await client.rest("GET", urls))[1] == {"url": {"primary": "http://127.0.0.1/x", "fallback": ""}}

    asyncio.run(steps())


# -- control -----------------------------------------------------------------------------------------------------------


def test_a_call_is_led_by_hand() -> None:
    """Placed, keys pressed in its menu, hung up; the journal has every byte, and can be replayed."""
    menu = {"action": {"name": "runMenu", "menus": [{"id": "main", "maxDigits": 2, "timeoutMills": 600_000}]}}

    async def steps() -> None:
        async with served({"ice": menu, "pie": CONNECT, "ace": CONTINUE}, pace=0.01) as (platform, backend, client):
            order = {"from": PHONE, "to": "did:+46846500400", "custom": "7", "headers": {"X-CB-a": "1"}}
            status, call = await client.control("POST", "/calls", order)
            assert status == 201
            path = f"/calls/{call['call_id']}"
            assert (await client.control("POST", f"{path}/keys", {"keys": "42"}))[0] == 202
            await backend.hear("ace")
            assert (await client.control("POST", f"{path}/hangup", {"by": "callee"}))[0] == 202
            await platform.calls[call["call_id"]].task  # type: ignore[misc]
            _, shown = await client.control("GET", path)
            assert [event["sent"]["event"] for event in shown["events"]] == ["ice", "pie", "ace", "dice"]
            assert shown["ending"]["reason"] == "CALLEEHANGUP"
            assert backend.bodies[1]["menuResult"]["value"] == "42"

            _, journal = await client.control("GET", f"/journal?call={call['call_id']}")
            first = journal["items"][0]
            assert json.loads(first["body"])["event"] == "ice" and first["headers"]["X-CB-a"] == "1"
            _, again = await client.control("POST", f"/journal/{first['number']}/replay", {"is_same": True})
            assert again["body"] == first["body"] and again["headers"] == first["headers"]
            edited = json.loads(first["body"]) | {"custom": "8"}
            _, again = await client.control("POST", f"/journal/{first['number']}/replay", {"body": edited})
            assert again["status"] == 200
            assert [body["custom"] for body in backend.bodies[-2:]] == ["7", "8"]
            assert backend.refused == []
            assert (await client.control("POST", f"{path}/hangup", {}))[0] == 409

    asyncio.run(steps())


def test_the_platform_is_set_up_by_hand() -> None:
    """Applications, users, phones, habits, faults; and reset."""

    async def steps() -> None:
        async with served(GENEROUS) as (platform, _, client):
            assert (await client.control("POST", "/applications", {"key": "k2", "secret": "YQ=="}))[0] == 201
            assert (await client.control("PUT", "/users", {"users": ["bob"]}))[0] == 200
            assert (await client.control("PUT", f"/phones/{PHONE}", {"outcome": "busy"}))[0] == 200
            assert (await client.control("PUT", "/habits", {"is_strict": True, "pairs": {"busy": ["X", "Y"]}}))[
                0
            ] == 200
            status, listed = await client.control("POST", "/faults", {"kind": "lost", "event": "dice"})
            assert (status, listed["items"][0]["left"]) == (201, 1)
            _, state = await client.control("GET", "/state")
            assert [each["key"] for each in state["applications"]] == [KEY, "k2"]
            assert SECRET not in json.dumps(state)
            assert state["habits"]["is_strict"] and state["phones"][PHONE]["outcome"] == "busy"
            assert platform.rooms_of(platform.application()).users == {"bob"}
            assert (await client.control("DELETE", f"/phones/{PHONE}"))[0] == 200
            assert (await client.control("DELETE", "/faults"))[1] == {"items": []}
            await client.control("POST", "/calls", {"from": "alice", "to": PHONE})
            assert (await client.control("POST", "/reset"))[0] == 200
            assert (await client.control("GET", "/calls"))[1] == {"items": []}
            assert (await client.control("GET", "/journal"))[1] == {"items": []}

    asyncio.run(steps())


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "told"),
    [
        ("POST", "/calls", {"from": "alice"}, 400, "to: found ''"),
        ("POST", "/calls", {"from": "alice", "to": "bob"}, 400, "to: found 'bob'"),
        ("POST", "/calls", {"from": "alice", "to": PHONE, "talk": "long"}, 400, "talk: found 'long'"),
        ("POST", "/calls", {"from": "alice", "to": PHONE, "colour": "red"}, 400, "colour"),
        ("POST", "/calls", {"from": "alice", "to": PHONE, "application": "none"}, 400, "application: found 'none'"),
        ("POST", "/calls/none/keys", {"keys": "1"}, 404, "there is no call none"),
        ("POST", "/calls/none/keys", {"keys": "a"}, 400, "keys: found 'a'"),
        ("POST", "/calls/none/hangup", {"by": "me"}, 400, "by: found 'me'"),
        ("GET", "/journal/7", None, 404, "no entry 7"),
        ("GET", "/journal?limit=many", None, 400, "limit: found 'many'"),
        ("POST", "/faults", {"kind": "lost", "event": "nothing"}, 400, "not one of ice"),
        ("POST", "/applications", {"key": "k", "secret": "!"}, 400, "not base64"),
        ("PUT", "/habits", {"colour": "red"}, 400, "colour"),
    ],
)
def test_orders_that_cannot_be_done(method: str, path: str, body: Any, status: int, told: str) -> None:
    """An error says where, what and what would do."""

    async def steps() -> None:
        async with served(GENEROUS) as (_, _, client):
            got, reply = await client.control(method, path, body)
            assert got == status
            assert told in reply["error"]

    asyncio.run(steps())


def test_other_sites_control_nothing() -> None:
    """Neither their pages, nor a name of theirs that leads to this machine."""

    async def steps() -> None:
        async with served(GENEROUS) as (platform, _, client):
            order = {"from": "alice", "to": PHONE}
            assert (await client.control("POST", "/calls", order, sec_fetch_site="cross-site"))[0] == 403
            assert (await client.control("POST", "/calls", order, origin="https://evil.example"))[0] == 403
            assert (await client.control("GET", "/state", host="evil.example"))[0] == 421
            response, _ = await client.page("/calls", {"from": "alice", "to": PHONE}, sec_fetch_site="cross-site")
            assert response.status == 403
            assert not platform.calls

    asyncio.run(steps())


def test_pages_place_and_lead_a_call() -> None:
    """By plain forms; what callers and backends wrote is text in them and nothing else."""

    async def steps() -> None:
        async with served(GENEROUS, pace=0.01) as (platform, backend, client):
            form = {"from": "user:<b>alice</b>", "to": PHONE, "outcome": "answered", "talk": ""}
            response, html = await client.page("/calls", form, sec_fetch_site="same-origin")
            assert response.status == 200 and "/calls/" in str(response.url)
            assert "&lt;b&gt;alice&lt;/b&gt;" in html and "<b>alice</b>" not in html
            (call_id,) = platform.calls
            await backend.hear("ace")
            await client.page(f"/calls/{call_id}/keys", {"keys": "1"})
            await client.page(f"/calls/{call_id}/hangup", {"by": "caller"})
            await platform.calls[call_id].task  # type: ignore[misc]
            _, html = await client.page("/")
            assert "CALLERHANGUP" in html and re.search(r'href="/journal/\d+"', html)
            number = platform.journal.entries()[0].number
            _, html = await client.page(f"/journal/{number}")
            assert "authorization: application" in html and "connectPstn" in html
            response, html = await client.page(f"/journal/{number}/replay", {"how": "edited", "body": "{"})
            assert response.status == 200 and "replay" in html
            response, html = await client.page("/faults", {"do": "add", "kind": "lost", "event": "dice", "times": "0"})
            assert "never delivered" in html and "always" in html
            await client.page("/faults", {"do": "clear"})
            assert platform.faults.listed() == ()
            response, html = await client.page("/calls", {"from": "alice", "to": "<i>"})
            assert response.status == 400 and "&lt;i&gt;" in html
            assert (await client.page("/calls/none"))[0].status == 404
            for part in ("calls", "journal", f"call/{call_id}"):
                assert (await client.page(f"/parts/{part}"))[0].status == 200
            assert "script-src 'self'" in (await client.page("/"))[0].headers["content-security-policy"]
            await client.page("/reset", {})
            assert not platform.calls

    asyncio.run(steps())
