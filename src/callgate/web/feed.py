"""What those who watch are sent: the parts of the page that changed, as server-sent events.

All watchers share one look at the store, and nothing is looked at while nobody watches. A watcher who reads slowly skips
what lies between and gets what is there now.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime

import msgspec

from callgate.errors import StorageUnavailable
from callgate.web.view import change_of

LOOK_S = 0.7
"""How often the store is looked at for changes."""

HEART_BEAT_S = 10.0
"""A quiet stream says at least this often that it is alive, what time it is, and makes sure that it still may."""

MAX_WATCHERS = 64
"""Streams open at once: each holds a connection, and browsers open one a tab."""

Part = str | dict[str, str]
"""A piece of the page: all of it, or the rows of a table by their keys, in order."""

Parts = Mapping[str, Part]
"""Pieces of the page by the id of the element that each fills."""


class Feed:
    """One look for all watchers. `look` renders the parts as they are now."""

    def __init__(
        self, look: Callable[[], Awaitable[Parts]], clock: Callable[[], datetime], stopping: asyncio.Event
    ) -> None:
        self._look = look
        self._clock = clock
        self._stopping = stopping
        self._looking = asyncio.Lock()
        self._looked_at = float("-inf")
        self._parts: Parts = {}
        self._encoded: dict[str, tuple[Part | None, Part, bytes]] = {}
        self._watchers = 0

    @property
    def is_full(self) -> bool:
        return self._watchers >= MAX_WATCHERS

    async def parts(self) -> Parts:
        """The parts as they are, or were at most `LOOK_S` ago. Raises `StorageUnavailable`."""
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if now - self._looked_at >= LOOK_S:
                self._parts = await self._look()
                self._looked_at = now
        return self._parts

    async def watch(self, is_welcome: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
        """Yield server-sent events until the server stops, the store fails, or the watcher is no longer welcome."""
        if self.is_full:
            return
        loop = asyncio.get_running_loop()
        sent: dict[str, Part] = {}
        beats_at = loop.time()
        self._watchers += 1
        try:
            while not self._stopping.is_set():
                if loop.time() >= beats_at:
                    if not await is_welcome():
                        return
                    yield encode_event("clock", self._clock().isoformat())
                    beats_at = loop.time() + HEART_BEAT_S
                for name, part in (await self.parts()).items():
                    if name not in sent or sent[name] != part:
                        yield self._encode(name, sent.get(name), part)
                        sent[name] = part
                await self._pause()
        except StorageUnavailable:
            return  # the page says that it has lost us, and comes back
        finally:
            self._watchers -= 1

    def _encode(self, name: str, before: Part | None, part: Part) -> bytes:
        """Once for all watchers who have the same and are to have the same."""
        known = self._encoded.get(name)
        if known is None or known[0] is not before or known[1] is not part:
            known = self._encoded[name] = (before, part, encode_change(name, before, part))
        return known[2]

    async def _pause(self) -> None:
        """Wait for the next look, or for the end."""
        try:
            async with asyncio.timeout(LOOK_S):
                await self._stopping.wait()
        except TimeoutError:
            return


def encode_change(name: str, before: Part | None, part: Part) -> bytes:
    """The event that brings a part from what a watcher has to what it is now. Of rows, only those that are others by now."""
    if isinstance(part, str):
        return encode_event(name, part)
    if not isinstance(before, dict):
        return encode_event(name, msgspec.json.encode({"all": list(part.items())}).decode())
    return encode_event(name, msgspec.json.encode(change_of(before, part)._asdict()).decode())


def encode_event(name: str, data: str) -> bytes:
    """Write one server-sent event. Source: HTML Standard, 9.2.6, interpreting an event stream."""
    lines = "".join(f"data: {line}\n" for line in data.splitlines() or [""])
    return f"event: {name}\n{lines}\n".encode()
