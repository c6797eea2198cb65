"""Seconds to money and back: increments, connect fee, one rounding. Exact integers of any size throughout."""

from callgate.money import NANOS_PER_MICRO, ceil_div
from callgate.rating.rate import Rate

_NANO_SECONDS_PER_MICRO_MINUTE = 60 * NANOS_PER_MICRO
"""Rates are nanos a minute, charges micros: nanos x seconds divided by this."""


def billed_duration_s(rate: Rate, duration_s: int) -> int:
    """Round a duration up to increments. 0 for a call that never was, or that ended within its grace."""
    if duration_s <= rate.grace_s:  # grace is never negative, so 0 seconds end here too
        return 0
    first_s = rate.first_increment_s
    if duration_s <= first_s:
        return first_s
    increment_s = rate.increment_s
    return first_s - (first_s - duration_s) // increment_s * increment_s


def charge_micros(rate: Rate, duration_s: int) -> int:
    """Price a call. Nothing billed means nothing owed, not even the connect fee; the one rounding is up, at the end."""
    assert not rate.is_blocked, "a blocked rate has no price"
    billed_s = billed_duration_s(rate, duration_s)
    if billed_s == 0:
        return 0
    metered_s = max(0, billed_s - rate.included_s)
    usage_micros = ceil_div(rate.rate_nanos_per_min * metered_s, _NANO_SECONDS_PER_MICRO_MINUTE)
    return max(rate.minimum_charge_micros, rate.connect_fee_micros + usage_micros)


def affordable_duration_s(rate: Rate, credit_micros: int, ceiling_s: int) -> int:
    """Return the longest call of at most `ceiling_s` that the credit covers, 0 when there is none.

    Every second of a started increment costs the same, so the ceiling may cut one short; the credit itself always ends
    on a whole increment, or on the grace. A blocked rate affords nothing.
    """
    if rate.is_blocked or credit_micros < 0 or ceiling_s <= 0:
        return 0
    return min(ceiling_s, max(rate.grace_s, _covered_duration_s(rate, credit_micros, ceiling_s)))


def _covered_duration_s(rate: Rate, credit_micros: int, ceiling_s: int) -> int:
    """Return the longest billed duration that the credit pays for, grace aside; 0 when not even the first increment."""
    usage_micros = credit_micros - rate.connect_fee_micros
    if usage_micros < 0 or credit_micros < rate.minimum_charge_micros:
        return 0
    if rate.rate_nanos_per_min == 0:
        return ceiling_s
    # ceil(x) <= n is x <= n for a whole n: the rounding of the charge needs no search here.
    payable_s = rate.included_s + usage_micros * _NANO_SECONDS_PER_MICRO_MINUTE // rate.rate_nanos_per_min
    first_s = rate.first_increment_s
    if payable_s < first_s:
        return 0
    return payable_s - (payable_s - first_s) % rate.increment_s
