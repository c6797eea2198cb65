"""Which number a caller may show to the callee, and what becomes of a call that asks for another."""

import re
from enum import StrEnum
from functools import lru_cache

from callgate.errors import Invalid
from callgate.policy.number_list import EXPECTED, format_entry, parse_entry
from callgate.policy.refusal import Refusal

ANY = "any"
"""The word for every number: whoever calls is believed."""

MAX_CALLER_IDS = 200


class Screening(StrEnum):
    """What becomes of a call that asks to show a number that it may not show. Every one refuses what the one before does."""

    HIDE = "hide"  # it goes on, and the callee sees no number
    REFUSE = "refuse"
    REQUIRE = "require"  # so is one that asks to show none


def may_show(caller_ids: str, number: str) -> bool:
    """Whether this number is among those, as `read_caller_ids` writes them."""
    if not caller_ids:
        return False
    numbers, prefixes = _compiled(caller_ids)
    return number in numbers or number.startswith(prefixes)


def judge_caller_id(screening: Screening, asked: str | None, shown: str | None) -> Refusal | None:
    """Step 8: the call shows the number that it asks to show. `asked` is None for a number that is withheld or is none."""
    if screening is Screening.HIDE or shown is not None:
        return None
    return Refusal.CALLER_ID_NOT_ALLOWED if asked is not None or screening is Screening.REQUIRE else None


def read_screening(name: str, text: str) -> Screening:
    """Raises `Invalid`."""
    try:
        return Screening(text)
    except ValueError:
        raise Invalid(name, repr(text[:40]), f"one of {', '.join(Screening)}") from None


def read_caller_ids(name: str, text: str) -> str:
    """Read numbers and prefixes, comma between, and return them in order, each once. Raises `Invalid`."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if words == [ANY]:
        return ANY
    if len(words) > MAX_CALLER_IDS:
        raise Invalid(name, f"{len(words)} numbers and prefixes", f"at most {MAX_CALLER_IDS}")
    entries = set()
    for word in words:
        if (entry := parse_entry(word)) is None:
            raise Invalid(name, repr(word[:40]), f"{EXPECTED}, comma between; {ANY}, or none")
        entries.add(entry)
    return ",".join(map(format_entry, sorted(entries)))


@lru_cache(maxsize=4_096)
def _compiled(caller_ids: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """The numbers, and what those of the prefixes begin with."""
    if caller_ids == ANY:
        return frozenset(), ("+",)
    words = caller_ids.split(",")
    prefixes = tuple(re.sub(r"\*$", "", word) for word in words if word.endswith("*"))
    return frozenset(word for word in words if not word.endswith("*")), prefixes
