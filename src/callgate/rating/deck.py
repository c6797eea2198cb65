"""Rate decks in memory: longest-prefix match over a million prefixes in a few dozen megabytes.

Rows are kept sorted in flat arrays, see `rating.rates`. Reading files is `rating.deck_csv`'s and `rating.deck_mapped`'s
business, importing over an older deck `rating.deck_merge`'s.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import datetime

from callgate.rating.hours import is_in_hours
from callgate.rating.origin import is_from
from callgate.rating.rate import Rate
from callgate.rating.rates import LENGTH_BITS, LENGTH_MASK, NONE, SPANS, Terms, sorted_rates

_BUCKET_SPAN = 10**11 << LENGTH_BITS
_BUCKETS = 10**4
"""The first four digits narrow a search to a few rows: half the time of a search through all."""

_MAX_BUILT = 4_096
"""Rates that are kept once they were looked up: calls go to few destinations at a time."""


class Deck:
    """Priced prefixes in one currency. Never changed: an import makes a new one.

    The row last before a number is its longest prefix, or lies inside it, and `Rates.inside` leads there: from each row to
    the next less preferred one of its prefix, else to the prefix around it.
    """

    def __init__(self, *, name: str, currency: str, rows: Iterable[Rate]) -> None:
        """Rows may come in any order; sorted ones, as a store gives them, are taken as they are, without a copy."""
        self.name = name
        self.currency = currency
        self.rates = sorted_rates(rows)
        self._buckets = _bucket_starts(self.rates.keys)
        self._built: dict[int, Rate] = {}

    def rate_for(self, number: str, at: datetime, caller: str | None = None) -> Rate | None:
        """Return the row of the longest prefix that fits the call, of equal prefixes the preferred; None when none does.

        `number` is E.164 with `+`, and so is `caller`, the number that the callee sees, None where it sees none. Preferred
        are rows for this number alone or for numbers of its length, then those for the longest origin, then the newest in
        force. A blocked row is returned as such, so that it stops a cheaper parent.
        """
        digits = length = len(number) - 1
        padded = int(number) * SPANS[length]
        wanted = padded << LENGTH_BITS | length
        bucket = wanted // _BUCKET_SPAN
        rates = self.rates
        keys = rates.keys
        row = bisect_right(keys, wanted, self._buckets[bucket], self._buckets[bucket + 1]) - 1
        while row != NONE:
            key = keys[row]
            length = key & LENGTH_MASK
            if padded - (key >> LENGTH_BITS) < SPANS[length]:
                terms = rates.terms[rates.terms_at[row]]
                if terms[0] <= at and (terms[1] is None or at < terms[1]) and _fits(terms, number, digits, caller, at):
                    return self._rate(row, terms)
            row = rates.inside[row]
        return None

    def rows_under(self, prefix: str) -> tuple[int, int]:
        """Return where the rows begin and end whose prefixes begin so; all of them where it is empty."""
        if not prefix:
            return 0, len(self.rates)
        first = int(prefix) * SPANS[len(prefix)]
        keys = self.rates.keys
        start = bisect_left(keys, first << LENGTH_BITS | len(prefix))
        return start, bisect_left(keys, first + SPANS[len(prefix)] << LENGTH_BITS, start)

    def __len__(self) -> int:
        """Count the rows: a prefix counts once for each of its dates."""
        return len(self.rates)

    def __iter__(self) -> Iterator[Rate]:
        """Build every row, by prefix and then by preference, the oldest first."""
        return iter(self.rates)

    def _rate(self, row: int, terms: Terms) -> Rate:
        built = self._built.get(row)
        if built is None:
            built = self.rates.build(row, terms)
            if len(self._built) >= _MAX_BUILT:
                self._built = {}
            self._built[row] = built
        return built


def _fits(terms: Terms, number: str, digits: int, caller: str | None, at: datetime) -> bool:
    """Whether a row in force is for this call, as far as it says more than its prefix: most say nothing."""
    return (
        (not terms.number_length or terms.number_length == digits)
        and (not terms.origin or is_from(terms.origin, caller, number))
        and (not terms.hours or is_in_hours(terms.hours, at))
    )


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
