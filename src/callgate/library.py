"""Library mode: callbacks answered by handlers in somebody's own application, without the server, its store or money.

`Callgate` is an ASGI application; `wsgi` is the same for WSGI, `answer` and `answer_async` are for everything else. It
proves a callback genuine, reads it, asks the handler of its event and sends what that says, as it says it. Where no
handler says anything, and where one fails, a call is not set up: see `DEFAULTS`. No log line holds a number.
"""

from _thread import allocate_lock  # `threading.Lock`, without what else is in there
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from contextvars import copy_context
from datetime import UTC, datetime
from functools import cached_property, lru_cache, partial
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from callgate.errors import CallbackMalformed, Invalid, SignatureInvalid
from callgate.protocol import WireReply, WireRequest, sinch
from callgate.protocol.sinch.signature import FRESHNESS_S, decode_secret

if TYPE_CHECKING:  # the event loop is loaded by whoever runs one, the rest where it is needed
    import asyncio
    from concurrent.futures import ThreadPoolExecutor
    from wsgiref.types import StartResponse, WSGIEnvironment


class _Log:
    """The logger `callgate` of the standard library, loaded when first written to: that takes a tenth of our start."""

    def __getattr__(self, level: str) -> Any:
        from logging import getLogger  # noqa: PLC0415 - see above

        return getattr(getLogger("callgate"), level)


log = _Log()

MAX_BODY_BYTES = 65_536

DEADLINE_S = 3.0
"""How long a handler may take. The platform's documents name no figure for this version, and 5 seconds for the next."""

THREADS = 32
"""How many handlers that are not async may run at once; further calls wait for one of them, no longer than the deadline."""

Event = sinch.Ice | sinch.Ace | sinch.Pie | sinch.Dice | sinch.Notify
Said = sinch.Svaml | sinch.Action | None
"""What a handler may return: an answer, an action alone, or nothing, which is the answer of `DEFAULTS`."""

OnError = Callable[[Exception, Event], object]
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

AnyHandler = TypeVar("AnyHandler", bound=Callable[[Any], Any])
IceHandler = TypeVar("IceHandler", bound=Callable[[sinch.Ice], Said | Awaitable[Said]])
AceHandler = TypeVar("AceHandler", bound=Callable[[sinch.Ace], Said | Awaitable[Said]])
PieHandler = TypeVar("PieHandler", bound=Callable[[sinch.Pie], Said | Awaitable[Said]])
DiceHandler = TypeVar("DiceHandler", bound=Callable[[sinch.Dice], Said | Awaitable[Said]])
NotifyHandler = TypeVar("NotifyHandler", bound=Callable[[sinch.Notify], Said | Awaitable[Said]])

_HANG_UP = WireReply(body=sinch.Svaml(action=sinch.Hangup()).to_json())
_GO_ON = WireReply(body=sinch.Svaml(action=sinch.Continue()).to_json())
_NOTHING = WireReply()

DEFAULTS = {
    "ice": _HANG_UP,
    "ace": _GO_ON,  # the call was let through before it was answered
    "pie": _HANG_UP,  # to go on could connect to what was dialled, for as long as it likes
    "conference-pie": _NOTHING,  # digits that a conference detected; no answer is waited for
    "dice": _NOTHING,
    "notify": _NOTHING,
}
"""What is answered where there is no handler, where it returns None, and where it fails or misses the deadline."""

_REPORTS = frozenset({"conference-pie", "dice", "notify"})
_TO_BE_USABLE = (sinch.Ice, sinch.Pie)
"""What is answered by default, without asking a handler, where it lacks what a handler needs."""


class _Handler(NamedTuple):
    function: Callable[[Any], Any]
    is_async: bool

    def __str__(self) -> str:
        return str(getattr(self.function, "__qualname__", type(self.function).__qualname__))


class Callgate:
    """Answers callbacks of Sinch applications with handlers, one for each event.

    `applications` maps each application's key to its secret or secrets, as the platform shows them. A handler has
    `deadline_s` seconds, a callback is at most `freshness_s` seconds old (None: of any age). `public_path` is the path
    of the callback URL as the platform knows it, for a proxy that changes paths on the way; without it the path of the
    request counts, mounts included. `strict` sends no answer in which `sinch.check` finds a fault; otherwise answers are
    sent as they are, and what no version of the platform allowed is logged. `on_error` is called with what a handler
    raised, or why its answer was not sent, and the event. Raises `Invalid` for what cannot be used.
    """

    def __init__(  # noqa: PLR0913 - each is an option of its own
        self,
        applications: Mapping[str, str | Sequence[str]],
        *,
        deadline_s: float = DEADLINE_S,
        freshness_s: int | None = FRESHNESS_S,
        public_path: str | None = None,
        strict: bool = False,
        on_error: OnError | None = None,
    ) -> None:
        if deadline_s <= 0:
            raise Invalid("deadline_s", str(deadline_s), "more than 0 seconds")
        if freshness_s is not None and freshness_s < 0:
            raise Invalid("freshness_s", str(freshness_s), "0 or more seconds, or None")
        if public_path is not None and (not public_path.startswith("/") or "?" in public_path):
            raise Invalid("public_path", repr(public_path), "the path of the callback URL, such as '/callbacks/sinch'")
        self._secrets = _secrets(applications)
        self._deadline_s = deadline_s
        self._freshness_s = freshness_s
        self._public_path = public_path
        self._is_strict = strict
        self._on_error = on_error
        self._handlers: dict[type, _Handler] = {}
        self._late: set[asyncio.Future[Any]] = set()
        self._starting = allocate_lock()

    def ice(self, handler: IceHandler) -> IceHandler:
        """Handle incoming calls: the platform waits to hear what to do with the call."""
        return self._register(sinch.Ice, handler)

    def ace(self, handler: AceHandler) -> AceHandler:
        """Handle answered calls: the platform waits to hear whether to go on."""
        return self._register(sinch.Ace, handler)

    def pie(self, handler: PieHandler) -> PieHandler:
        """Handle what callers do in menus."""
        return self._register(sinch.Pie, handler)

    def dice(self, handler: DiceHandler) -> DiceHandler:
        """Handle the ends of calls. Nothing waits for the answer: the handler may go on after the deadline."""
        return self._register(sinch.Dice, handler)

    def notify(self, handler: NotifyHandler) -> NotifyHandler:
        """Handle reports, of recordings for example. Nothing waits for the answer, as for `dice`."""
        return self._register(sinch.Notify, handler)

    def answer(self, request: WireRequest, now: datetime | None = None) -> WireReply:
        """Answer one callback; `now` is aware. Never raises for what the request or the handler does.

        A handler that is not async runs in the thread of the caller, where nothing can interrupt it: an answer after the
        deadline is not sent. One that is async runs in an event loop of its own thread, always the same.
        """
        event = self._receive(request, now)
        if type(event) is WireReply:
            return event
        handler = self._handlers.get(type(event))
        if handler is None:
            return DEFAULTS[_kind(event)]
        if handler.is_async:
            from asyncio import run_coroutine_threadsafe  # noqa: PLC0415 - only where a handler needs it

            with self._starting:
                loop = self._loop
            return run_coroutine_threadsafe(self._ask(handler, event), loop).result()
        begun = monotonic()
        try:
            said = handler.function(event)
        except Exception as error:  # noqa: BLE001 - a handler may raise anything
            return self._failed(handler, event, error, _place_of(error))
        if monotonic() - begun > self._deadline_s and _kind(event) not in _REPORTS:
            return self._missed(handler, event)
        return self._say(handler, event, said)

    async def answer_async(self, request: WireRequest, now: datetime | None = None) -> WireReply:
        """Answer one callback without blocking the event loop; `now` is aware. Raises as little as `answer`.

        A handler that is not async runs in a thread. One that misses the deadline is cancelled, if it is async and its
        event a question; a report's handler goes on, the platform being answered meanwhile.
        """
        event = self._receive(request, now)
        if type(event) is WireReply:
            return event
        handler = self._handlers.get(type(event))
        return DEFAULTS[_kind(event)] if handler is None else await self._ask(handler, event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as an ASGI application, on any path that it is mounted at."""
        match scope["type"]:
            case "http":
                await self._serve(scope, receive, send)
            case "lifespan":
                await self._live(receive, send)
            case "websocket":
                await send({"type": "websocket.close"})
            case other:
                raise NotImplementedError(f"no {other} here: callbacks are HTTP")

    def wsgi(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer as a WSGI application, on any path that it is mounted at. Handlers run as `answer` says."""
        from http import HTTPStatus  # noqa: PLC0415 - ASGI does without

        headers = {
            "authorization": environ.get("HTTP_AUTHORIZATION", ""),
            "content-type": environ.get("CONTENT_TYPE", ""),
            "x-timestamp": environ.get("HTTP_X_TIMESTAMP", ""),
        }
        path = self._public_path or _wsgi_path(environ)
        request = WireRequest(method=environ["REQUEST_METHOD"], path=path, headers=headers, body=_wsgi_body(environ))
        reply = self.answer(request)
        start_response(f"{reply.status} {HTTPStatus(reply.status).phrase}", _headers(reply))
        return [reply.body]

    # -- one callback --------------------------------------------------------------------------------------------------

    def _receive(self, request: WireRequest, now: datetime | None) -> Event | WireReply:
        """Return the event of a genuine request, or the reply where there is nothing to ask a handler."""
        if request.method != "POST":
            return _NOT_ALLOWED
        if len(request.body) > MAX_BODY_BYTES:
            return _TOO_LARGE
        try:
            signer = sinch.prove(request, self._secrets, now or datetime.now(UTC), self._freshness_s)
            event = sinch.read(request)
            sinch.check_owner(event, signer)
        except SignatureInvalid as error:
            log.warning("callback_not_genuine ingredient=%s reason=%r", error.ingredient, error.explanation)
            return _UNAUTHORIZED
        except CallbackMalformed as error:
            log.warning("callback_malformed path=%s reason=%r", error.path, error.explanation)
            return _problem(400, "malformed", "The body is not a callback.", str(error))
        if type(event) is sinch.UnknownEvent:
            log.info("callback_unknown callback=%.64r", event.event)
            return _NOTHING
        if isinstance(event, _TO_BE_USABLE) and (why := sinch.unusable(event)) is not None:
            log.warning("callback_unusable callback=%s reason=%r", event.event, why)
            return DEFAULTS[_kind(event)]
        return event

    async def _ask(self, handler: _Handler, event: Event) -> WireReply:
        """Run the handler, no longer than to the deadline."""
        import asyncio  # noqa: PLC0415 - whoever awaits this has loaded it

        running: asyncio.Future[Any]
        loop = asyncio.get_running_loop()
        try:
            if handler.is_async:
                running = loop.create_task(handler.function(event))
            else:
                running = loop.run_in_executor(self._threads, copy_context().run, handler.function, event)
            await asyncio.wait((running,), timeout=self._deadline_s)
        except asyncio.CancelledError:  # the server gave up
            running.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - a handler may raise anything, even before it is awaited
            return self._failed(handler, event, error, _place_of(error))
        if running.done():
            return self._conclude(handler, event, running)
        self._late.add(running)
        running.add_done_callback(partial(self._ended_late, handler, event))
        if _kind(event) in _REPORTS:
            log.info("handler_goes_on %s", _named(handler, event))
            return _NOTHING
        running.cancel()
        return self._missed(handler, event)

    def _conclude(self, handler: _Handler, event: Event, done: "asyncio.Future[Any]") -> WireReply:
        if done.cancelled():
            return self._failed(handler, event, RuntimeError("the handler cancelled itself"), "it cancelled itself")
        error = done.exception()
        if isinstance(error, Exception):
            return self._failed(handler, event, error, _place_of(error))
        return self._say(handler, event, done.result())

    def _ended_late(self, handler: _Handler, event: Event, done: "asyncio.Future[Any]") -> None:
        """Hear how a handler ended after its event was answered; only what it raised still matters."""
        self._late.discard(done)
        error = None if done.cancelled() else done.exception()
        if isinstance(error, Exception):
            self._failed(handler, event, error, _place_of(error))

    def _say(self, handler: _Handler, event: Event, said: object) -> WireReply:
        """Write what a handler returned."""
        kind = _kind(event)
        if said is None:
            return DEFAULTS[kind]
        try:
            body = _write(said)
        except Invalid as error:
            return self._failed(handler, event, error, str(error))
        if faults := _faults(body, kind, self._is_strict):
            if self._is_strict:
                return self._failed(handler, event, Invalid("the answer", "faults", faults), faults)
            log.warning("answer_has_faults %s faults=%r", _named(handler, event), faults)
        return WireReply(body=body)

    def _missed(self, handler: _Handler, event: Event) -> WireReply:
        why = f"no answer within {self._deadline_s:g} s"
        return self._failed(handler, event, TimeoutError(why), why)

    def _failed(self, handler: _Handler, event: Event, error: Exception, why: str) -> WireReply:
        """Log it without what the error says, which may be a number; `on_error` gets all of it."""
        log.error("handler_failed %s error=%s reason=%r", _named(handler, event), type(error).__name__, why)
        if self._on_error is not None:
            try:
                self._on_error(error, event)
            except Exception as another:  # noqa: BLE001 - what reports errors must not become one
                log.error("on_error_failed error=%s reason=%r", type(another).__name__, _place_of(another))
        return DEFAULTS[_kind(event)]

    def _register(self, event: type[Event], handler: AnyHandler) -> AnyHandler:
        from inspect import iscoroutinefunction, signature  # noqa: PLC0415 - loaded by whatever serves the application

        kind = event.event
        if not callable(handler):
            raise Invalid(f"gate.{kind}", _shown(handler), f"a function: write @gate.{kind}, without brackets")
        try:
            signature(handler).bind(None)
        except TypeError:
            raise Invalid(f"gate.{kind}", str(signature(handler)), "a function of one argument, the event") from None
        except ValueError:  # made in C, and says nothing about itself
            pass
        if event in self._handlers:
            raise Invalid(f"gate.{kind}", "a second handler", f"one: {self._handlers[event]} is registered already")
        is_async = iscoroutinefunction(handler) or iscoroutinefunction(type(handler).__call__)
        self._handlers[event] = _Handler(handler, is_async)
        return handler

    @cached_property
    def _threads(self) -> "ThreadPoolExecutor":
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - only where a handler needs it

        return ThreadPoolExecutor(THREADS, thread_name_prefix="callgate")

    @cached_property
    def _loop(self) -> "asyncio.AbstractEventLoop":
        """The event loop in which async handlers run where the caller has none."""
        from asyncio import new_event_loop  # noqa: PLC0415 - only where a handler needs it
        from threading import Thread  # noqa: PLC0415

        loop = new_event_loop()
        Thread(target=loop.run_forever, name="callgate", daemon=True).start()
        return loop

    # -- ASGI ----------------------------------------------------------------------------------------------------------

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read_body(receive)
        if body is None:
            return
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _SIGNED}
        path = self._public_path or _asgi_path(scope)
        request = WireRequest(method=scope["method"], path=path, headers=headers, body=body)
        reply = await self.answer_async(request)
        headers_out = [(name.encode(), value.encode()) for name, value in _headers(reply)]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers_out})
        await send({"type": "http.response.body", "body": reply.body})

    async def _live(self, receive: Receive, send: Send) -> None:
        """Start and stop with the server: reports that are being handled get the deadline once more."""
        import asyncio  # noqa: PLC0415 - whoever awaits this has loaded it

        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        loop = asyncio.get_running_loop()
        if late := [each for each in self._late if each.get_loop() is loop]:
            await asyncio.wait(late, timeout=self._deadline_s)
        await send({"type": "lifespan.shutdown.complete"})


def _kind(event: Event) -> str:
    """Return what `sinch.check` calls the event."""
    if type(event) is sinch.Pie and event.conference_id:
        menu = event.menu_result
        return "conference-pie" if menu is not None and menu.menu_id == event.conference_id else "pie"
    return event.event


@lru_cache(maxsize=256)  # most handlers say the same few things over and over
def _faults(body: bytes, kind: str, is_strict: bool) -> str:  # noqa: FBT001 - private
    """Return the faults of an answer without what was found, which may be a number; empty when there are none."""
    return "; ".join(f"{fault.path}: expected {fault.expected}" for fault in sinch.check(body, kind, strict=is_strict))


def _write(said: object) -> bytes:
    """Write an answer. Raises `Invalid` for what is none."""
    svaml = sinch.Svaml(action=said) if isinstance(said, sinch.Action) else said  # type: ignore[arg-type]
    if not isinstance(svaml, sinch.Svaml):
        raise Invalid("the answer", _shown(said), "sinch.Svaml, an action such as sinch.Hangup(), or None")
    try:
        return svaml.to_json()
    except (TypeError, ValueError):
        raise Invalid("the answer", "a value that JSON has no word for", "text, numbers, true, false") from None


def _shown(found: object) -> str:
    return f"the class {found.__name__} itself" if isinstance(found, type) else f"a {type(found).__name__}"


def _named(handler: _Handler, event: Event) -> str:
    return f"callback={event.event} call_id={event.callid[:64]!r} handler={handler}"


def _place_of(error: Exception) -> str:
    """Return module and line that raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}"


def _secrets(applications: Mapping[str, str | Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return every application's secrets, none of which is without bytes: with such a key nobody could sign."""
    if not applications:
        raise Invalid("applications", "none", 'at least one: {"KEY": "SECRET"}')
    secrets: dict[str, tuple[str, ...]] = {}
    for key, given in applications.items():
        secrets[key] = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Sequence) else ()
        if not secrets[key] or not all(isinstance(secret, str) and decode_secret(secret) for secret in secrets[key]):
            raise Invalid(f"applications[{key!r}]", "no secret, or one that is not base64", "what the platform shows")
    return secrets


# -- requests and replies of ASGI and WSGI -----------------------------------------------------------------------------


async def _read_body(receive: Receive) -> bytes | None:
    """Return the body, no more of it than tells that it is too large; None when the client went away."""
    body = b""
    while len(body) <= MAX_BODY_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return body


def _wsgi_body(environ: "WSGIEnvironment") -> bytes:
    """Return the body, no more of it than tells that it is too large."""
    length = environ.get("CONTENT_LENGTH", "")
    has_end = environ.get("wsgi.input_terminated", False)  # otherwise nobody knows where to stop but by the length
    # Nine digits are enough to be too large.
    left = min(int(length[:9]), MAX_BODY_BYTES + 1) if length.isdecimal() else MAX_BODY_BYTES + 1 if has_end else 0
    parts = []
    while left and (part := environ["wsgi.input"].read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _asgi_path(scope: Scope) -> str:
    raw = scope.get("raw_path")
    path = raw.decode("latin-1") if raw else _escaped(scope["path"])
    return _requested(path, _escaped(scope.get("root_path", "")))


def _wsgi_path(environ: "WSGIEnvironment") -> str:
    root = _escaped(environ.get("SCRIPT_NAME", ""), "latin-1")
    raw: str = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""  # gunicorn and Werkzeug; uWSGI and others
    if not raw:
        return root + _escaped(environ.get("PATH_INFO", ""), "latin-1")
    if not raw.startswith("/"):
        from urllib.parse import urlsplit  # noqa: PLC0415 - only proxies name the host there

        raw = urlsplit(raw).path
    return _requested(raw, root)


def _escaped(path: str, encoding: str = "utf-8") -> str:
    """Return a path that was decoded as it was most likely spelled."""
    if not path:
        return ""
    from urllib.parse import quote  # noqa: PLC0415 - most paths come as they were spelled

    return quote(path, safe=_PLAIN, encoding=encoding)


def _requested(path: str, root: str) -> str:
    """Return the path of the URL that was requested, as it was spelled.

    Frameworks leave the raw path whole where they mount; a server behind a proxy that strips a prefix is told it as
    `root`, and only then the path does not begin with it.
    """
    path, root = path.partition("?")[0] or "/", root.rstrip("/")
    return path if path == root or path.startswith(f"{root}/") else root + path


def _headers(reply: WireReply) -> list[tuple[str, str]]:
    headers = [("content-type", reply.content_type), ("content-length", str(len(reply.body)))]
    return [*headers, ("allow", "POST")] if reply is _NOT_ALLOWED else headers


def _problem(status: int, name: str, title: str, detail: str | None = None) -> WireReply:
    """Return the problem document that the server answers to the same fault."""
    document = {"type": f"https://callgate.dev/problems/{name}", "title": title, "status": status}
    body = msgspec.json.encode(document if detail is None else document | {"detail": detail})
    return WireReply(status=status, content_type="application/problem+json", body=body)


_NOT_ALLOWED = _problem(405, "method-not-allowed", "Callbacks are posted.")
_TOO_LARGE = _problem(413, "too-large", "The body is larger than 64 KiB.")
_UNAUTHORIZED = _problem(401, "signature-invalid", "The request is not proven genuine.")
_SIGNED = frozenset({b"authorization", b"content-type", b"x-timestamp"})
_PLAIN = "/:@!$&'()*+,;=~"
"""What a path may hold unescaped, beside letters, digits and `-._`."""
