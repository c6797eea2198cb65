"""How near an account is to its limits says what the steps of a decision will say."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.policy.judge_limits import judge_calls, judge_concurrent_calls, judge_repeats
from callgate.policy.limits import Bounds
from callgate.policy.nearness import Near, nearness
from callgate.policy.refusal import Refusal
from callgate.policy.spend import Spent, room_left
from callgate.policy.usage import Usage, with_attempt, with_refusal

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOTHING = Usage(application="app", account="alice")
UNSPENT = Spent(in_hour=0, today=0, this_month=0, held=0, funds=0)
BOUNDS = Bounds(
    concurrent_calls=2,
    calls_per_minute=10,
    destinations_per_hour=30,
    repeats_per_hour=5,
    spend_per_day_micros=100,
    block_after=3,
)


def near(name: str, found: list[Near]) -> Near:
    return next(each for each in found if each.limit == name)


def test_each_limit_counts_what_its_step_counts() -> None:
    """Calls in the minute, numbers and repeats in the hour, suspicions towards a block; the number that is nearest is named."""
    usage = NOTHING
    for number in ("+46701740605", "+46701740605", "+46701740606"):
        usage = with_attempt(usage, BOUNDS, number, NOW)
    usage = with_refusal(usage, BOUNDS, Refusal.COUNTRY_BLOCKED, NOW)
    found = nearness(BOUNDS, usage, UNSPENT, 1, NOW + timedelta(seconds=1))
    assert [(each.limit, each.used, each.most) for each in found] == [
        ("block_after", 1, 3), ("concurrent_calls", 1, 2), ("calls_per_minute", 3, 10), ("destinations_per_hour", 2, 30),
        ("repeats_per_hour", 2, 5), ("spend_per_day", 0, 100),
    ]  # fmt: skip
    assert near("repeats_per_hour", found).about == "+46701740605"
    later = nearness(BOUNDS, usage, UNSPENT, 0, NOW + timedelta(hours=2))
    assert {each.used for each in later} == {0}


@given(
    spent=st.builds(Spent, *[st.integers(0, 300)] * 5),
    caps=st.tuples(*[st.none() | st.integers(0, 300)] * 3),
    is_half=st.booleans(),
)
def test_money_in_held_calls_counts_as_the_caps_count_it(
    spent: Spent,
    caps: tuple[int | None, ...],
    is_half: bool,  # noqa: FBT001 - drawn
) -> None:
    """A cap that is reached leaves nothing, and one that is not leaves the rest."""
    hour, day, month = caps
    bounds = Bounds(
        spend_per_hour_micros=hour, spend_per_day_micros=day, spend_per_month_micros=month, is_half_of_funds=is_half
    )
    found = nearness(bounds, NOTHING, spent, 0, NOW)
    room = room_left(bounds, spent)
    if room is None:
        assert found == []
        return
    assert room.left_micros == min(max(0, each.most - each.used) for each in found)
    assert all(each.held == spent.held and each.percent == 100 for each in found if each.used >= each.most)


@pytest.mark.parametrize("count", range(12))
def test_a_limit_that_is_reached_refuses_the_next(count: int) -> None:
    """And one that is not lets it through."""
    usage = NOTHING
    for _ in range(count):
        usage = with_attempt(usage, BOUNDS, "+46701740605", NOW)
    found = nearness(BOUNDS, usage, UNSPENT, count, NOW)
    for name, refusal in (
        ("concurrent_calls", judge_concurrent_calls(BOUNDS, count)),
        ("calls_per_minute", judge_calls(BOUNDS, usage, NOW)),
        ("repeats_per_hour", judge_repeats(BOUNDS, usage, "+46701740605", NOW)),
    ):
        assert (near(name, found).percent == 100) is (refusal is not None), name


def test_what_nobody_limits_is_left_out_and_a_limit_of_nothing_is_reached() -> None:
    """A limit of 0 lets nothing through from the beginning."""
    assert nearness(Bounds(), NOTHING, UNSPENT, 5, NOW) == []
    [found] = nearness(msgspec.structs.replace(Bounds(), concurrent_calls=0), NOTHING, UNSPENT, 0, NOW)
    assert found.percent == 100
