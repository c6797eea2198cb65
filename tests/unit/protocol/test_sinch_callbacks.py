"""Reading the platform's events: as documented, as spelled elsewhere, and as nobody should send them."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callgate.protocol import WireRequest, sinch

EXAMPLES = {
    path.stem: path.read_bytes() for path in sorted((Path(__file__).parents[2] / "callbacks/sinch").glob("*.json"))
}


def read(body: object) -> Any:
    """Read a body, given as bytes or as what becomes JSON."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return sinch.read(WireRequest(method="POST", path="/", headers={}, body=sent))


def malformed(body: bytes) -> str:
    """Return the explanation with which a body is refused."""
    with pytest.raises(sinch.CallbackMalformed) as refused:
        read(body)
    assert refused.value.status_hint == 400
    assert len(str(refused.value)) < 300
    return refused.value.explanation


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


CUSTOMER = "94983f76-1161-6655-9515-4785c7b67dd8"
CALL = "4398599d1ba84ef3bde0a82dfb61abed"
FREE = sinch.Money(amount=Decimal("0.0"), currency_id="USD")

EXPECTED = {
    "ice-pstn": sinch.Ice(
        callid=CALL,
        call_resource_url=f"https://calling-euc1.api.sinch.com/calling/v1/calls/id/{CALL}",
        timestamp=at("2024-01-15T10:30:00"),
        version=1,
        application_key=CUSTOMER,
        cli_text="+14045001000",
        to=sinch.Destination(type="number", text="+14045005000"),
        domain="pstn",
        origination_type="pstn",
        user_rate=FREE,
    ),
    "ice-pstn-2015": sinch.Ice(
        callid="241b8ab35e0e83814c4e775a66cf50db@193.45.63.102",
        timestamp=at("2015-08-06T13:55:39"),
        version=1,
        user_rate=FREE,
        cli_text="46708168731",
        to=sinch.Destination(type="did", text="+462010000188"),
        domain="pstn",
        application_key="94983f76-12c8-4cb9-9515-4785c7b49ca8",
        origination_type="pstn",
        duration=0,
    ),
    "ice-inapp-to-pstn": sinch.Ice(
        callid="0b1c5b1c-6a0f-4b0a-9a57-3c6f1f0c7a11",
        timestamp=at("2023-04-21T14:45:51"),
        version=1,
        custom='{"foo":"x"}',
        user="alice",
        user_rate=sinch.Money(amount=Decimal("0.0368"), currency_id="USD"),
        cli_text="private",
        to=sinch.Destination(type="number", text="+46730170101"),
        domain="pstn",
        application_key=CUSTOMER,
        origination_type="mxp",
        call_headers=(sinch.Pair(key="foo", value="x"),),
    ),
    "ice-inapp-conference": sinch.Ice(
        callid="5f2a9d50-1d3e-4a7b-8d54-0d2b2b2f9c01",
        timestamp=at("2023-04-21T14:45:51"),
        version=1,
        user="InApp-caller",
        user_rate=sinch.Money(amount=Decimal(0)),
        to=sinch.Destination(type="conference", text="InAppToPSTN"),
        domain="mxp",
        application_key=CUSTOMER,
        origination_type="mxp",
    ),
    "ace": sinch.Ace(callid="822aa4b7-05b4-4d83-87c7-1f835ee0b6f6_257", timestamp=at("2014-09-24T10:59:41"), version=1),
    "ace-amd": sinch.Ace(
        callid=CALL,
        timestamp=at("2024-01-15T10:30:05"),
        version=1,
        application_key=CUSTOMER,
        amd=sinch.Amd(status="machine", reason="n/a", duration=4),
    ),
    "pie-return": sinch.Pie(
        callid=CALL,
        timestamp=at("2024-01-15T10:30:10"),
        version=1,
        application_key=CUSTOMER,
        menu_result=sinch.MenuResult(menu_id="main", type="return", value="support", input_method="dtmf"),
    ),
    "pie-sequence": sinch.Pie(
        callid=CALL,
        timestamp=at("2024-01-15T10:30:12"),
        version=1,
        custom="order-17",
        application_key=CUSTOMER,
        menu_result=sinch.MenuResult(menu_id="sub", type="sequence", value="4711", input_method="dtmf"),
        cookies=(sinch.Pair(key="step", value="ivr"),),
    ),
    "dice-answered": sinch.Dice(
        callid=CALL,
        timestamp=at("2024-01-15T10:35:00"),
        version=1,
        application_key=CUSTOMER,
        reason="CALLEEHANGUP",
        result="ANSWERED",
        duration=295,
        debit=sinch.Money(amount=Decimal("0.05"), currency_id="USD"),
        user_rate=sinch.Money(amount=Decimal("0.01"), currency_id="USD"),
    ),
    "dice-noanswer": sinch.Dice(
        callid="7d3c8a5e2f8d4f05a1b6f1d9d1a8c0e2",
        timestamp=at("2024-01-15T10:31:00"),
        reason="TIMEOUT",
        result="NOANSWER",
        version=1,
        debit=FREE,
        user_rate=sinch.Money(amount=Decimal("0.01"), currency_id="USD"),
        to=sinch.Destination(type="number", text="+14045005000"),
        application_key=CUSTOMER,
        from_text="private",
    ),
    "notify-recording-available": sinch.Notify(
        callid="01234567-89ab-cdef-fedc-ba9876543210",
        version=1,
        type="recording_available",
        destination="https://www.sinch.com/calling/v1/recording/201801010000_01234567-89ab-cdef-fedc-ba9876543210"
        "_01234567-89ab-cdef-fedc-ba9876543210.mp3",
    ),
    "notify-callingerror": sinch.Notify(
        callid=CALL, version=1, type="callingerror", error_code=40001, error_msg="Illegal SVAML", user="alice"
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_read_to_the_last_field(name: str) -> None:
    """Every documented event comes out as its struct, and nothing of it is left over."""
    event = read(EXAMPLES[name])
    assert event == EXPECTED[name]
    assert type(event) is type(EXPECTED[name])
    assert event.event == name.partition("-")[0]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_unknown_field_changes_nothing_else(name: str) -> None:
    """A field that nobody documented is kept under its name, and all others are read as they are without it."""
    body = json.loads(EXAMPLES[name]) | {"newField": {"a": [1, 2.5, None]}}
    event = read(body)
    assert event.other == {"newField": {"a": [1, Decimal("2.5"), None]}}
    assert msgspec.structs.replace(event, other=sinch.Other()) == EXPECTED[name]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_field_may_be_missing_null_or_absurd(name: str) -> None:
    """Taking a field away, sending null for it or something of another type never makes more of the event unreadable."""
    whole = json.loads(EXAMPLES[name])
    for field in set(whole) - {"event"}:
        without = {key: value for key, value in whole.items() if key != field}
        expected = read(without)
        assert not expected.other
        assert read(whole | {field: None}) == expected
        for absurd in ([[1]], {"x": {}}, -1.5, True):
            event = read(whole | {field: absurd})
            if field not in event.other:
                continue  # a flag may be true, and an object of nothing we know may stand for an empty one
            assert event.other[field] == (Decimal("-1.5") if absurd == -1.5 else absurd)
            if not isinstance(absurd, dict):
                assert msgspec.structs.replace(event, other=sinch.Other()) == expected


def test_one_pair_is_no_list_of_pairs() -> None:
    """A single object where an array of them is due says nothing, and is kept as it is."""
    event = read(
        {
            "event": "ice",
            "callid": "a",
            "cookies": {"key": "a", "value": "b"},
            "callHeaders": {"key": "a", "value": "b"},
        }
    )
    assert event.cookies == () and event.call_headers == ()
    assert event.other == {"cookies": {"key": "a", "value": "b"}, "callHeaders": {"key": "a", "value": "b"}}


def test_spellings_of_the_same() -> None:
    """Older and other spellings are read as today's: the call id's name, cases of words, numbers without a plus."""
    event = read(
        {
            "event": "ICE",
            "callId": "c-1",
            "domain": "PSTN",
            "originationType": "Mxp",
            "cli": "46708000000",
            "to": {"type": "DID", "endpoint": "0046850000000", "verified": None},
            "userRate": {"currencyId": None, "amount": "0.5", "formatted": "0.50"},
            "timestamp": "2024-01-08T09:48:12.5",
            "version": "1",
            "duration": 3.0,
        }
    )
    assert isinstance(event, sinch.Ice)
    assert (event.callid, event.domain, event.origination_type) == ("c-1", "pstn", "mxp")
    assert (event.cli, event.cli_text) == ("+46708000000", "46708000000")
    assert (event.to.type, event.to.endpoint, event.to.text) == ("did", "+46850000000", "0046850000000")
    assert event.user_rate == sinch.Money(amount=Decimal("0.5"), formatted="0.50")
    assert event.timestamp == datetime(2024, 1, 8, 9, 48, 12, 500_000, tzinfo=UTC)
    assert (event.version, event.duration, event.other) == (1, 3, {})


def test_of_two_call_ids_the_documented_one_counts() -> None:
    """`callid` goes before `callId`, unless it is none."""
    assert read({"event": "ace", "callid": "a", "callId": "b"}).callid == "a"
    assert read({"event": "ace", "callid": 5, "callId": "b"}).callid == "b"
    assert read({"event": "ace", "callid": None, "callId": "b"}).callid == "b"
    assert read({"event": "ace", "callid": 5}).callid == ""
    assert read({"event": "ace", "callid": 5}).other == {"callid": 5}


@pytest.mark.parametrize(
    ("text", "cli"),
    [
        ("+46708000000", "+46708000000"),
        ("46708000000", "+46708000000"),
        ("Alice <46708000000>", "+46708000000"),
        ("<+46708000000> ", "+46708000000"),
        ("private", "private"),
        ("", ""),
        ("MyCompany", "MyCompany"),
        ("Alice <>", "Alice <>"),
        ("a<b<46708000000>", "a<b<46708000000>"),
        ("0708000000", "0708000000"),
        ("112", "112"),
    ],
)
def test_caller_ids(text: str, cli: str) -> None:
    """A number is found wherever the platform puts one; what is none stays as it came."""
    event = read({"event": "ice", "cli": text})
    assert (event.cli, event.cli_text) == (cli, text)


def test_the_caller_of_an_ended_call() -> None:
    """`from` holds a number, a word, or a user, and a user's name of digits is no number."""
    assert read({"event": "dice", "from": "46708000000"}).from_ == "+46708000000"
    assert read({"event": "dice", "from": "46708000000", "user": "46708000000"}).from_ == "46708000000"
    assert read({"event": "dice", "from": "alice"}).from_ == "alice"


def test_only_numbers_are_read_as_numbers() -> None:
    """A user, a conference or a SIP address of digits stays what it is."""
    for kind in ("username", "userName", "conference", "sip", "email", "websocket", ""):
        assert read({"event": "ice", "to": {"type": kind, "endpoint": "46708000000"}}).to.endpoint == "46708000000"
    assert read({"event": "ice", "to": {"type": "Number", "endpoint": "46708000000"}}).to.endpoint == "+46708000000"
    assert read({"event": "ice", "to": {"type": "number", "endpoint": "112"}}).to.endpoint == "112"


@pytest.mark.parametrize(
    ("stamp", "moment"),
    [
        ("2023-04-21T14:45:51Z", datetime(2023, 4, 21, 14, 45, 51, tzinfo=UTC)),
        ("2023-04-21T14:45:51", datetime(2023, 4, 21, 14, 45, 51, tzinfo=UTC)),
        ("2023-04-21T16:45:51+02:00", datetime(2023, 4, 21, 14, 45, 51, tzinfo=UTC)),
        ("2023-04-21T14:45:51.9999999Z", datetime(2023, 4, 21, 14, 45, 52, tzinfo=UTC)),
        ("0001-01-01T00:00:00+10:00", datetime(1, 1, 1, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
        (1682088351, None),
    ],
)
def test_timestamps(stamp: object, moment: datetime | None) -> None:
    """No zone means UTC, and what is no time is none."""
    event = read({"event": "ace", "timestamp": stamp})
    assert event.timestamp == moment
    assert event.timestamp is None or event.timestamp.tzinfo is UTC
    assert event.other == ({"timestamp": stamp} if moment is None else {})


def test_a_part_that_is_not_as_documented_is_used_and_kept() -> None:
    """What can be used of an object is used; the object is kept whole beside it when something was not."""
    event = read(
        {
            "event": "ice",
            "to": {"type": "number", "endpoint": "+46708000000", "carrier": "x"},
            "userRate": {"currencyId": "USD"},
            "callHeaders": [{"key": "a", "value": "b"}, {"key": "c"}, "d"],
        }
    )
    assert event.to == sinch.Destination(type="number", text="+46708000000")
    assert event.user_rate is None
    assert event.call_headers == (sinch.Pair(key="a", value="b"),)
    assert set(event.other) == {"to", "userRate", "callHeaders"}


def test_money_keeps_its_digits() -> None:
    """An amount is what the body says, not what a binary fraction makes of it."""
    event = read(b'{"event":"dice","debit":{"amount":0.1000,"currencyId":"USD"},"userRate":{"amount":1e-3}}')
    assert str(event.debit.amount) == "0.1000"
    assert event.user_rate.amount == Decimal("0.001")
    assert read(b'{"event":"dice","debit":{"amount":"NaN"}}').debit is None
    assert read(b'{"event":"dice","debit":{"amount":true}}').debit is None


@pytest.mark.parametrize("said", ["amd", "", "ice ", "IÇE", 5, None, True, [], {}])
def test_other_events_are_unknown(said: object) -> None:
    """An event without a name, or with one that we do not know, is read as far as all events are alike."""
    event = read({"event": said, "callid": "c-1", "cli": "x"})
    assert isinstance(event, sinch.UnknownEvent)
    assert event.callid == "c-1"
    assert event.event == (said.lower() if isinstance(said, str) else "")
    kept = {} if said is None or isinstance(said, str) else {"event": said}
    assert event.other == {"cli": "x"} | kept
    assert read({"callid": "c-1"}) == sinch.UnknownEvent(callid="c-1")


def test_names_of_ours_are_not_the_wires() -> None:
    """A body cannot fill what only we fill."""
    event = read({"event": "ice", "other": {"x": 1}, "cli_text": "a", "text": "b", "calls itself": "c"})
    assert event == sinch.Ice(other=sinch.Other({"other": {"x": 1}, "cli_text": "a", "text": "b", "calls itself": "c"}))
    assert read({"event": "x", "calls itself": "ice"}).event == "x"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not JSON"),
        (b"hello", "not JSON"),
        (b'{"event":"ice"', "not JSON"),
        (b'{"event":"ice"} x', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"event":"ice","a":"\x01"}', "not JSON"),
        (b'{"event":"ice","a":01}', "not JSON"),
        (b'{"event":"ice","a":NaN}', "not JSON"),
        (b'{"event":"ice","duration":Infinity}', "not JSON"),
        (b'{"event":"ice","cli":"\\ud800"}', "not JSON"),
        (b'{"event":"ice","cli":"\\ud800\\ud800"}', "not JSON"),
        (b'{"event":"ice","x":"\\udc00"}', "not JSON"),
        (b'{"event":"ice","\\ud800":1}', "not JSON"),
        (b'{"event":"ice","cli":"\xff"}', "not UTF-8"),
        (b'{"event":"ice","x":"\xed\xa0\x80"}', "not UTF-8"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'"ice"', "not a JSON object"),
        (b"7", "not a JSON object"),
        (b'{"event":"ice","x":' + b"[" * 33 + b"]" * 33 + b"}", "nested deeper"),
        (b'{"event":"ice","to":' + b'{"a":' * 33 + b"1" + b"}" * 34, "nested deeper"),
        (b'{"a":' * 10_000, "nested deeper"),
        (b"[" * 60_000, "nested deeper"),
        (b'{"event":"dice","debit":{"amount":1e999999999}}', "out of bounds"),
        (b'{"event":"dice","debit":{"amount":1e-999999999}}', "out of bounds"),
        (b'{"event":"dice","debit":{"amount":' + b"9" * 60_000 + b"}}", "out of bounds"),
        (b'{"event":"dice","debit":{"amount":1.' + b"9" * 60_000 + b"}}", "out of bounds"),
        (b'{"event":"dice","duration":1e999999999}', "out of bounds"),
        (b'{"event":"dice","x":[1E999999999]}', "out of bounds"),
        (b'{"event":"dice","x":1e99999999999999999999}', "out of bounds"),
        (b'{"event":"dice","x":{"y":' + b"9" * 31 + b"}}", "more than 30 digits"),
        (b'{"event":"dice","duration":-' + b"9" * 31 + b"}", "more than 30 digits"),
        (b'{"event":"dice","x":' + b"9" * 60_000 + b"}", "out of range"),
    ],
    ids=lambda value: repr(value[:50]),
)
def test_what_is_no_event_is_malformed(body: bytes, why: str) -> None:
    """Not JSON, not an object, bad UTF-8, halves of characters, depth and numbers without end: all are refused."""
    assert why in malformed(body)


@pytest.mark.timeout(5)
def test_refusing_takes_no_time() -> None:
    """A number with a monstrous exponent is refused before anything is computed with it."""
    for amount in (b"1e999999999", b'"1e999999999"', b"1e-999999999"):
        malformed(b'{"event":"dice","debit":{"amount":' + amount + b"}}")


def test_null_characters_are_replaced() -> None:
    """A NUL, which no database takes, becomes U+FFFD wherever it stands."""
    event = read(b'{"event":"ice","callid":"a\\u0000b","x\\u0000":["\\u0000"],"user":"\\u0000"}')
    assert event.callid == "a\ufffdb"
    assert event.user == "\ufffd"
    assert event.other == {"x\ufffd": ["\ufffd"]}


def test_depth_and_digits_within_bounds_pass() -> None:
    """The bounds are where they are said to be."""
    deep = read(b'{"event":"ice","x":' + b"[" * 31 + b"]" * 31 + b"}")
    assert "x" in deep.other
    long = read(b'{"event":"ice","x":' + b"9" * 30 + b',"debit":1e30}')
    assert long.other["x"] == 10**30 - 1


def test_integers_that_no_column_holds_are_kept_aside() -> None:
    """A duration beyond 64 bits is no duration."""
    event = read({"event": "dice", "duration": 2**63, "version": -(2**63)})
    assert event.duration is None
    assert event.other == {"duration": 2**63}
    assert event.version == -(2**63)


@pytest.mark.parametrize("name", EXAMPLES)
def test_events_are_written_as_they_are_read(name: str) -> None:
    """The same structs write what they read, unknown fields too, so that an emulator speaks as the platform does."""
    event = read(EXAMPLES[name])
    assert read(sinch.write(event)) == event
    stranger = read(json.loads(EXAMPLES[name]) | {"x": [1.50], "version": "?"})
    assert read(sinch.write(stranger)) == stranger


def test_written_events_spell_the_wire() -> None:
    """Names are the wire's, absent fields are absent, amounts are numbers."""
    money = sinch.Money(amount=Decimal("0.10"), currency_id="USD")
    written = sinch.write(sinch.Dice(callid="c", from_text="x", to=sinch.Destination(text="y"), debit=money))
    assert written == (
        b'{"event":"dice","callid":"c","debit":{"amount":0.10,"currencyId":"USD"},"to":{"endpoint":"y"},"from":"x"}'
    )
    assert sinch.write(sinch.UnknownEvent(event="new", callid="c")) == b'{"event":"new","callid":"c"}'
    assert sinch.write(read({"event": 5})) == b'{"event":5}'
