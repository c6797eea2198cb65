"""HTTP/1.1 as callbacks come: uvicorn's httptools protocol, which also reads requests that offer to change protocol.

Some clients (the JDK's, by default) send `Connection: Upgrade` and `Upgrade: h2c` with a POST. The parser then takes
everything behind the headers for another protocol: the body is lost, and a genuine callback fails its signature. RFC 9110,
section 7.8, lets a server go on as if the offer was not made, and that is what happens here.
"""

import asyncio

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 32_768
"""Names and values of all headers together. Callbacks have a few hundred bytes."""

MAX_HEAD_WAIT_S = 10.0
"""How long a connection may take for the head of its request: uvicorn limits only the time between requests."""

MAX_LINGER_S = 2.0
"""How long the rest of a request may still come in that was answered before its end, such as one that is too large."""


class CallbackProtocol(HttpToolsProtocol):
    """Requests that offer an upgrade are parsed again without the offer, with all that follows them.

    What is too long or too slow is cut off here, where no application has seen it yet.
    """

    _limit: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _silent_bytes = 0  # since the parser last told us anything: a header line that does not end

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._allow(MAX_HEAD_WAIT_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._allow(None)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._allow(MAX_HEAD_WAIT_S)

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._allow(None)
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._silent_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()
            self._allow(MAX_HEAD_WAIT_S if self.cycle.response_complete else None)

    def on_response_complete(self) -> None:
        if self.cycle.more_body and not self.pipeline:
            self._allow(MAX_LINGER_S)
        super().on_response_complete()

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._limit is None and (self.cycle is None or self.cycle.response_complete):
            self._allow(MAX_HEAD_WAIT_S)
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
            if self._silent_bytes > MAX_HEAD_BYTES:
                self.send_400_response("Invalid HTTP request.")

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
