"""Large work beside the batches, in portions: calls are decided between two of them."""

import asyncio
from collections.abc import Awaitable, Callable

REST = 2.0
"""After each portion nothing is done for so many times as long as it took."""


async def in_portions(do: Callable[[], Awaitable[object]]) -> None:
    """Do one portion after the other, until one says that there was nothing more."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while await do():
        await asyncio.sleep((loop.time() - began_s) * REST)
        began_s = loop.time()
