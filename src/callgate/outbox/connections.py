"""Kept connections to receivers: HTTP/1.1, one request at a time on each, and of an answer its status and `Retry-After`.

It is our own because a client that can do everything takes four times as long for a request, which was most of what a
delivery cost: see docs/decisions/0027-webhooks-go-out-on-connections-of-our-own.md. Redirects are not followed, bodies are
thrown away, nothing is decompressed.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple, cast

import aiohappyeyeballs
import aiohttp
import httptools
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from callgate import __version__
from callgate.service.endpoint import MAX_ENDPOINTS

HEARD = 4_096
"""Bytes of an answer's body that are waited for, so that its connection can be used again; a longer one is hung up on."""

MAX_HEAD = 32_768
"""Bytes that may come before the body of an answer."""

KEPT_S = 15.0
"""How long a connection is kept at least while nothing is sent on it; at most twice as long."""

NAMES_KEPT_S = 10.0
"""How long a receiver's addresses are taken for the same."""

HAPPY_EYEBALLS_S = 0.25
"""How long one address is given before the next is tried beside it. Source: RFC 8305, section 5."""

_IS_FINAL = 200
_SWITCHED = 101


class Reply(NamedTuple):
    """What the receiver answered. Its body is not kept: it could hold anything."""

    status: int
    retry_after: str | None


class NoAnswer(Exception):
    """Why there was none, without the URL. `is_untouched`: nothing came, so that the connection may have been closed before."""

    def __init__(self, why: str, *, is_untouched: bool = False) -> None:
        super().__init__(why)
        self.is_untouched = is_untouched


class NameUnknown(OSError):
    """The receiver's name has no address."""


class Target(NamedTuple):
    """Where a URL leads. `head` is what every request to it begins with."""

    is_tls: bool
    host: str
    port: int
    head: bytes


@lru_cache(maxsize=MAX_ENDPOINTS)
def target_of(text: str) -> Target:
    """Read an endpoint's URL. Raises `ValueError` for one that cannot be spelled on the wire."""
    url = URL(text)
    if url.host is None or url.raw_host is None or url.port is None:
        raise ValueError("a URL without a host")
    head = (
        f"POST {url.raw_path_qs} HTTP/1.1\r\nhost: {url.host_port_subcomponent}\r\ncontent-type: application/json\r\n"
        f"user-agent: callgate/{__version__}\r\naccept: */*\r\n"
    )
    return Target(url.scheme == "https", url.raw_host, url.port, head.encode("ascii"))


class Connection(asyncio.Protocol):
    """One connection, with at most one request on it."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Reply] | None = None
        self._is_kept = False
        self._begin()

    def _begin(self) -> None:
        self._status = 0  # until the head of the final answer is there
        self._retry_after: str | None = None
        self._taken = self._body = 0

    @property
    def is_usable(self) -> bool:
        """Whether another request can be sent."""
        return self._is_kept and self._answer is None and self._transport is not None

    def send(self, request: bytes) -> "asyncio.Future[Reply]":
        """Send, and return what comes of it: a `Reply`, or `NoAnswer`."""
        assert self._answer is None and self._transport is not None, "it is not in use, and open"
        self._begin()
        self._is_kept = False
        answer = self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return answer

    def give_up(self) -> None:
        """The time is over. A receiver that has begun to answer has answered, whatever becomes of the rest."""
        self._end(TimeoutError())

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _end(self, error: Exception) -> None:
        answer, self._answer = self._answer, None
        if answer is None or answer.done():
            return
        if self._status:
            answer.set_result(Reply(self._status, self._retry_after))
        else:
            answer.set_exception(error)

    # -- what the event loop tells -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._end(NoAnswer("it hung up", is_untouched=self._taken == 0))

    def data_received(self, data: bytes) -> None:
        if self._answer is None:  # nobody has asked: whoever would ask next must not take it for an answer
            self.close()
            return
        self._taken += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._is_kept = False
            self._end(NoAnswer("not HTTP"))
        if self._answer is not None and not self._status and self._taken > MAX_HEAD:
            self._end(NoAnswer("its head is too long"))

    # -- what the parser tells -----------------------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= _IS_FINAL or status == _SWITCHED:
            self._status = status
        else:
            self._retry_after = None

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        if self._body > HEARD:
            self._end(NoAnswer(""))

    def on_message_complete(self) -> None:
        if self._status and self._answer is not None:
            self._is_kept = self._parser.should_keep_alive() and self._status != _SWITCHED
            self._end(NoAnswer(""))

    def on_message_begin(self) -> None:
        if self._answer is None:  # more than was asked for
            self._is_kept = False


class Connections:
    """Those of one kind: `socket_factory` makes the socket that will connect to an address, or raises."""

    def __init__(
        self,
        resolver: AbstractResolver | None = None,
        socket_factory: Callable[[aiohttp.AddrInfoType], socket.socket] | None = None,
    ) -> None:
        self._resolver = aiohttp.ThreadedResolver() if resolver is None else resolver
        self._socket_factory = socket_factory
        self._idle: defaultdict[Target, list[Connection]] = defaultdict(list)
        self._older: defaultdict[Target, int] = defaultdict(int)  # of the idle ones, how many have been so for a while
        self._names: dict[str, tuple[float, asyncio.Task[list[ResolveResult]]]] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._tls: ssl.SSLContext | None = None

    @property
    def idle_count(self) -> int:
        """How many are open and not in use."""
        return sum(map(len, self._idle.values()))

    async def post(self, url: str, headers: bytes, body: bytes, timeout_s: float) -> Reply:
        """Send once; twice only where a kept connection turns out to be closed. `headers` are lines, each with its end.

        Raises `NoAnswer`, `TimeoutError`, `OSError` for a connection that could not be made, and `ValueError`.
        """
        loop, target = asyncio.get_running_loop(), target_of(url)
        request = b"%bcontent-length: %d\r\n%b\r\n%b" % (target.head, len(body), headers, body)
        until_s = loop.time() + timeout_s
        if (kept := self._take(target)) is not None:
            try:
                return await self._exchange(target, kept, request, until_s)
            except NoAnswer as error:
                if not error.is_untouched:
                    raise
        async with asyncio.timeout_at(until_s):
            opened = await self._open(target)
        return await self._exchange(target, opened, request, until_s)

    def close(self) -> None:
        """Hang up on whatever is kept."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()
        for _, looking in self._names.values():
            looking.cancel()
        if self._sweep is not None:
            self._sweep.cancel()

    def _take(self, target: Target) -> Connection | None:
        idle = self._idle[target]
        while idle:
            connection = idle.pop()  # the one that was used last: the others may get old enough to be closed
            self._older[target] = min(self._older[target], len(idle))
            if connection.is_usable:
                return connection
        return None

    async def _exchange(self, target: Target, connection: Connection, request: bytes, until_s: float) -> Reply:
        loop = asyncio.get_running_loop()
        timer = loop.call_at(until_s, connection.give_up)
        try:
            return await connection.send(request)
        finally:
            timer.cancel()
            if connection.is_usable:
                self._idle[target].append(connection)
                if self._sweep is None:
                    self._sweep = loop.call_later(KEPT_S, self._close_older)
            else:
                connection.close()

    def _close_older(self) -> None:
        """Those that lie at the bottom since the last look were not needed since."""
        self._sweep = None
        for target, idle in list(self._idle.items()):
            old = min(self._older[target], len(idle))
            for connection in idle[:old]:
                connection.close()
            del idle[:old]
            if idle:
                self._older[target] = len(idle)
            else:
                del self._idle[target], self._older[target]
        if self._idle:
            self._sweep = asyncio.get_running_loop().call_later(KEPT_S, self._close_older)

    async def _open(self, target: Target) -> Connection:
        loop = asyncio.get_running_loop()
        addresses = await self._addresses(target)
        connected = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=HAPPY_EYEBALLS_S, interleave=1, socket_factory=self._socket_factory
        )
        try:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            context = self._context() if target.is_tls else None
            name = target.host.rstrip(".") if target.is_tls else None
            _, connection = await loop.create_connection(Connection, sock=connected, ssl=context, server_hostname=name)
        except BaseException:
            connected.close()
            raise
        return connection

    def _context(self) -> ssl.SSLContext:
        """Reading the system's authorities takes longer than a handshake."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls

    async def _addresses(self, target: Target) -> Sequence[aiohttp.AddrInfoType]:
        """Look a name up once for all who ask, and again after a while. Raises `NameUnknown`."""
        with suppress(ValueError):
            return [_address(str(ipaddress.ip_address(target.host)), target.port)]
        loop = asyncio.get_running_loop()
        looked_at, looking = self._names.get(target.host, (0.0, None))
        if looking is None or (looking.done() and loop.time() - looked_at > NAMES_KEPT_S):
            if len(self._names) >= MAX_ENDPOINTS:
                self._names.clear()
            looking = loop.create_task(self._resolver.resolve(target.host, target.port, family=socket.AF_UNSPEC))
            self._names[target.host] = (loop.time(), looking)
        try:
            found = await asyncio.shield(looking)
        except OSError as error:
            self._names.pop(target.host, None)
            raise NameUnknown from error
        return [_address(each["host"], target.port) for each in found]


def _address(host: str, port: int) -> aiohttp.AddrInfoType:
    if ":" in host:
        return (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))
