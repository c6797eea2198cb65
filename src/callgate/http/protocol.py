"""HTTP/1.1 as callbacks come: uvicorn's httptools protocol, which also reads requests that offer to change protocol.

Some clients (the JDK's, by default) send `Connection: Upgrade` and `Upgrade: h2c` with a POST. The parser then takes
everything behind the headers for another protocol: the body is lost, and a genuine callback fails its signature. RFC 9110,
section 7.8, lets a server go on as if the offer was not made, and that is what happens here.
"""

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 32_768
"""Names and values of all headers together. Callbacks have a few hundred bytes."""


class CallbackProtocol(HttpToolsProtocol):
    """Requests that offer an upgrade are parsed again without the offer, with all that follows them."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
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
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ValueError("more header bytes than a callback has")
