"""Importing over an older deck: which rows it then has, and what that changes for callers."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from operator import attrgetter

import msgspec

from callgate.rating.charge import charge_micros
from callgate.rating.rate import Rate


class ImportMode(StrEnum):
    """What a file says about the prefixes that it does not list: they end, or they stay as they are."""

    REPLACE = "replace"
    MERGE = "merge"


class DeckChange(msgspec.Struct, frozen=True, kw_only=True):
    """How many prefixes have a price that they had not, lost theirs, cost more, cost less, cost the same."""

    added: int
    removed: int
    dearer: int
    cheaper: int
    unchanged: int


def merge_decks(existing_rows: Iterable[Rate], new_rows: Sequence[Rate], mode: str, now: datetime) -> list[Rate]:
    """Return the rows of the deck after an import, by prefix and date. The same prefix and date always replaces.

    MERGE: prefixes that the file does not list, and other dates of those that it lists, stay. REPLACE: the file becomes
    the deck, and no gap opens before it does: what is in force, or will be, stays until the first row of its prefix
    takes effect; a prefix that is not listed ends when the file's earliest row takes effect. Rows of the file that are
    over by `now` do not count for this. Rows that no moment from `now` on would choose are dropped. `mode` is one of
    `ImportMode`; raises `ValueError` for any other.
    """
    assert new_rows, "read_deck lets no empty file through: it would end every price"
    listed = {(rate.prefix, rate.effective_from) for rate in new_rows}
    kept = [rate for rate in existing_rows if (rate.prefix, rate.effective_from) not in listed]
    if ImportMode(mode) is ImportMode.REPLACE:
        kept = _ended_by(new_rows, kept, now)
    return _without_past([*kept, *new_rows], now)


def compare_decks(old_rows: Iterable[Rate], new_rows: Iterable[Rate], at: datetime) -> DeckChange:
    """Count what differs between two decks, by the row of each prefix that is in force at `at`.

    Dearer and cheaper go by a call of a minute; where that costs the same, by the price a minute, then by shorter and
    longer calls and by each term. A blocked prefix counts as dearer than any price.
    """
    old, new = _in_force(old_rows, at), _in_force(new_rows, at)
    dearer = cheaper = unchanged = 0
    for prefix, rate in new.items():
        if (before := old.get(prefix)) is None:
            continue
        was, becomes = _dearness(before), _dearness(rate)
        dearer += becomes > was
        cheaper += becomes < was
        unchanged += becomes == was
    both = dearer + cheaper + unchanged
    return DeckChange(
        added=len(new) - both, removed=len(old) - both, dearer=dearer, cheaper=cheaper, unchanged=unchanged
    )


def _ended_by(new_rows: Iterable[Rate], old_rows: Iterable[Rate], now: datetime) -> list[Rate]:
    """Give each older row the end that the file means for it; leave out those that have none of their time left."""
    takes_over: dict[str, datetime] = {}
    for rate in new_rows:
        if rate.effective_to is None or rate.effective_to > now:
            first = takes_over.get(rate.prefix)
            takes_over[rate.prefix] = rate.effective_from if first is None else min(first, rate.effective_from)
    earliest = min(takes_over.values(), default=now)
    ended = []
    for rate in old_rows:
        end = takes_over.get(rate.prefix, earliest)
        if rate.effective_to is not None and rate.effective_to <= end:
            ended.append(rate)
        elif end > max(now, rate.effective_from):
            ended.append(msgspec.structs.replace(rate, effective_to=end))
    return ended


def _without_past(rows: list[Rate], now: datetime) -> list[Rate]:
    """Sort, and drop rows that are over, or behind a newer row of their prefix for as long as they last."""
    rows.sort(key=attrgetter("effective_from"))
    rows.sort(key=attrgetter("prefix"))
    kept: list[Rate] = []
    newer: Rate | None = None  # of this prefix, already in force, and the one that lasts longest
    for rate in reversed(rows):
        if newer is not None and newer.prefix != rate.prefix:
            newer = None
        if rate.effective_to is not None and rate.effective_to <= now:
            continue
        if newer is not None and _lasts_as_long(newer, rate):
            continue
        kept.append(rate)
        if rate.effective_from <= now:
            newer = rate
    kept.reverse()
    return kept


def _lasts_as_long(newer: Rate, older: Rate) -> bool:
    if newer.effective_to is None:
        return True
    return older.effective_to is not None and older.effective_to <= newer.effective_to


def _in_force(rows: Iterable[Rate], at: datetime) -> dict[str, Rate]:
    """Find the newest row in force of each prefix."""
    found: dict[str, Rate] = {}
    for rate in rows:
        if rate.is_in_force(at):
            other = found.get(rate.prefix)
            if other is None or rate.effective_from >= other.effective_from:
                found[rate.prefix] = rate
    return found


def _dearness(rate: Rate) -> tuple[int, ...]:
    """Order prices for a comparison. Equal only when every call costs the same under the same terms."""
    if rate.is_blocked:
        return (1,)
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
    )
