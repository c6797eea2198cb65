"""Laws of the Sinch wire: what is written is read again, what was changed is refused, and nothing sent to us breaks us."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import assume, example, given
from hypothesis import strategies as st

from callgate.errors import CallbackMalformed, Invalid, SignatureInvalid
from callgate.protocol import WireRequest, sinch
from callgate.protocol.call import CallArrived, CallEvent, CallUnusable
from callgate.protocol.sinch import prompts

KEY, SECRET = "669E367E-6BBA-48AB-AF15-266871C28135", "BeIukql3pTKJ8RGL5zo0DA=="
NOW = datetime(2024, 6, 6, 17, 20, 14, tzinfo=UTC)

anything = st.text() | st.text(st.characters(categories=["Cs", "Cc", "Lu", "Nd"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | anything,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [
    *("callid", "callId", "conferenceId", "timestamp", "version", "custom", "applicationKey", "user", "cookies", "to"),
    *("reference", "delayed", "domain", "cli", "callResourceUrl", "userRate", "originationType", "duration", "rdnis"),
    *("callHeaders", "amd", "menuResult", "reason", "result", "debit", "from", "type", "destination", "errorCode"),
    *("errorMsg", "other", "event", "unheardOf"),
]
fitting = st.one_of(
    st.sampled_from(
        ["+46708000000", "46708000000", "private", "MXP", "pstn", "ANSWERED", "TIMEOUT", "2024-01-01T00:00:00Z"]
    ),
    st.builds(
        lambda kind, to: {"type": kind, "endpoint": to}, st.sampled_from(["number", "DID", "username"]), anything
    ),
    st.builds(
        lambda amount, unit: {"amount": amount, "currencyId": unit},
        st.integers() | st.floats(0, 9),
        st.none() | anything,
    ),
    st.lists(st.builds(lambda key, value: {"key": key, "value": value}, anything, anything), max_size=3),
    st.builds(lambda kind, value: {"menuId": "main", "type": kind, "value": value}, anything, json_values),
)
bodies = st.builds(
    lambda event, fields: {"event": event, **fields},
    st.sampled_from(["ice", "ace", "pie", "dice", "notify", "ICE", "Dice", "unheard"]) | json_values,
    st.dictionaries(st.sampled_from(FIELDS), fitting | json_values, max_size=12),
)


def carry(body: bytes, **headers: str) -> WireRequest:
    return WireRequest(method="POST", path="/callbacks/sinch", headers=headers, body=body)


def signed(body: bytes) -> WireRequest:
    return carry(body, **sinch.sign("POST", "/callbacks/sinch", body, KEY, SECRET, NOW))


@given(st.binary(max_size=200) | bodies.map(lambda body: json.dumps(body).encode()))
@example(b'{"event":"ice","debit":{"amount":1e99999999999999999999}}')
@example(b'{"event":"dice","debit":{"amount":"Infinity"}}')
@example(b'{"event":"dice","duration":1e400}')
def test_no_body_breaks_us(body: bytes) -> None:
    """Whatever is sent, we understand it or say that it is malformed, and what we understood can be stored."""
    try:
        event = sinch.understand(carry(body))
    except CallbackMalformed:
        return
    assert isinstance(event, CallEvent)
    assert "\0" not in event.key.call_id + event.name + event.custom
    assert len(event.key.call_id) <= 256
    msgspec.json.encode(event)
    assert isinstance(event, CallUnusable) or event.key.call_id


@given(bodies)
def test_events_are_written_as_they_are_read(body: dict[str, Any]) -> None:
    """An event that was read says the same when it is written and read again."""
    try:
        event = sinch.read(carry(json.dumps(body).encode()))
    except CallbackMalformed:
        return
    assert sinch.read(carry(sinch.write(event))) == event


@given(bodies, st.text('abå☎"', max_size=4))
def test_an_unknown_field_changes_nothing(body: dict[str, Any], name: str) -> None:
    """Reading field by field, which an unknown field makes us do, gives what reading all at once gives."""
    try:
        event = sinch.read(carry(json.dumps(body).encode()))
    except CallbackMalformed:
        return
    with_more = sinch.read(carry(json.dumps(body | {f"new-{name}": 1}).encode()))
    assert with_more == msgspec.structs.replace(event, other=sinch.Other({**event.other, f"new-{name}": 1}))


@given(st.binary(max_size=50), st.data())
def test_what_was_changed_is_refused(body: bytes, data: st.DataObject) -> None:
    """Changing any one thing that was signed, or the signature, is noticed."""
    request = signed(body)
    sinch.verify(request, {KEY: SECRET}, NOW)
    what = data.draw(st.sampled_from(["body", "path", "method", *request.headers]))
    old: Any = request.headers.get(what) or getattr(request, what)
    new = data.draw(st.binary(max_size=60) if what == "body" else anything)
    assume(new != old)
    assume(what != "method" or new.upper() != old)
    changed = (
        msgspec.structs.replace(request, headers={**request.headers, what: new})
        if what in request.headers
        else msgspec.structs.replace(request, **{what: new})
    )
    try:
        sinch.verify(changed, {KEY: SECRET}, NOW)
    except SignatureInvalid:
        return
    raise AssertionError(f"{what} {new!r} passed")


@given(st.binary(max_size=30), st.integers(0, 200), st.integers(1, 255))
def test_a_flipped_byte_is_refused(body: bytes, at: int, change: int) -> None:
    """Changing any byte of the signature or of the body is noticed."""
    request = signed(body)
    sent = request.headers["authorization"].encode()
    place = len(f"application {KEY}:") + at % 44
    forged = sent[:place] + bytes([sent[place] ^ change]) + sent[place + 1 :]
    headers = {**request.headers, "authorization": forged.decode("latin-1")}
    changed = [msgspec.structs.replace(request, headers=headers)]
    if body:
        place = at % len(body)
        flipped = body[:place] + bytes([body[place] ^ change]) + body[place + 1 :]
        changed.append(msgspec.structs.replace(request, body=flipped))
    for each in changed:
        try:
            sinch.verify(each, {KEY: SECRET}, NOW)
        except SignatureInvalid:
            continue
        raise AssertionError(each)


@given(
    anything,
    anything,
    st.dictionaries(
        st.sampled_from(["authorization", "Authorization", "x-timestamp", "content-type", "x-other"]), anything
    ),
    st.binary(max_size=40),
    st.dictionaries(anything, anything | st.lists(anything, max_size=3), max_size=3),
)
def test_no_request_breaks_verifying(
    method: str, path: str, headers: dict[str, str], body: bytes, secrets: dict[str, Any]
) -> None:
    """Whatever stands in the parts of a request, it is refused as such; nothing else is ever raised."""
    for authorization in (None, f"application {next(iter(secrets), 'k')}:c2ln", "Basic YTpi"):
        sent = headers if authorization is None else headers | {"authorization": authorization}
        request = WireRequest(method=method, path=path, headers=sent, body=body)
        with suppress(SignatureInvalid):
            sinch.verify(request, secrets, NOW)
        with suppress(SignatureInvalid):
            sinch.verify_basic(request, secrets)
        assert isinstance(sinch.signing_key(request), str)
        assert isinstance(sinch.diagnose(request, secrets, NOW), sinch.Diagnosis)


@given(
    st.binary(max_size=60), st.sampled_from(["POST", "GET"]), st.integers(-300, 300), st.binary(min_size=1, max_size=80)
)
def test_what_was_signed_verifies(body: bytes, method: str, skew_s: int, key: bytes) -> None:
    """Signing and verifying agree on any body and secret, within the window."""
    secret = msgspec.json.encode(key).decode().strip('"')
    headers = sinch.sign(method, "/x", body, KEY, secret, NOW)
    request = WireRequest(method=method, path="/x", headers=headers, body=body)
    sinch.verify(request, {KEY: ["b3RoZXI=", secret]}, NOW + timedelta(seconds=skew_s))


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
maybe = st.none()
pairs = st.lists(st.builds(sinch.Pair, key=words, value=words), max_size=3).map(tuple)
addresses = st.builds(sinch.Address, type=maybe | st.just("sip"), endpoint=words)
options = st.builds(sinch.Option, dtmf=maybe | st.sampled_from("0123456789*#"), action=maybe | words)
menus = st.builds(
    sinch.Menu,
    id=maybe | words,
    main_prompt=maybe | words,
    repeats=maybe | st.integers(0, 9),
    options=maybe | st.lists(options, max_size=3).map(tuple),
)
actions = st.one_of(
    st.builds(sinch.Hangup),
    st.builds(sinch.Continue),
    st.builds(
        sinch.ConnectPstn,
        number=maybe | words,
        max_duration=maybe | st.integers(0, 10**6),
        suppress_callbacks=maybe | st.booleans(),
        amd=maybe | st.builds(sinch.AmdOptions, enabled=maybe | st.booleans(), is_async=maybe | st.booleans()),
    ),
    st.builds(sinch.ConnectMxp, call_headers=maybe | pairs),
    st.builds(sinch.ConnectConf, conference_id=maybe | words, moh=maybe | words),
    st.builds(sinch.ConnectSip, destination=maybe | addresses, call_headers=maybe | pairs),
    st.builds(sinch.ConnectStream, destination=maybe | addresses),
    st.builds(sinch.RunMenu, barge=maybe | st.booleans(), menus=maybe | st.lists(menus, max_size=2).map(tuple)),
    st.builds(sinch.Park, hold_prompt=maybe | words, max_duration=maybe | st.integers(0, 999)),
)
instructions = st.one_of(
    st.builds(sinch.PlayFiles, ids=st.lists(words, max_size=3).map(tuple), locale=maybe | words),
    st.builds(sinch.Say, text=maybe | words),
    st.builds(sinch.SendDtmf, value=words),
    st.builds(sinch.SetCookie, key=words, value=words),
    st.builds(sinch.Answer),
    st.builds(sinch.StartRecording, options=maybe | st.builds(sinch.RecordingOptions, destination_url=maybe | words)),
    st.builds(sinch.StopRecording),
)
answers = st.builds(sinch.Svaml, instructions=st.lists(instructions, max_size=4).map(tuple), action=maybe | actions)


@given(answers)
def test_svaml_is_read_as_it_is_written(answer: sinch.Svaml) -> None:
    """Typed, written and read again it is equal, and so are the bytes."""
    written = answer.to_json()
    assert sinch.Svaml.from_json(written) == answer
    assert sinch.Svaml.from_json(written).to_json() == written


@given(answers, st.sampled_from(["ice", "ace", "pie", "dice", "patch", "patch-leg", "notify", "conference-pie"]))
def test_strictness_only_adds_faults(answer: sinch.Svaml, event: str) -> None:
    """What passes strictly passes anyhow, and each fault points into the answer."""
    strict, loose = sinch.check(answer, event=event), sinch.check(answer, event=event, strict=False)
    assert set(loose) <= set(strict)
    assert all(fault.path.startswith(("$.action", "$.instructions")) for fault in strict)


@given(
    st.binary(max_size=100)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.builds(
        lambda action, steps: json.dumps({"action": action, "instructions": steps}).encode(),
        st.builds(
            lambda name, rest: {"name": name, **rest},
            st.sampled_from(["runMenu", "ConnectPSTN", "connectSip", "park", "x"]),
            st.dictionaries(
                st.sampled_from(["menus", "destination", "number", "callHeaders", "mainMenu"]), json_values
            ),
        ),
        st.lists(
            st.builds(
                lambda name, rest: {"name": name, **rest},
                st.sampled_from(["playFiles", "say", "setCookie", "StartRecording"]),
                st.dictionaries(st.sampled_from(["ids", "text", "key", "value", "options"]), json_values),
            )
            | json_values,
            max_size=3,
        ),
    )
)
def test_no_answer_breaks_the_checker(body: bytes) -> None:
    """Any bytes at all are read or refused, and checked to a list of faults."""
    with suppress(CallbackMalformed):
        assert isinstance(sinch.Svaml.from_json(body), sinch.Svaml)
    for strict in (True, False):
        assert all(str(fault).startswith("$") for fault in sinch.check(body, strict=strict))


@given(st.lists(st.tuples(st.sampled_from(["tts", "ssml", "href"]), st.text(max_size=20)), min_size=1, max_size=4))
def test_prompts_are_read_as_they_are_built(parts: list[tuple[str, str]]) -> None:
    """Whatever can be built is read as what it was built of; what could not be read so is refused."""
    builders = {"tts": prompts.tts, "ssml": prompts.ssml, "href": prompts.href}
    try:
        text = prompts.join(*(builders[kind](value) for kind, value in parts))
    except Invalid:
        assert any(";" in value or "]" in value for _, value in parts)
        return
    assert prompts.read(text) == tuple(prompts.Prompt(kind, value) for kind, value in parts)


spellable = st.text('ab",\\ ', max_size=3)


@given(spellable, spellable, spellable, spellable)
def test_equal_fingerprints_mean_equal_callers(user: str, cli: str, other_user: str, other_cli: str) -> None:
    """Two calls have one fingerprint when they have one caller, and only then; quotes and commas cannot forge it."""

    def fingerprint(user: str, cli: str) -> str:
        to = {"type": "number", "endpoint": "+46708000000"}
        body = {"event": "ice", "callid": "c", "user": user, "cli": cli, "to": to}
        call = sinch.understand(carry(json.dumps(body).encode()))
        assert isinstance(call, CallArrived)
        return call.fingerprint

    is_same = (user, cli.strip()) == (other_user, other_cli.strip())
    assert (fingerprint(user, cli) == fingerprint(other_user, other_cli)) is is_same
