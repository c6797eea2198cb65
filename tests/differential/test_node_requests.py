"""What we ask of the platform, and what its own kit for Node asks: the same requests, signed the same way."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from callgate.protocol import WireRequest, sinch
from callgate.protocol.sinch import rest

HERE = Path(__file__).parent
KEY, SECRET = "669E367E-6BBA-48AB-AF15-266871C28135", "BeIukql3pTKJ8RGL5zo0DA=="
PHONE = sinch.Address(type="number", endpoint="+46000000001")
SPOKEN = sinch.Svaml(instructions=(sinch.Say(text="Hej \u00c5sa"),), action=sinch.Continue())

OURS: list[rest.Operation[Any]] = [
    rest.TtsCallout(destination=PHONE, cli="+46000000000", text="Hej \u00c5sa", enable_ace=True),
    rest.ConferenceCallout(destination=PHONE, conference_id="room", moh_class="music1"),
    rest.GetCall(call_id="c1"),
    rest.UpdateCall(call_id="c1", svaml=sinch.Svaml(action=sinch.Hangup())),
    rest.UpdateLeg(call_id="c1", leg="caller", svaml=SPOKEN),
    rest.GetConference(conference_id="room"),
    rest.KickAll(conference_id="room"),
    rest.KickParticipant(conference_id="room", call_id="c1"),
    rest.UpdateParticipant(conference_id="room", call_id="c1", command="onhold", moh="music1"),
    rest.GetNumbers(),
    rest.AssignNumbers(numbers=("+46000000001",), capability="voice"),
    rest.UnassignNumber(number="+46000000001"),
    rest.GetCallbacks(application_key=KEY),
    rest.UpdateCallbacks(application_key=KEY, primary="https://gate.example.com/"),
    rest.QueryNumber(number="+46730170101"),
]
"""In the order in which the script asks."""


@contextmanager
def listening() -> Iterator[tuple[str, list[WireRequest]]]:
    """A server that answers everything with `{}`, and what it heard."""
    heard: list[WireRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            heard.append(WireRequest(method=self.command, path=self.path, headers=dict(self.headers), body=body))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - names of the base class

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_same_requests_as_the_platforms_own_kit(node: str) -> None:
    """Method, path and body of each; and with its time and content type our signature is its signature."""
    with listening() as (url, theirs):
        done = subprocess.run(  # noqa: S603 - our own script
            [node, HERE / "requests.cjs", url, KEY, SECRET], capture_output=True, text=True, check=False, timeout=60
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(theirs) == len(OURS)
    for operation, their in zip(OURS, theirs, strict=True):
        now = datetime.fromisoformat(sinch.header(their.headers, "x-timestamp") or "")
        sinch.verify(their, {KEY: SECRET}, datetime.now(UTC))
        our = rest.signed(operation, KEY, SECRET, now)
        assert (our.method, our.path) == (their.method, their.path)
        assert (json.loads(our.body) if our.body else None) == (json.loads(their.body) if their.body else None)
        assert our.headers["content-type"] == sinch.header(their.headers, "content-type")
        stamp = sinch.header(their.headers, "x-timestamp") or ""
        text = sinch.string_to_sign(our.method, our.path, their.body, stamp, our.headers["content-type"])
        assert sinch.header(their.headers, "authorization") == f"Application {KEY}:{sinch.signature_of(SECRET, text)}"
