"""Signing and verifying, against the published vectors and against what a hostile or clumsy sender may send."""

import hashlib
import hmac
import json
from base64 import b64decode, b64encode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callgate.protocol import WireRequest, sinch
from callgate.protocol.sinch.signature import MAX_COVERED, covered_by_signature

VECTORS = json.loads((Path(__file__).parent / "sinch_vectors.json").read_text())
SIGNING = {vector["name"]: vector for vector in VECTORS["signing"] if vector["body"] is not None}
ACE = SIGNING["docs-voice-callback-ace"]
KEY, SECRET = ACE["key"], ACE["secret"]
NOW = datetime(2014, 9, 24, 10, 59, 41, tzinfo=UTC)


def request_of(vector: dict[str, str], **headers: str) -> WireRequest:
    """Return the request of a vector."""
    sent = {"authorization": vector["expected_authorization"], "x-timestamp": vector["x_timestamp"]}
    if vector["content_type"]:
        sent["content-type"] = vector["content_type"]
    return WireRequest(
        method=vector["method"], path=vector["path"], headers=sent | headers, body=vector["body"].encode()
    )


def signed(body: bytes = b"{}", secret: str = SECRET, at: datetime = NOW, **changes: Any) -> WireRequest:
    """Return a request signed by us."""
    headers = sinch.sign("POST", "/callbacks/sinch", body, KEY, secret, at)
    request = WireRequest(method="POST", path="/callbacks/sinch", headers=headers, body=body)
    return msgspec.structs.replace(request, **changes)


def refusal(request: WireRequest, secrets: Any = None, now: datetime = NOW, **how: Any) -> str:
    """Return the ingredient that a request is refused for."""
    with pytest.raises(sinch.SignatureInvalid) as refused:
        sinch.verify(request, {KEY: SECRET} if secrets is None else secrets, now, **how)
    assert refused.value.status_hint == 401
    assert SECRET not in str(refused.value)
    return refused.value.ingredient


@pytest.mark.parametrize("vector", [v for v in SIGNING.values() if v["verified"]], ids=lambda vector: vector["name"])
def test_true_vectors_verify(vector: dict[str, Any]) -> None:
    """What Sinch published and what follows from it is genuine, with every intermediate step as printed."""
    request = request_of(vector)
    sinch.verify(request, {vector["key"]: vector["secret"]}, NOW, freshness_s=None)
    text = sinch.string_to_sign(
        vector["method"], vector["path"], request.body, vector["x_timestamp"], vector["content_type"]
    )
    assert text == vector["string_to_sign"]
    assert text.split("\n")[1] == vector["content_md5"]
    assert vector["expected_authorization"].endswith(f" {vector['key']}:{sinch.signature_of(vector['secret'], text)}")


@pytest.mark.parametrize(
    "vector", [v for v in SIGNING.values() if not v["verified"]], ids=lambda vector: vector["name"]
)
def test_misprinted_vectors_are_refused(vector: dict[str, Any]) -> None:
    """The example that the page prints with a stale signature is refused, and its right signature is the known one."""
    assert refusal(request_of(vector), {vector["key"]: vector["secret"]}, freshness_s=None) == "signature"
    assert sinch.signature_of(vector["secret"], vector["string_to_sign"]) == vector["computed_signature"]


def test_the_misprint_without_a_body_is_refused_for_every_body() -> None:
    """The verification page repeats a signature under another path; no body that we know makes it true."""
    vector = next(vector for vector in VECTORS["signing"] if vector["body"] is None)
    for body in (ACE["body"], "", "{}"):
        assert refusal(request_of(vector | {"body": body}), freshness_s=None) == "signature"
    assert sinch.signature_of(vector["secret"], vector["string_to_sign"]) == vector["computed_signature"]


@pytest.mark.parametrize("negative", VECTORS["negative"], ids=lambda negative: str(negative["change"])[:60])
def test_changed_vectors(negative: dict[str, Any]) -> None:
    """Every change of a genuine request is refused, but for the two that do not change what is signed."""
    change = dict(negative["change"])
    scheme = change.pop("authorization_scheme", "application")
    key = change.pop("key", KEY)
    is_header_case = change.pop("header_names", None)
    request = request_of(SIGNING[negative["base"]] | change)
    signature = request.headers["authorization"].partition(":")[2]
    headers = request.headers | {"authorization": f"{scheme} {key}:{signature}"}
    if is_header_case:
        headers = {name.upper(): value for name, value in headers.items()}
    request = msgspec.structs.replace(request, headers=headers)
    if negative["expect"].startswith("accept"):
        sinch.verify(request, {KEY: SECRET}, NOW)
    else:
        assert refusal(request) in {"signature", "scheme", "key"}


@pytest.mark.parametrize(
    ("authorization", "ingredient"),
    [
        (None, "authorization"),
        ("", "authorization"),
        ("application", "authorization"),
        ("application ", "authorization"),
        (f"application {KEY}", "authorization"),
        (f"application {KEY}:", "authorization"),
        ("application :c2ln", "authorization"),
        ("Basic dXNlcjpwYXNz", "scheme"),
        ("service KEY:c2ln", "scheme"),
        (f"{KEY}:c2ln", "scheme"),
        ("application nobody:c2ln", "key"),
        (f"application {KEY.lower()}:c2ln", "key"),
        (f"application {KEY}:c2ln", "signature"),
        (f"application {KEY}:" + "A" * 100_000, "signature"),
        (f"application {KEY}:é\ud800\x00", "signature"),
        ("application é\ud800\x00:c2ln", "key"),
        ("ápplication a:b", "scheme"),
    ],
)
def test_the_refusal_names_the_ingredient(authorization: str | None, ingredient: str | None) -> None:
    """Whatever the Authorization header holds, the refusal says which part of it is at fault."""
    headers = dict(signed().headers)
    del headers["authorization"]
    if authorization is not None:
        headers["Authorization"] = authorization
    assert refusal(signed(headers=headers)) == ingredient


@pytest.mark.parametrize(
    "stamp", [None, "", "yesterday", "2014-13-24T10:59:41Z", "1411556381", "é", "\ud800", "9" * 5000]
)
def test_an_unreadable_timestamp_is_refused(stamp: str | None) -> None:
    """No timestamp, no proof of age."""
    headers = dict(signed().headers)
    del headers["x-timestamp"]
    if stamp is not None:
        headers["X-Timestamp"] = stamp
    assert refusal(signed(headers=headers)) == "timestamp"


@pytest.mark.parametrize(
    "stamp",
    [
        "2014-09-24T10:59:41Z",
        "2014-09-24T10:59:41",
        "2014-09-24T10:59:41+00:00",
        "2014-09-24T12:59:41+02:00",
        "2014-09-24T05:29:41-05:30",
        *(f"2014-09-24T10:59:41.{'123456789'[:count]}Z" for count in range(1, 10)),
    ],
)
def test_every_form_of_timestamp_is_read(stamp: str | None) -> None:
    """Up to nine digits of a second, any zone, and none for UTC; the text is signed as it came."""
    text = sinch.string_to_sign("POST", "/", b"{}", stamp, "")
    headers = {"authorization": f"application {KEY}:{sinch.signature_of(SECRET, text)}", "x-timestamp": stamp}
    sinch.verify(WireRequest(method="POST", path="/", headers=headers, body=b"{}"), {KEY: SECRET}, NOW, freshness_s=1)


@pytest.mark.parametrize("direction", [1, -1])
def test_freshness_holds_either_way(direction: int) -> None:
    """At the window's edge a request is fresh, a second further it is not, and a window of None has no edge."""
    edge = NOW + timedelta(seconds=direction * 300)
    sinch.verify(signed(), {KEY: SECRET}, edge)
    late = edge + timedelta(seconds=direction)
    assert refusal(signed(), now=late) == "timestamp"
    sinch.verify(signed(), {KEY: SECRET}, late, freshness_s=301)
    sinch.verify(signed(), {KEY: SECRET}, late + timedelta(days=10_000 if direction > 0 else -10_000), freshness_s=None)


def test_a_stale_forgery_is_a_forgery() -> None:
    """Age is told only of genuine requests, so that it always means a clock or a replay."""
    assert refusal(signed(body=b"[]"), now=NOW + timedelta(days=1)) == "timestamp"
    forged = msgspec.structs.replace(signed(), body=b"[]")
    assert refusal(forged, now=NOW + timedelta(days=1)) == "signature"


def test_another_zone_of_now_changes_nothing() -> None:
    """Now is a moment, whatever zone it is written in."""
    sinch.verify(signed(), {KEY: SECRET}, NOW.astimezone(timezone(timedelta(hours=14))), freshness_s=0)


@pytest.mark.parametrize(
    "secrets",
    [{KEY: SECRET}, {KEY: [SECRET]}, {KEY: ("b3RoZXI=", SECRET)}, {KEY: [SECRET, "b3RoZXI="], "other": "eA=="}],
)
def test_any_of_the_secrets_will_do(secrets: Any) -> None:
    """While a secret is rotated, the old one and the new one both sign."""
    sinch.verify(signed(), secrets, NOW)


@pytest.mark.parametrize(
    ("secrets", "ingredient"),
    [
        ({}, "key"),
        ({"other": SECRET}, "key"),
        ({KEY: []}, "key"),
        ({KEY: ""}, "key"),
        ({KEY: ["b3RoZXI="]}, "signature"),
        ({KEY: "?!"}, "secret"),
        ({KEY: [""]}, "secret"),
        ({KEY: "no base64 at all"}, "secret"),
        ({"other": SECRET, KEY: "b3RoZXI="}, "signature"),
    ],
)
def test_other_secrets_do_not(secrets: Any, ingredient: str | None) -> None:
    """Another application's secret is of no use, and our own when it cannot be one is named as such."""
    assert refusal(signed(), secrets) == ingredient


def test_an_empty_secret_opens_nothing() -> None:
    """A signature made with an empty key, which everybody can make, is refused where the secret holds no bytes."""
    request = signed()
    text = sinch.string_to_sign(
        "POST", request.path, b"{}", request.headers["x-timestamp"], request.headers["content-type"]
    )
    forged = b64encode(hmac.digest(b"", text.encode(), "sha256")).decode()
    headers = dict(request.headers) | {"authorization": f"application {KEY}:{forged}"}
    for secret in ("", "=", "====", "?", "A"):
        assert refusal(signed(headers=headers), {KEY: [secret]}) == "secret"


@pytest.mark.parametrize("size", [1, 16, 31, 64, 65, 200])
def test_secrets_of_any_length_sign_as_hmac_says(size: int) -> None:
    """Our HMAC from cached states is the library's, also for keys longer than a block, in every spelling of base64."""
    key = hashlib.sha512(str(size).encode()).digest() * 4
    key = b"\xfb\xff"[:size] + key[: max(0, size - 2)]
    expected = b64encode(hmac.digest(key, b"text", "sha256")).decode()
    padded = b64encode(key).decode()
    for secret in (padded, padded.rstrip("="), urlsafe_b64encode(key).decode(), f" {padded}\n"):
        assert sinch.signature_of(secret, "text") == expected


def test_signing_gives_the_published_example() -> None:
    """The headers to send are those of the documents, byte for byte."""
    headers = sinch.sign("post", ACE["path"], ACE["body"].encode(), KEY, SECRET, NOW, "application/json")
    assert headers == {
        "authorization": ACE["expected_authorization"],
        "x-timestamp": "2014-09-24T10:59:41Z",
        "content-type": "application/json",
    }


def test_signing_without_content_type_or_body() -> None:
    """No header goes out that was not signed; a fraction of a second and another zone are kept."""
    at = datetime(2024, 6, 6, 19, 20, 14, 250_000, tzinfo=timezone(timedelta(hours=2)))
    headers = sinch.sign("GET", "/calls", b"", KEY, SECRET, at, content_type="", scheme="Application")
    assert set(headers) == {"authorization", "x-timestamp"}
    assert headers["x-timestamp"] == "2024-06-06T17:20:14.250000Z"
    assert headers["authorization"].startswith("Application ")
    sinch.verify(WireRequest(method="GET", path="/calls", headers=headers, body=b""), {KEY: SECRET}, at)


def test_signing_needs_a_secret_and_a_zone() -> None:
    """What could not be verified is not signed."""
    with pytest.raises(sinch.SignatureInvalid, match="secret"):
        sinch.sign("POST", "/", b"", KEY, "?", NOW)
    with pytest.raises(ValueError, match="zone"):
        sinch.sign("POST", "/", b"", KEY, SECRET, NOW.replace(tzinfo=None))


@pytest.mark.parametrize(("method", "path", "kind"), [("PO\nST", "/", ""), ("POST", "/\n", ""), ("POST", "/", "a\nb")])
def test_a_line_break_is_refused(method: str, path: str, kind: str) -> None:
    """The lines that are signed are five: a part with a line break could pass for two, even rightly signed."""
    headers = sinch.sign(method, path, b"{}", KEY, SECRET, NOW, kind)
    assert refusal(WireRequest(method=method, path=path, headers=headers, body=b"{}")) == "signature"


def test_headers_that_differ_in_case_only() -> None:
    """Of two spellings the lower-case one counts, for the signature and for whom it belongs to."""
    request = signed()
    headers = {"Authorization": "application other:c2ln"} | dict(request.headers) | {"X-Timestamp": "never"}
    request = msgspec.structs.replace(request, headers=headers)
    sinch.verify(request, {KEY: SECRET}, NOW)
    assert sinch.signing_key(request) == KEY


@pytest.mark.parametrize(
    ("authorization", "key"),
    [
        ("application K:s", "K"),
        ("APPLICATION K:s:t", "K"),
        ("Basic " + b64encode(b"K:secret").decode(), "K"),
        ("basic " + b64encode(b"K:").decode(), "K"),
        ("Basic !", ""),
        ("Basic " + b64encode(b"\xff").decode(), ""),
        ("Bearer K:s", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_signing_key(authorization: str | None, key: str) -> None:
    """The key that a request claims is read without judging it, and is empty where none can be read."""
    headers = {} if authorization is None else {"AUTHORIZATION": authorization}
    assert sinch.signing_key(WireRequest(method="POST", path="/", headers=headers, body=b"")) == key


@pytest.mark.parametrize(
    ("authorization", "ingredient"),
    [
        (f"{KEY}:{SECRET}", None),
        (f"{KEY}:b3RoZXI=", None),
        (f"{KEY}:wrong", "secret"),
        (f"{KEY}:", "secret"),
        (f"nobody:{SECRET}", "key"),
        ("nobody:YSBzZWNyZXQgb2Ygbm8gb25l", "key"),
        ("nothing", "authorization"),
    ],
)
def test_basic_authentication(authorization: str, ingredient: str | None) -> None:
    """Key and secret in clear pass where an application opted in, and only the right ones."""
    headers = {"Authorization": "Basic " + b64encode(authorization.encode()).decode()}
    request = WireRequest(method="POST", path="/", headers=headers, body=b"{}")
    secrets = {KEY: [SECRET, "b3RoZXI="], "empty": []}
    if ingredient is None:
        sinch.verify_basic(request, secrets)
        return
    with pytest.raises(sinch.SignatureInvalid) as refused:
        sinch.verify_basic(request, secrets)
    assert refused.value.ingredient == ingredient


def test_basic_is_not_signed_and_signed_is_not_basic() -> None:
    """Neither way stands in for the other."""
    basic = {"authorization": "Basic " + b64encode(f"{KEY}:{SECRET}".encode()).decode()}
    assert refusal(signed(headers=basic)) == "scheme"
    with pytest.raises(sinch.SignatureInvalid, match="scheme"):
        sinch.verify_basic(signed(), {KEY: SECRET})


def test_the_vectors_secret_is_what_it_says() -> None:
    """The key of the HMAC is what the secret decodes to, not its text."""
    assert sinch.signature_of(SECRET, "x") == b64encode(hmac.digest(b64decode(SECRET), b"x", "sha256")).decode()


@pytest.mark.parametrize("name", SIGNING)
def test_what_was_signed_is_told_line_by_line(name: str) -> None:
    """From what is kept with a callback: together the lines are the string to sign, and no secret is among them."""
    vector = SIGNING[name]
    if vector["method"] != "POST":
        pytest.skip("callbacks are posted")
    request = request_of(vector)
    lines = sinch.signed_lines(covered_by_signature(request), request.body)
    text = "\n".join(line for _, line in lines)
    assert text == sinch.string_to_sign(
        "POST", request.path, request.body, vector["x_timestamp"], vector["content_type"]
    )


def test_of_what_was_not_signed_no_line_is_told() -> None:
    """No time, no signature; and what somebody else made very long is kept in part."""
    bare = WireRequest(method="POST", path="/callbacks/sinch", headers={}, body=b"{}")
    assert (covered_by_signature(bare), sinch.signed_lines("", b"{}")) == ("", [])
    endless = msgspec.structs.replace(signed(), path="/" + "x" * 10_000)
    assert len(covered_by_signature(endless)) == MAX_COVERED
