"""Hours of the week that a price is for: which moments lie in them, in their own zone."""

from datetime import UTC, datetime, timedelta

import pytest

from callgate.rating.hours import is_in_hours, write_hours

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
DAY_MIN = 24 * 60


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of the week, in UTC; days from 1 for Monday."""
    return MONDAY + timedelta(days=day - 1, hours=hour, minutes=minute)


@pytest.mark.parametrize(
    ("day", "hour", "minute", "is_in"),
    [(1, 8, 5, True), (1, 8, 4, False), (1, 17, 59, True), (1, 18, 9, True), (1, 18, 10, False), (5, 12, 0, True),
     (6, 12, 0, False)],
)  # fmt: skip
def test_from_the_first_minute_on_and_before_the_last(day: int, hour: int, minute: int, *, is_in: bool) -> None:
    assert is_in_hours("12345 08:05-18:10 UTC", at(day, hour, minute)) is is_in


@pytest.mark.parametrize(
    ("day", "hour", "minute", "is_in"),
    [(5, 22, 0, True), (5, 21, 59, False), (6, 5, 59, True), (6, 6, 0, False), (6, 22, 0, False), (1, 0, 30, False),
     (4, 23, 0, False)],
)  # fmt: skip
def test_hours_past_midnight_belong_to_the_day_on_which_they_begin(
    day: int, hour: int, minute: int, *, is_in: bool
) -> None:
    assert is_in_hours("5 22:00-06:00 UTC", at(day, hour, minute)) is is_in


def test_hours_that_end_where_they_begin_are_a_whole_day_from_there_on() -> None:
    moments = [at(1, 7, 59), at(1, 8), at(2, 7, 59), at(2, 8)]
    assert [is_in_hours("1 08:00-08:00 UTC", moment) for moment in moments] == [False, True, True, False]


def test_sunday_night_goes_on_into_monday() -> None:
    assert is_in_hours("7 22:00-06:00 UTC", at(1, 5))
    assert not is_in_hours("1 22:00-06:00 UTC", at(1, 5))


def test_the_clock_is_that_of_the_zone() -> None:
    """Also while it is summer there."""
    hours = "1234567 08:00-18:00 Europe/Stockholm"
    assert is_in_hours(hours, at(1, 7))
    assert not is_in_hours(hours, at(1, 17))
    assert is_in_hours(hours, datetime(2026, 7, 6, 6, tzinfo=UTC))
    assert is_in_hours("7 23:00-24:00 America/New_York", at(1, 4, 30))


@pytest.mark.parametrize(
    ("days", "start_min", "end_min", "written"),
    [
        ("1234567", 0, DAY_MIN, ""),
        ("1234567", 1, DAY_MIN, "1234567 00:01-24:00 UTC"),
        ("1234567", 0, DAY_MIN - 1, "1234567 00:00-23:59 UTC"),
        ("123456", 0, DAY_MIN, "123456 00:00-24:00 UTC"),
        ("5115", 485, 1_090, "15 08:05-18:10 UTC"),
        ("7", DAY_MIN - 1, 0, "7 23:59-00:00 UTC"),
    ],
)
def test_they_are_written_as_they_are_read(days: str, start_min: int, end_min: int, written: str) -> None:
    """All hours of the week are none that have to be said."""
    assert write_hours(days, start_min, end_min, "UTC") == written


@pytest.mark.parametrize(
    ("days", "start_min", "end_min"), [("", 0, 60), ("1", -1, 60), ("1", DAY_MIN, 60), ("1", 0, DAY_MIN + 1)]
)
def test_what_is_no_time_is_our_own_bug(days: str, start_min: int, end_min: int) -> None:
    with pytest.raises(AssertionError):
        write_hours(days, start_min, end_min, "UTC")
