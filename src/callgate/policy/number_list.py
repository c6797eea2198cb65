"""Deny and allow lists in memory: numbers and prefixes as sorted integers, a few dozen megabytes for millions of them.

Reading files and changing what is stored is `service.number_lists`' business.
"""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from enum import StrEnum
from functools import lru_cache

from callgate.policy.refusal import Refusal

MAX_DIGITS = 15
"""Digits of the longest E.164 number. Source: ITU-T E.164, section 6."""

LEAST_DIGITS = 7
"""Digits of the shortest number that we read as E.164, see `numbers.parse_e164`."""

EXPECTED = "a number such as +46701740605, or a prefix such as +4690*"

_NUMBER = re.compile(rf"\+([1-9][0-9]{{{LEAST_DIGITS - 1},{MAX_DIGITS - 1}}})", re.ASCII)
_PREFIX = re.compile(rf"\+([1-9][0-9]{{0,{MAX_DIGITS - 1}}})\*", re.ASCII)
_PUNCTUATION = str.maketrans("", "", " -().\u00a0")

_SPANS: tuple[int, ...] = tuple(10 ** (MAX_DIGITS - length) for length in range(MAX_DIGITS + 1))
"""How many padded numbers a prefix of each length covers."""

_LENGTH_BITS = 4
_LENGTH_MASK = 15
_IS_PREFIX = 1

MANY_CHANGES = 500
"""More than so many entries are not put in one by one: the list is made anew."""


class ListKind(StrEnum):
    """What a list does with a number that is on it."""

    DENY = "deny"
    ALLOW = "allow"


def parse_entry(text: str) -> int | None:
    """Read a number or a prefix, however it is punctuated, as one integer; None when it is neither.

    The integer is the digits padded with zeros to 15, then their count, then whether it is a prefix: entries sort as the
    digits do, and fit into 64 bits.
    """
    found = _NUMBER.fullmatch(text) or _PREFIX.fullmatch(text)
    if found is None:
        plain = text.strip().translate(_PUNCTUATION)
        found = _NUMBER.fullmatch(plain) or _PREFIX.fullmatch(plain)
    if found is None:
        return None
    digits = found[1]
    is_prefix = found.re is _PREFIX
    return (int(digits.ljust(MAX_DIGITS, "0")) << _LENGTH_BITS | len(digits)) << 1 | is_prefix


def format_entry(entry: int) -> str:
    """Write an entry as it is read: `+46701740605`, or `+4690*`."""
    key = entry >> 1
    digits = str(key >> _LENGTH_BITS)[: key & _LENGTH_MASK]
    return f"+{digits}*" if entry & _IS_PREFIX else f"+{digits}"


class NumberList:
    """One list. Never changed: a change makes a new one. `account` limits it to one account, None for all of them."""

    __slots__ = ("_entries", "_outermost", "account", "kind", "name")

    def __init__(
        self,
        *,
        name: str,
        kind: ListKind,
        account: str | None,
        entries: "array[int]",
        outermost: "array[int] | None" = None,
    ) -> None:
        """`entries` are those of `parse_entry`, sorted, each once; `outermost` its outermost prefixes, where known."""
        self.name = name
        self.kind = kind
        self.account = account
        self._entries = entries
        self._outermost = _outermost(entries) if outermost is None else outermost

    def __contains__(self, number: str) -> bool:
        """Say whether a number in E.164, with its `+`, is on the list or begins with a prefix that is."""
        padded, length, wanted = _sought(number)
        place = bisect_left(self._entries, wanted)
        if place < len(self._entries) and self._entries[place] == wanted:
            return True
        around = bisect_right(self._outermost, wanted | _IS_PREFIX) - 1
        return around >= 0 and _covers(self._outermost[around], padded, length)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[int]:
        """The entries, by their digits."""
        return iter(self._entries)

    def changed(self, added: Collection[int], removed: Collection[int]) -> "NumberList":
        """Return the list with these entries more, and without those."""
        if len(added) + len(removed) > MANY_CHANGES:
            entries = array("q", sorted((set(self._entries) - set(removed)) | set(added)))
        else:
            entries = array("q", self._entries)
            for entry in removed:
                if (place := _place(entries, entry)) is not None:
                    del entries[place]
            for entry in added:
                if _place(entries, entry) is None:
                    entries.insert(bisect_left(entries, entry), entry)
        has_prefix = any(entry & _IS_PREFIX for entry in (*added, *removed))
        return NumberList(
            name=self.name,
            kind=self.kind,
            account=self.account,
            entries=entries,
            outermost=None if has_prefix else self._outermost,
        )


def judge_lists(number: str, lists: Sequence[NumberList]) -> tuple[Refusal | None, str | None]:
    """Step 8: a number on a deny list is refused; where there are allow lists, only what is on one of them passes.

    Returns the name of the list that decided it too.
    """
    has_allowed, allowed_by = False, None
    for each in lists:
        if each.kind is ListKind.DENY:
            if number in each:
                return Refusal.DESTINATION_BLOCKED, each.name
        else:
            has_allowed = True
            if allowed_by is None and number in each:
                allowed_by = each.name
    if has_allowed and allowed_by is None:
        return Refusal.DESTINATION_NOT_ALLOWED, None
    return None, allowed_by


def lists_of(lists: Iterable[NumberList], account: str) -> list[NumberList]:
    """Those of an application that an account meets: deny lists add up; allow lists of its own replace the common ones."""
    met = [each for each in lists if each.account is None or each.account == account]
    if any(each.kind is ListKind.ALLOW and each.account is not None for each in met):
        return [each for each in met if each.kind is ListKind.DENY or each.account is not None]
    return met


@lru_cache(maxsize=64)
def _sought(number: str) -> tuple[int, int, int]:
    """The digits of a number, padded, their count, and what its entry would be. Every list of a call looks for the same."""
    length = len(number) - 1
    padded = int(number) * _SPANS[length]
    return padded, length, (padded << _LENGTH_BITS | length) << 1


def _outermost(entries: "array[int]") -> "array[int]":
    """The prefixes that lie in no other one: the last of them before a number is the only one that can cover it."""
    outermost = array("q")
    for entry in entries:
        if entry & _IS_PREFIX:
            key = entry >> 1
            if not outermost or not _covers(outermost[-1], key >> _LENGTH_BITS, key & _LENGTH_MASK):
                outermost.append(entry)
    return outermost


def _covers(prefix: int, padded: int, length: int) -> bool:
    """Whether digits, padded and of this count, begin with a prefix that is not behind them."""
    key = prefix >> 1
    prefix_length = key & _LENGTH_MASK
    return prefix_length <= length and padded - (key >> _LENGTH_BITS) < _SPANS[prefix_length]


def _place(entries: "array[int]", entry: int) -> int | None:
    place = bisect_left(entries, entry)
    return place if place < len(entries) and entries[place] == entry else None
