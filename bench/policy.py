"""All the policy that a decision can meet: 50 rules, five lists, every limit, hours and caller ids; and every call passes it.

It is what an operator may have set, and nothing of it refuses: what is measured is being asked.
"""

from collections.abc import Iterator
from datetime import datetime

from calls import KEY, RANGES, number

from callgate.policy.number_list import ListKind
from callgate.service.add_application import SetApplication
from callgate.service.apply_rules import ApplyRules
from callgate.service.number_list import ListKey
from callgate.service.number_lists import change_list, create_list, read_entries
from callgate.service.ports import Store
from callgate.service.set_limits import SetApplicationLimits

RULES = 50
LISTED = 10_000
"""Numbers on each list."""

LIMITS = (
    "countries=SE,GB,US,DE,FR,AU,NO,DK,FI", "number_types=-premium_rate,-satellite", "risk_classes=-high", "ceiling_price=5",
    "concurrent_calls=100000", "calls_per_minute=6000", "calls_per_minute_warn=6000", "destinations_per_hour=1000",
    "repeats_per_hour=100", "spend_per_call=1000", "spend_per_hour=1000000", "spend_per_day=5000000",
    "spend_per_month=9000000", "max_seconds=14400", "min_seconds=1", "block_after=1000", "block_minutes=60",
)  # fmt: skip

SETTINGS = (
    "home_country=SE", "hours=Mo-Su 00:00-24:00; PH off", "holidays=2000-01-01", "timezone=Europe/Stockholm",
    "caller_id=refuse",
)  # fmt: skip

_CONDITIONS = (
    'number_type == "premium_rate" && (hour < 6 || hour >= 22)',
    'country == "CU" || country == "LV"',
    "rate_per_minute > 5.0",
    "available < 0.01 && held > 1.0",
    'destination.startsWith("+8810{n}")',
    'account == "mallory-{n}"',
    'custom.contains("promotion-{n}")',
    'weekday == 9 && user == "nobody-{n}"',
)


async def set_up(store: Store, now: datetime) -> None:
    """Set all of it for the application of the benchmark."""
    await store.perform(SetApplication(key=KEY, words=SETTINGS))
    await store.perform(SetApplicationLimits(application=KEY, words=LIMITS))
    await store.perform(ApplyRules(application=KEY, document="\n".join(_rules()), who="bench", now=now))
    for place in range(5):
        is_last = place == 4  # noqa: PLR2004 - of five
        name, kind = (f"list-{place}", ListKind.ALLOW if is_last else ListKind.DENY)
        await create_list(store, KEY, name, kind, None)
        entries = read_entries((f"+{range_}*" for range_ in RANGES) if is_last else _others(place), name)
        await change_list(store, ListKey(KEY, name), added=entries)


def _rules() -> Iterator[str]:
    for n in range(RULES):
        condition = _CONDITIONS[n % len(_CONDITIONS)].format(n=n)
        yield f"[[rule]]\nname = 'rule-{n}'\ncondition = '{condition}'\neffect = 'refuse'\nmode = 'binding'\n"


def _others(place: int) -> Iterator[str]:
    """Numbers that nobody dials: those of the benchmark with a digit more."""
    return (f"{number(n * 5 + place)}0" for n in range(LISTED))
