"""How near an account is to its limits: what was used of each, as the steps of the decision count it. Plain integers.

Limits that nothing is used up of (countries, kinds of numbers, prices, the length of a call) are in none of this.
"""

from datetime import datetime
from typing import NamedTuple

from callgate.policy.limits import Bounds
from callgate.policy.spend import Spent, day_cap_micros
from callgate.policy.usage import (
    Usage,
    calls_in_minute,
    most_repeated,
    other_destinations,
    suspicions_in_hour,
)


class Near(NamedTuple):
    """What was used of a limit, and how much there is. Of money both are micros, and `held` is that part of what was used
    which live calls hold and may yet give back. `about` is the number that a limit on one number is nearest for.
    """

    limit: str
    used: int
    most: int
    is_money: bool = False
    held: int = 0
    about: str = ""

    @property
    def percent(self) -> int:
        """Of the limit, cut to 100; a limit of 0 is always reached."""
        return 100 if self.used >= self.most else self.used * 100 // self.most


NEAR_PERCENT = 80
"""From here on a limit is worth a look."""


def nearness(bounds: Bounds, usage: Usage, spent: Spent, live_count: int, now: datetime) -> list[Near]:
    """Every limit that is used up, in the order in which a decision asks. One that nobody set is left out."""
    repeated, repeats = most_repeated(usage, now)
    counted = (
        ("block_after", suspicions_in_hour(usage, now), bounds.block_after, ""),
        ("concurrent_calls", live_count, bounds.concurrent_calls, ""),
        ("calls_per_minute", calls_in_minute(usage, now), bounds.calls_per_minute, ""),
        ("destinations_per_hour", other_destinations(usage, "", now), bounds.destinations_per_hour, ""),
        ("repeats_per_hour", repeats, bounds.repeats_per_hour, repeated),
    )
    found = [Near(name, used, most, about=about) for name, used, most, about in counted if most is not None]
    capped = (
        ("spend_per_hour", spent.in_hour, bounds.spend_per_hour_micros),
        ("spend_per_day", spent.today, day_cap_micros(bounds, spent.funds)),
        ("spend_per_month", spent.this_month, bounds.spend_per_month_micros),
    )
    money = [
        Near(name, posted + spent.held, cap, is_money=True, held=spent.held)
        for name, posted, cap in capped
        if cap is not None
    ]
    return found + money
