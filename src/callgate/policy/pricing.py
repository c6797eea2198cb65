"""What an operator says of prices beside the deck: a markup on the provider's price, and whether sales must cover their cost."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from callgate.errors import AmountInvalid, Invalid
from callgate.money import MICROS, NANOS_PER_MICRO, format_micros, format_nanos, parse_micros, parse_scaled

MAX_MARKUP = 100
"""Largest markup, a hundred times the cost: beyond it somebody meant percent."""

MAX_INCREMENT_S = 14_400
"""Longest increment, the longest call that a platform connects."""

_NANOS = MICROS * NANOS_PER_MICRO
_NONE = "none"


class Pricing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an application or an account says of prices. None: nothing, so that an account's application does.

    `markup_nanos` is the part of the cost that is added to it, 10**9 for all of it; `fee_micros` is what a call costs on top.
    `increments` are the first and each next, in seconds. `guards_margin`: no call is sold below its cost.
    """

    markup_nanos: int | None = None
    fee_micros: int | None = None
    increments: tuple[int, int] | None = None
    guards_margin: bool | None = None

    def under(self, outer: "Pricing") -> "Pricing":
        """Return this one, and where it says nothing what the other says."""
        if self is NOTHING_SAID or self == NOTHING_SAID:
            return outer
        own = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        return msgspec.structs.replace(outer, **own)

    def changed(self, name: str, word: str) -> "Pricing":
        """Set one by its name in `NAMES`; `none` takes it back. Raises `Invalid`."""
        field, read = NAMES[name]
        return msgspec.structs.replace(self, **{field: None if word in ("", _NONE) else read(name, word)})

    def shown(self) -> dict[str, str]:
        """Every one in the words that would set it."""
        markup, fee, increments, guards = self.markup_nanos, self.fee_micros, self.increments, self.guards_margin
        return {
            "markup": _NONE if markup is None else f"{_percent(markup)}%",
            "markup_fee": _NONE if fee is None else format_micros(fee),
            "markup_increments": _NONE if increments is None else f"{increments[0]}/{increments[1]}",
            "margin_guard": _NONE if guards is None else "on" if guards else "off",
        }


NOTHING_SAID = Pricing()


def loses_money(pricing: Pricing, sold_nanos: int, cost_nanos: int | None) -> bool:
    """Whether a minute may cost us more than it is sold for, where that is guarded. A cost that is not known may."""
    return bool(pricing.guards_margin) and (cost_nanos is None or cost_nanos > sold_nanos)


def _markup(name: str, word: str) -> int:
    try:
        nanos = parse_scaled(word.removesuffix("%"), _NANOS, name)
        nanos, rest = divmod(nanos, 100) if word.endswith("%") else (nanos, 0)
    except AmountInvalid:
        nanos, rest = -1, 0
    if rest or not 0 <= nanos <= MAX_MARKUP * _NANOS:
        raise Invalid(
            name, repr(word[:40]), f"a part of the cost such as 25% or 0.25, at most {MAX_MARKUP * 100}%, or {_NONE}"
        )
    return nanos


def _fee(name: str, word: str) -> int:
    micros = parse_micros(word, name)
    if micros < 0:
        raise AmountInvalid(name, repr(word[:40]), "0 or more")
    return micros


def _increments(name: str, word: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,5})/([0-9]{1,5})", word)
    first_s, next_s = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (1 <= first_s <= MAX_INCREMENT_S and 1 <= next_s <= MAX_INCREMENT_S):
        raise Invalid(name, repr(word[:40]), f"the first increment and each next in seconds, such as 60/60, or {_NONE}")
    return first_s, next_s


def _guard(name: str, word: str) -> bool:
    if word not in ("on", "off"):
        raise Invalid(name, repr(word[:40]), f"on, off or {_NONE}")
    return word == "on"


def _percent(nanos: int) -> str:
    """A part as percent, without zeros that say nothing."""
    return format_nanos(nanos * 100).rstrip("0").rstrip(".")


NAMES: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "markup": ("markup_nanos", _markup),
    "markup_fee": ("fee_micros", _fee),
    "markup_increments": ("increments", _increments),
    "margin_guard": ("guards_margin", _guard),
}
"""Settings of applications and accounts: the field of each, and how it is read."""
