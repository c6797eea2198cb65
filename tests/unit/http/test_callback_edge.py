"""The edge as an ASGI callable, with providers and use cases of its own real kind and a body that comes as a test likes."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from callgate.http import callbacks
from callgate.http.callbacks import CallbackEdge, read_body
from callgate.http.problems import BROKEN_OFF, TOO_LARGE
from callgate.protocol import sinch
from callgate.service.application import Application, ApplicationRow
from callgate.service.catalog import Catalog, Catalogs
from callgate.service.faults import FaultWatch
from callgate.service.respond import Responder
from callgate.storage.sqlite import MEMORY, SqliteStore

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY, SECRET = "app", "c2VjcmV0"


def receiving(*messages: dict[str, Any]) -> Any:
    """Hand out messages one by one; after the last, wait for ever."""
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    return receive


def body_of(*pieces: bytes) -> Iterable[dict[str, Any]]:
    for number, piece in enumerate(pieces, 1):
        yield {"type": "http.request", "body": piece, "more_body": number < len(pieces)}


def edge(public_prefix: str = "") -> CallbackEdge:
    """An edge that knows one application, before a store that was never opened: what gets past the edge would fail."""
    store = SqliteStore(MEMORY)
    catalogs = Catalogs(store, lambda _: SECRET)
    row = ApplicationRow(key=KEY, provider="sinch", name="", created_at=NOW, sealed_secrets=())
    catalogs.now = Catalog(applications={KEY: Application(row=row, secrets=((SECRET, None),))})
    responder = Responder(store, lambda: NOW, decision_deadline_s=1, orphan_after=timedelta(seconds=600))
    return CallbackEdge(catalogs, responder, FaultWatch(store, lambda: NOW), lambda: NOW, public_prefix)


def status_of(gate: CallbackEdge, path: str, receive: Any, headers: dict[str, str], method: str = "POST") -> int:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(gate(scope, receive, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    return int(sent[0]["status"])


def signed(path: str, body: bytes) -> dict[str, str]:
    return sinch.sign("POST", path, body, KEY, SECRET, NOW)


@pytest.mark.parametrize(
    ("prefix", "path", "signed_path", "status"),
    [
        ("", "/callbacks/sinch", "/callbacks/sinch", 400),
        ("", "/callbacks/sinch", "/other", 401),
        ("/voice", "/callbacks/sinch", "/voice/callbacks/sinch", 400),
        ("/voice", "/voice/callbacks/sinch", "/voice/callbacks/sinch", 400),
        ("/voice", "/callbacks/sinch", "/callbacks/sinch", 401),
        ("/voice", "/callbacks/sinch/", "/voice/callbacks/sinch/", 400),
        ("/callbacks", "/callbacks/sinch", "/callbacks/callbacks/sinch", 400),
        ("/callbacks", "/callbacks/callbacks/sinch", "/callbacks/callbacks/sinch", 400),
        ("/callbacks", "/callbacks/sinch", "/callbacks/sinch", 401),
        ("/a/b", "/a/b/callbacks/sinch", "/a/b/callbacks/sinch", 400),
    ],
)
def test_the_signature_covers_the_public_path(prefix: str, path: str, signed_path: str, status: int) -> None:
    """Whether a proxy stripped the prefix or not. The body is no callback: 400 means that it was found genuine."""
    assert status_of(edge(prefix), path, receiving(*body_of(b"[]")), signed(signed_path, b"[]")) == status


@pytest.mark.parametrize("path", ["/callbacks/", "/callbacks/nobody", "/callbacks/Sinch"])
def test_only_providers_have_a_callback_url(path: str) -> None:
    """404 for another name, whatever the method."""
    assert status_of(edge(), path, receiving(), {}) == 404
    assert status_of(edge(), path, receiving(), {}, method="GET") == 404


@pytest.mark.parametrize("length", ["65537", "99999999999999999999"])
def test_a_length_that_is_too_large_is_not_waited_for(length: str) -> None:
    """No body ever comes here."""
    assert status_of(edge(), "/callbacks/sinch", receiving(), {"content-length": length}) == 413


def test_a_body_that_does_not_come_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much of it came before."""
    monkeypatch.setattr(callbacks, "MAX_BODY_WAIT_S", 0.0)
    started = {"type": "http.request", "body": b"{", "more_body": True}
    assert status_of(edge(), "/callbacks/sinch", receiving(started), {}) == 408


def test_a_server_that_stops_says_so() -> None:
    """A request that is cut off is answered all the same, and raises nothing."""

    async def receive() -> dict[str, Any]:
        raise asyncio.CancelledError

    assert status_of(edge(), "/callbacks/sinch", receive, {}) == 503


@pytest.mark.parametrize(
    ("pieces", "read"),
    [
        ((b"",), b""),
        ((b"ab", b"", b"c"), b"abc"),
        ((b"x" * 65_536,), b"x" * 65_536),
        ((b"x" * 65_536, b""), b"x" * 65_536),
        ((b"x" * 65_537,), TOO_LARGE),
        ((b"x" * 65_536, b"x", b"never asked for"), TOO_LARGE),
    ],
    ids=["empty", "pieces", "64 KiB", "64 KiB and its end", "a byte more", "a byte more in pieces"],
)
def test_bodies_are_read_to_their_end_or_their_limit(pieces: tuple[bytes, ...], read: object) -> None:
    """64 KiB, and not a byte more."""
    assert asyncio.run(read_body(receiving(*body_of(*pieces)))) == read


def test_a_body_that_breaks_off_is_no_body() -> None:
    """Even where what came of it is what was signed: the client has gone, and would not hear the answer."""
    started = {"type": "http.request", "body": b"{}", "more_body": True}
    assert asyncio.run(read_body(receiving(started, {"type": "http.disconnect"}))) is BROKEN_OFF
