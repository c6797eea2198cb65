"""Windows that slide: what is counted, for how long, how much of it is kept, and when a block comes and goes."""

from datetime import UTC, datetime, timedelta

import pytest

from callgate.policy.judge_limits import judge_block, judge_calls, judge_destinations, judge_repeats
from callgate.policy.limits import UNLIMITED, Bounds, bounds_of, change_limits
from callgate.policy.refusal import Refusal
from callgate.policy.usage import (
    SUSPICIOUS,
    WATCHED_NUMBERS,
    Usage,
    block,
    blocked_until,
    spent_in_hour_micros,
    with_attempt,
    with_refusal,
    with_spending,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
FRESH = Usage(application="app", account="alice")


def bounds(*words: str) -> Bounds:
    return bounds_of(UNLIMITED, change_limits(UNLIMITED, words), "USD", is_verified=False)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def tried(usage: Usage, limits: Bounds, *attempts: tuple[float, str]) -> Usage:
    for seconds, number in attempts:
        usage = with_attempt(usage, limits, number, at(seconds))
    return usage


def test_nothing_is_kept_that_no_limit_counts() -> None:
    """The very same usage comes back, so that nothing is written."""
    assert with_attempt(FRESH, bounds(), "+1", NOON) is FRESH


def test_the_minute_slides() -> None:
    """An attempt counts for sixty seconds, to the microsecond."""
    limits = bounds("calls_per_minute=2")
    usage = tried(FRESH, limits, (0, "+1"), (30, "+1"))
    assert judge_calls(limits, usage, at(59.999999)) is Refusal.TOO_MANY_CALLS
    assert judge_calls(limits, usage, at(60)) is None
    usage = tried(usage, limits, (60, "+1"))
    assert judge_calls(limits, usage, at(89)) is Refusal.TOO_MANY_CALLS
    assert judge_calls(limits, usage, at(90)) is None


def test_attempts_beyond_the_limit_count_and_do_not_pile_up() -> None:
    """Who goes on trying stays refused; no more are kept than the limit needs."""
    limits = bounds("calls_per_minute=3", "calls_per_minute_warn=2")
    usage = tried(FRESH, limits, *((second, "+1") for second in range(100)))
    assert len(usage.calls) == 3
    assert judge_calls(limits, usage, at(156)) is Refusal.TOO_MANY_CALLS
    assert judge_calls(limits, usage, at(157)) is None


def test_a_number_that_was_known_in_time_may_be_called_on() -> None:
    """One for which there was no room may not, however often it is tried."""
    limits = bounds("destinations_per_hour=2")
    usage = tried(FRESH, limits, (0, "+1"), (1, "+2"), (2, "+3"), (3, "+3"))
    told = [judge_destinations(limits, usage, number, at(4)) for number in ("+1", "+2", "+3", "+4")]
    assert told == [None, None, Refusal.TOO_MANY_DESTINATIONS, Refusal.TOO_MANY_DESTINATIONS]
    assert judge_destinations(limits, usage, "+3", at(3_600)) is None  # +1 has left; +3 is one of two
    assert judge_destinations(limits, usage, "+4", at(3_600)) is Refusal.TOO_MANY_DESTINATIONS  # +2 and +3 are there


def test_a_scan_does_not_grow_what_is_kept() -> None:
    """Of a thousand numbers as many are kept as the limit has room for, twice."""
    limits = bounds("destinations_per_hour=30", "repeats_per_hour=5")
    usage = tried(FRESH, limits, *((number, f"+{number}") for number in range(1_000)))
    assert len(usage.called) == 60
    unlimited = bounds("repeats_per_hour=5")
    usage = tried(FRESH, unlimited, *((number, f"+{number}") for number in range(WATCHED_NUMBERS + 50)))
    assert len(usage.called) == WATCHED_NUMBERS


def test_repeats_of_one_number() -> None:
    """Each number for itself, for an hour each."""
    limits = bounds("repeats_per_hour=2")
    usage = tried(FRESH, limits, (0, "+1"), (10, "+2"), (1_800, "+1"))
    assert judge_repeats(limits, usage, "+1", at(3_599)) is Refusal.REPEATED_DESTINATION
    assert judge_repeats(limits, usage, "+2", at(3_599)) is None
    assert judge_repeats(limits, usage, "+1", at(3_600)) is None


@pytest.mark.parametrize("word", ["calls_per_minute", "destinations_per_hour", "repeats_per_hour"])
def test_nothing_may_be_none_at_all(word: str) -> None:
    """A limit of 0 refuses everything, the first attempt and every other."""
    limits = bounds(f"{word}=0")
    judges = {
        "calls_per_minute": lambda usage: judge_calls(limits, usage, at(9)),
        "destinations_per_hour": lambda usage: judge_destinations(limits, usage, "+1", at(9)),
        "repeats_per_hour": lambda usage: judge_repeats(limits, usage, "+1", at(9)),
    }
    for usage in (FRESH, tried(FRESH, limits, (0, "+1"), (1, "+1"))):
        assert judges[word](usage) is not None


def test_clocks_of_two_servers_may_differ() -> None:
    """An attempt that comes with an earlier time counts like any other."""
    limits = bounds("calls_per_minute=2")
    usage = tried(FRESH, limits, (10, "+1"), (8, "+1"))
    assert usage.calls == tuple(sorted(usage.calls))
    assert judge_calls(limits, usage, at(11)) is Refusal.TOO_MANY_CALLS


def test_what_was_spent_counts_for_an_hour_at_least() -> None:
    """By the minute: one counts while any of it is in the hour, and no longer."""
    limits = bounds("spend_per_hour=1")
    usage = with_spending(with_attempt(FRESH, limits, "+1", NOON), 400, at(59))
    usage = with_spending(usage, 100, at(60))
    assert spent_in_hour_micros(usage, at(3_659)) == 500
    assert spent_in_hour_micros(usage, at(3_660)) == 100
    assert with_spending(FRESH, 400, NOON) is FRESH


def test_suspicion_blocks_and_the_block_ends() -> None:
    """Two within an hour, for thirty minutes; what led to it is forgotten."""
    limits = bounds("block_after=2", "block_minutes=30")
    once = with_refusal(FRESH, limits, Refusal.COUNTRY_BLOCKED, at(0))
    assert once.blocked_until is None
    late = with_refusal(once, limits, Refusal.COUNTRY_BLOCKED, at(3_600))
    assert late.blocked_until is None
    blocked = with_refusal(once, limits, Refusal.RATE_TOO_HIGH, at(3_599))
    assert blocked_until(blocked) == at(3_599 + 1_800)
    assert judge_block(blocked, at(5_398)) is Refusal.BLOCKED
    assert judge_block(blocked, at(5_399)) is None
    assert with_refusal(blocked, limits, Refusal.COUNTRY_BLOCKED, at(5_400)).blocked_until == blocked.blocked_until
    lifted = block(blocked, None)
    assert judge_block(lifted, at(3_600)) is None


@pytest.mark.parametrize("refusal", sorted(set(Refusal) - SUSPICIOUS))
def test_who_is_merely_unlucky_is_not_blocked(refusal: Refusal) -> None:
    """No credit, a day's cap reached, two calls at once: honest people meet them too."""
    limits = bounds("block_after=1")
    assert with_refusal(FRESH, limits, refusal, NOON).blocked_until is None


def test_the_healer_is_hurried_for_who_has_too_many_calls_up() -> None:
    """The time of that refusal is kept."""
    assert with_refusal(FRESH, bounds(), Refusal.TOO_MANY_CONCURRENT_CALLS, NOON).at_limit_at is not None
