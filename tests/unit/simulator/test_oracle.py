"""The oracle's naive arithmetic: the table of the rules by hand, and agreement with the real one far beyond it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.rating.charge import affordable_duration_s, billed_duration_s, charge_micros
from callgate.rating.rate import Rate
from callgate.simulator.charges import affordable, billed, cost, price_for
from callgate.simulator.oracle import End, reading
from callgate.simulator.schedule import Price

prices = st.builds(
    Price,
    prefix=st.just("46"),
    nanos=st.integers(0, 3_000_000_000),
    fee=st.integers(0, 100_000),
    first_s=st.integers(1, 120),
    next_s=st.integers(1, 120),
    minimum=st.integers(0, 100_000),
    grace_s=st.integers(0, 90),
)


def real(price: Price) -> Rate:
    return Rate(
        prefix=price.prefix,
        destination="",
        rate_nanos_per_min=price.nanos,
        connect_fee_micros=price.fee,
        first_increment_s=price.first_s,
        increment_s=price.next_s,
        minimum_charge_micros=price.minimum,
        grace_s=price.grace_s,
        effective_from=datetime(2020, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("nanos", "first_s", "next_s", "fee", "seconds", "billed_s", "micros"),
    [
        (20_000_000, 60, 60, 0, 1, 60, 20_000),
        (20_000_000, 60, 60, 0, 61, 120, 40_000),
        (9_500_000, 1, 1, 0, 61, 61, 9_659),
        (30_000_000, 30, 6, 50_000, 31, 36, 68_000),
        (30_000_000, 30, 6, 50_000, 0, 0, 0),
        (500, 1, 1, 0, 3_600, 3_600, 30),
        (10_500_000, 30, 6, 0, 37, 42, 7_350),
    ],
)
def test_the_table_of_the_rules(  # noqa: PLR0913, PLR0917 - the columns of the table
    nanos: int, first_s: int, next_s: int, fee: int, seconds: int, billed_s: int, micros: int
) -> None:
    """Rate, increments, fee and seconds give what the rules say they give."""
    price = Price(prefix="46", nanos=nanos, first_s=first_s, next_s=next_s, fee=fee)
    assert (billed(price, seconds), cost(price, seconds)) == (billed_s, micros)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(prices, st.integers(0, 20_000), st.integers(-5, 5_000_000))
def test_two_ways_to_the_same_amount(price: Price, seconds: int, credit: int) -> None:
    """The oracle and the rating room, written apart, agree on what is billed, what it costs and what is affordable."""
    rate = real(price)
    assert billed(price, seconds) == billed_duration_s(rate, seconds)
    assert cost(price, seconds) == charge_micros(rate, seconds)
    assert affordable(price, credit, 14_400) == affordable_duration_s(rate, credit, 14_400)


def test_the_longest_prefix_then_the_newest() -> None:
    """A row that is not in force yet does not count, and a blocked one is no price."""
    rows = [
        Price(prefix="46", nanos=1),
        Price(prefix="4670", nanos=2),
        Price(prefix="4670", nanos=3, from_s=10),
        Price(prefix="467017", nanos=4, from_s=20, is_blocked=True),
    ]
    found = [price_for(rows, "+46701740605", seconds * 1_000_000) for seconds in (9, 10, 20)]
    assert [price and price.nanos for price in found] == [2, 3, None]
    assert price_for(rows, "+4612", 0) == rows[0]
    assert price_for(rows, "+4912", 0) is None


@pytest.mark.parametrize(
    ("result", "duration_s", "is_costly", "kind"),
    [
        ("ANSWERED", 1, False, "billable"),
        ("ANSWERED", 0, False, "unclear"),
        ("ANSWERED", None, False, "unclear"),
        ("BUSY", None, False, "unanswered"),
        ("N/A", 0, False, "unanswered"),
        ("BUSY", None, True, "unclear"),
        ("BUSY", 5, False, "unclear"),
        ("STRANGE", None, False, "unclear"),
    ],
)
def test_what_an_end_amounts_to(result: str, duration_s: int | None, is_costly: bool, kind: str) -> None:  # noqa: FBT001
    """A duration of 0 counts as none; facts that contradict each other settle nothing."""
    end = End(result, "", duration_s, "alice", "+46701740605", "number", is_valid=True, is_costly=is_costly)
    assert reading(end) == kind
