"""Laws of the REST interface: what is written is genuine and reads the same, and no reply of any kind is a surprise."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from callgate.errors import Invalid, PlatformFailed
from callgate.protocol import PROVIDERS, sinch
from callgate.protocol.call import CallEnded, CallKey, CallOngoing
from callgate.protocol.sinch import rest

KEY, SECRET = "669E367E-6BBA-48AB-AF15-266871C28135", "BeIukql3pTKJ8RGL5zo0DA=="
CALL = CallKey(KEY, "c1")

numbers = st.from_regex(r"\A\+[1-9][0-9]{6,14}\Z")
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
ids = st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable() and text not in {".", ".."})
maybe_flags = st.none() | st.booleans()
callees = st.builds(lambda number: sinch.Address(type="number", endpoint=number), numbers) | st.builds(
    lambda user: sinch.Address(type="username", endpoint=user), words
)
times = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - given its zone beside
svaml = st.builds(
    lambda text, action: sinch.Svaml(instructions=(sinch.Say(text=text),), action=action),
    words,
    st.sampled_from([sinch.Continue(), sinch.Hangup()]),
)
operations: st.SearchStrategy[rest.Operation[Any]] = st.one_of(
    st.builds(
        rest.TtsCallout,
        destination=callees, cli=st.none() | numbers, text=words, locale=st.none() | words, custom=st.none() | words,
        enable_ace=maybe_flags, enable_dice=maybe_flags, enable_pie=maybe_flags,
        callback_headers=st.dictionaries(
            st.from_regex(r"\AX-CB-[a-z]{1,26}\Z"), st.from_regex(r"\A[!-~]([ -~]{0,126}[!-~])?\Z"), max_size=5
        ),
    ),
    st.builds(
        rest.ConferenceCallout,
        destination=callees, conference_id=words, greeting=st.none() | words,
        max_duration=st.none() | st.integers(1, 14_400), moh_class=st.none() | st.sampled_from(["ring", "music1"]),
    ),
    st.builds(
        rest.CustomCallout,
        ice=st.builds(lambda number: sinch.Svaml(action=sinch.ConnectPstn(number=number)), numbers),
        ace=st.none() | svaml, max_duration=st.none() | st.integers(1, 14_400),
    ),
    st.builds(rest.GetCall, call_id=ids),
    st.builds(rest.UpdateCall, call_id=ids, svaml=svaml),
    st.builds(rest.UpdateLeg, call_id=ids, svaml=svaml, leg=st.sampled_from(["caller", "callee", "both"])),
    st.builds(rest.KickParticipant, conference_id=ids, call_id=ids),
    st.builds(rest.AssignNumbers, numbers=st.lists(numbers, min_size=1, max_size=100).map(tuple)),
    st.builds(rest.UnassignNumber, number=numbers, capability=st.sampled_from([None, "voice", "sms"])),
    st.builds(rest.QueryNumber, number=numbers),
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from(
    ["callId", "callid", "status", "result", "reason", "duration", "debit", "userRate", "from", "to", "timestamp", "number",
     "participants", "numbers", "url", "primary", "errorCode", "message", "reference", "amount", "currencyId", "other"]
)  # fmt: skip
replies = st.one_of(
    st.binary(max_size=200),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(
        names,
        json_values | st.dictionaries(names, json_values) | st.sampled_from(["FINAL", "ONGOING", "c1", 40400]),
        max_size=6,
    ).map(lambda value: json.dumps(value).encode()),
)
readers: list[rest.Operation[Any]] = [
    rest.GetCall(call_id="c1"), rest.TtsCallout(destination=sinch.Address(type="number", endpoint="+46000000001"), text="Hi"),
    rest.GetConference(conference_id="room"), rest.GetNumbers(), rest.GetCallbacks(application_key=KEY),
    rest.QueryNumber(number="+46000000001"), rest.KickAll(conference_id="room"),
]  # fmt: skip


@given(operations, times)
def test_whatever_is_asked_is_genuine_and_has_one_path(operation: rest.Operation[Any], now: datetime) -> None:
    """The signature holds over what is sent; ids stay inside their segment; the body is the same for the same operation."""
    request = rest.signed(operation, KEY, SECRET, now)
    sinch.verify(request, {KEY: SECRET}, now)
    assert request.path.isascii() and request.path.isprintable() and not set(request.path) & set(" ?#\\")
    assert ".." not in request.path.split("/") and "" not in request.path.split("/")[1:]
    again = rest.signed(operation, KEY, SECRET, now)
    assert again == request
    assert SECRET not in str(request)


@given(operations)
def test_nothing_is_written_that_was_not_said(operation: rest.Operation[Any]) -> None:
    """Absent fields are left out: no null is on the wire, and answers inside a callout read as what they were."""

    def has_null(value: Any) -> bool:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return value is None or any(map(has_null, inner))

    if not operation.body:
        return
    said = json.loads(operation.body)
    assert not has_null(said)
    if isinstance(operation, rest.CustomCallout):
        assert sinch.Svaml.from_json(said["customCallout"]["ice"].encode()) == operation.ice
    if isinstance(operation, rest.UpdateCall):
        assert sinch.Svaml.from_json(operation.body) == operation.svaml


@given(st.sampled_from(readers), st.integers(200, 599), replies)
def test_no_reply_is_a_surprise(operation: rest.Operation[Any], status: int, body: bytes) -> None:
    """It is read, or fails as the platform's failures do; and errors can be shown whatever they hold."""
    failed: PlatformFailed | None = None
    try:
        said = rest.read(operation, status, body)
    except PlatformFailed as error:
        failed = error
    if failed is not None:
        assert str(failed).isprintable() and len(str(failed)) < 500
    else:
        assert status < 300
        assert said is None or isinstance(said, msgspec.Struct)


@given(st.integers(200, 599), replies)
def test_what_is_told_of_a_call_is_about_that_call(status: int, body: bytes) -> None:
    """An end, that it is up, or nothing; and nothing only when the platform's own number says so."""
    try:
        told = PROVIDERS["sinch"].read_told(CALL, status, body)
    except PlatformFailed:
        return
    if told is None:
        assert status >= 300 and b"40400" in body
    else:
        assert isinstance(told, CallOngoing) or (isinstance(told, CallEnded) and told.key == CALL)
        assert status < 300


@given(words)
def test_an_id_that_cannot_be_asked_about_is_refused(text: str) -> None:
    """Any text is written into the path, or refused: nothing in between."""
    try:
        request = rest.signed(rest.GetCall(call_id=text), KEY, SECRET, datetime(2024, 1, 1, tzinfo=UTC))
    except Invalid:
        assert not text.isprintable() or text in {".", ".."}
    else:
        assert request.path.count("/") == 5
