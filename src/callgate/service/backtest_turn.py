"""Backtests of a running server: one at a time, whoever asks, and with room for decisions."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from callgate.errors import Conflict

_turn = asyncio.Semaphore(1)


@asynccontextmanager
async def backtest_turn() -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Hold the turn for as long as the block runs; what it yields is to be awaited between portions.

    Raises `Conflict` while another backtest has the turn.
    """
    if _turn.locked():
        raise Conflict("a backtest is running already; try again when it is done")
    async with _turn:
        yield _rest_as_long()


def _rest_as_long() -> Callable[[], Awaitable[None]]:
    """Rest after each portion for as long as it took: decisions have at least every other moment to themselves."""
    clock = asyncio.get_running_loop().time
    since = clock()

    async def rest() -> None:
        nonlocal since
        await asyncio.sleep(clock() - since)
        since = clock()

    return rest
