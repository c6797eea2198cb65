"""Rate decks in memory: longest-prefix match over a million prefixes in a few dozen megabytes.

Rows are kept sorted in flat arrays, and a `Rate` is built when it is looked up. Reading files is `rating.deck_csv`'s
business, importing over an older deck `rating.deck_change`'s.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from callgate.rating.rate import MAX_PREFIX_DIGITS, Rate

_LENGTH_BITS = 4
_LENGTH_MASK = 15
_SPANS: tuple[int, ...] = tuple(10 ** (MAX_PREFIX_DIGITS - length) for length in range(MAX_PREFIX_DIGITS + 1))
"""How many padded numbers a prefix of each length covers."""

_NONE = -1
"""No row."""

_BUCKET_SPAN = 10**11 << _LENGTH_BITS
_BUCKETS = 10**4
"""The first four digits narrow a search to a few rows: half the time of a search through all."""


class _Terms(NamedTuple):
    """All that rows of a deck usually share. Few distinct ones exist, so rows point at them."""

    effective_from: datetime
    effective_to: datetime | None
    connect_fee_micros: int
    first_increment_s: int
    increment_s: int
    minimum_charge_micros: int
    grace_s: int
    is_blocked: bool


class Deck:
    """Priced prefixes in one currency. Never changed: an import makes a new one.

    A key is the prefix padded with zeros to 15 digits, then its length: keys sort as the digits do, a prefix directly
    before everything that begins with it. So the row last before a number is its longest prefix, or lies inside it, and
    `_fallbacks` leads there: from each row to the next older one of its prefix, else to the prefix around it.
    """

    def __init__(self, *, name: str, currency: str, rows: Iterable[Rate]) -> None:
        """Rows may come in any order; sorted by prefix and date they are taken as they come, without a copy."""
        self.name = name
        self.currency = currency
        self._keys = array("q")
        self._rates = array("q")
        self._terms_of = array("I")
        self._labels_of = array("I")
        self._terms: list[_Terms] = []
        self._labels: list[str] = []
        self._fill(rows)
        self._sort()
        self._fallbacks = _fallbacks(self._keys)
        self._buckets = _bucket_starts(self._keys)

    def rate_for(self, number: str, at: datetime) -> Rate | None:
        """Return the row of the longest prefix in force, of equal prefixes the newest; None when no row covers it.

        `number` is E.164 with `+`. A blocked row is returned as such, so that it stops a cheaper parent.
        """
        length = len(number) - 1
        padded = int(number) * _SPANS[length]
        wanted = padded << _LENGTH_BITS | length
        bucket = wanted // _BUCKET_SPAN
        keys = self._keys
        row = bisect_right(keys, wanted, self._buckets[bucket], self._buckets[bucket + 1]) - 1
        while row != _NONE:
            key = keys[row]
            length = key & _LENGTH_MASK
            if padded - (key >> _LENGTH_BITS) < _SPANS[length]:
                terms = self._terms[self._terms_of[row]]
                if terms[0] <= at and (terms[1] is None or at < terms[1]):
                    return self._rate(row, number[1 : length + 1], terms)
            row = self._fallbacks[row]
        return None

    def __len__(self) -> int:
        """Count the rows: a prefix counts once for each of its dates."""
        return len(self._keys)

    def __iter__(self) -> Iterator[Rate]:
        """Build every row, by prefix and then by date."""
        for row, key in enumerate(self._keys):
            prefix = str(key >> _LENGTH_BITS)[: key & _LENGTH_MASK]
            yield self._rate(row, prefix, self._terms[self._terms_of[row]])

    def _rate(self, row: int, prefix: str, terms: _Terms) -> Rate:
        effective_from, effective_to, connect_fee, first_s, increment_s, minimum_charge, grace_s, is_blocked = terms
        return Rate(
            prefix=prefix,
            destination=self._labels[self._labels_of[row]],
            rate_nanos_per_min=self._rates[row],
            connect_fee_micros=connect_fee,
            first_increment_s=first_s,
            increment_s=increment_s,
            minimum_charge_micros=minimum_charge,
            grace_s=grace_s,
            effective_from=effective_from,
            effective_to=effective_to,
            is_blocked=is_blocked,
        )

    def _fill(self, rows: Iterable[Rate]) -> None:
        terms_seen: dict[_Terms, int] = {}
        labels_seen: dict[str, int] = {}
        for rate in rows:
            padded = int(rate.prefix.ljust(MAX_PREFIX_DIGITS, "0"))
            terms = _Terms(
                rate.effective_from,
                rate.effective_to,
                rate.connect_fee_micros,
                rate.first_increment_s,
                rate.increment_s,
                rate.minimum_charge_micros,
                rate.grace_s,
                rate.is_blocked,
            )
            self._keys.append(padded << _LENGTH_BITS | len(rate.prefix))
            self._rates.append(rate.rate_nanos_per_min)
            self._terms_of.append(terms_seen.setdefault(terms, len(terms_seen)))
            self._labels_of.append(labels_seen.setdefault(rate.destination, len(labels_seen)))
        self._terms = list(terms_seen)
        self._labels = list(labels_seen)

    def _sort(self) -> None:
        """Bring the rows into the order of prefix and date."""
        keys, terms, terms_of = self._keys, self._terms, self._terms_of

        def place(row: int) -> tuple[int, datetime]:
            return keys[row], terms[terms_of[row]].effective_from

        count = len(keys)
        if all(keys[row - 1] < keys[row] or place(row - 1) <= place(row) for row in range(1, count)):
            return
        order = sorted(range(count), key=place)
        self._keys = array("q", map(keys.__getitem__, order))
        self._rates = array("q", map(self._rates.__getitem__, order))
        self._terms_of = array("I", map(terms_of.__getitem__, order))
        self._labels_of = array("I", map(self._labels_of.__getitem__, order))


def _fallbacks(keys: "array[int]") -> "array[int]":
    """For each row of sorted keys, find the one to ask next: of the same prefix, else of the closest around it."""
    fallbacks = array("i")
    around: list[int] = []  # rows of the prefixes that the row lies in, and older ones of its own, outermost first
    for row, key in enumerate(keys):
        while around and not _covers(keys[around[-1]], key):
            around.pop()
        fallbacks.append(around[-1] if around else _NONE)
        around.append(row)
    return fallbacks


def _bucket_starts(keys: "array[int]") -> "array[int]":
    """For each bucket of sorted keys, and for the end behind them, find the first row that is not before it.

    Most buckets of most decks are empty, so this goes from one that is not to the next.
    """
    starts, row = array("I"), 0
    while row < len(keys):
        bucket = keys[row] // _BUCKET_SPAN
        starts.extend([row] * (bucket + 1 - len(starts)))
        row = bisect_left(keys, (bucket + 1) * _BUCKET_SPAN, row)
    starts.extend([len(keys)] * (_BUCKETS + 1 - len(starts)))
    return starts


def _covers(outer: int, inner: int) -> bool:
    return (inner >> _LENGTH_BITS) - (outer >> _LENGTH_BITS) < _SPANS[outer & _LENGTH_MASK]
