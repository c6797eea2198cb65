"""Two decks side by side. What is said of a prefix holds for each of its slots by itself: origin, number length and hours."""

from collections.abc import Iterator, Sequence

from callgate.rating.rates import Rates


def side_by_side(old: Rates, new: Rates) -> Iterator[tuple[int, int, int, int]]:
    """Go through sorted decks in order of prefix and slot: where the rows of each slot begin and end in the old deck, and
    where in the new one. They stand oldest first; where a deck has none of a slot, they end where they begin.
    """
    old_keys, new_keys = old.keys, new.keys
    (old_slots, new_slots), old_at, new_at = _ranked(old, new), old.terms_at, new.terms_at
    here, there, old_count, new_count = 0, 0, len(old), len(new)
    while here < old_count or there < new_count:
        if here == old_count:
            order = 1
        elif there == new_count:
            order = -1
        else:
            order = old_keys[here] - new_keys[there] or old_slots[old_at[here]] - new_slots[new_at[there]]
        old_end, new_end = here, there
        if order <= 0:
            key, slot = old_keys[here], old_slots[old_at[here]]
            old_end += 1
            while old_end < old_count and old_keys[old_end] == key and old_slots[old_at[old_end]] == slot:
                old_end += 1
        if order >= 0:
            key, slot = new_keys[there], new_slots[new_at[there]]
            new_end += 1
            while new_end < new_count and new_keys[new_end] == key and new_slots[new_at[new_end]] == slot:
                new_end += 1
        yield here, old_end, there, new_end
        here, there = old_end, new_end


def _ranked(*decks: Rates) -> Sequence[list[int]]:
    """For the terms of each deck, the rank of their slot among the slots of all, as rows of one prefix are ordered."""
    slots = [[each.preference[:-1] for each in deck.terms] for deck in decks]  # without the date
    ranks = {slot: rank for rank, slot in enumerate(sorted({slot for some in slots for slot in some}))}
    return [[ranks[slot] for slot in some] for some in slots]
