"""Importing over an older deck: which rows it then has, and what that changes for callers.

Both work on sorted rows, one prefix after the other, so that a deck of a million prefixes takes no more memory than its
columns.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import msgspec

from callgate.rating.charge import charge_micros
from callgate.rating.rate import Rate
from callgate.rating.rates import Rates, Terms, sorted_rates

MOST_SHOWN = 20
"""How many of the largest changes a comparison keeps, dearer and cheaper each."""

_LONG_AGO = 10**6
"""Prices that are remembered while decks are compared: most rows have one of a few thousand."""


class ImportMode(StrEnum):
    """What a file says about the prefixes that it does not list: they end, or they stay as they are."""

    REPLACE = "replace"
    MERGE = "merge"


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


def merge_decks(existing_rows: Iterable[Rate], new_rows: Iterable[Rate], mode: str, now: datetime) -> Rates:
    """Return the rows of the deck after an import, sorted. The same prefix, slot and date always replaces.

    MERGE: prefixes that the file does not list, and other dates of those that it lists, stay. REPLACE: the file becomes
    the deck, and no gap opens before it does: what is in force, or will be, stays until the first row of its prefix
    takes effect; a prefix that is not listed ends when the file's earliest row takes effect. Rows of the file that are
    over by `now` do not count for this. Rows that no moment from `now` on would choose are dropped. `mode` is one of
    `ImportMode`; raises `ValueError` for any other.

    What is said of prefixes holds for each origin, number length and hours of a prefix by itself.
    """
    old, new = sorted_rates(existing_rows), sorted_rates(new_rows)
    assert len(new), "read_deck lets no empty file through: it would end every price"
    replaces = ImportMode(mode) is ImportMode.REPLACE
    earliest = min((each.effective_from for each in new.terms if _lasts(each, now)), default=now)
    kept = _Kept(now)
    for old_rows, listed_rows in _side_by_side(old, new):
        if listed_rows is None:
            ended = _ended(old, old_rows or (), earliest) if replaces else _as_they_are(old, old_rows or ())
        else:
            listed = {new.terms[new.terms_at[row]].effective_from for row in listed_rows}
            unlisted = [row for row in old_rows or () if old.terms[old.terms_at[row]].effective_from not in listed]
            starts = [
                each.effective_from
                for each in (new.terms[new.terms_at[row]] for row in listed_rows)
                if _lasts(each, now)
            ]
            takes_over = min(starts, default=earliest)
            ended = _ended(old, unlisted, takes_over) if replaces else _as_they_are(old, unlisted)
            ended += _as_they_are(new, listed_rows)
        kept.add(ended)
    return sorted_rates(kept.rates)


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
    dearness = lru_cache(maxsize=_LONG_AGO)(_dearness)
    old_prices, new_prices = _Prices(old), _Prices(new)
    for old_group, new_group in _side_by_side(old, new):
        before = _in_force(old, old_group or (), at)
        after = _in_force(new, new_group or (), at)
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
        is_dearer = dearness(becomes) > dearness(was)
        dearer += is_dearer
        cheaper += not is_dearer
        newly_blocked += becomes.is_blocked
        if not becomes.is_blocked and not was.is_blocked:
            by_micros = dearness(becomes)[1] - dearness(was)[1]
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


class _Price(NamedTuple):
    """All of a row that a charge depends on. Equal prices cost the same, however long the call."""

    is_blocked: bool
    rate_nanos_per_min: int
    connect_fee_micros: int
    minimum_charge_micros: int
    first_increment_s: int
    increment_s: int
    grace_s: int
    included_s: int

    @property
    def is_free(self) -> bool:
        return not (self.is_blocked or self.rate_nanos_per_min or self.connect_fee_micros or self.minimum_charge_micros)


class _Prices:
    """The prices of rows; what rows share is looked at once."""

    def __init__(self, rates: Rates) -> None:
        self._rates = rates
        self._shared = [
            (
                each.connect_fee_micros,
                each.minimum_charge_micros,
                each.first_increment_s,
                each.increment_s,
                each.grace_s,
                each.included_s,
            )
            for each in rates.terms
        ]
        self._is_blocked = [each.is_blocked for each in rates.terms]

    def of(self, row: int) -> _Price:
        place = self._rates.terms_at[row]
        if self._is_blocked[place]:
            return _BLOCKED
        return _Price(False, self._rates.nanos[row], *self._shared[place])


_BLOCKED = _Price(True, 0, 0, 0, 1, 1, 0, 0)


class _Largest:
    """The pairs of rows with the largest differences so far, those that came first among equals."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, tuple[int, int]]] = []
        self._count = 0
        self.sum = 0

    def add(self, difference: int, before: int, after: int) -> None:
        self._count -= 1
        self.sum += difference
        entry = (difference, self._count, (before, after))
        if len(self._heap) < MOST_SHOWN:
            heapq.heappush(self._heap, entry)
        elif entry > self._heap[0]:
            heapq.heapreplace(self._heap, entry)

    def rows(self) -> list[tuple[int, int]]:
        return [pair for _, _, pair in sorted(self._heap, reverse=True)]


def _side_by_side(old: Rates, new: Rates) -> Iterator[tuple[range | None, range | None]]:
    """Go through both in order of prefix and slot: the rows of each, the oldest first, None where there are none."""
    first, second = _slots(old), _slots(new)
    left, right = next(first, None), next(second, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left[0] < right[0]):
            assert left is not None
            yield left[1], None
            left = next(first, None)
        elif left is None or right[0] < left[0]:
            yield None, right[1]
            right = next(second, None)
        else:
            yield left[1], right[1]
            left, right = next(first, None), next(second, None)


def _slots(rates: Rates) -> Iterator[tuple[tuple[object, ...], range]]:
    """The rows of each prefix and slot, under what they are ordered by."""
    order = [each.preference[:-1] for each in rates.terms]  # without the date
    keys, terms_at = rates.keys, rates.terms_at
    start, count = 0, len(keys)
    while start < count:
        key, slot = keys[start], order[terms_at[start]]
        end = start + 1
        while end < count and keys[end] == key and order[terms_at[end]] == slot:
            end += 1
        yield (key, slot), range(start, end)
        start = end


_Row = tuple[Rates, int, Terms]
"""Where a row is from, which it is there, and its terms, perhaps changed."""


def _as_they_are(rates: Rates, rows: Iterable[int]) -> list[_Row]:
    return [(rates, row, rates.terms[rates.terms_at[row]]) for row in rows]


def _ended(rates: Rates, rows: Iterable[int], end: datetime) -> list[_Row]:
    """Give each older row the end that the file means for it; leave out those that have none of their time left."""
    ended: list[_Row] = []
    for row in rows:
        terms = rates.terms[rates.terms_at[row]]
        if terms.effective_to is not None and terms.effective_to <= end:
            ended.append((rates, row, terms))
        elif end > terms.effective_from:
            ended.append((rates, row, terms._replace(effective_to=end)))
    return ended


class _Kept:
    """The rows that an import leaves, added slot by slot."""

    def __init__(self, now: datetime) -> None:
        self.rates = Rates()
        self._now = now
        self._places: dict[int, int] = {}  # by the identity of terms: they live as long as the decks that they are of

    def add(self, rows: list[_Row]) -> None:
        """Add rows of one slot, without those that are over, or behind a newer one for as long as they last."""
        if len(rows) == 1:
            if _lasts(rows[0][2], self._now):
                self._put(*rows[0])
            return
        rows.sort(key=_start)
        found: list[_Row] = []
        newer: Terms | None = None  # already in force, and the one that lasts longest
        for row in reversed(rows):
            terms = row[2]
            if not _lasts(terms, self._now) or (newer is not None and _lasts_as_long(newer, terms)):
                continue
            found.append(row)
            if terms.effective_from <= self._now:
                newer = terms
        for row in reversed(found):
            self._put(*row)

    def _put(self, rates: Rates, row: int, terms: Terms) -> None:
        own = rates.terms[rates.terms_at[row]]
        if terms is own:
            place = self._places.get(id(own))
            if place is None:
                place = self._places[id(own)] = self.rates.place(own)
        else:
            place = self.rates.place(terms)
        self.rates.add(rates.keys[row], rates.nanos[row], place, rates.labels[rates.labels_at[row]], rates.lines[row])


_start: Callable[[_Row], datetime] = lambda row: row[2].effective_from  # noqa: E731 - a key


def _lasts(terms: Terms, now: datetime) -> bool:
    return terms.effective_to is None or terms.effective_to > now


def _lasts_as_long(newer: Terms, older: Terms) -> bool:
    if newer.effective_to is None:
        return True
    return older.effective_to is not None and older.effective_to <= newer.effective_to


def _in_force(rates: Rates, rows: Iterable[int], at: datetime) -> int | None:
    """Find the newest row in force among those of one slot, which stand oldest first."""
    found = None
    for row in rows:
        terms = rates.terms[rates.terms_at[row]]
        if terms.effective_from <= at and (terms.effective_to is None or at < terms.effective_to):
            found = row
    return found


def _dearness(price: _Price) -> tuple[int, ...]:
    """Order prices for a comparison. Equal only when every call costs the same under the same terms."""
    if price.is_blocked:
        return (1,)
    rate = Rate(prefix="1", destination="", effective_from=_ANY_TIME, **price._asdict())
    return (
        0,
        charge_micros(rate, 60),
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


_ANY_TIME = datetime.min.replace(tzinfo=UTC)
