"""Carries single requests to a callback server: over HTTP, or straight into an ASGI or WSGI application in this process.

Blocking, and with the standard library alone, so that a test can use it wherever it stands. A load has a client of its own.
"""

import asyncio
import http.client
import io
import socket
import ssl
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, MutableMapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any, NamedTuple, Protocol, TypeVar, cast
from urllib.parse import unquote

from callgate.emulator.target import Target, read_target
from callgate.errors import TargetUnreachable

TIMEOUT_S = 5.0
"""How long the platform waits for an answer. Version 1 of the reference names no figure; version 2 says 5 seconds."""

MAX_ANSWER_BYTES = 1_048_576
"""Longest answer that is read; SVAML is some hundred bytes."""

STOP_WITHIN_S = 5.0
"""How long an application in this process may take to start and to stop."""

T = TypeVar("T")

Headers = Sequence[tuple[str, str]]
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
AsgiApp = Callable[[Scope, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]
WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Received(NamedTuple):
    """An answer. Header names are in lower case; of a repeated one the last is kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswer(Exception):
    """Nothing that could be called an answer came; the text says what happened. Caught by whoever sends."""


class Transport(Protocol):
    """A way to a callback server. `path` is what is signed, `requested` the same with its query."""

    url: str
    path: str
    requested: str

    def send(self, method: str, path: str, headers: Headers, body: bytes, timeout_s: float = TIMEOUT_S) -> Received:
        """Send one request and return its answer. Raises `NoAnswer`."""

    def close(self) -> None: ...


class HttpTransport:
    """To a URL, each request on a connection of its own, so that none suffers from what another has left behind."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.url, self.path, self.requested = target.url, target.path, target.path_and_query

    def send(self, method: str, path: str, headers: Headers, body: bytes, timeout_s: float = TIMEOUT_S) -> Received:
        """Raises `TargetUnreachable` where nothing listens at all, `NoAnswer` for whatever else goes wrong."""
        until = time.monotonic() + timeout_s
        link = self._link(timeout_s)
        try:
            self._connect(link)
            link.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers:
                link.putheader(name, value)
            if not any(name.lower() == "content-length" for name, _ in headers):
                link.putheader("content-length", str(len(body)))
            # A server may refuse before it has read all: its answer counts then, not that it stopped to listen.
            with suppress(BrokenPipeError, ConnectionResetError):
                link.endheaders(body)
            link.sock.settimeout(max(0.001, until - time.monotonic()))
            answer = link.getresponse()
            read = answer.read(MAX_ANSWER_BYTES + 1)
        except TimeoutError:
            raise NoAnswer(f"no answer within {timeout_s:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(_words(error) or "the connection was closed without an answer") from error
        finally:
            link.close()
        if len(read) > MAX_ANSWER_BYTES:
            raise NoAnswer(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
        return Received(answer.status, {name.lower(): value for name, value in answer.getheaders()}, read)

    def _link(self, timeout_s: float) -> http.client.HTTPConnection:
        host, port = self.target.host, self.target.port
        if self.target.is_tls:
            return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, port, timeout=timeout_s)

    def _connect(self, link: http.client.HTTPConnection) -> None:
        try:
            link.connect()
        except ssl.SSLError as error:
            raise TargetUnreachable(self.url, f"no safe connection: {error.reason or error}") from error
        except OSError as error:
            raise TargetUnreachable(self.url, _words(error)) from error
        assert link.sock is not None, "a connection that was made has its socket"
        link.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        """Nothing stays open between requests."""


class AsgiTransport:
    """Into an ASGI application, which lives in a loop and a thread of its own: its start-up is run, and its shutdown."""

    def __init__(self, app: AsgiApp, path: str) -> None:
        self._app = app
        self.url, self.path, self.requested = f"http://testserver{path}", path.partition("?")[0], path
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="callgate-asgi", daemon=True)
        self._thread.start()
        self._lifespan = _Lifespan(app)
        self._run(self._lifespan.start(), STOP_WITHIN_S)

    def send(self, method: str, path: str, headers: Headers, body: bytes, timeout_s: float = TIMEOUT_S) -> Received:
        """An exception of the application is an answer of status 500, as a server would make of it, with its words."""
        try:
            return self._run(_ask_asgi(self._app, _asgi_scope(method, path, headers), body), timeout_s)
        except TimeoutError:
            raise NoAnswer(f"no answer within {timeout_s:g} s") from None
        except CancelledError:
            raise NoAnswer("the application was closed before it answered") from None

    def close(self) -> None:
        """Give up what is still being answered, run its shutdown and end the loop."""
        try:
            self._run(self._lifespan.stop(), STOP_WITHIN_S)
        finally:
            self._run(_cancel_the_rest(), STOP_WITHIN_S)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(STOP_WITHIN_S)
            self._loop.close()

    def _run(self, steps: Coroutine[Any, Any, T], timeout_s: float) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(timeout_s):
                return await steps

        return asyncio.run_coroutine_threadsafe(bounded(), self._loop).result()


class WsgiTransport:
    """Into a WSGI application, each request in a thread of its own."""

    def __init__(self, app: WsgiApp, path: str) -> None:
        self._app = app
        self.url, self.path, self.requested = f"http://testserver{path}", path.partition("?")[0], path

    def send(self, method: str, path: str, headers: Headers, body: bytes, timeout_s: float = TIMEOUT_S) -> Received:
        """A thread cannot be stopped from outside: one that takes too long is left to itself."""
        came: list[Received | NoAnswer] = []

        def ask() -> None:
            try:
                came.append(_ask_wsgi(self._app, _wsgi_environ(method, path, headers, body)))
            except NoAnswer as error:
                came.append(error)

        thread = threading.Thread(target=ask, name="callgate-wsgi", daemon=True)
        thread.start()
        thread.join(timeout_s)
        if not came:
            raise NoAnswer(f"no answer within {timeout_s:g} s")
        if isinstance(came[0], NoAnswer):
            raise came[0]
        return came[0]

    def close(self) -> None:
        """Nothing stays open between requests."""


def open_transport(app: object, path: str) -> Transport:
    """Return the way to a URL, or to an ASGI or WSGI application at this path. Raises `Invalid` for a URL that is none."""
    if isinstance(app, str):
        return HttpTransport(read_target(app, "the URL of the application"))
    if is_asgi(app):
        return AsgiTransport(cast("AsgiApp", app), path)
    if callable(app):
        return WsgiTransport(cast("WsgiApp", app), path)
    raise TypeError(f"{type(app).__name__} is no URL and no ASGI or WSGI application")


def is_asgi(app: object) -> bool:
    """Whether an application is called as ASGI has it: a coroutine function, or an object whose `__call__` is one."""
    return asyncio.iscoroutinefunction(app) or asyncio.iscoroutinefunction(getattr(app, "__call__", None))  # noqa: B004


class _Lifespan:
    """The start-up and shutdown of an ASGI application; one that knows of neither goes without."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._in: asyncio.Queue[Message] = asyncio.Queue()
        self._out: asyncio.Queue[Message] = asyncio.Queue()
        scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        self._task = asyncio.ensure_future(self._app(scope, self._in.get, self._out.put))
        await self._say("startup")

    async def stop(self) -> None:
        if self._task is not None and not self._task.done():
            await self._say("shutdown")
            self._task.cancel()

    async def _say(self, what: str) -> None:
        assert self._task is not None, "started before it is spoken to"
        await self._in.put({"type": f"lifespan.{what}"})
        heard = asyncio.ensure_future(self._out.get())
        await asyncio.wait({heard, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if heard.done() and heard.result()["type"] == f"lifespan.{what}.failed":
            raise RuntimeError(f"the application's {what} failed: {heard.result().get('message', '')}")
        heard.cancel()
        if self._task.done() and not self._task.cancelled():
            self._task.exception()  # one that raises at `lifespan` does not know it, says the specification


async def _cancel_the_rest() -> None:
    """Cancel every other task of this loop, and wait until they are gone."""
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


def _asgi_scope(method: str, path: str, headers: Headers) -> Scope:
    raw_path, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(raw_path),
        "raw_path": raw_path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [
            (b"host", b"testserver"),
            *((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers),
        ],
        "client": ("127.0.0.1", 50_000),
        "server": ("testserver", 80),
        "state": {},
        "extensions": {},
    }


async def _ask_asgi(app: AsgiApp, scope: Scope, body: bytes) -> Received:
    scope["headers"].append((b"content-length", str(len(body)).encode()))
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[Message] = []

    async def receive() -> Message:
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    try:
        await app(scope, receive, send)
    except Exception as error:  # noqa: BLE001 - an application's exception is what a server answers with 500
        if not sent:
            return _crash(error)
    start = next((each for each in sent if each["type"] == "http.response.start"), None)
    if start is None:
        raise NoAnswer("the application returned without an answer")
    return Received(
        start["status"],
        {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in start.get("headers", ())},
        b"".join(each.get("body", b"") for each in sent if each["type"] == "http.response.body"),
    )


def _wsgi_environ(method: str, path: str, headers: Headers, body: bytes) -> dict[str, Any]:
    raw_path, _, query = path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(raw_path, "latin-1"),
        "RAW_URI": path,
        "REQUEST_URI": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "testserver",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in headers:
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    return environ


def _ask_wsgi(app: WsgiApp, environ: dict[str, Any]) -> Received:
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], _exc_info: object = None
    ) -> Callable[[bytes], None]:
        started.append((status, headers))
        return written.append

    written: list[bytes] = []
    try:
        parts = app(environ, start_response)
        try:
            written += parts
        finally:
            getattr(parts, "close", lambda: None)()
    except Exception as error:  # noqa: BLE001 - as above
        return _crash(error)
    if not started:
        raise NoAnswer("the application returned without an answer")
    status, headers = started[-1]
    return Received(int(status[:3]), {name.lower(): value for name, value in headers}, b"".join(written))


def _crash(error: Exception) -> Received:
    """What a server makes of an exception, though it would keep the words to itself."""
    words = f"{type(error).__name__}: {error}"
    return Received(500, {"content-type": "text/plain; charset=utf-8"}, words.encode(errors="replace"))


def _words(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
