"""The patterns of libphonenumber's metadata, compiled for one question: where an E.164 number is, and what kind it is.

The library asks it of a number as people write them, with up to thirty small matches, a good 30 us. A number in E.164 has its
country code in front and no national prefix, so that one look at the code and one match of all kinds at once are enough.
What may hold a national prefix after all is left to the library. `tests/unit/policy/test_numbering.py` holds both against
each other, over the examples of every country and numbers near them.
"""

import re
from functools import cache, lru_cache
from typing import NamedTuple

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberType
from phonenumbers.phonemetadata import PhoneNumberDesc

MAX_CODE_DIGITS = 3


class Match(NamedTuple):
    """What the patterns say: the region, None for a number that no region of its code has, and the kind there.

    `kind` is one of `PhoneNumberType`, `UNKNOWN` for a number that is not valid in the region that its first digits name.
    """

    region: str | None
    kind: int


_UNKNOWN = PhoneNumberType.UNKNOWN
_NOWHERE = Match(None, _UNKNOWN)


@lru_cache(maxsize=65_536)
def match_number(number: str) -> Match:
    """Say where an E.164 number is and what kind it is: in some 3 us, in a hundredth of it where it was seen lately."""
    for digits in range(1, MAX_CODE_DIGITS + 1):
        code = int(number[1 : 1 + digits])
        if code in COUNTRY_CODE_TO_REGION_CODE:
            found = _country(code).match(number[1 + digits :])
            return found if found is not None else _ask_library(number)
    return _NOWHERE


def _ask_library(number: str) -> Match:
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return _NOWHERE
    return Match(phonenumbers.region_code_for_number(parsed), phonenumbers.number_type(parsed))


class _Region:
    """One region's kinds of numbers; patterns are compiled for each length when a number of that length is first seen."""

    def __init__(self, name: str, metadata: PhoneMetadata) -> None:
        self.name = name
        self._metadata = metadata
        self._by_length: dict[int, tuple[re.Pattern[str], list[int]] | None] = {}
        self.leading = None if metadata.leading_digits is None else re.compile(metadata.leading_digits)

    def kind_of(self, national: str) -> int:
        length = len(national)
        if length not in self._by_length:
            self._by_length[length] = self._compiled(length)
        compiled = self._by_length[length]
        if compiled is None:
            return _UNKNOWN
        pattern, kinds = compiled
        found = pattern.fullmatch(national)
        return _UNKNOWN if found is None else kinds[found.lastindex or 0]

    def _compiled(self, length: int) -> tuple[re.Pattern[str], list[int]] | None:
        """All kinds that have numbers of this length as one pattern, a group each: the first that matches counts."""
        of = self._metadata
        general = _pattern(of.general_desc, length)
        if general is None:
            return None
        fixed, mobile = _pattern(of.fixed_line, length), _pattern(of.mobile, length)
        both = None
        if of.same_mobile_and_fixed_line_pattern:
            both, fixed, mobile = fixed, None, None
        elif fixed is not None and mobile is not None:
            both = f"(?=(?:{mobile})\\Z)(?:{fixed})"
        patterns = [
            (_pattern(of.premium_rate, length), PhoneNumberType.PREMIUM_RATE),
            (_pattern(of.toll_free, length), PhoneNumberType.TOLL_FREE),
            (_pattern(of.shared_cost, length), PhoneNumberType.SHARED_COST),
            (_pattern(of.voip, length), PhoneNumberType.VOIP),
            (_pattern(of.personal_number, length), PhoneNumberType.PERSONAL_NUMBER),
            (_pattern(of.pager, length), PhoneNumberType.PAGER),
            (_pattern(of.uan, length), PhoneNumberType.UAN),
            (_pattern(of.voicemail, length), PhoneNumberType.VOICEMAIL),
            (both, PhoneNumberType.FIXED_LINE_OR_MOBILE),
            (fixed, PhoneNumberType.FIXED_LINE),
            (mobile, PhoneNumberType.MOBILE),
        ]
        there = [(pattern, kind) for pattern, kind in patterns if pattern is not None]
        kinds = [_UNKNOWN, *(kind for _, kind in there)]  # groups are counted from one
        text = f"(?=(?:{general})\\Z)(?:{'|'.join(f'({pattern})' for pattern, _ in there)})"
        return (re.compile(text, re.ASCII), kinds) if there else None


class _Country:
    """A country code: its regions, the main one first, and what a national prefix in its numbers begins with."""

    def __init__(self, code: int) -> None:
        names = COUNTRY_CODE_TO_REGION_CODE[code]
        found = [(name, _metadata(code, name)) for name in names]
        self._regions = [_Region(name, metadata) for name, metadata in found]
        prefix = found[0][1].national_prefix_for_parsing
        self._prefix = re.compile(prefix, re.ASCII) if prefix else None

    def match(self, national: str) -> Match | None:
        """None: what is in front of this number may be a national prefix."""
        if self._prefix is not None and (found := self._prefix.match(national)) is not None and found.end():
            return None
        if len(self._regions) == 1:
            (only,) = self._regions
            return Match(only.name, only.kind_of(national))
        for region in self._regions:
            if region.leading is not None:
                if region.leading.match(national):
                    return Match(region.name, region.kind_of(national))
            elif (kind := region.kind_of(national)) != _UNKNOWN:
                return Match(region.name, kind)
        return _NOWHERE


_country = cache(_Country)


def _metadata(code: int, name: str) -> PhoneMetadata:
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, name)
    assert metadata is not None, "each region of a code has its metadata"
    return metadata


def _pattern(kind: PhoneNumberDesc | None, length: int) -> str | None:
    """The pattern of a kind, where it has numbers of this length. Its own groups must not be counted with ours."""
    if kind is None or not kind.national_number_pattern:
        return None
    if kind.possible_length and length not in kind.possible_length:
        return None
    return re.sub(r"(?<!\\)\((?!\?)", "(?:", kind.national_number_pattern)
