"""Bring a deck from the store into memory."""

import asyncio

from callgate.errors import NotFound, StorageUnavailable
from callgate.rating.deck import Deck
from callgate.service.books import DeckHead
from callgate.service.ports import Store


async def load_deck(store: Store, head: DeckHead) -> Deck:
    """Return the whole deck. Raises `StorageUnavailable`, also where it was replaced meanwhile and its rows are going."""
    rows = await store.deck_rows(head)
    if head.row_count and len(rows) != head.row_count:
        raise StorageUnavailable(f"deck {head.name} was replaced while it was read; try again")
    return await asyncio.to_thread(Deck, name=head.name, currency=head.currency, rows=rows)  # calls go on meanwhile


async def load_deck_named(store: Store, name: str) -> Deck:
    """The deck in force under a name. Raises `NotFound` too."""
    head = next((head for head in await store.deck_heads() if head.name == name), None)
    if head is None:
        raise NotFound(f"there is no deck {name}; import one with: callgate rates import FILE --deck {name}")
    return await load_deck(store, head)
