"""Many priced prefixes in little memory: flat arrays of integers, and what rows share kept once.

A million rows take some thirty megabytes and no objects that a garbage collector would visit. A `Rate` is built when one
is asked for.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from operator import le, lt
from typing import NamedTuple, overload

from callgate.rating.origin import JURISDICTIONS
from callgate.rating.rate import MAX_PREFIX_DIGITS, Rate

LENGTH_BITS = 4
LENGTH_MASK = 15
SPANS: tuple[int, ...] = tuple(10 ** (MAX_PREFIX_DIGITS - length) for length in range(MAX_PREFIX_DIGITS + 1))
"""How many padded numbers a prefix of each length covers."""

NONE = -1
"""No row."""


class Terms(NamedTuple):
    """All that rows of a deck usually share. Few distinct ones exist, so rows point at them. Fields are those of `Rate`."""

    effective_from: datetime
    effective_to: datetime | None
    connect_fee_micros: int
    first_increment_s: int
    increment_s: int
    minimum_charge_micros: int
    grace_s: int
    included_s: int
    is_blocked: bool
    number_length: int
    origin: str
    hours: str
    deck: str
    file: str

    @property
    def slot(self) -> tuple[int, str, str]:
        """What calls to its prefix a row is for. Rows of one slot follow each other in time."""
        return self.number_length, self.origin, self.hours

    @property
    def preference(self) -> tuple[int, int, str, bool, str, datetime]:
        """Of two rows of one prefix that both fit, the one with the greater preference prices the call."""
        closeness = 1 if self.origin in JURISDICTIONS else len(self.origin) + bool(self.origin)
        return self.number_length, closeness, self.origin, bool(self.hours), self.hours, self.effective_from


def terms_of(rate: Rate) -> Terms:
    """What a row says beside prefix, price, label and line."""
    return Terms(
        rate.effective_from,
        rate.effective_to,
        rate.connect_fee_micros,
        rate.first_increment_s,
        rate.increment_s,
        rate.minimum_charge_micros,
        rate.grace_s,
        rate.included_s,
        rate.is_blocked,
        rate.number_length,
        rate.origin,
        rate.hours,
        rate.deck,
        rate.file,
    )


def key_of(prefix: str) -> int:
    """Return the prefix padded with zeros to 15 digits, then its length: keys sort as the digits do, a prefix directly
    before everything that begins with it.
    """
    return int(prefix.ljust(MAX_PREFIX_DIGITS, "0")) << LENGTH_BITS | len(prefix)


def prefix_of(key: int) -> str:
    return str(key >> LENGTH_BITS)[: key & LENGTH_MASK]


class Rates(Sequence[Rate]):
    """Rows in some order. Columns are there to be read; rows are added by `append` or `add`, and never change.

    `inside`, where it is filled, leads from each row to the next that is asked when this one does not fit: see
    `sorted_rates`, which fills it.
    """

    def __init__(self, rows: Iterable[Rate] = ()) -> None:
        self.keys = array("q")
        self.nanos = array("q")
        self.terms_at = array("I")
        self.labels_at = array("I")
        self.lines = array("I")
        self.inside = array("i")
        self.terms: list[Terms] = []
        self.labels: list[str] = []
        self._known_terms: dict[Terms, int] = {}
        self._known_labels: dict[str, int] = {}
        for rate in rows:
            self.append(rate)

    def append(self, rate: Rate) -> None:
        self.add(key_of(rate.prefix), rate.rate_nanos_per_min, self.place(terms_of(rate)), rate.destination, rate.line)

    def add(self, key: int, nanos: int, terms_at: int, label: str, line: int) -> None:
        """Add a row whose terms have their place already."""
        known = self._known_labels
        label_at = known.get(label)
        if label_at is None:
            label_at = known[label] = len(known)
            self.labels.append(label)
        self.keys.append(key)
        self.nanos.append(nanos)
        self.terms_at.append(terms_at)
        self.labels_at.append(label_at)
        self.lines.append(line)

    def place(self, terms: Terms) -> int:
        """Return where these terms stand among `terms`, adding them where they are new."""
        place = self._known_terms.get(terms)
        if place is None:
            place = self._known_terms[terms] = len(self.terms)
            self.terms.append(terms)
        return place

    def named(self, deck: str, file: str) -> "Rates":
        """The same rows, which say that they are of this deck and file. The columns are shared: add to neither."""
        named = Rates()
        named.keys, named.nanos, named.terms_at = self.keys, self.nanos, self.terms_at
        named.labels_at, named.lines, named.inside = self.labels_at, self.lines, self.inside
        named.terms = [each._replace(deck=deck, file=file or each.file) for each in self.terms]
        named.labels = self.labels
        return named

    def taken_back(self, by: timedelta) -> "Rates":
        """The same rows, taking effect and ending so much earlier. The columns are shared: add to neither."""
        earlier = self.named("", "")
        earlier.terms = [
            each._replace(
                effective_from=each.effective_from - by,
                effective_to=None if each.effective_to is None else each.effective_to - by,
            )
            for each in self.terms
        ]
        return earlier

    def take_places(self, other: "Rates") -> None:
        """Give terms and labels the places that they have in another, so that its columns can be added. For empty ones."""
        self.extend_columns([b""] * len(self._columns()), other.terms, other.labels)

    def extend_columns(self, columns: Sequence[bytes], terms: Iterable[Terms], labels: Iterable[str]) -> None:
        """Add rows as another `Rates` had them, with the terms and labels that it had not had before them.

        For what was stored: the whole of it is one table, so that places in it are those of the one that was stored.
        """
        for column, content in zip(self._columns(), columns, strict=True):
            column.frombytes(content)
        for each in terms:
            self._known_terms[each] = len(self.terms)
            self.terms.append(each)
        for label in labels:
            self._known_labels[label] = len(self.labels)
            self.labels.append(label)

    def slice_columns(self, start: int, end: int) -> list[bytes]:
        """The columns of some rows, as `extend_columns` takes them."""
        return [column[start:end].tobytes() for column in self._columns()]

    def _columns(self) -> "tuple[array[int], ...]":
        return self.keys, self.nanos, self.terms_at, self.labels_at, self.lines, self.inside

    # -- as a sequence of rates ----------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, row: int) -> Rate: ...
    @overload
    def __getitem__(self, row: slice) -> list[Rate]: ...
    def __getitem__(self, row: int | slice) -> Rate | list[Rate]:
        if isinstance(row, slice):
            return [self[each] for each in range(*row.indices(len(self)))]
        return self.build(row, self.terms[self.terms_at[row]])

    def __iter__(self) -> Iterator[Rate]:
        for row in range(len(self)):
            yield self[row]

    def __eq__(self, other: object) -> bool:
        """As a list of the same rates."""
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # it can still grow

    def __repr__(self) -> str:
        return f"Rates({list(islice(self, 3))}{' and more' if len(self) > 3 else ''})"  # noqa: PLR2004 - enough to know it by

    def build(self, row: int, terms: Terms) -> Rate:
        """The rate of a row whose terms the caller has looked at."""
        (
            start,
            end,
            fee,
            first_s,
            increment_s,
            minimum,
            grace_s,
            included_s,
            is_blocked,
            length,
            origin,
            hours,
            deck,
            file,
        ) = terms
        return Rate(
            prefix=prefix_of(self.keys[row]),
            destination=self.labels[self.labels_at[row]],
            rate_nanos_per_min=self.nanos[row],
            connect_fee_micros=fee,
            first_increment_s=first_s,
            increment_s=increment_s,
            minimum_charge_micros=minimum,
            grace_s=grace_s,
            included_s=included_s,
            effective_from=start,
            effective_to=end,
            is_blocked=is_blocked,
            number_length=length,
            origin=origin,
            hours=hours,
            deck=deck,
            file=file,
            line=self.lines[row],
        )


def sorted_rates(rows: Iterable[Rate]) -> Rates:
    """Return the rows by prefix and then by preference, with `inside` filled; those that are so already as they are."""
    rates = rows if isinstance(rows, Rates) else Rates(rows)
    if _is_sorted(rates):
        if len(rates.inside) == len(rates):
            return rates
    else:
        rates = _in_order(rates)
    rates.inside = _inside(rates.keys)
    return rates


def is_sound(rates: Rates, start: int, end: int) -> bool:
    """Whether columns that were stored lead nowhere but to rows, terms and labels that there are, and end.

    Asked for a part of them, so that nobody waits for the whole.
    """
    rows = range(start, end)
    inside = rates.inside[start:end]
    return (
        len(inside) == len(rows)
        and all(map(lt, inside, rows))
        and min(inside, default=NONE) >= NONE
        and max(rates.terms_at[start:end], default=NONE) < len(rates.terms)
        and max(rates.labels_at[start:end], default=NONE) < len(rates.labels)
    )


COMPARED_AT_ONCE = 16_384
"""Keys that are compared before other threads have a turn: less than a millisecond."""


def _is_sorted(rates: Rates) -> bool:
    keys, count = rates.keys, len(rates)
    for start in range(0, count - 1, COMPARED_AT_ONCE):
        end = min(start + COMPARED_AT_ONCE, count - 1)
        here, following = keys[start:end], keys[start + 1 : end + 1]
        if not all(map(lt, here, following)) and not (
            all(map(le, here, following)) and _is_preferred_last(rates, start, end)
        ):
            return False
    return True


def _is_preferred_last(rates: Rates, start: int, end: int) -> bool:
    """Whether of rows of one prefix, which follow each other, the preferred one stands last."""
    keys, terms, terms_at = rates.keys, rates.terms, rates.terms_at
    equal = (row for row in range(start, end) if keys[row] == keys[row + 1])
    return all(terms[terms_at[row]].preference <= terms[terms_at[row + 1]].preference for row in equal)


def _in_order(rates: Rates) -> Rates:
    """A copy in order. Rows of one prefix are few: only those are compared by more than their key."""
    keys, terms, terms_at = rates.keys, rates.terms, rates.terms_at
    order = sorted(range(len(keys)), key=keys.__getitem__)
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or keys[order[end]] != keys[order[start]]:
            if end - start > 1:
                order[start:end] = sorted(order[start:end], key=lambda row: terms[terms_at[row]].preference)
            start = end
    ordered = Rates()
    ordered.extend_columns(
        [array(c.typecode, map(c.__getitem__, order)).tobytes() for c in (keys, rates.nanos, terms_at)]
        + [array(c.typecode, map(c.__getitem__, order)).tobytes() for c in (rates.labels_at, rates.lines)]
        + [b""],
        terms,
        rates.labels,
    )
    return ordered


def _inside(keys: "array[int]") -> "array[int]":
    """For each row of sorted keys, find the one to ask next: of the same prefix, else of the closest around it."""
    inside = array("i")
    around: list[
        int
    ] = []  # rows of the prefixes that the row lies in, and less preferred ones of its own, outermost first
    add, push, pop = inside.append, around.append, around.pop
    for row, key in enumerate(keys):
        digits = key >> LENGTH_BITS
        while around:
            outer = keys[around[-1]]
            if digits - (outer >> LENGTH_BITS) < SPANS[outer & LENGTH_MASK]:
                add(around[-1])
                break
            pop()
        else:
            add(NONE)
        push(row)
    return inside
