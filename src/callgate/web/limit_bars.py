"""How near an account is to its limits, as bars: what was used of each, what live calls hold of it, and how much there is."""

from collections.abc import Sequence
from typing import NamedTuple

from callgate.money import format_micros
from callgate.policy.nearness import NEAR_PERCENT, Near
from callgate.service.nearness import Standing
from callgate.web.formats import Money, money, words


class Bar(NamedTuple):
    """One limit. Of money `used`, `most` and `held` are amounts, else `counted` says both; `about` is a number, or empty."""

    name: str
    percent: int
    is_near: bool
    is_reached: bool
    counted: str
    used: Money | None
    most: Money | None
    held: Money | None
    about: str


def bars_of(standing: Standing | None, currency: str) -> Sequence[Bar]:
    """Every limit that is used up, those nearest first."""
    if standing is None:
        return []
    return [_bar(near, currency) for near in sorted(standing.near, key=lambda each: -each.percent)]


def nearest_of(standing: Standing | None, currency: str) -> Bar | None:
    """The one limit that an account is nearest to, for a list; None where it is near none."""
    near = None if standing is None else standing.nearest
    return None if near is None else _bar(near, currency)


def _bar(near: Near, currency: str) -> Bar:
    def amount(micros: int) -> Money:
        return money(format_micros(micros), currency)

    return Bar(
        name=_NAMES.get(near.limit, words(near.limit)),
        percent=near.percent,
        is_near=near.percent >= NEAR_PERCENT,
        is_reached=near.used >= near.most,
        counted=f"{near.used:,} of {near.most:,}",
        used=amount(near.used) if near.is_money else None,
        most=amount(near.most) if near.is_money else None,
        held=amount(near.held) if near.is_money and near.held else None,
        about=near.about,
    )


_NAMES = {"block_after": "suspicious refusals an hour, then a block"}
