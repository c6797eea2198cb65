"""Who talked how long in a load, by the generator's own word: what a server's books are compared with."""

import secrets
from array import array
from collections.abc import Iterator
from typing import NamedTuple

from callgate.emulator.load.mix import DrawnCall, Mix

NOT_ENDED, NO_TALK = -2, -1
"""What a log has instead of seconds: it is not known how the call ended; it was never let through."""


class Talk(NamedTuple):
    """The generator's own word for one call that was let through: who, to where, for how many seconds; 0 is unanswered."""

    caller: str
    number: str
    seconds: int


class TalkLog:
    """Who talked how long, by the generator's own word; a dozen bytes a call. Call ids count up behind a random start, so
    that no two runs have one in common.
    """

    def __init__(self, mix: Mix) -> None:
        self._mix = mix
        self._prefix = secrets.token_hex(10)
        self._callers = array("I")
        self._numbers = array("I")
        self._seconds = array("l")
        self._elsewhere: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._seconds)

    def open(self, drawn: DrawnCall) -> int:
        """Add a call, and return its number."""
        self._callers.append(drawn.caller)
        self._numbers.append(drawn.number)
        self._seconds.append(NOT_ENDED)
        return len(self._seconds) - 1

    def close(self, index: int, seconds: int, number: str | None = None) -> None:
        """Say how a call ended. `number` is given where the target connected it elsewhere."""
        self._seconds[index] = seconds
        if number is not None:
            self._elsewhere[index] = number

    def call_id(self, index: int) -> str:
        return f"{self._prefix}{index:012x}"

    def index_of(self, call_id: str) -> int | None:
        """Return the number of a call of this run; None for any other call."""
        if not call_id.startswith(self._prefix):
            return None
        index = int(call_id[len(self._prefix) :], 16)
        return index if index < len(self) else None

    def talk(self, index: int) -> Talk | None:
        """Return the word for one call; None where it was refused, or its end is not known."""
        seconds = self._seconds[index]
        if seconds < 0:
            return None
        number = self._elsewhere.get(index) or self._mix.numbers[self._numbers[index]]
        return Talk(self._mix.callers[self._callers[index]], number, seconds)

    def is_known(self, index: int) -> bool:
        """Whether it is known how the call ended."""
        return self._seconds[index] != NOT_ENDED

    def talks(self) -> Iterator[tuple[int, Talk]]:
        """Yield every call that was let through and whose end is known."""
        for index in range(len(self)):
            if (talk := self.talk(index)) is not None:
                yield index, talk
