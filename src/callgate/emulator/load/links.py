"""A client of HTTP/1.1 that costs little: kept connections, one request on each at a time, nothing pipelined.

A request that finds no free connection waits for one; who measures from when it was due sees that wait.
"""

import asyncio
import ssl
from collections import deque
from time import perf_counter
from typing import Protocol, cast

import httptools

from callgate.emulator.target import Target
from callgate.errors import TargetUnreachable

ANSWER_WITHIN_S = 5.0
"""How long the platform waits for an answer. Version 1 of the reference names no figure; version 2 says 5 seconds."""

CONNECT_WITHIN_S = 5.0

MAX_ANSWER_BYTES = 1_048_576
"""Longest answer that is read; SVAML is some hundred bytes."""

REOPEN_AFTER_S = 0.1
"""How long to leave a server alone that took no connection."""


class Errand(Protocol):
    """A request to be sent, and who hears what came of it. `is_sent_again` is for `Links` to remember."""

    is_sent_again: bool

    def compose(self) -> bytes:
        """Return the whole request. Asked for as it is sent, so that what it says of the time is true."""

    def take(self, status: int, body: bytes, now: float) -> None:
        """An answer came."""

    def miss(self, kind: str, words: str, now: float) -> None:
        """None came."""


class Link(asyncio.Protocol):
    """One kept connection with at most one errand under way. The parser calls `on_body` and `on_message_complete`."""

    def __init__(self, links: "Links") -> None:
        self._links = links
        self._transport: asyncio.WriteTransport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._has_begun = self._is_complete = self._is_kept = False
        self._served = 0
        self.errand: Errand | None = None
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's own is none by class

    def send(self, errand: Errand) -> None:
        self.errand = errand
        self.sent_at = perf_counter()
        assert self._transport is not None, "only an open link is idle"
        self._transport.write(errand.compose())

    def data_received(self, data: bytes) -> None:
        if self.errand is None:
            self.close()  # bytes that nobody asked for: whatever follows could be taken for somebody's answer
            return
        self._has_begun = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._break(f"what came is not HTTP: {error}")
            return
        if self._is_complete:
            self._finish(keeps=self._is_kept)

    def on_body(self, body: bytes) -> None:
        self._body = body if not self._body else self._body + body
        if len(self._body) > MAX_ANSWER_BYTES:
            self._break(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() >= 200:  # noqa: PLR2004 - what is below only says that there is more to come
            self._is_complete = True
            self._is_kept = self._parser.should_keep_alive()  # the parser knows it at this moment alone

    def eof_received(self) -> None:
        """An answer of no declared length ends here."""
        if self.errand is not None and self._has_begun and self._parser.get_status_code():
            self._finish(keeps=False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        errand, self.errand = self.errand, None
        self._links.lost(self)
        if errand is None:
            return
        if self._served and not self._has_begun and not errand.is_sent_again:
            self._links.send_again(errand)  # closed for its idleness, perhaps, just as we used it: no answer to us
        else:
            errand.miss(
                "connection closed", f"closed before an answer was whole: {exc or 'by the server'}", perf_counter()
            )

    def give_up(self, kind: str, words: str) -> None:
        """End the errand without its answer, and the connection with it, since the answer may yet come."""
        errand, self.errand = self.errand, None
        self.close()
        if errand is not None:
            errand.miss(kind, words, perf_counter())

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _finish(self, *, keeps: bool) -> None:
        now = perf_counter()
        errand, status, body = self.errand, self._parser.get_status_code(), self._body
        self.errand, self._body = None, b""
        self._has_begun = self._is_complete = False
        self._served += 1
        if keeps:
            self._links.freed(self)
        else:
            self.close()
        assert errand is not None, "asked before it was parsed"
        errand.take(status, body, now)

    def _break(self, words: str) -> None:
        self.give_up("no HTTP", words)


class Links:
    """So many connections to one server, reopened when it closes them, and the errands that wait for one."""

    def __init__(self, target: Target, size: int) -> None:
        self._target = target
        self._tls = ssl.create_default_context() if target.is_tls else None
        self._size = size
        self._all: set[Link] = set()
        self._idle: list[Link] = []
        self._first: deque[Errand] = deque()
        self._then: deque[tuple[float, Errand]] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self.reopened = 0
        self.unsent = 0

    async def open(self) -> None:
        """Raises `TargetUnreachable` where no connection can be made."""
        try:
            await asyncio.gather(*(self._connect() for _ in range(self._size)))
        except (OSError, TimeoutError) as error:
            self.close()
            raise TargetUnreachable(self._target.url, getattr(error, "strerror", None) or str(error)) from error

    def send(self, errand: Errand) -> None:
        """Send what belongs to a call that has begun, before any that has not."""
        if self._idle:
            self._idle.pop().send(errand)
        else:
            self._first.append(errand)

    def send_new(self, errand: Errand, due_at: float) -> None:
        """Send the first of a call; given up where it finds no connection for as long as the platform waits."""
        if self._idle:
            self._idle.pop().send(errand)
        else:
            self._then.append((due_at, errand))

    def send_again(self, errand: Errand) -> None:
        errand.is_sent_again = True
        self._first.appendleft(errand)

    def freed(self, link: Link) -> None:
        """A link has nothing to do: what waits the longest goes out on it."""
        if self._first:
            link.send(self._first.popleft())
        elif self._then:
            link.send(self._then.popleft()[1])
        else:
            self._idle.append(link)

    def lost(self, link: Link) -> None:
        self._all.discard(link)
        if link in self._idle:
            self._idle.remove(link)
        if not self._is_closed:
            task = asyncio.ensure_future(self._reopen())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def sweep(self) -> None:
        """Give up what has taken too long. Called now and then."""
        now = perf_counter()
        for link in [link for link in self._all if link.errand is not None and now - link.sent_at > ANSWER_WITHIN_S]:
            link.give_up("no answer", f"none within {ANSWER_WITHIN_S:g} s")
        while self._then and now - self._then[0][0] > ANSWER_WITHIN_S:
            self.unsent += 1
            self._then.popleft()[1].miss("unsent", "", now)
        if not self._all:
            while self._first:
                self._first.popleft().miss("no connection", "the server takes no connections any more", now)

    def close(self) -> None:
        self._is_closed = True
        for task in self._opening:
            task.cancel()
        for link in list(self._all):
            link.errand = None
            link.close()

    async def _reopen(self) -> None:
        self.reopened += 1
        while not self._is_closed:
            try:
                return await self._connect()
            except (OSError, TimeoutError):
                await asyncio.sleep(REOPEN_AFTER_S)
        return None

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_WITHIN_S):
            _, link = await loop.create_connection(
                lambda: Link(self), self._target.host, self._target.port, ssl=self._tls
            )
        self._all.add(link)
        self.freed(link)
