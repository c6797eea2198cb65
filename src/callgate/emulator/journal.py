"""Everything that was sent and received over HTTP, byte for byte, newest last, as far back as there is room."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

MAX_ENTRIES = 10_000
"""Entries that are kept; the oldest make room."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One request and its answer. `way` says who asked: `out` the platform a callback server, `in` somebody its REST
    interface. `status` None: no answer; `fault` says why, `note` what was done on purpose.
    """

    number: int
    way: Literal["out", "in"]
    at: datetime
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    status: int | None
    answer_headers: Mapping[str, str]
    answer: bytes
    ms: float
    application: str = ""
    call_id: str = ""
    event: str = ""
    fault: str | None = None
    note: str | None = None


class Journal:
    """The entries. `heard` is called with each new one."""

    def __init__(self, most: int = MAX_ENTRIES) -> None:
        self._entries: deque[Entry] = deque(maxlen=most)
        self._next = 1
        self.heard: list[Callable[[Entry], None]] = []

    def add(self, make: Callable[[int], Entry]) -> Entry:
        """Write down what `make` makes of the next number."""
        entry = make(self._next)
        self._next += 1
        self._entries.append(entry)
        for listener in self.heard:
            listener(entry)
        return entry

    def clear(self) -> None:
        """Forget all of it; numbers go on."""
        self._entries.clear()

    def find(self, number: int) -> Entry | None:
        """The entry of that number, unless it had to make room."""
        return next((entry for entry in self._entries if entry.number == number), None)

    def entries(self, *, call_id: str | None = None, after: int = 0, limit: int = MAX_ENTRIES) -> Sequence[Entry]:
        """The newest of those behind a number, oldest first; of one call where one is named."""
        found = [
            entry for entry in self._entries if entry.number > after and (call_id is None or entry.call_id == call_id)
        ]
        return found[-limit:] if limit else []
