"""Large work beside the batches, in portions: calls are decided between two of them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

REST = 2.0
"""After each portion nothing is done for so many times as long as it took."""


async def in_portions(do: Callable[[], Awaitable[object]]) -> None:
    """Do one portion after the other, until one says that there was nothing more."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while await do():
        await asyncio.sleep((loop.time() - began_s) * REST)
        began_s = loop.time()


async def each_in_portions(portions: Iterator[T], do: Callable[[T], Awaitable[None]]) -> None:
    """Do something with one portion after the other. Each is made in a thread, so that making it keeps nobody waiting."""

    async def do_next() -> bool:
        portion = await asyncio.to_thread(next, portions, None)
        if portion is not None:
            await do(portion)
        return portion is not None

    await in_portions(do_next)
