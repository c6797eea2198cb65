"""Increments, charges and affordable durations, by the tables of our rules."""

from datetime import UTC, datetime

import pytest

from callgate.rating.charge import affordable_duration_s, billed_duration_s, charge_micros
from callgate.rating.rate import Rate

HOUR_4_S = 14_400


def make_rate(  # noqa: PLR0913, PLR0917 - the fields of a rate
    nanos: int = 0, first_s: int = 60, increment_s: int = 60, fee: int = 0, minimum: int = 0, grace_s: int = 0
) -> Rate:
    return Rate(
        prefix="46",
        destination="Sweden",
        rate_nanos_per_min=nanos,
        connect_fee_micros=fee,
        first_increment_s=first_s,
        increment_s=increment_s,
        minimum_charge_micros=minimum,
        grace_s=grace_s,
        effective_from=datetime(2026, 1, 1, tzinfo=UTC),
    )


BILLED_COLUMNS = ((60, 60), (1, 1), (30, 6), (6, 6), (60, 1), (60, 30), (1, 60))
BILLED = {
    0: (0, 0, 0, 0, 0, 0, 0),
    1: (60, 1, 30, 6, 60, 60, 1),
    6: (60, 6, 30, 6, 60, 60, 61),
    30: (60, 30, 30, 30, 60, 60, 61),
    31: (60, 31, 36, 36, 60, 60, 61),
    37: (60, 37, 42, 42, 60, 60, 61),
    60: (60, 60, 60, 60, 60, 60, 61),
    61: (120, 61, 66, 66, 61, 90, 61),
    90: (120, 90, 90, 90, 90, 90, 121),
    121: (180, 121, 126, 126, 121, 150, 121),
}


@pytest.mark.parametrize("duration_s", BILLED)
def test_billed_duration(duration_s: int) -> None:
    """The first increment is billed whole, then each started one."""
    billed = tuple(
        billed_duration_s(make_rate(first_s=first_s, increment_s=increment_s), duration_s)
        for first_s, increment_s in BILLED_COLUMNS
    )
    assert billed == BILLED[duration_s]


def test_grace_is_free_and_then_everything_is_billed() -> None:
    """A call that ends within its grace bills nothing; a second later it bills from its start."""
    rate = make_rate(first_s=1, increment_s=1, grace_s=5)
    assert [billed_duration_s(rate, duration_s) for duration_s in (0, 5, 6)] == [0, 0, 6]


@pytest.mark.parametrize(
    ("rate", "duration_s", "micros"),
    [
        (make_rate(20_000_000, 60, 60), 1, 20_000),
        (make_rate(20_000_000, 60, 60), 61, 40_000),
        (make_rate(9_500_000, 1, 1), 61, 9_659),
        (make_rate(30_000_000, 30, 6, fee=50_000), 31, 68_000),
        (make_rate(30_000_000, 30, 6, fee=50_000), 0, 0),
        (make_rate(500, 1, 1), 3_600, 30),
        (make_rate(10_500_000, 30, 6), 37, 7_350),
        (make_rate(10_500_000, 30, 6), 1, 5_250),
        (make_rate(10_500_000, 30, 6), 61, 11_550),
    ],
)
def test_charge(rate: Rate, duration_s: int, micros: int) -> None:
    """Fee plus usage, rounded up once; a call that was never answered owes nothing."""
    assert charge_micros(rate, duration_s) == micros


def test_minimum_charge_holds_once_anything_is_billed() -> None:
    """The minimum stands in for less, not on top; it is not owed by a call within its grace."""
    rate = make_rate(60_000_000, 1, 1, fee=1_000, minimum=10_000, grace_s=2)
    assert [charge_micros(rate, duration_s) for duration_s in (2, 3, 9, 10)] == [0, 10_000, 10_000, 11_000]


@pytest.mark.parametrize(
    ("rate", "credit_micros", "ceiling_s", "granted_s"),
    [
        (make_rate(20_000_000), 20_000, HOUR_4_S, 60),
        (make_rate(20_000_000), 19_999, HOUR_4_S, 0),
        (make_rate(20_000_000), 5_000_000, HOUR_4_S, HOUR_4_S),
        (make_rate(20_000_000), 40_000, 90, 90),
        (make_rate(20_000_000), 20_000, 90, 60),
        (make_rate(9_500_000, 1, 1), 9_659, HOUR_4_S, 61),
        (make_rate(9_500_000, 1, 1), 9_658, HOUR_4_S, 60),
        (make_rate(30_000_000, 30, 6, fee=50_000), 68_000, HOUR_4_S, 36),
        (make_rate(30_000_000, 30, 6, fee=50_000), 49_999, HOUR_4_S, 0),
        (make_rate(0), 0, HOUR_4_S, HOUR_4_S),
        (make_rate(0, fee=50_000), 49_999, HOUR_4_S, 0),
        (make_rate(0, minimum=50_000), 50_000, HOUR_4_S, HOUR_4_S),
        (make_rate(60_000_000, 1, 1, minimum=10_000), 9_999, HOUR_4_S, 0),
        (make_rate(60_000_000, 1, 1, minimum=10_000), 10_000, HOUR_4_S, 10),
        (make_rate(20_000_000, grace_s=5), 0, HOUR_4_S, 5),
        (make_rate(20_000_000, grace_s=5), 0, 3, 3),
        (make_rate(20_000_000, grace_s=90), 20_000, HOUR_4_S, 90),
        (make_rate(20_000_000, grace_s=5), -1, HOUR_4_S, 0),
        (make_rate(20_000_000), 10**9, 0, 0),
        (make_rate(10**30), 10**37, 10**12, 600_000_000_000),
        (make_rate(10**30), 10**37 - 1, 10**12, 600_000_000_000 - 60),
    ],
)
def test_affordable_duration(rate: Rate, credit_micros: int, ceiling_s: int, granted_s: int) -> None:
    """The longest call that the credit covers: whole increments, the grace, or the ceiling in mid-increment."""
    assert affordable_duration_s(rate, credit_micros, ceiling_s) == granted_s


def test_blocked_rate_is_never_free() -> None:
    """A blocked row grants nothing, whatever the credit, and asking for its price is our bug."""
    blocked = Rate(
        prefix="4690",
        destination="Premium",
        rate_nanos_per_min=0,
        connect_fee_micros=0,
        first_increment_s=1,
        increment_s=1,
        grace_s=60,
        effective_from=datetime(2026, 1, 1, tzinfo=UTC),
        is_blocked=True,
    )
    assert affordable_duration_s(blocked, 10**9, HOUR_4_S) == 0
    with pytest.raises(AssertionError, match=r"^a blocked rate has no price\b"):
        charge_micros(blocked, 60)
