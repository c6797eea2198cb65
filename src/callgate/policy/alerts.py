"""What an account has been told of its balance and its limits, so that each thing is told once. Plain code.

The balance is what can still be spent: `posted + credit_limit`. What live calls hold is a part of it, or every hold and its
release would cross the threshold once each way.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from callgate.policy.refusal import Refusal


class Alerts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`count` numbers the events of an account. `threshold_micros` is below which its balance is low, as of its last call:
    its own or its application's. `depleted_micros` is the balance that it was told to be depleted at, None for not. `limits`
    are those it was told to have reached, and rules that could not be judged, each with the window in which that was.
    """

    count: int = 0
    threshold_micros: int = 0
    is_low: bool = False
    depleted_micros: int | None = None
    limits: Mapping[str, str] = {}


NONE_YET = Alerts()


def is_newly_low(alerts: Alerts, before_micros: int, after_micros: int) -> bool:
    """Whether it is to be told now. A balance that had risen to the threshold since it was told can be told of again."""
    was_low = alerts.is_low and before_micros < alerts.threshold_micros
    return after_micros < alerts.threshold_micros and not was_low


def is_newly_depleted(alerts: Alerts, balance_micros: int) -> bool:
    """Whether it is to be told now: once, until money comes in."""
    return alerts.depleted_micros is None or balance_micros > alerts.depleted_micros


LIMITS: Mapping[Refusal, tuple[str, str]] = {
    Refusal.RATE_TOO_HIGH: ("ceiling_price", "hour"),
    Refusal.TOO_MANY_CONCURRENT_CALLS: ("concurrent_calls", "hour"),
    Refusal.TOO_MANY_CALLS: ("calls_per_minute", "minute"),
    Refusal.TOO_MANY_DESTINATIONS: ("destinations_per_hour", "hour"),
    Refusal.REPEATED_DESTINATION: ("repeats_per_hour", "hour"),
    Refusal.SPEND_CAP_REACHED: ("spend", "day"),
}
"""Which limit a refusal tells of, and how often at most that is told: once a window, by the UTC clock."""

_WINDOWS = {"minute": "%Y-%m-%dT%H:%MZ", "hour": "%Y-%m-%dT%HZ", "day": "%Y-%m-%d"}


def limit_of(refusal: Refusal, now: datetime) -> tuple[str, str] | None:
    """The limit that this refusal tells of, and the window that `now`, in UTC, is in; None where it tells of none."""
    known = LIMITS.get(refusal)
    return None if known is None else (known[0], window_of(known[1], now))


def window_of(kind: str, now: datetime) -> str:
    """The minute, hour or day that `now`, in UTC, is in."""
    return now.strftime(_WINDOWS[kind])
