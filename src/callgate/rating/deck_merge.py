"""Importing over an older deck: which rows it then has."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from callgate.rating.deck_slots import side_by_side
from callgate.rating.rate import Rate
from callgate.rating.rates import Rates, Terms, sorted_rates


class ImportMode(StrEnum):
    """What a file says about the prefixes that it does not list: they end, or they stay as they are."""

    REPLACE = "replace"
    MERGE = "merge"


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
    earliest = min((each.effective_from for each in new.terms if _lasts(each, now)), default=now)
    rule = _Rule(now, earliest if ImportMode(mode) is ImportMode.REPLACE else None)
    known: dict[tuple[bytes, bytes], list[_Kept] | None] = {}  # what rows stay is told by their terms, which are few
    kept = _Rows(new)
    for old_start, old_end, new_start, new_end in side_by_side(old, new):
        old_at, new_at = old.terms_at[old_start:old_end], new.terms_at[new_start:new_end]
        met = old_at.tobytes(), new_at.tobytes()
        if met not in known:
            stay = rule.keep([old.terms[place] for place in old_at], [new.terms[place] for place in new_at])
            known[met] = None if stay == [_Kept(True, each, new.terms[at]) for each, at in enumerate(new_at)] else stay
        stays = known[met]
        if stays is None:
            kept.take(new_start, new_end)
            continue
        for is_new, at, terms in stays:
            rates, start = (new, new_start) if is_new else (old, old_start)
            kept.add(rates, start + at, terms)
    return kept.done()


class _Kept(NamedTuple):
    """A row of a slot that stays: of which deck, its place in the slot there, and its terms, perhaps changed."""

    is_new: bool
    at: int
    terms: Terms


class _Rule(NamedTuple):
    """By what rows stay. `ends` is when prefixes end that the file does not list; None where they stay."""

    now: datetime
    ends: datetime | None

    def keep(self, old: Sequence[Terms], new: Sequence[Terms]) -> list[_Kept]:
        """Say which rows of one slot stay, the oldest first."""
        listed = {each.effective_from for each in new}
        rows = [_Kept(False, at, each) for at, each in enumerate(old) if each.effective_from not in listed]
        if self.ends is not None:
            takes_over = min((each.effective_from for each in new if _lasts(each, self.now)), default=self.ends)
            rows = [_Kept(False, at, ended) for _, at, each in rows if (ended := _ended(each, takes_over)) is not None]
        rows += [_Kept(True, at, each) for at, each in enumerate(new)]
        return self._without_what_is_over(rows)

    def _without_what_is_over(self, rows: list[_Kept]) -> list[_Kept]:
        """Leave out rows that are over, or behind a newer one for as long as they last."""
        stay: list[_Kept] = []
        newer: Terms | None = None  # already in force, and the one that lasts longest
        for row in sorted(rows, key=lambda row: row.terms.effective_from, reverse=True):
            if not _lasts(row.terms, self.now) or (newer is not None and _lasts_as_long(newer, row.terms)):
                continue
            stay.append(row)
            if row.terms.effective_from <= self.now:
                newer = row.terms
        return stay[::-1]


class _Rows:
    """The rows that stay, in order. Those of the new deck that follow each other are copied together."""

    def __init__(self, new: Rates) -> None:
        self._new = new
        self._start = self._end = 0
        self._rates = Rates()
        self._rates.take_places(new)

    def take(self, start: int, end: int) -> None:
        """Rows of the new deck, as they are."""
        if start != self._end:
            self._copy()
            self._start = start
        self._end = end

    def add(self, rates: Rates, row: int, terms: Terms) -> None:
        """One row of either, with these terms."""
        self._copy()
        rest = rates.keys[row], rates.nanos[row], self._rates.place(terms)
        self._rates.add(*rest, rates.labels[rates.labels_at[row]], rates.lines[row])

    def done(self) -> Rates:
        if self._end - self._start == len(self._new) and not self._rates:
            return self._new
        self._copy()
        return sorted_rates(self._rates)

    def _copy(self) -> None:
        *columns, _ = self._new.slice_columns(self._start, self._end)
        self._rates.extend_columns([*columns, b""], (), ())  # what rows lie inside is another matter where others stay
        self._start = self._end


def _ended(terms: Terms, end: datetime) -> Terms | None:
    """An older row with the end that the file means for it; None where nothing of its time is left."""
    if terms.effective_to is not None and terms.effective_to <= end:
        return terms
    return terms._replace(effective_to=end) if end > terms.effective_from else None


def _lasts(terms: Terms, now: datetime) -> bool:
    return terms.effective_to is None or terms.effective_to > now


def _lasts_as_long(newer: Terms, older: Terms) -> bool:
    if newer.effective_to is None:
        return True
    return older.effective_to is not None and older.effective_to <= newer.effective_to
