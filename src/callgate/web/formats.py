"""How values are written for people: money by its currency, numbers by their country, times of day. Plain functions.

What is written here reads well without a script; the browser's own words for it, its digits and its time zone, are put in
its place by `static/localise.js`.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

import msgspec
import phonenumbers

from callgate.money import minor_digits


class Money(msgspec.Struct, frozen=True):
    """An amount to read: thousands grouped, whole minor units apart from what lies below them. `value` is the amount as it
    was written, for programs.
    """

    whole: str
    below: str
    currency: str
    value: str


def money(amount: str, currency: str | None) -> Money:
    """Split an amount as the reports write it, such as `1234.009659`, after the digits that its currency has."""
    units, _, decimals = amount.partition(".")
    sign = "-" if units.startswith("-") else ""
    digits = minor_digits(currency or "")
    cents, below = decimals[:digits].ljust(digits, "0"), decimals[digits:].rstrip("0")
    point = "." if cents or below else ""
    if not digits and below:  # yen and a fraction: the point belongs to what is small
        return Money(f"{sign}{int(units.removeprefix('-')):,}", f".{below}", currency or "", amount)
    return Money(f"{sign}{int(units.removeprefix('-')):,}{point}{cents}", below, currency or "", amount)


@lru_cache(maxsize=65_536)
def number(text: str) -> str:
    """Group a number in E.164 as its country does: `+46 70 174 06 05`. Anything else is returned as it is."""
    if not text.startswith("+"):
        return text
    try:
        parsed = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return text
    grouped = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    is_same = "".join(grouped.split()).replace("-", "") == text  # it must read as what was dialled, digit by digit
    return grouped.replace("-", " ") if is_same else text


@lru_cache(maxsize=65_536)
def country(text: str) -> str:
    """The ISO 3166 code of a number's country, empty where there is none."""
    if not text.startswith("+"):
        return ""
    try:
        found = phonenumbers.region_code_for_number(phonenumbers.parse(text, None))
    except phonenumbers.NumberParseException:
        return ""
    return found if found and found.isalpha() else ""


def clock(at: str) -> str:
    """The time of day, in UTC as the reports write it."""
    return f"{datetime.fromisoformat(at):%H:%M:%S}"


def moment(at: str) -> str:
    """Date and time."""
    return f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M:%S} UTC"


def facts(saw: Mapping[str, object]) -> list[tuple[str, str]]:
    """What a step of the decision saw, in words: `affordable_s: 14400` reads `affordable`, `14,400 s`."""
    words = []
    for name, value in saw.items():
        if name.endswith("_s") and isinstance(value, int):
            words.append((name.removesuffix("_s").replace("_", " "), f"{value:,} s"))
        else:
            words.append((name.replace("_", " "), _told(value)))
    return words


def _told(value: object) -> str:
    """A value of a step: what holds several is written with commas between, a rule that matched by its name and its effect."""
    match value:
        case None:
            return "none"
        case {"rule": rule, **rest}:
            mode = " in shadow" if rest.get("mode") == "shadow" else ""
            return f"{rule} ({rest.get('effect') or rest.get('error') or 'matched'}{mode})"
        case Mapping():
            return ", ".join(f"{name.replace('_', ' ')} {_told(each)}" for name, each in value.items())
        case list() | tuple():
            return ", ".join(map(_told, value)) or "none"
    return str(value)


def words(name: str) -> str:
    """A stored name as it is read: `insufficient_credit` is `insufficient credit`."""
    return name.replace("_", " ")
