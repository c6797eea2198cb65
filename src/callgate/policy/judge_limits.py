"""May this call be placed, by the limits of its application and account: one function a step, named after what it judges."""

from datetime import datetime

from callgate.money import NANOS_PER_MICRO
from callgate.policy.limits import Bounds
from callgate.policy.numbering import NumberType, Plan, Risk
from callgate.policy.refusal import Refusal
from callgate.policy.usage import (
    Usage,
    calls_in_minute,
    is_blocked,
    is_known_destination,
    other_destinations,
    repeats_in_hour,
)


def judge_block(usage: Usage, now: datetime) -> Refusal | None:
    """Step 8: a blocked account waits until its block runs out, or somebody lifts it."""
    return Refusal.BLOCKED if is_blocked(usage, now) else None


def judge_country(bounds: Bounds, plan: Plan) -> Refusal | None:
    """Step 8: the destination's country is on every list there is. An empty list refuses all."""
    return None if bounds.countries is None or plan.country in bounds.countries else Refusal.COUNTRY_BLOCKED


def judge_number_type(bounds: Bounds, plan: Plan) -> Refusal | None:
    """Step 8: the kind of number is allowed. Where a plan cannot tell fixed from mobile, both must be."""
    allowed = bounds.number_types
    if allowed is None or plan.kind in allowed:
        return None
    if plan.kind is NumberType.FIXED_LINE_OR_MOBILE and {NumberType.FIXED_LINE, NumberType.MOBILE} <= allowed:
        return None
    return Refusal.NUMBER_TYPE_BLOCKED


def judge_risk(bounds: Bounds, risk: Risk) -> Refusal | None:
    """Step 8: numbers of this risk may be called."""
    return None if bounds.risk_classes is None or risk in bounds.risk_classes else Refusal.NUMBER_TYPE_BLOCKED


def judge_price(
    bounds: Bounds, rate_nanos_per_min: int, connect_fee_micros: int, minimum_micros: int
) -> Refusal | None:
    """Step 10: neither the minute nor what is paid before it is dearer than the ceiling price."""
    if (ceiling := bounds.ceiling_price_micros) is None:
        return None
    is_dear = rate_nanos_per_min > ceiling * NANOS_PER_MICRO or max(connect_fee_micros, minimum_micros) > ceiling
    return Refusal.RATE_TOO_HIGH if is_dear else None


def judge_concurrent_calls(bounds: Bounds, live_count: int) -> Refusal | None:
    """Step 11: one more call may be up. `live_count` is how many of the account's are."""
    most = bounds.concurrent_calls
    return Refusal.TOO_MANY_CONCURRENT_CALLS if most is not None and live_count >= most else None


def judge_calls(bounds: Bounds, usage: Usage, now: datetime) -> Refusal | None:
    """Step 11: one more attempt fits into the minute."""
    most = bounds.calls_per_minute
    return Refusal.TOO_MANY_CALLS if most is not None and calls_in_minute(usage, now) >= most else None


def judge_destinations(bounds: Bounds, usage: Usage, number: str, now: datetime) -> Refusal | None:
    """Step 11: the number is one of those that the hour had room for, or there is room for one more."""
    most = bounds.destinations_per_hour
    if most is None or other_destinations(usage, number, now) < most:
        return None
    return None if most > 0 and is_known_destination(usage, number, now) else Refusal.TOO_MANY_DESTINATIONS


def judge_repeats(bounds: Bounds, usage: Usage, number: str, now: datetime) -> Refusal | None:
    """Step 11: the number was not called as often as it may be within an hour."""
    most = bounds.repeats_per_hour
    return Refusal.REPEATED_DESTINATION if most is not None and repeats_in_hour(usage, number, now) >= most else None


def is_near_limit(bounds: Bounds, usage: Usage, now: datetime) -> bool:
    """Whether one more attempt in this minute is more than the operator wants to go unnoticed."""
    warn = bounds.calls_per_minute_warn
    return warn is not None and calls_in_minute(usage, now) >= warn
