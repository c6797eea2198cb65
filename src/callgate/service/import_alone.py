"""Read a large deck in a process of its own: in this one, decisions would have to wait for the interpreter."""

import asyncio
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from callgate.rating.rates import Rates
from callgate.service.import_deck import DeckImport, Prepare, PreparedDeck, prepare_deck, prepare_in_thread

ALONE_FROM_BYTES = 256 * 1024
"""Files from this size on are read so."""

_NICENESS = 10


def prepare_by_size(size: int) -> Prepare:
    """How a file of so many bytes is read by a server that decides meanwhile."""
    return prepare_in_thread if size < ALONE_FROM_BYTES else prepare_alone


async def prepare_alone(asked: DeckImport, before: Rates, currency_before: str | None) -> PreparedDeck:
    """In a process that gives way to decisions, and is gone afterwards."""
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=partial(os.nice, _NICENESS))
    try:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(pool, prepare_deck, asked, before, currency_before)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
