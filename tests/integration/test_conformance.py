"""The conformance check finds what is wrong with a server, and nothing else: each of these has one flaw, or many."""

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from callgate.cli.conformance import conformance as conformance_command
from callgate.emulator.conformance.report import Mark
from callgate.emulator.conformance.run import all_checks, check_conformance
from callgate.emulator.transport import WsgiTransport
from callgate.protocol import WireRequest, sinch

KEY, SECRET, PATH = "KEY", "SECRETS=", "/callbacks/sinch"
MAX_BODY = 65_536
CONNECT = b'{"action":{"name":"connectPstn","maxDuration":600}}'

Reply = tuple[int, bytes]
Verify = Callable[[WireRequest], None]


def verify(request: WireRequest) -> None:
    sinch.verify(request, {KEY: SECRET}, datetime.now(UTC))


class Server:
    """A careful callback server in WSGI, which remembers calls, with doors left open for flaws."""

    def __init__(self, verify: Verify = verify, **flaws: Any) -> None:
        self._verify = verify
        self._flaws = flaws
        self._answers: dict[str, tuple[str, bytes]] = {}
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        status, body = self.answer(environ)
        start(f"{status} Said", [("content-type", self._flaws.get("content_type", "application/json"))])
        return [body]

    def answer(self, environ: dict[str, Any]) -> Reply:
        if environ["REQUEST_METHOD"] != "POST":
            return 405, b"{}"
        if int(environ["CONTENT_LENGTH"]) > self._flaws.get("max_body", MAX_BODY):
            return 413, b"{}"
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): value
            for name, value in environ.items()
            if isinstance(value, str)
        }
        request = WireRequest(method="POST", path=PATH, headers=headers, body=environ["wsgi.input"].read())
        try:
            self._verify(request)
        except sinch.SignatureInvalid:
            return self._flaws.get("refusal", lambda _: (401, b"{}"))(request)
        try:
            event = json.loads(request.body)
            kind, call_id = event["event"], str(event.get("callid"))
        except (ValueError, TypeError, KeyError, RecursionError):
            return 400, b"{}"
        if event.get("applicationKey", KEY) != KEY:
            return 401, b"{}"
        with self._lock:
            return 200, self._decide(kind, call_id, event)

    def _decide(self, kind: str, call_id: str, event: dict[str, Any]) -> bytes:
        if kind == "ice":
            to = json.dumps(event.get("to"))
            first, answer = self._answers.setdefault(call_id, (to, CONNECT))
            return answer if first == to else b'{"action":{"name":"hangup"}}'
        if kind == "dice":
            self._answers[call_id] = ("ended", b"")
        return self._flaws.get(kind, b"{}" if kind not in ("ace", "pie") else b'{"action":{"name":"continue"}}')


def marks(app: Any, mark: Mark) -> set[str]:
    return set(check_conformance(WsgiTransport(app, PATH), KEY, SECRET).named(mark))


def rewriting(request: WireRequest) -> None:
    """Verify what the body says instead of what it is."""
    body = request.body
    with suppress(ValueError, RecursionError):
        body = json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode()
    verify(WireRequest(method="POST", path=PATH, headers=request.headers, body=body))


def timeless(request: WireRequest) -> None:
    sinch.verify(request, {KEY: SECRET}, datetime.now(UTC), freshness_s=None)


def only_calls(request: WireRequest) -> None:
    if b'"ice"' in request.body:
        verify(request)


def keyless(request: WireRequest) -> None:
    """Verify with the one secret there is, whatever key is named."""
    named = (
        request.headers["authorization"].partition(" ")[2].partition(":")[0]
        if "authorization" in request.headers
        else KEY
    )
    sinch.verify(request, {named: SECRET}, datetime.now(UTC))


def telling(request: WireRequest) -> Reply:
    text = sinch.string_to_sign(
        "POST", PATH, request.body, request.headers.get("x-timestamp", ""), request.headers.get("content-type", "")
    )
    return 403, b"expected " + sinch.signature_of(SECRET, text).encode()


counter = itertools.count()


def test_a_careful_server_passes_everything() -> None:
    """Nothing fails, and there is no advice."""
    report = check_conformance(WsgiTransport(Server(), PATH), KEY, SECRET)
    assert [(each.name, each.mark, each.found) for each in report.checks if each.mark is not Mark.PASS] == []
    assert report.is_well
    assert all(each.todo == "" for each in report.checks)


@pytest.mark.parametrize(
    ("app", "failed"),
    [
        (Server(rewriting), {"unusual-body", "rewritten-body"}),
        (Server(timeless), {"stale", "future"}),
        (Server(only_calls), {"unsigned-end"}),
        (Server(keyless), {"other-key"}),
        (Server(refusal=telling), {"no-secrets-told"}),
        (Server(ace=b'{"action":{"name":"park"}}'), {"ace", "ace-of-a-stranger", "end-before-answer"}),
        (Server(pie=b"{}"), {"pie"}),
    ],
    ids=["rewrites", "timeless", "only calls", "keyless", "tells", "parks", "no menu"],
)
def test_one_flaw_is_found(app: Server, failed: set[str]) -> None:
    """By name, and no other check fails."""
    assert marks(app, Mark.FAIL) == failed


def test_other_answers_to_repeats_are_found() -> None:
    """A server that decides anew each time, as one does that throws dice."""

    def dicing(_: dict[str, Any]) -> bytes:
        return b'{"action":{"name":"connectPstn","maxDuration":%d}}' % (600 + next(counter))

    class Dicing(Server):
        def _decide(self, kind: str, call_id: str, event: dict[str, Any]) -> bytes:
            return dicing(event) if kind == "ice" else super()._decide(kind, call_id, event)

    app = Dicing()
    assert marks(app, Mark.FAIL) == {"ice-twice", "same-call-at-once"}
    assert marks(app, Mark.ADVICE) == {"ended-call", "other-call-of-that-id"}


def test_advice_is_no_fault() -> None:
    """No limit to bodies, a content type that is none, 400 for a refusal."""
    app = Server(max_body=10**9, content_type="text/plain", refusal=lambda _: (400, b"{}"))
    report = check_conformance(WsgiTransport(app, PATH), KEY, SECRET)
    assert report.failed == []
    assert report.is_well
    assert {"large", "content-type", "unsigned", "stale"} <= set(report.advised)


def test_calls_that_were_let_through_are_ended() -> None:
    """None is up when the report is written, so that nobody's money stays held."""
    up: set[str] = set()

    class Counting(Server):
        def _decide(self, kind: str, call_id: str, event: dict[str, Any]) -> bytes:
            answer = super()._decide(kind, call_id, event)
            if kind == "ice" and b"connect" in answer:
                up.add(call_id)
            if kind == "dice":
                assert "duration" not in event
                up.discard(call_id)
            return answer

    check_conformance(WsgiTransport(Counting(), PATH), KEY, SECRET)
    assert up == set()


@contextmanager
def serving(app: Any) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}{PATH}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def test_the_naive_tutorial_is_told_what_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The controller of the example, over HTTP, by command: it believes everybody, and breaks on what it did not expect."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "examples" / "testing")
    app = import_module("flask_controller").app
    app.logger.disabled = True
    with serving(app) as url:
        code = conformance_command(url, key=KEY, secret=SECRET, number="+15612600684")
    told = capsys.readouterr().out
    assert code == 1
    lines = told.splitlines()
    failed = {line.split()[1] for line in lines if line.startswith("fail")}
    believed = {
        "unsigned",
        "signature",
        "secret",
        "unknown-key",
        "other-path",
        "other-method",
        "other-timestamp",
        "no-timestamp",
    }
    assert believed | {"stale", "future", "other-body", "rewritten-body", "unsigned-end", "ice-of-few-fields"} <= failed
    assert not {"signed", "dice-twice", "ace", "notify", "malformed", "deadline"} & failed
    assert "do: verify the signature of every callback before you read its body, over the bytes as they came" in told
    assert checks_in(lines[-1]) == len(all_checks())


def checks_in(line: str) -> int:
    return int(line.split(maxsplit=1)[0])


def test_names_of_checks_are_told_apart() -> None:
    """Each once; each with a sentence that says what holds and one that says what to do."""
    checks = all_checks()
    assert len({check.name for check in checks}) == len(checks)
    assert all(check.says and check.todo for check in checks)
