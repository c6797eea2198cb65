"""Emergency numbers: those of a country, through libphonenumber's data, and those that an operator names beside them.

A call to one of them connects before anything else is asked. "Exactly" is the word: what merely begins like one, and would
reach it from some networks, is a number like any other.
"""

import re
from collections.abc import Collection
from functools import lru_cache

import phonenumbers

from callgate.errors import Invalid
from callgate.policy.refusal import Refusal

CALLS_AT_ONCE = 2
"""Emergency calls that one caller may have up. Source: the rules of charging, step 4."""

MAX_GRANT_S = 14_400
"""An emergency call is given all the time that the platform knows."""

MAX_DIGITS = 6
"""Digits of the longest emergency number of any country in libphonenumber's data. One named by hand is no longer either, so
that none is ever taken for a number in E.164.
"""

MAX_NUMBERS = 20

_NUMBER = re.compile(rf"[0-9]{{2,{MAX_DIGITS}}}", re.ASCII)


def is_emergency(dialled: str, home_country: str, numbers: Collection[str]) -> bool:
    """Whether what was dialled is an emergency number. Nearly all calls are told apart by their first character."""
    if dialled[:1] == "+" or not _NUMBER.fullmatch(dialled):
        return False
    return dialled in numbers or (bool(home_country) and _is_of_country(dialled, home_country))


def judge_emergency(up: int) -> Refusal | None:
    """Step 4: a caller has no more than two of them up. `up` is how many are."""
    return Refusal.TOO_MANY_CONCURRENT_CALLS if up >= CALLS_AT_ONCE else None


@lru_cache(maxsize=4_096)
def _is_of_country(dialled: str, country: str) -> bool:
    return phonenumbers.is_emergency_number(dialled, country)


def read_home_country(text: str) -> str:
    """Read an ISO 3166 code, empty for `none`. Raises `Invalid` for a country whose emergency numbers are not known."""
    code = text.upper()
    if code in {"", "NONE"}:
        return ""
    if code not in phonenumbers.SUPPORTED_SHORT_REGIONS:
        raise Invalid("home_country", repr(text[:40]), "an ISO 3166 code such as SE, or none")
    return code


def read_emergency_numbers(text: str) -> tuple[str, ...]:
    """Read numbers as they are dialled, comma between. Raises `Invalid`."""
    words = [] if text == "none" else [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if not _NUMBER.fullmatch(word):
            expected = f"numbers of 2 to {MAX_DIGITS} digits as they are dialled, such as 112,911, or none"
            raise Invalid("emergency_numbers", repr(word[:40]), expected)
    if len(words) > MAX_NUMBERS:
        raise Invalid("emergency_numbers", f"{len(words)} numbers", f"at most {MAX_NUMBERS}")
    return tuple(sorted(set(words)))
