"""What the import of a deck over an older one changes for callers.

Both are gone through in order, so that a deck of a million prefixes takes little more memory than its columns, and what
many rows share is worked out once.
"""

import heapq
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import msgspec

from callgate.rating.charge import charge_micros
from callgate.rating.deck_slots import side_by_side
from callgate.rating.rate import Rate
from callgate.rating.rates import Rates, sorted_rates

MOST_SHOWN = 20
"""How many of the largest changes a comparison keeps, dearer and cheaper each."""

_MOST_KNOWN = 65_536
"""Prices that are remembered while decks are compared: most rows have one of a few thousand."""


class DeckChange(msgspec.Struct, frozen=True, kw_only=True):
    """How many prefixes have a price that they had not, lost theirs, cost more, cost less, cost the same.

    A prefix counts once for each origin, number length and hours that it has a price for.
    """

    added: int
    removed: int
    dearer: int
    cheaper: int
    unchanged: int


class PriceChange(NamedTuple):
    """One price before and after; None where there was none, or is none any more."""

    before: Rate | None
    after: Rate | None

    @property
    def by_micros(self) -> int:
        """How much more a call of a minute costs; 0 where one of them is no price that could be compared."""
        before, after = self
        if before is None or after is None or before.is_blocked or after.is_blocked:
            return 0
        return charge_micros(after, 60) - charge_micros(before, 60)


class DeckComparison(NamedTuple):
    """The counts, the largest changes first, and how many rows cost nothing or refuse their calls.

    `free` and `blocked` are of the new deck; `newly_blocked` had a price before. The last two are how much more, and how much
    less, calls of a minute cost, one for each prefix that changed.
    """

    change: DeckChange
    dearer: list[PriceChange]
    cheaper: list[PriceChange]
    free: int
    blocked: int
    newly_blocked: int
    dearer_by_micros: int
    cheaper_by_micros: int


def compare_decks(old_rows: Iterable[Rate], new_rows: Iterable[Rate], at: datetime) -> DeckChange:
    """Count what differs between two decks, by the row of each prefix that is in force at `at`.

    Dearer and cheaper go by a call of a minute; where that costs the same, by the price a minute, then by shorter and
    longer calls and by each term. A blocked prefix counts as dearer than any price.
    """
    return examine_change(old_rows, new_rows, at).change


def examine_change(old_rows: Iterable[Rate], new_rows: Iterable[Rate], at: datetime) -> DeckComparison:
    """Compare as `compare_decks` does, and say which changes are the largest."""
    old, new = sorted_rates(old_rows), sorted_rates(new_rows)
    added = removed = dearer = cheaper = unchanged = free = blocked = newly_blocked = 0
    most_dearer, most_cheaper = _Largest(), _Largest()
    old_prices, new_prices = _Prices(old), _Prices(new)
    old_in_force, new_in_force = _InForce(old, at), _InForce(new, at)
    for old_start, old_end, new_start, new_end in side_by_side(old, new):
        before = old_in_force.newest(old_start, old_end)
        after = new_in_force.newest(new_start, new_end)
        if after is None:
            removed += before is not None
            continue
        becomes = new_prices.of(after)
        free += becomes.is_free
        blocked += becomes.is_blocked
        if before is None:
            added += 1
            continue
        was = old_prices.of(before)
        if was == becomes:
            unchanged += 1
            continue
        is_dearer = becomes > was
        dearer += is_dearer
        cheaper += not is_dearer
        newly_blocked += becomes.is_blocked
        if not becomes.is_blocked and not was.is_blocked:
            by_micros = becomes.minute_micros - was.minute_micros
            most = most_dearer if is_dearer else most_cheaper
            most.add(abs(by_micros), before, after)
    return DeckComparison(
        DeckChange(added=added, removed=removed, dearer=dearer, cheaper=cheaper, unchanged=unchanged),
        [PriceChange(old[before], new[after]) for before, after in most_dearer.rows()],
        [PriceChange(old[before], new[after]) for before, after in most_cheaper.rows()],
        free,
        blocked,
        newly_blocked,
        most_dearer.sum,
        most_cheaper.sum,
    )


class _InForce:
    """Which rows of a deck are in force at a moment, as their terms tell."""

    def __init__(self, rates: Rates, at: datetime) -> None:
        self._terms_at = rates.terms_at
        self._is_in_force = [
            each.effective_from <= at and (each.effective_to is None or at < each.effective_to) for each in rates.terms
        ]

    def newest(self, start: int, end: int) -> int | None:
        """Find the newest in force of the rows of one slot, which stand oldest first."""
        while start < end:
            end -= 1
            if self._is_in_force[self._terms_at[end]]:
                return end
        return None


class _Price(NamedTuple):
    """What a row costs. Equal where every call costs the same under the same terms; the dearer one is greater."""

    dearness: tuple[int, ...]
    minute_micros: int
    is_free: bool
    is_blocked: bool


class _Prices:
    """The prices of a deck's rows. One that many rows have is worked out once."""

    def __init__(self, rates: Rates) -> None:
        self._rates = rates
        self._known: dict[tuple[int, int], _Price] = {}

    def of(self, row: int) -> _Price:
        known = self._rates.terms_at[row], self._rates.nanos[row]
        price = self._known.get(known)
        if price is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known = {}
            price = self._known[known] = _price(self._rates[row])
        return price


def _price(rate: Rate) -> _Price:
    if rate.is_blocked:
        return _Price((1,), 0, is_free=False, is_blocked=True)
    minute_micros = charge_micros(rate, 60)
    dearness = (
        0,
        minute_micros,
        rate.rate_nanos_per_min,
        charge_micros(rate, 1),
        charge_micros(rate, 61),
        rate.connect_fee_micros,
        rate.minimum_charge_micros,
        rate.first_increment_s,
        rate.increment_s,
        -rate.grace_s,
        -rate.included_s,
    )
    is_free = not (rate.rate_nanos_per_min or rate.connect_fee_micros or rate.minimum_charge_micros)
    return _Price(dearness, minute_micros, is_free=is_free, is_blocked=False)


class _Largest:
    """The pairs of rows with the largest differences so far, those that came first among equals."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, tuple[int, int]]] = []
        self._count = 0
        self.sum = 0

    def add(self, difference: int, before: int, after: int) -> None:
        self._count -= 1
        self.sum += difference
        if len(self._heap) == MOST_SHOWN and difference <= self._heap[0][0]:
            return
        entry = (difference, self._count, (before, after))
        if len(self._heap) < MOST_SHOWN:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heapreplace(self._heap, entry)

    def rows(self) -> list[tuple[int, int]]:
        return [pair for _, _, pair in sorted(self._heap, reverse=True)]
