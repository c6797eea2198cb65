"""From the wire to neutral words and back: what an event means, whether it can be acted upon, and how it is answered."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from callgate.errors import DecisionUnsupported
from callgate.protocol import PROVIDERS, WireRequest, sinch
from callgate.protocol.call import (
    Acknowledge,
    CallAnswered,
    CallArrived,
    CallEnded,
    CallEvent,
    CallInput,
    CallKey,
    CallNoted,
    CallResult,
    CallUnusable,
    Connect,
    Decision,
    Endpoint,
    EndpointKind,
    GoOn,
    HangUp,
    Origin,
    Price,
)

CALLBACKS = Path(__file__).parents[2] / "callbacks/sinch"
CUSTOMER = "94983f76-1161-6655-9515-4785c7b67dd8"
CALL = "4398599d1ba84ef3bde0a82dfb61abed"
ICE = {"event": "ice", "callid": "c-1", "to": {"type": "number", "endpoint": "+46708000000"}}


def understand(body: object, key: str = CUSTOMER) -> Any:
    """Understand a body that this application signed; verifying is not asked of `understand`."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"application {key}:c2ln"} if key else {}
    return sinch.understand(WireRequest(method="POST", path="/", headers=headers, body=sent))


def example(name: str) -> Any:
    """Understand an example event, signed by the application that it names."""
    body = (CALLBACKS / f"{name}.json").read_bytes()
    return understand(body, json.loads(body).get("applicationKey", CUSTOMER))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_call_from_an_app_to_a_phone() -> None:
    """The user is proven by the origin, and what the app attached comes along."""
    call = example("ice-inapp-to-pstn")
    assert call == CallArrived(
        key=CallKey(CUSTOMER, "0b1c5b1c-6a0f-4b0a-9a57-3c6f1f0c7a11"),
        name="ice",
        occurred_at=at("2023-04-21T14:45:51"),
        custom='{"foo":"x"}',
        destination=Endpoint(EndpointKind.NUMBER, "+46730170101"),
        fingerprint=call.fingerprint,
        user="alice",
        cli=None,
        origin=Origin.IN_APP,
        provider_rate=Price(Decimal("0.0368"), "USD"),
        headers={"foo": "x"},
        extra={"sinch": {"domain": "pstn"}},
    )


def test_a_call_from_a_phone_to_a_rented_number() -> None:
    """Nobody is proven here, whatever number is shown; our number is told apart from others."""
    call = example("ice-pstn-2015")
    assert call.key.call_id == "241b8ab35e0e83814c4e775a66cf50db@193.45.63.102"
    assert (call.user, call.cli, call.origin) == (None, "+46708168731", Origin.PHONE)
    assert call.destination == Endpoint(EndpointKind.DID, "+462010000188")


def test_a_call_keeps_its_own_address() -> None:
    """As the platform wrote it; one that cannot be stored as it is counts as none."""
    assert example("ice-pstn").resource == f"https://calling-euc1.api.sinch.com/calling/v1/calls/id/{CALL}"
    for odd in ("", "https://calling.api.sinch.com/\n", "x" * 1_001):
        assert understand(ICE | {"callResourceUrl": odd}).resource == ""


def test_what_neutral_words_cannot_say_rides_along() -> None:
    """Under the provider's name and in its spelling, and only what was said."""
    assert example("ice-pstn").extra == {"sinch": {"domain": "pstn"}}
    more = {"rdnis": "+46700000000", "conferenceId": "room", "cookies": [{"key": "a", "value": "b"}]}
    assert understand(ICE | more).extra == {"sinch": {**more, "cookies": {"a": "b"}}}
    assert understand(ICE).extra == {}


@pytest.mark.parametrize(
    ("spelled", "origin"),
    [
        ("mxp", Origin.IN_APP),
        ("MXP", Origin.IN_APP),
        ("Mxp", Origin.IN_APP),
        ("pstn", Origin.PHONE),
        ("PSTN", Origin.PHONE),
        ("sip", Origin.SIP),
        ("server", Origin.SERVER),
        ("", Origin.UNKNOWN),
        (" mxp", Origin.UNKNOWN),
        ("satellite", Origin.UNKNOWN),
        (None, Origin.UNKNOWN),
        (["mxp"], Origin.UNKNOWN),
    ],
)
def test_origins(spelled: object, origin: Origin) -> None:
    """Only the platform's own word in any case proves an in-app caller."""
    assert understand(ICE | {"originationType": spelled}).origin is origin


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("number", EndpointKind.NUMBER),
        ("Number", EndpointKind.NUMBER),
        ("did", EndpointKind.DID),
        ("DID", EndpointKind.DID),
        ("username", EndpointKind.USER),
        ("userName", EndpointKind.USER),
        ("sip", EndpointKind.SIP),
        ("conference", EndpointKind.CONFERENCE),
        ("email", EndpointKind.UNKNOWN),
        ("", EndpointKind.UNKNOWN),
        (None, EndpointKind.UNKNOWN),
    ],
)
def test_destinations(kind: object, expected: EndpointKind) -> None:
    """What kind of thing is dialled is the platform's word, never a guess from how the address looks."""
    call = understand(ICE | {"to": {"type": kind, "endpoint": "46708000000"}})
    is_number = expected in {EndpointKind.NUMBER, EndpointKind.DID}
    assert call.destination == Endpoint(expected, "+46708000000" if is_number else "46708000000")


def test_equal_fingerprints_mean_the_same_call() -> None:
    """Spellings of the same caller, destination and origin are the same call; what is not about those does not count."""
    whole = ICE | {"user": "alice", "cli": "+46700000001", "originationType": "mxp"}
    first = understand(whole).fingerprint
    for same in (
        {"cli": "46700000001"},
        {"cli": "Alice <+46700000001>"},
        {"to": {"type": "Number", "endpoint": "46708000000"}},
        {"originationType": "MXP"},
        {"callid": "c-2", "timestamp": "2024-01-01T00:00:00Z", "custom": "x", "userRate": {"amount": 1}, "new": 1},
    ):
        assert understand(whole | same).fingerprint == first
    others = [
        {"user": "bob"},
        {"user": "Alice"},
        {"user": None},
        {"cli": "+46700000002"},
        {"cli": "private"},
        {"cli": "MyCompany"},
        {"to": {"type": "did", "endpoint": "+46708000000"}},
        {"to": {"type": "number", "endpoint": "+46708000001"}},
        {"originationType": "pstn"},
    ]
    assert len({first, *(understand(whole | other).fingerprint for other in others)}) == len(others) + 1


def test_a_withheld_number_has_one_fingerprint() -> None:
    """Withheld, empty and absent are the same, and no number stands in a fingerprint."""
    withheld = [understand(ICE | cli).fingerprint for cli in ({}, {"cli": ""}, {"cli": None}, {"cli": "Private"})]
    assert len(set(withheld)) == 1
    assert "46708000000" not in withheld[0]


def test_parts_of_a_fingerprint_do_not_run_together() -> None:
    """What ends one part cannot begin the next."""
    one = understand(ICE | {"user": 'a","b', "cli": "c"})
    other = understand(ICE | {"user": "a", "cli": 'b","c'})
    assert one.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("status", "is_machine"), [("machine", True), ("Machine", True), ("human", False), ("notsure", None), ("", None)]
)
def test_an_answered_call(status: str, is_machine: bool | None) -> None:  # noqa: FBT001 - one of three answers
    """The verdict on who answered is told where there is one."""
    assert example("ace").is_machine is None
    assert example("ace").occurred_at == at("2014-09-24T10:59:41")
    call = understand({"event": "ace", "callid": "c", "amd": {"status": status, "reason": "beep"}})
    assert isinstance(call, CallAnswered)
    assert call.is_machine is is_machine


def test_menus() -> None:
    """What was chosen or entered, in which menu; a repeat has the same fingerprint and nothing else has."""
    chosen, entered = example("pie-return"), example("pie-sequence")
    assert isinstance(chosen, CallInput)
    assert (chosen.menu, chosen.kind, chosen.value) == ("main", "return", "support")
    assert (entered.menu, entered.kind, entered.value) == ("sub", "sequence", "4711")
    assert entered.extra == {"sinch": {"inputMethod": "dtmf", "cookies": {"step": "ivr"}}}
    whole = json.loads((CALLBACKS / "pie-return.json").read_text())
    assert understand(whole | {"custom": "x"}).fingerprint == chosen.fingerprint
    for other in ({"timestamp": "2024-01-15T10:30:11Z"}, {"menuResult": whole["menuResult"] | {"value": "x"}}):
        assert understand(whole | other).fingerprint != chosen.fingerprint
    assert understand({"event": "pie", "callid": "c"}).menu == ""


def test_an_ended_call() -> None:
    """Seconds, debit and reason as told; a time limit is a cut."""
    talked = example("dice-answered")
    assert talked == CallEnded(
        key=CallKey(CUSTOMER, CALL),
        name="dice",
        occurred_at=at("2024-01-15T10:35:00"),
        result=CallResult.ANSWERED,
        reason="calleehangup",
        duration_s=295,
        debit=Price(Decimal("0.05"), "USD"),
    )
    rang = example("dice-noanswer")
    assert (rang.result, rang.reason, rang.is_cut, rang.duration_s) == (CallResult.NO_ANSWER, "timeout", True, None)
    assert rang.destination == Endpoint(EndpointKind.NUMBER, "+14045005000")


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("ANSWERED", CallResult.ANSWERED),
        ("Answered", CallResult.ANSWERED),
        ("BUSY", CallResult.BUSY),
        ("NOANSWER", CallResult.NO_ANSWER),
        ("FAILED", CallResult.FAILED),
        ("N/A", CallResult.NONE),
        ("n/a", CallResult.NONE),
        ("DENIED", CallResult.OTHER),
        ("", CallResult.OTHER),
        (None, CallResult.OTHER),
        (7, CallResult.OTHER),
    ],
)
def test_results(result: object, expected: CallResult) -> None:
    """A result that we do not know is none of those that we know."""
    assert understand({"event": "dice", "callid": "c", "result": result}).result is expected


@pytest.mark.parametrize(
    ("told", "duration_s"),
    [
        (1, 1),
        (864_000, 864_000),
        ("65", 65),
        (65.0, 65),
        (0, None),
        (None, None),
        (-1, None),
        (864_001, None),
        (2**63, None),
        (65.5, None),
        (True, None),
        ("long", None),
        ([65], None),
    ],
)
def test_durations(told: object, duration_s: int | None) -> None:
    """A duration that cannot be believed counts as none, so that the provider is asked; none is made up."""
    assert understand({"event": "dice", "callid": "c", "duration": told}).duration_s == duration_s


@pytest.mark.parametrize(
    ("unit", "currency"), [("USD", "USD"), ("eur", "EUR"), (None, None), ("", None), ("dollars", None), (5, None)]
)
def test_debits(unit: object, currency: str | None) -> None:
    """The amount in its digits, and a currency where one is named that there is."""
    body = b'{"event":"dice","callid":"c","debit":{"amount":0.10,"currencyId":%s}}' % json.dumps(unit).encode()
    debit = understand(body).debit
    assert (str(debit.amount), debit.currency) == ("0.10", currency)


def test_reports() -> None:
    """A notification says its kind; what it carries rides along."""
    noted = example("notify-callingerror")
    assert isinstance(noted, CallNoted)
    assert noted.kind == "callingerror"
    assert noted.extra == {"sinch": {"errorCode": 40001, "errorMsg": "Illegal SVAML"}}
    assert example("notify-recording-available").kind == "recording_available"


@pytest.mark.parametrize(
    ("change", "why", "call_id"),
    [
        ({"callid": None}, "no call id", ""),
        ({"callid": ""}, "no call id", ""),
        ({"callid": 5}, "no call id", ""),
        ({"callid": "x" * 257}, "call id", ""),
        ({"callid": "a\nb"}, "call id", ""),
        ({"callid": "a\x00b"}, "call id", ""),
        ({"to": None}, "no destination", "c-1"),
        ({"to": "+46708000000"}, "no destination", "c-1"),
        ({"to": {"type": "number"}}, "no destination", "c-1"),
        ({"to": {"type": "number", "endpoint": ""}}, "no destination", "c-1"),
        ({"to": {"type": "number", "endpoint": 46708000000}}, "no destination", "c-1"),
        ({"to": {"type": "sip", "endpoint": "a\x00@b"}}, "destination", "c-1"),
        ({"to": {"type": "sip", "endpoint": "a" * 257}}, "destination", "c-1"),
        ({"user": "a\x1fb"}, "user", "c-1"),
        ({"user": "a" * 257}, "user", "c-1"),
    ],
)
def test_a_call_that_cannot_be_set_up(change: dict[str, Any], why: str, call_id: str) -> None:
    """Without a usable call id, destination or user there is nothing to decide, but the platform waits."""
    call = understand(ICE | change)
    assert isinstance(call, CallUnusable)
    assert why in call.why
    assert call.wants_decision
    assert call.key == CallKey(CUSTOMER, call_id)
    assert sinch.answer(call, HangUp()).body == b'{"action":{"name":"hangup"}}'
    assert sinch.answer(call, Acknowledge()).body == b"{}"


@pytest.mark.parametrize(
    ("body", "wants_decision", "name"),
    [
        ({"event": "ice"}, True, "ice"),
        ({"event": "pie"}, True, "pie"),
        ({"event": "ace"}, False, "ace"),
        ({"event": "dice"}, False, "dice"),
        ({"event": "notify", "type": "x"}, False, "notify"),
        ({"event": "Telepathy" * 100, "callid": "c"}, False, ("telepathy" * 100)[:64]),
        ({"callid": "c"}, False, ""),
        ({"event": ["ice"], "callid": "c"}, False, ""),
        ({}, False, ""),
    ],
)
def test_an_event_that_cannot_be_used(body: dict[str, Any], wants_decision: bool, name: str) -> None:  # noqa: FBT001
    """Unknown events and events of no call are told as such; only ICE and PIE wait for an answer."""
    event = understand(body)
    assert isinstance(event, CallUnusable)
    assert (event.wants_decision, event.name) == (wants_decision, name)


def test_the_body_belongs_to_who_signed() -> None:
    """One application cannot send another's events; keys are GUIDs, whose case says nothing."""
    assert understand(ICE | {"applicationKey": CUSTOMER}).key.application == CUSTOMER
    assert understand(ICE | {"applicationKey": CUSTOMER.upper()}).key.application == CUSTOMER
    assert understand(ICE | {"applicationKey": None}).key.application == CUSTOMER
    assert understand(ICE).key.application == CUSTOMER
    for other in ("other", 5, [CUSTOMER], {"x": CUSTOMER}):
        with pytest.raises(sinch.SignatureInvalid) as refused:
            understand(ICE | {"applicationKey": other})
        assert refused.value.ingredient == "application"


def test_an_unsigned_body_belongs_to_whom_it_names() -> None:
    """Where an operator lets unsigned callbacks pass, the body is all there is."""
    assert understand(ICE | {"applicationKey": "mine"}, key="").key.application == "mine"
    assert understand(ICE, key="").key.application == ""


ARRIVED, ANSWERED, PRESSED = understand(ICE), example("ace"), example("pie-return")
ENDED, NOTED, STRANGE = example("dice-answered"), example("notify-callingerror"), understand({"event": "?"})


@pytest.mark.parametrize("event", [ARRIVED, PRESSED], ids=lambda event: event.name)
def test_connecting_says_all_that_was_decided(event: CallEvent) -> None:
    """The number, who is shown and how long are always written, in these very bytes."""
    shown = Connect(number="+46708000000", max_duration_s=600, cli="+46700000001")
    assert sinch.answer(event, shown).body == (
        b'{"action":{"name":"connectPstn","number":"+46708000000","maxDuration":600,"cli":"+46700000001"}}'
    )
    hidden = Connect(number="112", max_duration_s=14_400)
    reply = sinch.answer(event, hidden)
    assert reply.body == b'{"action":{"name":"connectPstn","number":"112","maxDuration":14400,"cli":"private"}}'
    assert (reply.status, reply.content_type) == (200, "application/json")
    assert sinch.check(reply.body, event=event.name) == []


@pytest.mark.parametrize(
    ("event", "decision", "body"),
    [
        (ARRIVED, HangUp(), b'{"action":{"name":"hangup"}}'),
        (ANSWERED, GoOn(), b'{"action":{"name":"continue"}}'),
        (ANSWERED, HangUp(), b'{"action":{"name":"hangup"}}'),
        (PRESSED, GoOn(), b'{"action":{"name":"continue"}}'),
        (PRESSED, HangUp(), b'{"action":{"name":"hangup"}}'),
        (PRESSED, Acknowledge(), b"{}"),
        (ENDED, Acknowledge(), b"{}"),
        (NOTED, Acknowledge(), b"{}"),
        (STRANGE, Acknowledge(), b"{}"),
    ],
)
def test_answers(event: CallEvent, decision: Decision, body: bytes) -> None:
    """Each decision has one form of bytes."""
    assert sinch.answer(event, decision).body == body


@pytest.mark.parametrize(
    ("event", "decision"),
    [
        (ARRIVED, GoOn()),
        (ARRIVED, Acknowledge()),
        (ANSWERED, Acknowledge()),
        (ANSWERED, Connect(number="+46708000000", max_duration_s=60)),
        (ENDED, GoOn()),
        (ENDED, Connect(number="+46708000000", max_duration_s=60)),
        (NOTED, GoOn()),
        (STRANGE, Connect(number="+46708000000", max_duration_s=60)),
        (ARRIVED, Connect(number="+46708000000", max_duration_s=0)),
        (ARRIVED, Connect(number="+46708000000", max_duration_s=14_401)),
    ],
)
def test_answers_that_sinch_does_not_know(event: CallEvent, decision: Decision) -> None:
    """What the platform would not understand, or would cut short, is not sent."""
    with pytest.raises(DecisionUnsupported):
        sinch.answer(event, decision)


def test_the_provider_is_on_the_list() -> None:
    """The module itself is the provider."""
    assert PROVIDERS["sinch"] is sinch
