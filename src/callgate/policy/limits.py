"""Limits that an operator sets on an application or an account, their defaults, and what they come to together.

A limit of an application holds for each of its accounts. Both must hold; lifting one does not lift the other.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from callgate.errors import Invalid
from callgate.money import MICROS, format_micros, parse_micros
from callgate.policy.numbering import HIGH_RISK, NumberType, Risk, parse_country

MAX_GRANT_S = 14_400
"""Longest grant of all. Source: longest `maxDuration` of the platform, Sinch Voice API reference, SVAML actions."""

MAX_CALLS_PER_MINUTE = 6_000
"""Each attempt within the window is kept until it leaves, so that windows have a largest size."""

MAX_DESTINATIONS_PER_HOUR = 1_000
MAX_REPEATS_PER_HOUR = 100

OPEN = "open"
"""The single word that lifts every limit."""

DEFAULTS = "defaults"
"""The single word that puts every limit back to what a new account or application has."""

Count = int | None | UnsetType
Micros = int | None | UnsetType
Words = tuple[str, ...] | None | UnsetType

_RENAMED = {
    "ceiling_price_micros": "ceiling_price",
    "spend_per_call_micros": "spend_per_call",
    "spend_per_hour_micros": "spend_per_hour",
    "spend_per_day_micros": "spend_per_day",
    "spend_per_month_micros": "spend_per_month",
}


class Limits(msgspec.Struct, frozen=True, kw_only=True, rename=_RENAMED):
    """What one application, or one account, may do. None: not limited here. UNSET: the default holds.

    `countries`, `number_types` and `risk_classes` name what is allowed. `min_seconds` is the least grant, `block_after` how
    many suspicious refusals within an hour block the account for `block_minutes`. Amounts are in the account's currency.
    """

    countries: Words = UNSET
    number_types: Words = UNSET
    risk_classes: Words = UNSET
    ceiling_price_micros: Micros = UNSET
    concurrent_calls: Count = UNSET
    calls_per_minute: Count = UNSET
    calls_per_minute_warn: Count = UNSET
    destinations_per_hour: Count = UNSET
    repeats_per_hour: Count = UNSET
    spend_per_call_micros: Micros = UNSET
    spend_per_hour_micros: Micros = UNSET
    spend_per_day_micros: Micros = UNSET
    spend_per_month_micros: Micros = UNSET
    max_seconds: Count = UNSET
    min_seconds: Count = UNSET
    block_after: Count = UNSET
    block_minutes: Count = UNSET


BY_DEFAULT = Limits()
"""Nothing was set: the defaults hold."""

UNLIMITED = Limits(**dict.fromkeys(Limits.__struct_fields__))
"""What `open` sets."""

SAFE_TYPES = tuple(each.value for each in NumberType if each not in HIGH_RISK)
"""The kinds of numbers that a new account may call: all but the classic targets of fraud."""

UNITS: Mapping[str, tuple[int, int]] = dict.fromkeys(("USD", "EUR", "GBP"), (1 * MICROS, 20 * MICROS))  # fmt: skip
"""By currency, what a minute may cost at most, and a day, unless the operator says otherwise. In a currency that is not here
both are nothing: there the operator must say."""

UNVERIFIED_CALLS, VERIFIED_CALLS = 2, 10
"""Concurrent calls of an account before and after the operator has verified it."""

APPLICATION_DEFAULTS = msgspec.structs.replace(UNLIMITED, countries=())
"""What holds for an application where nothing was set for it."""


@lru_cache(maxsize=512)
def account_defaults(currency: str, *, is_verified: bool) -> Limits:
    """What holds for an account where nothing was set for it. Its countries are those of its application."""
    ceiling_micros, day_micros = UNITS.get(currency, (0, 0))
    return msgspec.structs.replace(
        UNLIMITED,
        number_types=SAFE_TYPES,
        ceiling_price_micros=ceiling_micros,
        concurrent_calls=VERIFIED_CALLS if is_verified else UNVERIFIED_CALLS,
        calls_per_minute=10,
        calls_per_minute_warn=5,
        destinations_per_hour=30,
        repeats_per_hour=5,
        spend_per_day_micros=day_micros,
        block_after=50,
        block_minutes=60,
    )


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What the limits of an application and of an account come to together. None: not limited.

    `has_cap`: something caps spending. `is_half_of_funds`: a day may cost no more than half of what the account had at
    midnight and was paid in since.
    """

    countries: frozenset[str] | None = None
    number_types: frozenset[str] | None = None
    risk_classes: frozenset[str] | None = None
    ceiling_price_micros: int | None = None
    concurrent_calls: int | None = None
    calls_per_minute: int | None = None
    calls_per_minute_warn: int | None = None
    destinations_per_hour: int | None = None
    repeats_per_hour: int | None = None
    spend_per_call_micros: int | None = None
    spend_per_hour_micros: int | None = None
    spend_per_day_micros: int | None = None
    spend_per_month_micros: int | None = None
    max_seconds: int = MAX_GRANT_S
    min_seconds: int | None = None
    block_after: int | None = None
    block_minutes: int | None = None
    is_half_of_funds: bool = False
    has_cap: bool = False


@lru_cache(maxsize=8_192)
def bounds_of(application: Limits, account: Limits, currency: str, *, is_verified: bool) -> Bounds:
    """Put the limits of both together: the tighter one of each holds, and of lists what stands on both."""
    theirs = filled(application, APPLICATION_DEFAULTS)
    own = filled(account, account_defaults(currency, is_verified=is_verified))
    both = {name: (getattr(theirs, name), getattr(own, name)) for name in Limits.__struct_fields__}
    is_half_of_funds = account.spend_per_day_micros is UNSET
    together: dict[str, Any] = {name: _TOGETHER.get(name, _least)(values) for name, values in both.items()}
    together["max_seconds"] = _least((together["max_seconds"], MAX_GRANT_S))
    return Bounds(
        **together,
        is_half_of_funds=is_half_of_funds,
        has_cap=is_half_of_funds or any(together[name] is not None for name in _CAPS),
    )


_CAPS = ("spend_per_call_micros", "spend_per_hour_micros", "spend_per_day_micros", "spend_per_month_micros")


def _least(values: Iterable[int | None]) -> int | None:
    return min((value for value in values if value is not None), default=None)


def _most(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _common(values: Iterable[tuple[str, ...] | None]) -> frozenset[str] | None:
    lists = [frozenset(value) for value in values if value is not None]
    return frozenset.intersection(*lists) if lists else None


_TOGETHER: Mapping[str, Callable[..., object]] = {
    "countries": _common,
    "number_types": _common,
    "risk_classes": _common,
    "min_seconds": _most,  # the longer least grant refuses more
    "block_minutes": _most,
}


def filled(limits: Limits, defaults: Limits) -> Limits:
    """The limits with the defaults where nothing was set."""
    missing = {
        name: getattr(defaults, name) for name in Limits.__struct_fields__ if getattr(limits, name) is UNSET
    }  # fmt: skip
    return msgspec.structs.replace(limits, **missing) if missing else limits


# -- as words ----------------------------------------------------------------------------------------------------------


class Kind(NamedTuple):
    """How the values of a limit are read from text, and shown again."""

    read: Callable[[str, str], object]
    show: Callable[..., str | int | list[str]]


def change_limits(limits: Limits, words: Iterable[str]) -> Limits:
    """Apply `NAME=VALUE` words in order and return the new limits.

    `none` lifts one limit, `default` puts its default back, an empty value is the empty list. The single word `open` lifts
    all, `defaults` puts all back. Raises `Invalid` naming the word that cannot be used.
    """
    words = list(words)
    if words == [OPEN]:
        return UNLIMITED
    if words == [DEFAULTS]:
        return Limits()
    changes: dict[str, object] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in KINDS:
            known = ", ".join(KINDS)
            raise Invalid(
                "limits",
                repr(word[:100]),
                f"NAME=VALUE with one of these names: {known}; or the single word {OPEN} or {DEFAULTS}",
            )
        changes[_FIELDS[name]] = _WORDS[value] if value in _WORDS else KINDS[name].read(name, value)
    return msgspec.structs.replace(limits, **changes)


def shown(limits: Limits) -> dict[str, str | int | list[str] | None]:
    """Each limit by its name, as the API says it: None for what is not limited. Defaults are filled in before."""
    values = {name: getattr(limits, _FIELDS[name]) for name in KINDS}
    return {name: None if value in (None, UNSET) else KINDS[name].show(value) for name, value in values.items()}


def set_by_hand(limits: Limits) -> frozenset[str]:
    """Names of the limits for which no default is looked up."""
    return frozenset(name for name, field in _FIELDS.items() if getattr(limits, field) is not UNSET)


_WORDS = {"none": None, "default": UNSET}


def _count(least: int, most: int, what: str = "a whole number") -> Kind:
    def read(name: str, value: str) -> int:
        if not (value.isascii() and value.isdigit() and len(value) <= 9 and least <= int(value) <= most):  # noqa: PLR2004 - keeps int() small
            raise Invalid(name, repr(value[:100]), f"{what} from {least} to {most}, or none")
        return int(value)

    return Kind(read, int)


def _read_amount(name: str, value: str) -> int:
    micros = parse_micros(value, name)
    if micros < 0:
        raise Invalid(name, repr(value[:100]), "a decimal of 0 or more in the account's currency, or none")
    return micros


def _read_countries(name: str, value: str) -> tuple[str, ...] | None:
    if value.lower() == "all":
        return None
    return tuple(sorted({parse_country(word, name) for word in _list(value)}))


def _some_of(kinds: type[StrEnum]) -> Kind:
    """Words of a few; with a minus before each, all but those."""

    def read(name: str, value: str) -> tuple[str, ...] | None:
        if value.lower() == "all":
            return None
        words = [word.lower() for word in _list(value)]
        without_count = sum(word.startswith("-") for word in words)
        named = {word.removeprefix("-") for word in words}
        if (unknown := sorted(named - set(kinds))) or without_count not in {0, len(words)}:
            expected = f"all, or a list of these: {', '.join(kinds)}; with a minus before each all but those; or none"
            raise Invalid(name, repr((unknown or [value])[0][:100]), expected)
        return tuple(sorted({*kinds} - named if without_count else named))

    return Kind(read, list)


def _list(value: str) -> list[str]:
    return [word.strip() for word in value.split(",") if word.strip()]


_SECONDS = _count(1, MAX_GRANT_S, "whole seconds")
_AMOUNT = Kind(_read_amount, format_micros)

KINDS: Mapping[str, Kind] = {
    "countries": Kind(_read_countries, list),
    "number_types": _some_of(NumberType),
    "risk_classes": _some_of(Risk),
    "ceiling_price": _AMOUNT,
    "concurrent_calls": _count(0, 100_000),
    "calls_per_minute": _count(0, MAX_CALLS_PER_MINUTE),
    "calls_per_minute_warn": _count(0, MAX_CALLS_PER_MINUTE),
    "destinations_per_hour": _count(0, MAX_DESTINATIONS_PER_HOUR),
    "repeats_per_hour": _count(0, MAX_REPEATS_PER_HOUR),
    "spend_per_call": _AMOUNT,
    "spend_per_hour": _AMOUNT,
    "spend_per_day": _AMOUNT,
    "spend_per_month": _AMOUNT,
    "max_seconds": _SECONDS,
    "min_seconds": _SECONDS,
    "block_after": _count(1, 1_000),
    "block_minutes": _count(1, 10_080),
}
"""Every limit by the name that operators use."""

_FIELDS = {name: field for field, name in zip(Limits.__struct_fields__, KINDS, strict=True)}
