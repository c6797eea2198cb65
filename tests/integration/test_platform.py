"""Asking the platform over real HTTP: what is sent passes its checks, and no answer of a hostile one does harm."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import httpx
import msgspec
import pytest
from aiohttp import web

from callgate.app import build_vault
from callgate.errors import Invalid, PlatformFailed, PlatformRefused, PlatformUnreachable
from callgate.platform import wire as wire_module
from callgate.platform.platforms import platforms
from callgate.platform.sinch import SinchClient
from callgate.policy.limits import UNLIMITED
from callgate.protocol import sinch
from callgate.protocol.call import CallEnded, CallKey, CallOngoing, CallResult
from callgate.protocol.sinch import rest
from callgate.rating.deck_csv import read_deck
from callgate.rating.deck_merge import ImportMode
from callgate.server import Gate
from callgate.service.add_application import AddApplication, SetApplication
from callgate.service.application import Application, ApplicationRow, ApplicationSettings
from callgate.service.import_deck import import_deck
from callgate.service.issue_token import issue_token
from callgate.service.open_account import OpenAccount
from callgate.service.token import Role
from callgate.service.top_up import TopUp
from callgate.settings import Settings
from callgate.vault import new_key

KEY, SECRET, OLDER = "669E367E-6BBA-48AB-AF15-266871C28135", "BeIukql3pTKJ8RGL5zo0DA==", "b2xkZXIgc2VjcmV0"
DECK = (
    b"prefix,destination,rate_per_min,connect_fee,first_s,next_s,effective_from\n4670,Sweden,0.02,0,60,60,2020-01-01\n"
)
CALL = "4398599d1ba84ef3bde0a82dfb61abed"
PHONE = sinch.Address(type="number", endpoint="+46000000001")
TTS = rest.TtsCallout(destination=PHONE, cli="+46000000000", text="Hej \u00c5sa", callback_headers={"X-CB-Hold": "h 1"})
FINAL = {
    "from": {"type": "Number", "endpoint": "46000000000"}, "to": {"type": "Username", "endpoint": "alice"},
    "domain": "pstn", "callId": CALL, "duration": 14, "status": "FINAL", "result": "ANSWERED", "reason": "MANAGERHANGUP",
    "timestamp": "2024-01-08T09:48:12", "custom": "x", "userRate": {"currencyId": "USD", "amount": 0.0368},
    "debit": {"currencyId": "USD", "amount": 0.0736},
}  # fmt: skip


def ask(platform: Any, operation: rest.Operation[Any], *, key: str = KEY, secret: str = SECRET, **how: Any) -> Any:
    """Send one operation to the played platform and return what was read of its answer."""

    async def inside() -> Any:
        async with SinchClient(key, secret, base_url=platform.url, **how) as client:
            return await client.send(operation)

    return asyncio.run(inside())


def refused(platform: Any, operation: rest.Operation[Any], **how: Any) -> PlatformFailed:
    with pytest.raises(PlatformFailed) as failed:
        ask(platform, operation, **how)
    return failed.value


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait little between attempts."""
    monkeypatch.setattr(wire_module, "FIRST_PAUSE_S", 0.01)


# -- what is sent ------------------------------------------------------------------------------------------------------

SVAML = sinch.Svaml(instructions=(sinch.Say(text="Bye"),), action=sinch.Hangup())
LEG = sinch.Svaml(instructions=(sinch.PlayFiles(ids=("https://example.com/a.mp3",)),), action=sinch.Continue())
OPERATIONS: list[tuple[rest.Operation[Any], Any]] = [
    (TTS, "adf92089-df2a-4f14-a377-1e975f588fe4"),
    (rest.ConferenceCallout(destination=PHONE, conference_id="room"), "adf92089-df2a-4f14-a377-1e975f588fe4"),
    (rest.CustomCallout(ice=sinch.Svaml(action=sinch.ConnectPstn())), "adf92089-df2a-4f14-a377-1e975f588fe4"),
    (rest.UpdateLeg(call_id=CALL, leg="callee", svaml=LEG), None),
    (rest.UpdateCall(call_id=CALL, svaml=SVAML), None),
    (rest.GetConference(conference_id="room"), ("abcabcabcabca",)),
    (rest.UpdateParticipant(conference_id="room", call_id="a@b", command="onhold", moh="music1"), None),
    (rest.KickParticipant(conference_id="room", call_id=CALL), None),
    (rest.KickAll(conference_id="room"), None),
    (rest.GetNumbers(), ("+14151112223333",)),
    (rest.AssignNumbers(numbers=("+46000000001",), capability="voice"), None),
    (rest.UnassignNumber(number="+46000000001", application_key=KEY), None),
    (rest.GetCallbacks(application_key=KEY), "https://old.example.com/callbacks/sinch"),
    (rest.UpdateCallbacks(application_key=KEY, primary="https://new.example.com/"), None),
    (rest.QueryNumber(number="+46730170101"), "mobile"),
]  # fmt: skip


def gist(said: Any) -> Any:
    match said:
        case rest.CalloutPlaced():
            return said.call_id
        case rest.Conference():
            return tuple(each.call_id for each in said.participants)
        case rest.OwnNumbers():
            return tuple(each.number for each in said.numbers)
        case rest.CallbackUrls():
            return said.primary
        case rest.NumberInfo():
            return said.number_type
    return said


@pytest.mark.parametrize("is_basic", [False, True], ids=["signed", "basic"])
def test_every_operation_passes_the_checks_of_the_platform(platform: Any, is_basic: bool) -> None:  # noqa: FBT001 - a parameter
    """Signed, or with the secret in it where the platform lets that pass: bodies of DELETE, odd ids and all."""
    platform.may_basic = True
    platform.calls[CALL] = FINAL
    for operation, expected in OPERATIONS:
        assert gist(ask(platform, operation, is_basic=is_basic)) == expected, operation
    assert len(platform.heard) == len(OPERATIONS)
    has_secret = [SECRET in str(heard) or "basic" in heard.headers["authorization"].lower() for heard in platform.heard]
    assert set(has_secret) == {is_basic}


def test_what_a_callout_sends(platform: Any) -> None:
    """Headers for callbacks go along; text is UTF-8; absent fields are left out."""
    ask(platform, TTS)
    (heard,) = platform.heard
    assert heard.headers["x-cb-hold"] == "h 1"
    assert heard.headers["content-type"] == "application/json"
    assert heard.json == {
        "method": "ttsCallout",
        "ttsCallout": {
            "destination": {"type": "number", "endpoint": "+46000000001"}, "cli": "+46000000000", "text": "Hej \u00c5sa",
        },
    }  # fmt: skip


def test_a_call_is_read(platform: Any) -> None:
    """With exact money and a time in UTC."""
    platform.calls[CALL] = FINAL
    info = ask(platform, rest.GetCall(call_id=CALL))
    assert (info.status, info.result, info.reason, info.duration) == ("FINAL", "ANSWERED", "MANAGERHANGUP", 14)
    assert info.from_.endpoint == "+46000000000" and str(info.debit.amount) == "0.0736"
    assert info.timestamp == datetime(2024, 1, 8, 9, 48, 12, tzinfo=UTC)


# -- what the platform refuses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"secret": OLDER}, 40102),
        ({"key": "other"}, 40102),
        ({"is_basic": True}, 40301),
        ({"clock": lambda: datetime.now(UTC) - timedelta(hours=1)}, 40101),
    ],
)
def test_who_is_not_known_is_told_so(platform: Any, how: dict[str, Any], code: int) -> None:
    """By the platform's own number, with the reference; neither a secret nor what was signed is in the message."""
    failed = refused(platform, rest.GetCall(call_id=CALL), **how)
    assert isinstance(failed, PlatformRefused)
    assert (failed.code, failed.is_retryable, failed.may_be_done) == (code, False, False)
    assert "38188074-abcd-56ab-ab64-daf82fada8e8" in str(failed)
    (heard,) = platform.heard
    credentials = heard.headers["authorization"].partition(" ")[2]
    assert SECRET not in str(failed) and credentials not in str(failed)
    assert code != 40102 or credentials in failed.words  # this platform repeats them


def test_numbers_stay_out_of_messages(platform: Any) -> None:
    """The platform's own words, which may repeat a number, stand apart."""
    callee = sinch.Address(type="number", endpoint="+46000000402")
    failed = refused(platform, msgspec.structs.replace(TTS, destination=callee))
    assert isinstance(failed, PlatformRefused) and failed.code == 40200
    assert "46000000402" not in str(failed) and "46000000402" in failed.words


def test_what_cannot_be_asked_is_not_sent(platform: Any) -> None:
    """Checked before anything leaves this machine."""
    with pytest.raises(Invalid, match=r"ttsCallout\.text"):
        ask(platform, msgspec.structs.replace(TTS, text="x" * 601))
    with pytest.raises(sinch.SignatureInvalid):
        ask(platform, TTS, secret="")
    assert platform.heard == []


# -- hostile and broken answers ----------------------------------------------------------------------------------------

Misbehave = Callable[[web.Request], Awaitable[web.StreamResponse]]


def plain(body: bytes | str, status: int = 200, **headers: str) -> Misbehave:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, headers=headers)

    return answer


async def hang_up_on(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 65_536)


async def asleep(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


async def drip(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.05)


HOSTILE: dict[str, tuple[Misbehave, str, bool]] = {
    "page": (plain("<html>Sign in</html>", **{"content-type": "text/html"}), "not JSON", True),
    "list": (plain("[]"), "not a JSON object", True),
    "nothing": (plain(""), "not JSON", True),
    "not UTF-8": (plain(b'{"a":"\xff"}'), "not UTF-8", True),
    "deep": (plain("[" * 100_000), "", True),
    "endless number": (plain('{"duration":1e999999999}'), "out of bounds", True),
    "out of bounds": (plain('{"debit":{"amount":1e40}}'), "out of bounds", True),
    "bomb": (plain(b"\x1f\x8b" + b"\0" * 100, **{"content-encoding": "gzip"}), "not", True),
    "redirect": (plain("", 302, location="http://127.0.0.1:1/"), "redirect", False),
    "other 404": (plain("<html>", 404), "status 404", False),
    "hang-up": (hang_up_on, "no answer that can be read", True),
    "endless": (endless, "more than", False),
    "slow": (asleep, "in time", True),
    "drip": (drip, "in time", True),
    "500": (plain("oops", 500), "Internal Server Error", True),
    "503": (plain('{"errorCode":50300,"message":"x"}', 503), "50300", True),
    "429": (plain("", 429), "Too Many Requests", True),
    "999": (plain("", 999), "status 999", True),
    "wild error": (plain('{"errorCode":1e300,"message":["x"],"reference":{"a":1}}', 400), "status 400", False),
    "true error": (plain('{"errorCode":true,"message":null,"reference":"a b"}', 400), "status 400", False),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_answer_does_harm(platform: Any, name: str) -> None:
    """Each is a clear failure within the time that was given, and says whether to try again; so it was, three times."""
    platform.misbehave, said, is_retryable = HOSTILE[name]
    began = time.monotonic()
    failed = refused(platform, rest.GetCall(call_id=CALL), attempt_s=0.3, total_s=2.0)
    assert time.monotonic() - began < 10
    assert said in str(failed)
    assert failed.is_retryable is is_retryable
    twice = 2 if name == "hang-up" else 1  # aiohttp itself asks again after one, as GET and DELETE allow
    assert len(platform.heard) == (3 * twice if is_retryable else 1)
    assert not failed.may_be_done


@pytest.mark.parametrize("name", ["page", "hang-up", "slow", "500", "endless"])
def test_a_callout_is_never_repeated_when_in_doubt(platform: Any, name: str) -> None:
    """A phone may be ringing already: the failure says so, and the platform was asked once."""
    platform.misbehave, _, _ = HOSTILE[name]
    failed = refused(platform, TTS, attempt_s=0.3, total_s=2.0)
    assert failed.may_be_done
    assert len(platform.heard) == 1


def test_a_refused_callout_is_not_repeated_and_not_done(platform: Any) -> None:
    """Not even when there are too many requests: that is the caller's to decide."""
    platform.misbehave = plain("", 429)
    failed = refused(platform, TTS)
    assert failed.is_retryable and not failed.may_be_done
    assert len(platform.heard) == 1


def test_what_failed_for_a_while_is_tried_again(platform: Any) -> None:
    """A hang-up does no harm twice; each attempt is signed anew."""
    platform.calls[CALL] = FINAL
    times = iter(datetime.now(UTC) + timedelta(seconds=second) for second in range(3))

    async def twice(_: web.Request) -> web.StreamResponse:
        if len(platform.heard) == 2:
            platform.misbehave = None
        return web.Response(status=503, headers={"retry-after": "0"})

    platform.misbehave = twice
    order = rest.UpdateCall(call_id=CALL, svaml=sinch.Svaml(action=sinch.Hangup()))
    ask(platform, order, clock=lambda: next(times))
    assert CALL not in platform.calls
    assert len({heard.headers["x-timestamp"] for heard in platform.heard}) == 3


def test_retry_after_is_kept_or_not_waited_for(platform: Any) -> None:
    """A wait that fits is waited out; one that does not is left to whoever asked."""
    platform.calls[CALL] = FINAL

    async def once(_: web.Request) -> web.StreamResponse:
        platform.misbehave = None
        return web.Response(status=429, headers={"retry-after": "1"})

    platform.misbehave = once
    began = time.monotonic()
    assert ask(platform, rest.GetCall(call_id=CALL)).status == "FINAL"
    assert time.monotonic() - began >= 1
    platform.misbehave = plain("", 429, **{"retry-after": "Wed, 21 Oct 2099 07:28:00 GMT"})
    began = time.monotonic()
    assert refused(platform, rest.GetCall(call_id=CALL)).is_retryable
    assert time.monotonic() - began < 5


def test_a_redirect_is_not_followed(platform: Any, play_platform: Any) -> None:
    """A signature is for one host: nobody else gets to see it."""
    with play_platform() as other:
        platform.misbehave = plain("", 307, location=f"{other.url}/calling/v1/callouts")
        refused(platform, TTS)
        assert other.heard == []


def test_nobody_is_there() -> None:
    """No connection: nothing was asked, which the error says by its type, and even a callout is tried again."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: a connection is refused
        port = taken.getsockname()[1]

        async def inside() -> None:
            async with SinchClient(KEY, SECRET, base_url=f"http://127.0.0.1:{port}") as client:
                await client.send(TTS)

        with pytest.raises(
            PlatformUnreachable, match=f"no connection to 127.0.0.1:{port}: Connection refused"
        ) as failed:
            asyncio.run(inside())
    assert failed.value.is_retryable and not failed.value.may_be_done


def test_a_callout_is_placed_though_a_kept_connection_was_closed(platform: Any) -> None:
    """What must not be repeated never goes over a connection that may be dead."""

    async def inside() -> None:
        async with SinchClient(KEY, SECRET, base_url=platform.url) as client:
            for _ in range(3):
                await client.send(TTS)

    asyncio.run(inside())
    assert len(platform.heard) == 3


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com", "http://10.0.0.1", "ftp://127.0.0.1", "https://", "https://u:p@example.com",
        "https://example.com/path", "https://example.com?q", "https://example.com:0", "https://exa mple.com", "//x",
        "http://127.0.0.1.example.com", "https://[", "http://localhost.example.com",
    ],
)  # fmt: skip
def test_other_hosts_are_refused(url: str) -> None:
    """Only https, and http to this machine."""
    with pytest.raises(Invalid, match="base URL"):
        SinchClient(KEY, SECRET, base_url=url)


def test_a_client_says_nothing_secret() -> None:
    """Nor does it work unopened or in a region that there is not."""
    assert SECRET not in repr(SinchClient(KEY, SECRET))
    with pytest.raises(Invalid, match="use1, euc1"):
        SinchClient(KEY, SECRET, region="mars")
    with pytest.raises(RuntimeError, match="async with"):
        asyncio.run(SinchClient(KEY, SECRET).send(TTS))


# -- where requests go -------------------------------------------------------------------------------------------------


class Resolver(aiohttp.abc.AbstractResolver):
    """Notes which names are asked for, and knows none of them."""

    asked: list[str]

    def __init__(self) -> None:
        self.asked = []

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[Any]:
        del port, family
        self.asked.append(host)
        raise OSError("not known")

    async def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize(
    ("operation", "how", "resource", "host"),
    [
        (rest.GetCall(call_id=CALL), {}, "", "calling.api.sinch.com"),
        (rest.GetCall(call_id=CALL), {"region": "euc1"}, "", "calling-euc1.api.sinch.com"),
        (TTS, {"region": "apse2"}, "", "calling-apse2.api.sinch.com"),
        (rest.GetCall(call_id=CALL), {}, "https://calling-use1.api.sinch.com/v1/calls/id/x", "calling-use1.api.sinch.com"),
        (rest.GetCall(call_id=CALL), {}, "https://evil.example.com/calling/v1/calls/id/x", "calling.api.sinch.com"),
        (rest.GetCall(call_id=CALL), {}, "http://calling-use1.api.sinch.com/", "calling.api.sinch.com"),
        (rest.GetNumbers(), {"region": "euc1"}, "", "callingapi.sinch.com"),
    ],
)  # fmt: skip
def test_hosts(monkeypatch: pytest.MonkeyPatch, operation: Any, how: dict[str, Any], resource: str, host: str) -> None:
    """The region's, the call's own where it is one of the platform's, or the one of configurations; never another."""
    resolver = Resolver()
    connector = aiohttp.TCPConnector
    monkeypatch.setattr(aiohttp, "TCPConnector", lambda **options: connector(resolver=resolver, **options))

    async def inside() -> None:
        async with SinchClient(KEY, SECRET, **how) as client:
            await client.send(operation, resource=resource)

    with pytest.raises(PlatformUnreachable, match=f"no connection to {host}: its name is not known"):
        asyncio.run(inside())
    assert set(resolver.asked) == {host}


# -- what the service asks ---------------------------------------------------------------------------------------------


def service_asks(platform: Any, ask: Callable[[Any], Awaitable[Any]], *secrets: str, url: str | None = None) -> Any:
    """Ask through the port, for an application with these secrets, newest first."""
    settings = ApplicationSettings(platform=platform.url if url is None else url)
    now = datetime.now(UTC)
    row = ApplicationRow(key=KEY, provider="sinch", name="", created_at=now, sealed_secrets=(), settings=settings)
    known = {KEY: Application(row=row, secrets=tuple((secret, None) for secret in secrets or (SECRET,)))}

    async def inside() -> Any:
        async with platforms(known.get, lambda: datetime.now(UTC)) as asking:
            return await ask(asking)

    return asyncio.run(inside())


EVIL = "https://evil.example.com/calling/v1/calls/id/x"


def test_the_service_asks_what_became_of_a_call(platform: Any) -> None:
    """Over, still up, or not known; the call's own address leads nowhere that is not allowed."""
    key = CallKey(KEY, CALL)
    platform.calls[CALL] = FINAL
    ended = service_asks(platform, lambda asking: asking.ask(key, EVIL))
    assert isinstance(ended, CallEnded)
    assert (ended.key, ended.result, ended.duration_s, ended.reason) == (key, CallResult.ANSWERED, 14, "managerhangup")
    platform.calls[CALL] = {"callId": CALL, "status": "ONGOING"}
    assert service_asks(platform, lambda asking: asking.ask(key, "")) == CallOngoing()
    platform.calls.clear()
    assert service_asks(platform, lambda asking: asking.ask(key, "")) is None


def test_the_service_ends_a_call_and_speaks_to_its_caller(platform: Any) -> None:
    """True when it was done, False when there is no such call."""
    key = CallKey(KEY, CALL)
    platform.calls[CALL] = FINAL
    assert service_asks(platform, lambda asking: asking.warn(key, "", "One minute left", "en-US"))
    assert platform.heard[-1].path == f"/calling/v1/calls/id/{CALL}/leg/caller"
    assert platform.heard[-1].json == {
        "instructions": [{"name": "say", "text": "One minute left", "locale": "en-US"}],
        "action": {"name": "continue"},
    }
    assert service_asks(platform, lambda asking: asking.hang_up(key, ""))
    assert platform.heard[-1].json == {"action": {"name": "hangup"}}
    assert not service_asks(platform, lambda asking: asking.hang_up(key, ""))
    assert not service_asks(platform, lambda asking: asking.warn(key, "", "x", ""))


def test_the_older_secret_is_tried_too(platform: Any) -> None:
    """While a secret is being changed the platform may still have the one before; a third is not guessed."""
    platform.calls[CALL] = FINAL
    assert service_asks(platform, lambda asking: asking.hang_up(CallKey(KEY, CALL), ""), OLDER, SECRET)
    with pytest.raises(PlatformRefused):
        service_asks(platform, lambda asking: asking.hang_up(CallKey(KEY, CALL), ""), OLDER, OLDER + "AA")


@pytest.mark.parametrize(
    ("ask", "secrets", "said"),
    [
        (lambda asking: asking.ask(CallKey("other", CALL), ""), (), "there is no application other"),
        (lambda asking: asking.ask(CallKey(KEY, ".."), ""), (), "cannot be asked"),
        (lambda asking: asking.warn(CallKey(KEY, CALL), "", "x" * 601, ""), (), "cannot be asked"),
        (lambda asking: asking.ask(CallKey(KEY, CALL), ""), ("?",), "cannot be asked"),
    ],
)
def test_what_the_service_cannot_ask(platform: Any, ask: Any, secrets: tuple[str, ...], said: str) -> None:
    """Is a failure of the one kind that the service catches, and trying again would not help."""
    with pytest.raises(PlatformFailed, match=said) as failed:
        service_asks(platform, ask, *secrets)
    assert not failed.value.is_retryable
    assert platform.heard == []


@pytest.mark.parametrize(
    ("misbehave", "said"),
    [
        (plain("<html>", 404), "not the platform"),
        (plain('{"message":"x"}', 404), "not the platform"),
        (plain('{"callId":"another","status":"FINAL"}'), "another call"),
        (plain('{"status":"PAUSED"}'), "neither"),
        (plain("{}"), "neither"),
    ],
)
def test_money_rests_on_no_doubtful_answer(platform: Any, misbehave: Misbehave, said: str) -> None:
    """A 404 of something in between, or an answer about something else, settles nothing: it is asked again later."""
    platform.misbehave = misbehave
    with pytest.raises(PlatformFailed, match=said) as failed:
        service_asks(platform, lambda asking: asking.ask(CallKey(KEY, CALL), ""))
    assert failed.value.is_retryable


# -- the whole server --------------------------------------------------------------------------------------------------


def test_the_server_ends_a_call(platform: Any, file_store: Any, tmp_path: Any) -> None:
    """A call comes in over the callback edge, naming an address of its own; the API ends it at the platform that is set."""

    async def scenario() -> None:
        settings = Settings(database_url=f"sqlite:///{tmp_path}/gate.db", secret_key=new_key())
        store = file_store(tmp_path / "gate.db")
        await store.open()
        vault = build_vault(settings)
        now = datetime.now(UTC)
        for job in (
            AddApplication(
                provider="sinch", key=KEY, secret=SECRET, name="", seal=vault.seal, now=now, limits=UNLIMITED
            ),
            SetApplication(key=KEY, words=(f"platform={platform.url}",)),
            OpenAccount(application=KEY, account="alice", currency="USD", limits=UNLIMITED),
            TopUp(application=KEY, account="alice", amount_micros=10**7, reference="r", now=now),
        ):
            await store.perform(job)
        rows = list(read_deck(DECK, "deck", now).rows)
        await import_deck(store, "standard", "USD", rows, mode=ImportMode.REPLACE, is_dry_run=False, now=now)
        token = await issue_token(store, "ops", Role.OPERATOR, now)
        gate = Gate(settings, store)
        async with (
            gate.working(),
            httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://gate") as ask,
        ):
            ice = {
                "event": "ice", "callid": CALL, "to": {"type": "number", "endpoint": "+46701740605"}, "user": "alice",
                "originationType": "mxp", "callResourceUrl": EVIL,
            }  # fmt: skip
            body = msgspec.json.encode(ice)
            signed = sinch.sign("POST", "/callbacks/sinch", body, KEY, SECRET, datetime.now(UTC))
            answer = await ask.post("/callbacks/sinch", content=body, headers=signed)
            assert answer.json()["action"]["name"] == "connectPstn"
            bearer = {"authorization": f"Bearer {token}"}
            while (reply := await ask.post(f"/api/v1/calls/{CALL}/hangup", headers=bearer)).status_code == 503:  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # the API is still being loaded
            assert (reply.status_code, reply.json()["call_id"]) == (202, CALL)
            gone = await ask.post(f"/api/v1/calls/{CALL}/hangup", headers=bearer)
            assert gone.status_code == 409
        await store.close()

    platform.calls[CALL] = {"callId": CALL, "status": "ONGOING"}
    asyncio.run(scenario())
    assert platform.calls == {}
    assert {heard.method for heard in platform.heard} == {"PATCH"}
