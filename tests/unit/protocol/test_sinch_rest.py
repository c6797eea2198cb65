"""The platform's REST interface as values: paths, bodies and signatures as documented, replies read liberally."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callgate.errors import Invalid, PlatformFailed, PlatformRefused
from callgate.protocol import WireRequest, sinch
from callgate.protocol.sinch import rest

VECTORS = json.loads((Path(__file__).parent / "sinch_vectors.json").read_text())
GET_CALL = next(vector for vector in VECTORS["signing"] if vector["name"] == "derived-get-call-no-body")
KEY, SECRET = GET_CALL["key"], GET_CALL["secret"]
NOW = datetime(2024, 6, 6, 17, 20, 14, tzinfo=UTC)
PHONE = sinch.Address(type="number", endpoint="+46000000001")
USER = sinch.Address(type="username", endpoint="alice")
HANG_UP = sinch.Svaml(action=sinch.Hangup())
ICE = sinch.Svaml(action=sinch.ConnectPstn(number="+46000000001", max_duration=60))
ID = "4398599d1ba84ef3bde0a82dfb61abed"
CALLING, CONFIGURATION = "/calling/v1", "/v1/configuration"

WRITTEN: list[tuple[rest.Operation[Any], str, str, Any]] = [
    (
        rest.TtsCallout(destination=PHONE, cli="+46000000000", domain="pstn", custom="c", dtmf="1w2#", locale="en-US", text="Hi",
                        enable_ace=True, enable_dice=False, enable_pie=False),
        "POST", f"{CALLING}/callouts",
        {"method": "ttsCallout", "ttsCallout": {
            "destination": {"type": "number", "endpoint": "+46000000001"}, "cli": "+46000000000", "domain": "pstn",
            "custom": "c", "dtmf": "1w2#", "locale": "en-US", "text": "Hi", "enableAce": True, "enableDice": False,
            "enablePie": False}},
    ),
    (
        rest.TtsCallout(destination=USER, prompts="#tts[Hi];myfile"),
        "POST", f"{CALLING}/callouts",
        {"method": "ttsCallout", "ttsCallout": {
            "destination": {"type": "username", "endpoint": "alice"}, "prompts": "#tts[Hi];myfile"}},
    ),
    (
        rest.ConferenceCallout(destination=PHONE, conference_id="room", greeting="Welcome", moh_class="music1", max_duration=60,
            conference_dtmf_options=sinch.ConferenceDtmfOptions(mode="detect", max_digits=2, timeout_mills=500)),
        "POST", f"{CALLING}/callouts",
        {"method": "conferenceCallout", "conferenceCallout": {
            "destination": {"type": "number", "endpoint": "+46000000001"}, "conferenceId": "room", "greeting": "Welcome",
            "mohClass": "music1", "maxDuration": 60,
            "conferenceDtmfOptions": {"mode": "detect", "maxDigits": 2, "timeoutMills": 500}}},
    ),
    (
        rest.CustomCallout(ice=ICE, ace="https://gate.example.com/ace", pie='{"action":{"name":"continue"}}', max_duration=600),
        "POST", f"{CALLING}/callouts",
        {"method": "customCallout", "customCallout": {
            "ice": '{"action":{"name":"connectPstn","number":"+46000000001","maxDuration":60}}',
            "ace": "https://gate.example.com/ace", "pie": '{"action":{"name":"continue"}}', "maxDuration": 600}},
    ),
    (rest.GetCall(call_id=ID), "GET", f"{CALLING}/calls/id/{ID}", None),
    (rest.GetCall(call_id="822aa4b7_257@10.0.0.1+x/y z"), "GET", f"{CALLING}/calls/id/822aa4b7_257@10.0.0.1+x%2Fy%20z", None),
    (rest.UpdateCall(call_id=ID, svaml=HANG_UP), "PATCH", f"{CALLING}/calls/id/{ID}", {"action": {"name": "hangup"}}),
    (
        rest.UpdateLeg(call_id=ID, leg="both", svaml=sinch.Svaml(instructions=(sinch.Say(text="Hi"),), action=sinch.Continue())),
        "PATCH", f"{CALLING}/calls/id/{ID}/leg/both",
        {"instructions": [{"name": "say", "text": "Hi"}], "action": {"name": "continue"}},
    ),
    (rest.GetConference(conference_id="my room"), "GET", f"{CALLING}/conferences/id/my%20room", None),
    (rest.KickAll(conference_id="room"), "DELETE", f"{CALLING}/conferences/id/room", None),
    (rest.KickParticipant(conference_id="room", call_id=ID), "DELETE", f"{CALLING}/conferences/id/room/{ID}", None),
    (
        rest.UpdateParticipant(conference_id="room", call_id=ID, command="onhold", moh="music1"),
        "PATCH", f"{CALLING}/conferences/id/room/{ID}", {"command": "onhold", "moh": "music1"},
    ),
    (
        rest.UpdateParticipant(conference_id="room", call_id=ID, command="mute"),
        "PATCH", f"{CALLING}/conferences/id/room/{ID}", {"command": "mute"},
    ),
    (rest.GetNumbers(), "GET", f"{CONFIGURATION}/numbers", None),
    (
        rest.AssignNumbers(numbers=("+46000000001", "+46000000002"), application_key=KEY, capability="voice"),
        "POST", f"{CONFIGURATION}/numbers",
        {"numbers": ["+46000000001", "+46000000002"], "applicationkey": KEY, "capability": "voice"},
    ),
    (rest.UnassignNumber(number="+46000000001"), "DELETE", f"{CONFIGURATION}/numbers", {"number": "+46000000001"}),
    (rest.GetCallbacks(application_key=KEY), "GET", f"{CONFIGURATION}/callbacks/applications/{KEY}", None),
    (
        rest.UpdateCallbacks(application_key=KEY, primary="https://a.example.com/x", fallback=""),
        "POST", f"{CONFIGURATION}/callbacks/applications/{KEY}",
        {"url": {"primary": "https://a.example.com/x", "fallback": ""}},
    ),
    (rest.QueryNumber(number="+46730170101"), "GET", "/v1/calling/query/number/+46730170101", None),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "method", "path", "body"), WRITTEN, ids=lambda value: type(value).__name__)
def test_requests_are_written_as_documented(operation: rest.Operation[Any], method: str, path: str, body: Any) -> None:
    """Method, path and body; the signature is genuine over exactly these, and the secret in no part of them."""
    request = rest.signed(operation, KEY, SECRET, NOW)
    assert (request.method, request.path) == (method, path)
    assert (json.loads(request.body) if request.body else None) == body
    assert request.headers["content-type"] == "application/json"
    assert SECRET not in str(request)
    sinch.verify(request, {KEY: SECRET}, NOW)


def test_the_vector_of_a_call_that_is_asked_about() -> None:
    """The signature that was worked out apart from us, byte for byte."""
    request = rest.signed(rest.GetCall(call_id=ID), KEY, SECRET, NOW)
    assert request.path == GET_CALL["path"]
    assert request.headers["x-timestamp"] == GET_CALL["x_timestamp"]
    assert request.headers["authorization"] == GET_CALL["expected_authorization"]


def test_basic_carries_the_secret_as_it_is() -> None:
    """Base64 of key and secret, which is not decoded first; no timestamp."""
    request = rest.basic(rest.GetNumbers(), KEY, SECRET)
    expected = b64encode(f"{KEY}:{SECRET}".encode()).decode()
    assert request.headers == {"authorization": f"Basic {expected}", "content-type": "application/json"}
    sinch.verify_basic(request, {KEY: SECRET})


def test_configurations_have_a_host_of_their_own() -> None:
    """Numbers, callback URLs and the question about a number; all else is asked where calls are."""
    apart = {type(operation).__name__ for operation, *_ in WRITTEN if operation.is_configuration}
    assert apart == {"GetNumbers", "AssignNumbers", "UnassignNumber", "GetCallbacks", "UpdateCallbacks", "QueryNumber"}


def test_what_may_be_asked_twice() -> None:
    """Everything but what would ring or be heard again."""
    once = {type(operation).__name__ for operation, *_ in WRITTEN if not operation.is_repeatable}
    assert once == {"TtsCallout", "ConferenceCallout", "CustomCallout", "UpdateLeg"}
    spoken = msgspec.structs.replace(HANG_UP, instructions=(sinch.Say(text="Bye"),))
    assert not rest.UpdateCall(call_id=ID, svaml=spoken).is_repeatable


TTS = rest.TtsCallout(destination=PHONE, text="Hi")
CONFERENCE = rest.ConferenceCallout(destination=PHONE, conference_id="room")


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        (rest.TtsCallout(text="Hi"), "$.ttsCallout.destination"),
        (rest.TtsCallout(destination=PHONE), "$.ttsCallout"),
        (msgspec.structs.replace(TTS, prompts="#tts[Hi]"), "$.ttsCallout"),
        (msgspec.structs.replace(TTS, text="x" * 601), "$.ttsCallout.text"),
        (msgspec.structs.replace(TTS, cli="0700"), "$.ttsCallout.cli"),
        (msgspec.structs.replace(TTS, dtmf="*"), "$.ttsCallout.dtmf"),
        (msgspec.structs.replace(TTS, domain="sea"), "$.ttsCallout.domain"),
        (msgspec.structs.replace(TTS, custom="\u00e5" * 513), "$.ttsCallout.custom"),
        (msgspec.structs.replace(TTS, destination=sinch.Address(type="did", endpoint="+46")), "$.ttsCallout.destination.type"),
        (msgspec.structs.replace(TTS, destination=sinch.Address(endpoint="+46000000001")), "$.ttsCallout.destination.type"),
        (rest.TtsCallout(text="Hi", destination=sinch.Address(type="number", endpoint="x")), "$.ttsCallout.destination.endpoint"),
        (rest.TtsCallout(text="Hi", destination=sinch.Address(type="sip", endpoint="x")), "$.ttsCallout.destination.endpoint"),
        (msgspec.structs.replace(TTS, callback_headers={"X-CC-a": "b"}), "callback_headers"),
        (msgspec.structs.replace(TTS, callback_headers={"X-CB-": "b"}), "callback_headers"),
        (msgspec.structs.replace(TTS, callback_headers={"X-CB-a\r\nx": "b"}), "callback_headers"),
        (msgspec.structs.replace(TTS, callback_headers={"X-CB-" + "a" * 28: "b"}), "callback_headers"),
        (msgspec.structs.replace(TTS, callback_headers={"X-CB-a": "b\r\nauthorization: x"}), "callback_headers.X-CB-a"),
        (msgspec.structs.replace(TTS, callback_headers={"X-CB-a": "b" * 129}), "callback_headers.X-CB-a"),
        (msgspec.structs.replace(TTS, callback_headers={f"X-CB-{n}": "" for n in range(6)}), "callback_headers"),
        (msgspec.structs.replace(CONFERENCE, conference_id=None), "$.conferenceCallout.conferenceId"),
        (msgspec.structs.replace(CONFERENCE, conference_id="x" * 65), "$.conferenceCallout.conferenceId"),
        (msgspec.structs.replace(CONFERENCE, moh_class="ringing"), "$.conferenceCallout.mohClass"),
        (msgspec.structs.replace(CONFERENCE, max_duration=14_401), "$.conferenceCallout.maxDuration"),
        (rest.CustomCallout(ice=ICE, destination=PHONE), "$.customCallout.destination"),
        (rest.CustomCallout(ice=ICE, cli="+46000000000"), "$.customCallout.cli"),
        (rest.CustomCallout(ice=sinch.Svaml(action=sinch.Continue())), "$.customCallout.ice.action.name"),
        (rest.CustomCallout(destination=PHONE, ace='{"action":{}}'), "$.customCallout.ace.action.name"),
        (rest.CustomCallout(destination=PHONE, pie="gopher://x"), "$.customCallout.pie"),
        (rest.GetCall(call_id=""), "call_id"),
        (rest.GetCall(call_id="."), "call_id"),
        (rest.GetCall(call_id=".."), "call_id"),
        (rest.GetCall(call_id="a\nb"), "call_id"),
        (rest.GetCall(call_id="x" * 257), "call_id"),
        (rest.UpdateCall(call_id="..", svaml=HANG_UP), "call_id"),
        (rest.UpdateCall(call_id=ID, svaml=sinch.Svaml()), "$.action"),
        (rest.UpdateCall(call_id=ID, svaml=ICE), "$.action.name"),
        (rest.UpdateLeg(call_id=ID, leg="third", svaml=HANG_UP), "leg"),
        (rest.UpdateLeg(call_id=ID, svaml=sinch.Svaml(instructions=(sinch.StopRecording(),), action=sinch.Continue())),
         "$.instructions[0].name"),
        (rest.GetConference(conference_id=".."), "conference_id"),
        (rest.KickAll(conference_id=""), "conference_id"),
        (rest.KickParticipant(conference_id="room", call_id=".."), "call_id"),
        (rest.UpdateParticipant(conference_id="room", call_id=ID, command="shout"), "command"),
        (rest.UpdateParticipant(conference_id="room", call_id=ID, command="mute", moh="music1"), "moh"),
        (rest.UpdateParticipant(conference_id="room", call_id=ID, command="onhold", moh="ringing"), "moh"),
        (rest.AssignNumbers(numbers=()), "numbers"),
        (rest.AssignNumbers(numbers=("+46000000001",) * 101), "numbers"),
        (rest.AssignNumbers(numbers=("46000000001",)), "numbers[0]"),
        (rest.AssignNumbers(numbers=("+46000000001",), capability="fax"), "capability"),
        (rest.UnassignNumber(number="+46000000001", application_key=".."), "application_key"),
        (rest.GetCallbacks(application_key=".."), "application_key"),
        (rest.UpdateCallbacks(application_key=KEY, primary=""), "primary"),
        (rest.UpdateCallbacks(application_key=KEY, primary="https://a b"), "primary"),
        (rest.UpdateCallbacks(application_key=KEY, primary="https://["), "primary"),
        (rest.UpdateCallbacks(application_key=KEY, primary="https://a.example.com", fallback="ftp://b"), "fallback"),
        (rest.QueryNumber(number="0700"), "number"),
    ],
)  # fmt: skip
def test_what_the_platform_would_refuse_is_refused_here(operation: rest.Operation[Any], path: str) -> None:
    """With the place; nothing is written."""
    (fault, *_) = rest.check(operation)
    assert fault.path == path
    with pytest.raises(Invalid) as refused:
        rest.signed(operation, KEY, SECRET, NOW)
    assert refused.value.where == path
    with pytest.raises(Invalid):
        rest.basic(operation, KEY, SECRET)


def test_older_documents_allow_more() -> None:
    """A parked call may be connected, when the check is not strict."""
    update = rest.UpdateCall(call_id=ID, svaml=ICE)
    assert rest.check(update) and not rest.check(update, strict=False)
    assert rest.signed(update, KEY, SECRET, NOW, strict=False).body == ICE.to_json()


# -- replies -----------------------------------------------------------------------------------------------------------


def read(operation: rest.Operation[Any], said: Any, status: int = 200) -> Any:
    return rest.read(operation, status, said if isinstance(said, bytes) else json.dumps(said).encode())


def test_a_call_is_read_liberally() -> None:
    """Types in any case, numbers without their plus sign, times without zone, what is not known kept."""
    info = read(
        rest.GetCall(call_id=ID),
        b"""{"from": {"type": "Username", "endpoint": "alice"}, "to": {"type": "Number", "endpoint": "46730170101"},
        "domain": "PSTN", "callid": "x", "duration": "42", "status": "final", "result": "answered", "reason": "CalleeHangup",
        "timestamp": "2024-01-08T09:48:12", "custom": {"a": 1}, "userRate": {"currencyId": null, "amount": 0.0368},
        "debit": {"currencyId": "EUR", "amount": 0.10000000000000000555}, "extra": [1]}""",
    )
    assert (info.status, info.result, info.reason, info.domain) == ("FINAL", "ANSWERED", "CALLEEHANGUP", "pstn")
    assert (info.from_.type, info.from_.endpoint, info.to.endpoint) == ("username", "alice", "+46730170101")
    assert (info.call_id, info.duration) == ("x", 42)
    assert info.debit.amount == Decimal("0.10000000000000000555")
    assert info.timestamp == datetime(2024, 1, 8, 9, 48, 12, tzinfo=UTC)
    assert info.other == {"custom": {"a": 1}, "extra": [1]}


@pytest.mark.parametrize("name", ["callId", "callid"])
def test_a_callout_answers_its_call(name: str) -> None:
    """As documents of today and of yesterday spell it."""
    assert read(TTS, {name: ID}).call_id == ID


@pytest.mark.parametrize("said", [{}, {"callId": ""}, {"callId": None}, {"callId": 5}])
def test_a_callout_without_its_call_is_no_answer(said: Any) -> None:
    """The phone may be ringing all the same."""
    with pytest.raises(PlatformFailed, match=r"\$.callId") as failed:
        read(TTS, said)
    assert failed.value.may_be_done


def test_participants_are_read_one_by_one() -> None:
    """One that says nothing usable does not hide the others."""
    said = {
        "participants": [
            {"cli": "46708168731", "id": "a", "duration": 14, "muted": True, "onhold": "x"},
            7,
            {"id": "b"},
        ]
    }
    conference = read(rest.GetConference(conference_id="room"), said)
    first, second = conference.participants
    assert (first.cli, first.call_id, first.duration, first.is_muted, first.is_on_hold) == (
        "+46708168731",
        "a",
        14,
        True,
        None,
    )
    assert second.call_id == "b"
    assert conference.other == said


@pytest.mark.parametrize(
    ("said", "primary", "fallback"),
    [
        ({"url": {"primary": "https://a", "fallback": "https://b"}}, "https://a", "https://b"),
        ({"url": {"primary": "https://a"}}, "https://a", ""),
        ({"url": ["https://a", "https://b", "https://c"]}, "https://a", "https://b"),
        ({"url": "https://a"}, "https://a", ""),
        ({"url": {"primary": None}}, "", ""),
        ({}, "", ""),
    ],
)
def test_callback_urls_are_read(said: Any, primary: str, fallback: str) -> None:
    """In the forms of all documents."""
    urls = read(rest.GetCallbacks(application_key=KEY), said)
    assert (urls.primary, urls.fallback) == (primary, fallback)


def test_numbers_are_read() -> None:
    """Assigned or not."""
    said = {
        "numbers": [{"number": "+46000000001", "applicationkey": KEY, "capability": "voice"}, {"number": "46000000002"}]
    }
    first, second = read(rest.GetNumbers(), said).numbers
    assert (first.number, first.application_key, first.capability) == ("+46000000001", KEY, "voice")
    assert (second.number, second.application_key) == ("+46000000002", "")


@pytest.mark.parametrize("name", ["number", "numberItem"])
def test_what_kind_of_number_it_is(name: str) -> None:
    """Under either name; without one there is no answer."""
    found = {
        "countryId": "SE", "numberType": "Mobile", "normalizedNumber": "+46730170101", "restricted": False,
        "rate": {"currencyId": "USD", "amount": 0.0368},
    }  # fmt: skip
    info = read(rest.QueryNumber(number="+46730170101"), {name: found})
    assert (info.country_id, info.number_type, info.restricted) == ("SE", "mobile", False)
    assert (info.normalized_number, info.rate.amount) == ("+46730170101", Decimal("0.0368"))
    with pytest.raises(PlatformFailed, match=r"\$.number"):
        read(rest.QueryNumber(number="+46730170101"), {})


@pytest.mark.parametrize("body", [b"", b"{}", b"ok", b"<html>"])
@pytest.mark.parametrize("status", [200, 202, 204])
def test_orders_are_done_with_any_2xx(status: int, body: bytes) -> None:
    """Pages disagree about which one, and nothing is expected in it."""
    assert rest.read(rest.UpdateCall(call_id=ID, svaml=HANG_UP), status, body) is None


@pytest.mark.parametrize(
    ("status", "said", "code", "reference", "is_retryable"),
    [
        (404, {"errorCode": 40400, "message": "Call not found", "reference": "38188074-abcd"}, 40400, "38188074-abcd", False),
        (404, {"errorCode": "40400"}, 40400, "", False),
        (400, {"errorCode": 40001, "status": "x"}, 40001, "", False),
        (400, {"errorCode": 49999}, 49999, "", False),
        (402, {"errorCode": 40200}, 40200, "", False),
        (429, {}, 0, "", True),
        (408, [], 0, "", True),
        (500, {"errorCode": 50000}, 50000, "", True),
        (503, {"errorCode": 50300, "reference": "a b"}, 50300, "", True),
        (418, {"errorCode": True, "reference": 5}, 0, "", False),
        (400, {"errorCode": -40001}, 0, "", False),
        (400, {"errorCode": 1e22}, 0, "", False),
        (400, {"errorCode": 40000.5}, 0, "", False),
    ],
)  # fmt: skip
def test_errors_are_typed(status: int, said: Any, code: int, reference: str, is_retryable: bool) -> None:  # noqa: FBT001
    """By the platform's number for them, as a number or as text, or by the status alone."""
    with pytest.raises(PlatformRefused) as refused:
        read(rest.GetCall(call_id=ID), said, status)
    error = refused.value
    assert (error.status, error.code, error.reference, error.is_retryable) == (status, code, reference, is_retryable)
    assert str(code or status) in str(error)


def test_the_platforms_words_are_kept_apart() -> None:
    """They may hold what was sent, and anything else: printable, in short, and not in the message."""
    with pytest.raises(PlatformRefused) as refused:
        read(TTS, {"errorCode": 40001, "message": "bad number 46000000001\x1b[31m\n" + "x" * 1000}, 400)
    assert "46000000001" not in str(refused.value)
    assert refused.value.words.startswith("bad number 46000000001 [31m ") and len(refused.value.words) == 300


# -- hosts -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resource", "base"),
    [
        ("https://calling-euc1.api.sinch.com/calling/v1/calls/id/x", "https://calling-euc1.api.sinch.com"),
        ("https://CALLING.api.sinch.com:443/x", "https://calling.api.sinch.com"),
        ("http://calling-euc1.api.sinch.com/x", None),
        ("https://calling-euc1.api.sinch.com:8443/x", None),
        ("https://calling-euc1.api.sinch.com@evil.example.com/x", None),
        ("https://user@calling-euc1.api.sinch.com/x", None),
        ("https://calling-euc1.api.sinch.com.evil.example.com/x", None),
        ("https://calling-euc1.api.sinch.com\\@evil.example.com/x", None),
        ("https://calling-eviL.api.sinch.com/x", None),
        ("https://[::1", None),
        ("https://calling.api.sinch.com:port/", None),
        ("//calling.api.sinch.com/", None),
        ("", None),
    ],
)
def test_a_calls_own_address_chooses_among_known_hosts(resource: str, base: str | None) -> None:
    """And among no others, however it is dressed up."""
    assert rest.base_of(resource) == base


def test_a_wire_request_is_what_it_makes() -> None:
    """So that whoever has an HTTP client of their own can use it."""
    assert isinstance(rest.signed(rest.GetNumbers(), KEY, SECRET, NOW), WireRequest)
