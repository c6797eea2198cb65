"""The API of a real server: what its logs hold, what fifty repeats at once do, what a killed server leaves, the live feed."""

import http.client
import json
import re
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from decimal import Decimal
from typing import Any

import pytest

NewGate = Callable[..., AbstractContextManager[Any]]


def ask(gate: Any, method: str, path: str, token: str, body: object = None, **headers: str) -> Any:
    sent = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return gate.request(method, f"/api/v1{path}", b"" if body is None else json.dumps(body).encode(), sent)


def test_no_log_holds_a_secret_or_a_number(new_gate: NewGate) -> None:
    """A whole run with everything logged: calls, refusals, forged callbacks, the API with good and bad tokens, the feed."""
    with new_gate() as gate:
        token = gate.must("token", "create", "run", "--role", "admin", "--json").json["token"]
        gate.must("app", "set", gate.key, "platform=http://127.0.0.1:9")
        gate.stop()
        gate.start(CALLGATE_LOG_LEVEL="debug")
        load(gate)
        feed: list[bytes] = []
        following = follow(gate, token, feed)
        gate.post(gate.ice("c1"))
        gate.post(gate.ace("c1"))
        gate.post(gate.dice("c1", 61))
        gate.post(gate.ice("c2", user="stranger"))
        gate.post(gate.ice("c3", to="+46709999999999"))
        forged = gate.sign(json.dumps(gate.ice("c4")).encode(), secret="Zm9yZ2Vk")
        gate.request("POST", "/callbacks/sinch", json.dumps(gate.ice("c4")).encode(), forged)
        whole = "/quote?destination=%2B46701740605&seconds=60&account=alice"
        assert ask(gate, "GET", whole, token).status == 200
        assert ask(gate, "GET", whole, f"{token}x").status == 401
        body = {"url": "https://127.0.0.1:9/hook?key=hush", "allow_private": True}
        endpoint = ask(gate, "POST", "/endpoints", token, body).json
        ask(gate, "POST", f"/endpoints/{endpoint['id']}/test", token)
        ask(gate, "POST", "/applications", token, {"key": "K2", "secret": "aHVzaGh1c2g="})
        ask(gate, "POST", "/accounts", token, {"id": "bob", "currency": "USD", "identities": ["number:+46701740607"]})
        ask(gate, "GET", "/accounts/%2B46701740605", token)
        ask(gate, "GET", "/nowhere/+46701740605?number=+46701740605", token)
        second = ask(gate, "POST", "/tokens", token, {"name": "x", "role": "viewer"}).json["token"]
        gate.request("GET", f"/calls/c1?app={gate.key}&x=+46701740605")
        callout = {"account": "alice", "kind": "tts", "to": "+46701740608", "text": "hushhush", "from": "+46701740605"}
        assert ask(gate, "POST", f"/callouts?app={gate.key}", token, callout).status == 502
        sign_in = {"content-type": "application/x-www-form-urlencoded"}
        gate.request("POST", "/sign-in", f"token={token}&form_token=hushed".encode(), sign_in)
        gate.request(
            "POST", "/sign-in", b"name=eva&password=hushword&code=123123", sign_in | {"cookie": "callgate_form=x"}
        )
        gate.request("POST", "/auth/sinch/token", b'{"user": "alice", "password": "hushword"}')
        gate.request("GET", "/sign-in/openid/callback?code=hushcode&state=hushstate")
        deadline = time.monotonic() + 10
        while b"event: ended" not in b"".join(feed) and time.monotonic() < deadline:
            time.sleep(0.05)
        told = b"".join(feed)
        assert b"event: decided\n" in told and b"event: ended\n" in told and b'"call_id":"c1"' in told
        check_metrics(gate)
        assert gate.stop() == 0
        following.join(10)
        log = gate.log
        assert "callback" in log or "server.listening" in log
        hidden = [gate.secret, token, second, endpoint["secret"], "aHVzaGh1c2g", "hush", "Zm9yZ2Vk"]
        hidden += ["hushword", "hushcode", "hushstate", "123123", "46701740608"]
        hidden += ["46701740605", "46701740607", "46709999999999"]
        assert [each for each in hidden if each in log] == []


def load(gate: Any) -> None:
    """Callbacks are answered at once, the API as soon as its framework is loaded."""
    deadline = time.monotonic() + 20
    while gate.request("GET", "/api/v1/openapi.json").status == 503 and time.monotonic() < deadline:
        time.sleep(0.05)


def follow(gate: Any, token: str, feed: list[bytes]) -> threading.Thread:
    """Collect the live feed until the server stops; returns when it has begun."""
    link = http.client.HTTPConnection("127.0.0.1", gate.port, timeout=30)
    link.request("GET", "/api/v1/events", headers={"authorization": f"Bearer {token}"})
    reply = link.getresponse()
    assert (reply.status, reply.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
    feed.append(reply.fp.readline())

    def collect() -> None:
        with suppress(OSError, http.client.HTTPException, ValueError):
            while line := reply.fp.readline():
                feed.append(line)
        reply.close()
        link.close()

    following = threading.Thread(target=collect, daemon=True)
    following.start()
    return following


LINE = re.compile(r'([a-z_]+)(?:\{([a-z]+)="([^"]*)"\})? (\d+(?:\.\d+)?)')


def check_metrics(gate: Any) -> None:
    """Every line is well formed, decisions are counted by name, and nothing is about anybody."""
    reply = gate.request("GET", "/metrics")
    text = reply.body.decode()
    found = {}
    for line in text.splitlines():
        if not line.startswith("# "):
            match = LINE.fullmatch(line)
            assert match is not None, line
            found[match[1], match[3]] = float(match[4])
    assert found["callgate_decisions_total", "connect"] == 1
    assert found["callgate_decisions_total", "refuse"] == 2
    assert found["callgate_refusals_total", "caller_unknown"] == 1
    assert found["callgate_decision_seconds_bucket", "+Inf"] == found["callgate_decision_seconds_count", None] == 3
    assert found["callgate_callbacks_rejected_total", "401"] == 1
    assert found["callgate_callbacks_total", "ended"] == 1
    assert found["callgate_store_up", None] == 1
    for hidden in ("alice", "4670", gate.key, "4.96"):
        assert hidden not in text


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> dict[str, str]:
    """Settings of each engine."""
    if request.param == "sqlite":
        return {}
    return {"CALLGATE_DATABASE_URL": request.getfixturevalue("postgres_url")}


def test_fifty_repeats_and_a_killed_server(new_gate: NewGate, database: dict[str, str]) -> None:
    """Fifty repeats of one top-up at once move money once and get one reply; when the server is killed among many, each of
    them is there whole or not at all, and the same requests again finish the work.
    """
    with new_gate(is_set_up=False, is_serving=False, **database) as gate:
        gate.set_up()
        gate.start()
        load(gate)
        gate.account("payer", "1")
        token = gate.must("token", "create", "run", "--role", "operator", "--json").json["token"]

        def pay(key: str, amount: str = "2.00") -> Any:
            try:
                return ask(gate, "POST", "/accounts/payer/topups", token, {"amount": amount}, idempotency_key=key)
            except (OSError, http.client.HTTPException):
                return None

        with ThreadPoolExecutor(25) as pool:
            replies = list(pool.map(pay, ["same"] * 50))
        assert {(reply.status, reply.body) for reply in replies if reply} == {(201, replies[0].body)}
        assert gate.wallet("payer")["posted"] == Decimal(3)
        assert pay("same", "3.00").status == 409

        with ThreadPoolExecutor(8) as pool:
            many = [pool.submit(pay, f"k{number}") for number in range(80)]
            while sum(each.done() for each in many) < 10:
                time.sleep(0.005)
            gate.stop(signal.SIGKILL)
            said = [each.result() for each in many]
        done = sum(reply is not None and reply.status == 201 for reply in said)
        posted = (gate.wallet("payer")["posted"] - 3) / 2
        assert posted == posted.to_integral_value() and posted >= done
        gate.must("ledger", "verify")
        gate.start()
        load(gate)
        with ThreadPoolExecutor(8) as pool:
            again = list(pool.map(pay, [f"k{number}" for number in range(80)]))
        assert {reply.status for reply in again} == {201}
        assert [now.body for now, then in zip(again, said, strict=True) if then is not None and then.status == 201] == [
            then.body for then in said if then is not None and then.status == 201
        ]
        assert gate.wallet("payer")["posted"] == Decimal(163)
        gate.must("ledger", "verify")
