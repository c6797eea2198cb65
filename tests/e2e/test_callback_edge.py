"""What `POST /callbacks/sinch` answers to what, in which order, on a real server. Source: interfaces, section 4."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

HANG_UP = {"action": {"name": "hangup"}}
OTHER_SECRET = "b3RoZXI="
LARGE = b'{"event":"ice","custom":"' + b"x" * 65_536 + b'"}'


def now(**ahead: float) -> datetime:
    return datetime.now(UTC) + timedelta(**ahead)


@pytest.mark.parametrize(
    "ingredients",
    [
        {"secret": OTHER_SECRET},
        {"key": "00000000-0000-0000-0000-000000000000"},
        {"key": ""},
        {"path": "/"},
        {"path": "/callbacks/sinch/"},
        {"method": "PUT"},
        {"ahead_s": -86_400},
        {"ahead_s": -301},
        {"ahead_s": 305},
        {"ahead_s": 86_400},
    ],
    ids=str,
)
@pytest.mark.parametrize("body", [b"{}", b"[]", b"{", b""])
def test_who_is_not_proven_genuine_is_refused_first(gate: Any, body: bytes, ingredients: dict[str, Any]) -> None:
    """401 whatever the body is, and the reply does not tell what was wrong with the proof."""
    if "ahead_s" in ingredients:
        ingredients = {"at": now(seconds=ingredients["ahead_s"])}
    reply = gate.post(body, **ingredients)
    assert reply.status == 401
    assert reply.json["type"].endswith("/signature-invalid")
    assert set(reply.json) == {"type", "title", "status"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "application"},
        {"authorization": "application :"},
        {"authorization": "Basic Zm9vOmJhcg=="},
        {"authorization": "Bearer cg_token"},
        {"x-timestamp": ""},
        {"x-timestamp": "yesterday"},
        {"x-timestamp": "0001-01-01T00:00:00+23:59"},
        {"x-timestamp": "9999-12-31T23:59:59-23:59"},
        {"x-timestamp": "9" * 500},
        {"content-type": "text/plain"},
        {"content-type": ""},
    ],
    ids=str,
)
def test_a_request_without_its_proof_is_refused(gate: Any, headers: dict[str, str]) -> None:
    """Each header that is missing, empty or strange."""
    body = json.dumps(gate.ice("unsigned")).encode()
    signed = gate.sign(body) | headers if headers else {}
    assert gate.request("POST", gate.path, body, signed).status == 401


def test_the_body_of_another_application_is_refused(gate: Any) -> None:
    """What it says of itself must be who signed; nothing is recorded of it."""
    for claimed in ("another", 5, ["x"], "é"):
        assert gate.post(gate.ice("stranger", applicationKey=claimed)).status == 401
    assert gate.call("calls", "show", "stranger").code == 1


def test_a_body_without_an_application_belongs_to_the_key_that_signed(gate: Any) -> None:
    """Some notifications have none."""
    body = gate.ice("no-key")
    del body["applicationKey"]
    assert gate.post(body).action == "connectPstn"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"null",
        b"1",
        b'"ice"',
        b"\xff",
        b'{"event":"ice"',
        b'{"a":"\xff"}',
        b"ice",
        b"{}{}",
        b"event=ice",
    ],
)
def test_what_is_no_json_object_is_malformed(gate: Any, body: bytes) -> None:
    """400, once it is proven who sent it."""
    reply = gate.post(body)
    assert reply.status == 400
    assert reply.json["type"].endswith("/malformed")


def test_more_than_64_kib_is_too_large_before_anything_else(gate: Any) -> None:
    """Even unsigned; and exactly 64 KiB is not too large."""
    assert gate.request("POST", gate.path, LARGE).status == 413
    assert gate.post(LARGE).status == 413
    whole = json.dumps(gate.ice("sixty-four", custom="")).encode()
    fitting = whole.replace(b'"custom": ""', b'"custom": "' + b"x" * (65_536 - len(whole)) + b'"')
    assert len(fitting) == 65_536
    assert gate.post(fitting).action == "connectPstn"
    assert gate.post(fitting + b" ").status == 413


@pytest.mark.parametrize(
    ("event", "answer"),
    [
        ({"event": "ice"}, HANG_UP),
        ({"event": "ice", "callid": "u1"}, HANG_UP),
        ({"event": "ICE", "callid": "u1", "to": {}}, HANG_UP),
        ({"event": "ice", "callid": 5, "to": {"type": "number", "endpoint": "+46701740605"}}, HANG_UP),
        ({"event": "ice", "callid": "x" * 300, "to": {"type": "number", "endpoint": "+46701740605"}}, HANG_UP),
        ({"event": "ice", "callid": "u\x00", "to": {"type": "number", "endpoint": "+46701740605"}}, HANG_UP),
        ({"event": "pie"}, HANG_UP),
        ({"event": "pie", "callid": ""}, HANG_UP),
        ({"event": "ace"}, {}),
        ({"event": "dice"}, {}),
        ({"event": "notify"}, {}),
        ({"event": "hologram", "callid": "u2"}, {}),
        ({"event": "", "callid": "u2"}, {}),
        ({"event": ["ice"], "callid": "u2"}, {}),
        ({"event": None}, {}),
        ({}, {}),
    ],
    ids=str,
)
def test_what_is_genuine_but_unusable_is_answered(gate: Any, event: dict[str, Any], answer: dict[str, Any]) -> None:
    """The platform waits for ICE and PIE, and hears that the call is to be hung up; the rest is heard out."""
    reply = gate.post(event)
    assert (reply.status, reply.json) == (200, answer)


def test_reports_are_acknowledged(gate: Any) -> None:
    """DiCE and notify, of calls that we know and of others."""
    gate.post(gate.ice("reported"))
    for call in ("reported", "never-heard-of"):
        assert gate.post({"event": "notify", "callid": call, "type": "recording_finished", "version": 1}).json == {}
        assert gate.post(gate.dice(call, 5)).json == {}


def test_what_a_call_was_told_is_recorded(gate: Any) -> None:
    """Every callback with its answer, what nobody understood included."""
    gate.post(gate.ice("told"))
    gate.post(gate.ace("told"))
    gate.post({"event": "hologram", "callid": "told"})
    gate.post(gate.dice("told", 5))
    shown = gate.must("calls", "show", "told", "--json").json
    assert [event["event"] for event in shown["events"]] == ["ice", "ace", "hologram", "dice"]
    assert shown["events"][0]["answer"]["action"]["name"] == "connectPstn"
    assert "know" in shown["events"][2]["note"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"])
def test_callbacks_are_posted(gate: Any, method: str) -> None:
    """Any other method is 405, signed or not."""
    assert gate.request(method, gate.path).status == 405
    assert gate.request(method, gate.path, b"", gate.sign(b"", method=method)).status == 405


@pytest.mark.parametrize(
    "path", ["/callbacks/", "/callbacks/twilio", "/callbacks/sinch/ice", "/callbacks/sinch%2F..", "/callbacks//"]
)
def test_there_is_nothing_at_another_path(gate: Any, path: str) -> None:
    """No provider of that name."""
    body = json.dumps(gate.ice("lost")).encode()
    assert gate.request("POST", path, body, gate.sign(body, path=path)).status == 404


def test_a_query_is_no_part_of_the_signature(gate: Any) -> None:
    """The official kits leave it out, and an operator may have one in the callback URL."""
    body = json.dumps(gate.ice("query")).encode()
    assert gate.request("POST", f"{gate.path}?tenant=1", body, gate.sign(body)).action == "connectPstn"


def test_header_names_and_the_scheme_come_in_any_case(gate: Any) -> None:
    """As HTTP says, and as older kits write it."""
    body = json.dumps(gate.ice("case")).encode()
    shouted = {
        name.upper(): value.replace("application ", "Application ", 1) for name, value in gate.sign(body).items()
    }
    assert gate.request("POST", gate.path, body, shouted).action == "connectPstn"


def test_health_is_open(gate: Any) -> None:
    """Alive and able to decide, and nothing about anybody."""
    for path in ("/healthz", "/readyz"):
        reply = gate.request("GET", path)
        assert (reply.status, reply.json) == (200, {"status": "ok"})


def test_a_proxy_may_strip_the_prefix_or_leave_it(new_gate: Callable[..., AbstractContextManager[Any]]) -> None:
    """The platform signs the path of the public URL; what the proxy makes of the path does not matter."""
    with new_gate(CALLGATE_PUBLIC_URL="https://voice.example.com/voice/gate/") as gate:
        for number, path in enumerate((gate.path, f"/voice/gate{gate.path}")):
            body = json.dumps(gate.ice(f"through{number}")).encode()
            signed = [gate.sign(body, path=f"{prefix}{gate.path}") for prefix in ("/voice/gate", "/other", "")]
            assert [gate.request("POST", path, body, headers).status for headers in signed] == [200, 401, 401]
        body = b"{}"
        assert gate.request("POST", f"/gate{gate.path}", body, gate.sign(body, path=f"/gate{gate.path}")).status != 200


def test_an_application_may_set_how_fresh_callbacks_must_be(
    new_gate: Callable[..., AbstractContextManager[Any]],
) -> None:
    """In force within a second, on a server that runs."""
    with new_gate(is_serving=False) as gate:
        gate.must("app", "set", gate.key, "freshness=5")
        gate.start()
        assert gate.post({}, at=now(seconds=-8)).status == 401
        assert gate.post({}, at=now()).status == 200


def test_the_log_tells_of_nobody(gate: Any) -> None:
    """After all of the above: no traceback, no full number, no secret."""
    gate.post(gate.ice("logged", cli="+46708123456", to="+46701740699"))
    gate.post(gate.ice("logged", cli="+46708123456", to="+46701740688"))
    gate.post(gate.ace("+46708123456"))
    gate.post({"event": "+46708123456", "callid": "x +46708123456"})
    gate.post({}, key="+46708123456")
    gate.request("POST", f"{gate.path}?to=%2B46708123456&from=+46708123456", b"{}")
    gate.request("GET", "/+46708123456?to=+46708123456")
    log = gate.log
    assert "callback.not_genuine" in log
    assert "callback.odd" in log
    assert "Traceback" not in log
    for private in (
        "46701740605",
        "46701740699",
        "46701740688",
        "46708123456",
        gate.secret,
        OTHER_SECRET,
        gate.secret_key,
        "cg_token",
    ):
        assert private not in log
