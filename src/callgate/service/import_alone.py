"""Read a large deck in a process of its own: in this one, decisions would have to wait for the interpreter.

Rows go to it and come back in a file of pages. Through a pipe they would be packed in one piece, for a tenth of a second.
"""

import asyncio
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import BinaryIO

import msgspec

from callgate.rating.deck_pages import add_page, to_pages
from callgate.rating.rates import Rates
from callgate.service.import_deck import DeckImport, Prepare, PreparedDeck, prepare_deck, prepare_in_thread
from callgate.service.portions import in_portions

ALONE_FROM_BYTES = 256 * 1024
"""Files from this size on are read so."""

_NICENESS = 10
_SIZE_BYTES = 4
"""What tells a page's size stands before it in so many bytes."""


def prepare_by_size(size: int) -> Prepare:
    """How a file of so many bytes is read by a server that decides meanwhile."""
    return prepare_in_thread if size < ALONE_FROM_BYTES else prepare_alone


async def prepare_alone(asked: DeckImport, before: Rates, currency_before: str | None) -> PreparedDeck:
    """In a process that gives way to decisions, and is gone afterwards."""
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=partial(os.nice, _NICENESS))
    with tempfile.TemporaryDirectory(prefix="callgate-deck-") as folder:
        there, back = Path(folder, "before"), Path(folder, "after")
        try:
            await asyncio.to_thread(_write, there, before)
            work = partial(_prepare, asked, there, currency_before, back)
            prepared = await asyncio.get_running_loop().run_in_executor(pool, work)
            return msgspec.structs.replace(prepared, after=await _take_up(back))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _prepare(asked: DeckImport, there: Path, currency_before: str | None, back: Path) -> PreparedDeck:
    """What the process does. The rows that it returns are in the file `back`."""
    prepared = prepare_deck(asked, _read(there), currency_before)
    _write(back, prepared.after)
    return msgspec.structs.replace(prepared, after=Rates())


def _write(path: Path, rates: Rates) -> None:
    with path.open("wb") as file:
        for page in to_pages(rates):
            file.write(len(page).to_bytes(_SIZE_BYTES))
            file.write(page)


def _read(path: Path) -> Rates:
    rates = Rates()
    with path.open("rb") as file:
        while _read_page(file, rates):
            pass
    return rates


async def _take_up(path: Path) -> Rates:
    """Read where calls are decided."""
    rates = Rates()
    with path.open("rb") as file:
        await in_portions(partial(asyncio.to_thread, _read_page, file, rates))
    return rates


def _read_page(file: BinaryIO, rates: Rates) -> bool:
    size = int.from_bytes(file.read(_SIZE_BYTES))
    if size:
        add_page(rates, file.read(size))
    return size > 0
