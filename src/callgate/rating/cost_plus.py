"""Rates made of what a call costs us: the provider's own price of a minute and a markup, where no deck says a price.

A platform quotes its price with the call; it holds for the destination that was dialled, and for no other.
"""

from datetime import datetime
from decimal import Decimal

from callgate.money import MICROS, NANOS_PER_MICRO, ceil_div
from callgate.rating.rate import Rate

QUOTED = "provider"
"""Where such a rate says that it is from, in place of a file."""

USUAL_INCREMENTS = (60, 60)
"""Whole minutes, unless the operator says otherwise."""

_NANOS = MICROS * NANOS_PER_MICRO
_MAX_DIGITS, _MIN_EXPONENT, _MAX_EXPONENT = 18, -40, 6


def quoted_nanos(amount: Decimal | None, quoted_in: str | None, currency: str) -> int | None:
    """The provider's price of a minute in nanos, rounded up; None where it is not known: absent, not above 0, or in another
    currency or none.
    """
    if amount is None or quoted_in != currency or not amount.is_finite() or amount <= 0:
        return None
    _, digits, exponent = amount.as_tuple()
    if len(digits) > _MAX_DIGITS or not isinstance(exponent, int) or not _MIN_EXPONENT <= exponent <= _MAX_EXPONENT:
        return None
    units = int("".join(map(str, digits)))
    return ceil_div(units * _NANOS, 10**-exponent) if exponent < 0 else units * 10**exponent * _NANOS


def cost_plus_rate(  # noqa: PLR0913 - what such a price is made of
    cost_nanos: int, markup_nanos: int, *, fee_micros: int, increments: tuple[int, int], number: str, at: datetime
) -> Rate:
    """The rate of a call to this number alone: what it costs us and the markup, rounded up to the nano, and a fee a call."""
    first_s, next_s = increments
    return Rate(
        prefix=number.removeprefix("+"),
        destination="",
        rate_nanos_per_min=ceil_div(cost_nanos * (_NANOS + markup_nanos), _NANOS),
        connect_fee_micros=fee_micros,
        first_increment_s=first_s,
        increment_s=next_s,
        effective_from=at,
        file=QUOTED,
    )
