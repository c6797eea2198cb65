"""The signature doctor: of a signature that does not match, which ingredient is to blame."""

import hmac
import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from callgate.protocol import WireRequest, sinch

KEY, SECRET = "669E367E-6BBA-48AB-AF15-266871C28135", "BeIukql3pTKJ8RGL5zo0DA=="
NOW = datetime(2024, 6, 6, 17, 20, 14, tzinfo=UTC)
BODY = '{"event":"ace","callid":"c-1","timestamp":"2024-06-06T17:20:10Z","version":1,"custom":"Åsa"}'.encode()
PATH = "/callbacks/sinch"


def received(body: bytes = BODY, path: str = PATH, kind: str = "application/json", **changes: Any) -> WireRequest:
    """Return a request as it was signed, then changed on its way."""
    headers = sinch.sign("POST", path, body, KEY, SECRET, NOW, kind)
    request = WireRequest(method="POST", path=path, headers=headers, body=body)
    changes["headers"] = {**headers, **changes.get("headers", {})}
    return msgspec.structs.replace(request, **changes)


def diagnose(request: WireRequest, secrets: Any = None, **more: Any) -> sinch.Diagnosis:
    """Diagnose a request, and see to it that no secret is told."""
    found = sinch.diagnose(request, {KEY: SECRET} if secrets is None else secrets, NOW, **more)
    assert SECRET not in found.explanation
    return found


def test_a_healthy_signature() -> None:
    """Nothing is wrong with a genuine request, and an old secret is worth a word."""
    assert diagnose(received()) == sinch.Diagnosis(ingredient=None, explanation="genuine")
    rotated = diagnose(received(), {KEY: ["bmV3", SECRET]})
    assert rotated.ingredient is None
    assert "secret number 2" in rotated.explanation


VALUE = json.loads(BODY)


@pytest.mark.parametrize(
    ("request_received", "ingredient"),
    [
        (received(headers={"authorization": ""}), "authorization"),
        (received(headers={"authorization": f"application {KEY}:c2hvcnQ="}), "authorization"),
        (received(headers={"authorization": "Basic eDp5"}), "scheme"),
        (received(headers={"authorization": "application nobody:c2ln"}), "key"),
        (received(headers={"x-timestamp": ""}), "timestamp"),
        (received(headers={"x-timestamp": "soon"}), "timestamp"),
        (received(method="GET"), "method"),
        (received(path="/callbacks/sinch", headers={}, method="PUT"), "method"),
        (received(headers={"content-type": "application/json; charset=utf-8"}), "content type"),
        (received(headers={"content-type": ""}), "content type"),
        (received(kind="application/json;charset=UTF-8", headers={"content-type": "application/json"}), "content type"),
        (received(headers={"x-timestamp": "2024-06-06T17:20:15Z"}), "timestamp"),
        (received(headers={"x-timestamp": "2024-06-06T17:20:14.000Z"}), "timestamp"),
        (received(headers={"x-timestamp": "2024-06-06T17:19:00+00:00"}), "timestamp"),
        (received(body=BODY + b"\n"), None),
        (msgspec.structs.replace(received(), body=BODY + b"\n"), "body bytes"),
        (msgspec.structs.replace(received(), body=b"\xef\xbb\xbf" + BODY), "body bytes"),
        (msgspec.structs.replace(received(), body=json.dumps(VALUE).encode()), "body bytes"),
        (msgspec.structs.replace(received(body=json.dumps(VALUE).encode()), body=BODY), "body bytes"),
        (msgspec.structs.replace(received(body=json.dumps(VALUE, indent=2).encode()), body=BODY), "body bytes"),
        (msgspec.structs.replace(received(body=b""), body=b"{}"), "body bytes"),
        (msgspec.structs.replace(received(), body=BODY.replace(b'"version":1', b'"version":2')), "body bytes"),
        (msgspec.structs.replace(received(), body=b""), "body bytes"),
    ],
)
def test_one_ingredient_differs(request_received: WireRequest, ingredient: str | None) -> None:
    """Each thing that can happen to a request on its way is told by its name."""
    assert diagnose(request_received).ingredient == ingredient


@pytest.mark.parametrize(
    ("signed_path", "received_path"),
    [
        ("/callbacks/sinch", "/callbacks/sinch/"),
        ("/callbacks/sinch/", "/callbacks/sinch"),
        ("/callbacks/sinch", "/app/callbacks/sinch"),
        ("/callbacks/sinch", "/sinch"),
        ("/api/callbacks/sinch", "/callbacks/sinch"),
        ("/a b", "/a%20b"),
        ("/a%20b", "/a b"),
        ("/%2B", "/+"),
        ("/Callbacks", "/Callbacks?a=1"),
        ("/callbacks", "/Callbacks"),
        ("/", ""),
        ("", "/"),
    ],
)
def test_paths(signed_path: str, received_path: str) -> None:
    """Slashes at the end, prefixes of proxies, escapes: the path that was signed is found and told."""
    found = diagnose(msgspec.structs.replace(received(path=signed_path), path=received_path))
    assert found.ingredient == "path"
    assert repr(signed_path) in found.explanation


def test_paths_that_only_the_operator_knows() -> None:
    """A query and a public path are tried when they are told."""
    with_query = msgspec.structs.replace(received(path=f"{PATH}?tenant=1"), path=PATH)
    assert diagnose(with_query, query="tenant=1").ingredient == "path"
    assert diagnose(with_query).ingredient == "body bytes"
    public = msgspec.structs.replace(received(path="/hidden/behind/proxy"), path=PATH)
    assert diagnose(public, paths=["/hidden/behind/proxy"]).ingredient == "path"


def test_ages() -> None:
    """A genuine request that is old is told from one that was changed."""
    found = sinch.diagnose(received(), {KEY: SECRET}, NOW + timedelta(hours=1))
    assert found.ingredient == "timestamp"
    assert "3600 seconds" in found.explanation
    assert sinch.diagnose(received(), {KEY: SECRET}, NOW + timedelta(hours=1), freshness_s=None).ingredient is None


def test_secrets() -> None:
    """A secret used as its text, or as hexadecimal, or of another application, is told."""
    text = sinch.string_to_sign("POST", PATH, BODY, "2024-06-06T17:20:14Z", "application/json")

    def with_key(key: bytes) -> WireRequest:
        sent = b64encode(hmac.digest(key, text.encode(), "sha256")).decode()
        return received(headers={"authorization": f"application {KEY}:{sent}"})

    assert diagnose(with_key(SECRET.encode())).ingredient == "secret encoding"
    assert diagnose(with_key(bytes.fromhex("c0ffee")), {KEY: "c0ffee"}).ingredient == "secret encoding"
    assert diagnose(received(), {KEY: "not base64!"}).ingredient == "secret encoding"
    assert diagnose(received(), {KEY: "bmV3", "other": SECRET}).ingredient == "secret"
    unexplained = diagnose(received(), {KEY: "bmV3"})
    assert unexplained.ingredient == "body bytes"
    assert "secret" in unexplained.explanation


def test_keys() -> None:
    """A key that differs in case, and one whose secret is known under another key, are told."""
    assert "spelled" in diagnose(received(), {KEY.lower(): SECRET}).explanation
    assert "'other'" in diagnose(received(), {"other": SECRET}).explanation
    assert diagnose(received(), {}).ingredient == "key"


def test_a_body_that_was_cut_off() -> None:
    """Fewer bytes than announced is a fact, not a guess."""
    cut = received(headers={"content-length": str(len(BODY))})
    found = diagnose(msgspec.structs.replace(cut, body=BODY[:-1]))
    assert found.ingredient == "body bytes"
    assert "content-length" in found.explanation


@pytest.mark.parametrize("stamp", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59"])
def test_times_at_the_end_of_time(stamp: str) -> None:
    """The first and last day that there is are no reason to fail."""
    assert diagnose(received(headers={"x-timestamp": stamp}), freshness_s=None).ingredient is not None


def test_bodies_that_are_no_json() -> None:
    """A body that cannot be written anew is still diagnosed."""
    for body in (b"\xff", b"[" * 10_000, b"NaN", b'{"timestamp":5}', b'"\\ud800"'):
        assert diagnose(msgspec.structs.replace(received(), body=body)).ingredient == "body bytes"
