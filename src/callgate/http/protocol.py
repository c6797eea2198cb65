"""HTTP/1.1 as callbacks come: uvicorn's httptools protocol, with a short way for callbacks and an eye on slow and odd clients.

The short way is for requests that come in one piece, as callbacks do: they go to the edge as they are and its reply goes out in
one piece, without ASGI's messages in between, which would cost more than verifying, reading and deciding together.
Whatever is not such a request goes through ASGI.

Some clients (the JDK's, by default) send `Connection: Upgrade` and `Upgrade: h2c` with a POST. The parser then takes
everything behind the headers for another protocol: the body is lost, and a genuine callback fails its signature. RFC 9110,
section 7.8, lets a server go on as if the offer was not made, and that is what happens here.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol, cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from callgate.http import problems
from callgate.logs import log
from callgate.protocol import WireReply

MAX_HEAD_BYTES = 32_768
"""Names and values of all headers together. Callbacks have a few hundred bytes."""

MAX_HEAD_WAIT_S = 10.0
"""How long a connection may take for the head of its request: uvicorn limits only the time between requests."""

MAX_LINGER_S = 2.0
"""How long the rest of a request may still come in that was answered before its end, such as one that is too large."""


class Edge(Protocol):
    """Who answers whole requests: `CallbackEdge`, which an application offers as its `callbacks`."""

    def takes(self, target: bytes) -> bool:
        """Whether a request target, as it was spelled, is a callback's."""
        ...

    async def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> WireReply: ...


class Whole:
    """A request that came in one piece, in the place of uvicorn's own cycle of messages."""

    more_body = False

    def __init__(self, protocol: "CallbackProtocol", edge: Edge, body: bytes) -> None:
        """What was read is taken along: the protocol may be at the next request when this one is answered."""
        self._protocol = protocol
        self._edge = edge
        self._target, self._headers, self._body = protocol.url, protocol.headers, body
        self.keep_alive = protocol.parser.should_keep_alive()
        self.disconnected = False
        self.response_complete = False
        self.message_event = _NOBODY_WAITS

    async def run_asgi(self, _: Any) -> None:
        """Answer it. Named as uvicorn calls it."""
        protocol = self._protocol
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in self._headers}
        try:
            reply = await self._edge.answer("POST", self._target.decode("latin-1"), headers, self._body)
        except asyncio.CancelledError:
            reply = problems.STOPPING
        except Exception:  # noqa: BLE001 - the connection goes on
            log.exception("callback.failed")
            reply = problems.INTERNAL
        if self.disconnected:
            return
        if protocol.flow.write_paused:
            await protocol.flow.drain()
        self._send(reply)

    def _send(self, reply: WireReply) -> None:
        protocol = self._protocol
        defaults = b"".join([b"%s: %s\r\n" % header for header in protocol.server_state.default_headers])
        close = b"" if self.keep_alive else b"connection: close\r\n"
        protocol.transport.write(
            b"%scontent-type: %s\r\ncontent-length: %d\r\n%s%s\r\n%s"
            % (STATUS_LINE[reply.status], reply.content_type.encode(), len(reply.body), defaults, close, reply.body)
        )
        self.response_complete = True
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()


class _NoEvent:
    """In the place of an event, for which nobody waits: the request is whole."""

    def set(self) -> None:
        pass


_NOBODY_WAITS = _NoEvent()


class CallbackProtocol(HttpToolsProtocol):
    """Callbacks the short way; requests that offer an upgrade are parsed again without the offer, with all that follows them.

    What is too long or too slow is cut off here, where no application has seen it yet.
    """

    _limit: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _silent_bytes = 0  # since the parser last told us anything: a header line that does not end
    _is_in_head = False
    _is_short = False  # the request that is being read goes the short way, if all of it is here
    _body = b""  # of that request

    def __init__(self, config: Any, *args: Any, **options: Any) -> None:
        super().__init__(config, *args, **options)
        self._edge: Edge | None = getattr(config.app, "callbacks", None)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._allow(MAX_HEAD_WAIT_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._allow(None)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._is_in_head = True
        if self._limit is not None:
            self._allow(MAX_HEAD_WAIT_S)

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """As uvicorn does it, and counted: in one step, since there are many."""
        self._count(len(name) + len(value))
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        if self._limit is not None:
            self._allow(None)
        if self.parser.should_upgrade():
            return
        if self._may_be_short():
            self._is_short, self._body = True, b""
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._silent_bytes = 0
        if self._is_short:
            self._body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        if self._is_short:
            self._is_short = False
            self._answer_whole()
            return
        super().on_message_complete()
        self._allow(MAX_HEAD_WAIT_S if self.cycle.response_complete else None)

    def on_response_complete(self) -> None:
        if self.cycle.more_body and not self.pipeline:
            self._allow(MAX_LINGER_S)
        super().on_response_complete()

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._silent_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            if self.parser.get_method() == b"CONNECT":
                self.send_400_response("CONNECT is not for this server.")
                return
            head = self._head_without_offer()
            self.parser = httptools.HttpRequestParser(self)
            self.data_received(head + data[offer.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request.")
        else:
            if self._is_short:
                self._wait_for_the_rest()
            if self._silent_bytes > MAX_HEAD_BYTES:
                self.send_400_response("Invalid HTTP request.")
            elif self._limit is None and (self._is_in_head or self._is_idle()):
                self._allow(MAX_HEAD_WAIT_S)

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _may_be_short(self) -> bool:
        """Whether the request whose head was read is a callback as callbacks are, and nobody is before it."""
        edge = self._edge
        return (
            edge is not None
            and edge.takes(self.url)
            and self._is_idle()
            and not self.expect_100_continue
            and self.parser.get_method() == b"POST"
            and self.parser.get_http_version() == "1.1"
        )

    def _answer_whole(self) -> None:
        assert self._edge is not None, "asked when the head was read"
        cycle = Whole(self, self._edge, self._body)
        self.cycle = cast("RequestResponseCycle", cycle)  # all that uvicorn asks of it is there
        self._start_asgi_task(self.cycle, self.app)

    def _wait_for_the_rest(self) -> None:
        """Not all of it came at once: ASGI is made for that."""
        self._is_short = False
        super().on_headers_complete()
        if self._body:
            super().on_body(self._body)

    def _head_without_offer(self) -> bytes:
        """Write the head of the request that was just parsed once more, without its wish to upgrade."""
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        for name, value in self.headers:
            if name == b"connection":
                kept = [
                    word for word in value.split(b",") if word.strip().lower() not in (b"upgrade", b"http2-settings")
                ]
                lines += [b"connection: " + b",".join(kept)] if kept else []
            elif name not in (b"upgrade", b"http2-settings"):
                lines.append(name + b": " + value)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _count(self, size: int) -> None:
        self._silent_bytes = 0
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ValueError("more header bytes than a callback has")

    def _allow(self, seconds: float | None) -> None:
        """Close the connection when this time is over and nothing else was allowed; None takes the limit away."""
        if self._limit is not None:
            self._limit.cancel()
        self._limit = None if seconds is None else self.loop.call_later(seconds, self.transport.close)
