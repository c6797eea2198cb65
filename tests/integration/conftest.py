"""A platform that plays its REST interface on loopback, in a thread, so that commands and clients can ask it.

It is written from the platform's documents and not with our own protocol room: it works out signatures by itself, and what
it answers is spelled as the documents spell it.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import web
from desk_visit import Visit, migrated, visiting


@pytest.fixture(scope="session")
def empty_gate(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database with nothing in it."""
    return migrated(tmp_path_factory.mktemp("empty") / "gate.db")


@pytest.fixture
def visit(empty_gate: bytes, tmp_path: Path) -> Visit:
    """Run steps against a dashboard that is served for them."""
    return visiting(empty_gate, tmp_path / "gate.db")


REST_KEY, REST_SECRET = "669E367E-6BBA-48AB-AF15-266871C28135", "BeIukql3pTKJ8RGL5zo0DA=="
REFERENCE = "38188074-abcd-56ab-ab64-daf82fada8e8"


class Heard(NamedTuple):
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class PlayedPlatform:
    """What it knows, what it heard, and how it misbehaves.

    `calls` are what GET answers by call id. `misbehave`, when it is set, answers in the place of everything else.
    """

    def __init__(self) -> None:
        self.url = ""
        self.key = REST_KEY
        self.secret = REST_SECRET
        self.may_basic = False
        self.calls: dict[str, dict[str, Any]] = {}
        self.callbacks = {
            "primary": "https://old.example.com/callbacks/sinch",
            "fallback": "https://spare.example.com/",
        }
        self.heard: list[Heard] = []
        self.misbehave: Callable[[web.Request], Any] | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        heard = Heard(request.method, request.raw_path, {k.lower(): v for k, v in request.headers.items()}, body)
        self.heard.append(heard)
        if self.misbehave is not None:
            return await self.misbehave(request)
        if (refused := self._refuse(heard)) is not None:
            return refused
        return self._do(heard)

    def _refuse(self, heard: Heard) -> web.Response | None:
        """Judge who asks, as section 3 of the documents says."""
        scheme, _, credentials = heard.headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            expected = base64.b64encode(f"{self.key}:{self.secret}".encode()).decode()
            if not self.may_basic:
                return error(40301, "Scheme not allowed")
            return None if credentials == expected else error(40108, "Invalid credentials")
        if scheme.lower() != "application" or ":" not in credentials:
            return error(40100, "Authorization header")
        stamp = heard.headers.get("x-timestamp", "")
        try:
            age_s = abs((datetime.now(UTC) - datetime.fromisoformat(stamp)).total_seconds())
        except ValueError:
            return error(40101, "Timestamp header")
        if age_s > 300:
            return error(40101, "Timestamp header")
        md5 = base64.b64encode(hashlib.md5(heard.body, usedforsecurity=False).digest()).decode() if heard.body else ""
        lines = [heard.method, md5, heard.headers["content-type"], f"x-timestamp:{stamp}", heard.path.partition("?")[0]]
        digest = hmac.digest(base64.b64decode(self.secret), "\n".join(lines).encode(), "sha256")
        is_genuine = credentials == f"{self.key}:{base64.b64encode(digest).decode()}"
        return None if is_genuine else error(40102, f"Invalid signature {credentials}")

    def _do(self, heard: Heard) -> web.Response:  # noqa: C901, PLR0912 - one case an operation
        """Do what is asked, as section 7 of the documents says."""
        parts = heard.path.strip("/").split("/")
        match heard.method, parts:
            case "POST", ["calling", "v1", "callouts"]:
                if heard.json[heard.json["method"]].get("destination", {}).get("endpoint") == "+46000000402":
                    return error(40200, "Not enough credit to call 46000000402")
                return web.json_response({"callId": "adf92089-df2a-4f14-a377-1e975f588fe4"})
            case (("GET" | "PATCH"), ["calling", "v1", "calls", "id", call_id, *_]):
                if call_id not in self.calls:
                    return error(40400, f"Call not found: {call_id}")
                if heard.method == "GET":
                    return web.json_response(self.calls[call_id])
                if heard.json["action"]["name"] == "hangup":
                    del self.calls[call_id]
                return web.Response(status=204)
            case "GET", ["calling", "v1", "conferences", "id", "room"]:
                participant = {
                    "cli": "+46708168731",
                    "id": "abcabcabcabca",
                    "duration": 14,
                    "muted": False,
                    "onhold": False,
                }
                return web.json_response({"participants": [participant]})
            case (("PATCH" | "DELETE"), ["calling", "v1", "conferences", "id", "room", *_]):
                return web.Response(status=200)
            case "GET", ["v1", "configuration", "numbers"]:
                return web.json_response({"numbers": [{"number": "+14151112223333", "capability": "voice"}]})
            case (("POST" | "DELETE"), ["v1", "configuration", "numbers"]):
                return web.Response(status=200)
            case "GET", ["v1", "configuration", "callbacks", "applications", key] if key == self.key:
                return web.json_response({"url": self.callbacks})
            case "POST", ["v1", "configuration", "callbacks", "applications", key] if key == self.key:
                self.callbacks = heard.json["url"]
                return web.Response(status=204)
            case "GET", ["v1", "calling", "query", "number", number]:
                rate = {"currencyId": "USD", "amount": 0.0368}
                found = {"countryId": "SE", "numberType": "Mobile", "normalizedNumber": number, "restricted": False}
                return web.json_response({"number": found | {"rate": rate}})
        return error(40400, "No such resource")


def error(code: int, message: str) -> web.Response:
    said = {"errorCode": code, "message": message, "reference": REFERENCE}
    return web.json_response(said, status=code // 100)


@contextmanager
def play() -> Iterator[PlayedPlatform]:
    played = PlayedPlatform()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> web.AppRunner:
        app = web.Application(client_max_size=2**22)
        app.router.add_route("*", "/{tail:.*}", played.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        played.url = f"http://127.0.0.1:{port}"
        return runner

    runner = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield played
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture(scope="session")
def play_platform() -> Callable[[], AbstractContextManager[PlayedPlatform]]:
    """Play platforms, each on a port of its own."""
    return play


@pytest.fixture
def platform() -> Iterator[PlayedPlatform]:
    """A platform for this test alone."""
    with play() as played:
        yield played
