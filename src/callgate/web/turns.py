"""Long work on the event loop, in portions: whoever calls waits for one portion, never for a whole page."""

import asyncio
from time import perf_counter

TURN_S = 0.001
"""How long a portion takes, about: what a callback may wait longer than without it."""


class Turns:
    """Counts the time of one piece of work, which asks for another turn again and again."""

    __slots__ = ("_ends_at",)

    def __init__(self) -> None:
        self._ends_at = perf_counter() + TURN_S

    async def another(self) -> None:
        """Let others have theirs, where this one is over."""
        if perf_counter() >= self._ends_at:
            await asyncio.sleep(0)
            self._ends_at = perf_counter() + TURN_S
