"""Hours put together to bars, and bars to charts."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from callgate.service.figures import HOUR, Hour
from callgate.web.figures import SPANS, bars_of, charts_of

FIRST = datetime(2026, 11, 22, 13, tzinfo=UTC)


def hour(number: int, **figures: object) -> Hour:
    return Hour(FIRST + HOUR * number, **figures)  # type: ignore[arg-type] - fields by their names


def test_hours_are_added_to_the_bar_that_they_lie_in() -> None:
    """Six of them to one bar of a week; those before the first are left out."""
    bars = bars_of([hour(-1, passed=9), hour(0, passed=1), hour(5, passed=2), hour(6, passed=4)], FIRST, SPANS["7d"])
    assert len(bars) == 28
    assert [bar.passed for bar in bars[:3]] == [3, 4, 0]


def test_money_is_added_by_currency() -> None:
    """Never across them."""
    hours = [
        hour(0, revenue={"USD": Decimal("0.10"), "EUR": Decimal(1)}),
        hour(1, revenue={"USD": Decimal("0.20")}, cost={"USD": Decimal("0.05")}),
    ]
    [bar] = bars_of(hours, FIRST, SPANS["30d"])[:1]
    assert (bar.revenue, bar.cost) == ({"USD": Decimal("0.30"), "EUR": Decimal(1)}, {"USD": Decimal("0.05")})


def test_charts_say_in_a_sentence_what_they_show() -> None:
    """The most frequent reasons have a colour each, the rest share one."""
    reasons = Counter({"no_rate": 5, "no_route": 4, "blocked": 3, "rule": 2, "caller_unknown": 1})
    bars = bars_of([hour(0, passed=3, refused=reasons, revenue={"USD": Decimal("1.5")})], FIRST, SPANS["24h"])
    calls, refusals, money = charts_of(bars, FIRST + timedelta(days=1))
    assert calls.summary == "18 in all: 3 let through, 15 refused."
    assert [name for _, name in refusals.legend] == ["no rate", "no route", "blocked", "rule", "other"]
    assert (money.unit, money.summary) == ("USD", "In all: revenue 1.50.")
    assert calls.shapes[0].path == "M0 240V204h33.3V240z"
    assert calls.shapes[1].path == "M0 204V24h33.3V204z"
