"""Opening hours: what is read of them, when it is open, and what time zones, nights and holidays do to that."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.errors import Invalid
from callgate.policy.hours import judge_hours, opening, read_holidays, read_hours, read_zone
from callgate.policy.refusal import Refusal

STOCKHOLM = "Europe/Stockholm"


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("24/7", "24/7"),
        ("off", "off"),
        ("OFF", "off"),
        ("Mo-Fr 08:00-18:00", "Mo-Fr 08:00-18:00"),
        ("mo-fr 8:00 - 18:00 ; sa 10:00-14:00;", "Mo-Fr 08:00-18:00; Sa 10:00-14:00"),
        ("Mo-Fr 08:00-12:00, 13:00-18:00", "Mo-Fr 08:00-12:00,13:00-18:00"),
        ("Mo,We,Fr 09:00-17:00", "Mo 09:00-17:00; We 09:00-17:00; Fr 09:00-17:00"),
        ("Fr-Mo 10:00-16:00", "Mo 10:00-16:00; Fr-Su 10:00-16:00"),
        ("Mo-Fr 08:00-18:00; Fr 08:00-16:00", "Mo-Th 08:00-18:00; Fr 08:00-16:00"),
        ("Mo-Fr 08:00-18:00; We off", "Mo-Tu 08:00-18:00; Th-Fr 08:00-18:00"),
        ("Mo-Fr 08:00-12:00, Mo-Tu 13:00-18:00", "Mo-Tu 08:00-12:00,13:00-18:00; We-Fr 08:00-12:00"),
        ("Mo-Su 00:00-24:00", "Mo-Su 00:00-24:00"),
        ("Mo-Su 00:00-24:00; PH 00:00-24:00", "24/7"),
        ("Mo-Su 08:00-20:00; PH 10:00-14:00", "Mo-Su 08:00-20:00; PH 10:00-14:00"),
        ("Fr-Sa 20:00-04:00", "Fr-Sa 20:00-04:00"),
        ("Mo closed", "off"),
    ],
)
def test_hours_are_kept_in_one_form(text: str, kept: str) -> None:
    """A rule behind a semicolon replaces, one behind a comma adds; what is kept reads as itself."""
    assert read_hours("hours", text) == kept
    assert read_hours("hours", kept) == kept


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "''"),
        ("always", "'always' at column 1"),
        ("08:00-18:00", "'08:00-18:00' at column 1"),
        ("Mo-Fr", "'Mo-Fr' at column 1"),
        ("Mo-Fr 08:00-18:00 Sa 10:00-14:00", "column 1"),
        ("Mo-Fr 08:00-18:00; Xx 10:00-14:00", "'Xx'"),
        ("Mo-PH 08:00-18:00", "'Mo-PH'"),
        ("Mo 08:00-08:00", "'08:00-08:00'"),
        ("Mo 08:00-25:00", "'25:00'"),
        ("Mo 08:61-09:00", "'08:61'"),
        ("Mo 24:00-09:00", "'24:00-09:00'"),
        ("Mo-Fr 08:00-18:00; tomorrow", "'tomorrow' at column 20"),
        ("Mo 0\u0668:00-18:00", "column 1"),
    ],
)
def test_what_cannot_be_read_is_shown(text: str, found: str) -> None:
    """With where it stands and what would do."""
    with pytest.raises(Invalid) as caught:
        read_hours("hours", text)
    assert found in str(caught.value)
    assert "hours" in str(caught.value)


@pytest.mark.parametrize(
    ("hours", "moment", "is_open"),
    [
        ("Mo-Fr 08:00-18:00", "2026-11-23T07:59:59", False),
        ("Mo-Fr 08:00-18:00", "2026-11-23T08:00:00", True),
        ("Mo-Fr 08:00-18:00", "2026-11-23T17:59:59", True),
        ("Mo-Fr 08:00-18:00", "2026-11-23T18:00:00", False),
        ("Mo-Fr 08:00-18:00", "2026-11-28T12:00:00", False),
        ("Mo-Fr 08:00-12:00,13:00-18:00", "2026-11-23T12:30:00", False),
        ("Sa 20:00-04:00", "2026-11-28T23:59:59", True),
        ("Sa 20:00-04:00", "2026-11-29T03:59:59", True),
        ("Sa 20:00-04:00", "2026-11-29T04:00:00", False),
        ("Sa 20:00-04:00", "2026-11-28T03:00:00", False),
        ("Su 20:00-04:00", "2026-11-30T01:00:00", True),
        ("Mo-Su 00:00-24:00", "2026-11-29T23:59:59", True),
        ("24/7", "2026-12-25T12:00:00", True),
        ("off", "2026-11-23T12:00:00", False),
    ],
)
def test_it_is_open_from_the_first_minute_to_the_last(hours: str, moment: str, is_open: bool) -> None:  # noqa: FBT001 - the expectation
    """A span that passes midnight belongs to the day on which it begins."""
    asked = opening(read_hours("hours", hours), "UTC", "12-25")
    assert asked.is_open(at(moment)) is is_open
    assert judge_hours(asked, at(moment)) == (None if is_open else Refusal.OUTSIDE_HOURS)


def test_days_are_those_of_the_time_zone() -> None:
    """Summer time moves the hours with the clock on the wall."""
    stockholm, tokyo = (opening("Mo-Fr 08:00-18:00", zone, "") for zone in (STOCKHOLM, "Asia/Tokyo"))
    winter, summer = at("2026-01-12T07:00:00"), at("2026-07-13T06:00:00")
    assert stockholm.is_open(winter)
    assert stockholm.is_open(summer)
    assert not stockholm.is_open(winter - timedelta(seconds=1))
    assert not stockholm.is_open(summer - timedelta(seconds=1))
    assert tokyo.is_open(at("2026-01-11T23:00:00"))  # Monday morning there
    assert not tokyo.is_open(at("2026-01-16T09:00:00"))  # Friday evening


def test_holidays_have_hours_of_their_own() -> None:
    """Closed unless the hours say otherwise; of one year or of every year; and the days of the time zone."""
    closed = opening("Mo-Su 08:00-18:00", STOCKHOLM, "2026-12-24,12-25")
    some = opening("Mo-Su 08:00-18:00; PH 10:00-12:00", STOCKHOLM, "2026-12-24,12-25")
    days, hours = ("2026-12-24", "2027-12-24", "2027-12-25"), ("09:00", "11:00")
    moments = [at(f"{day}T{hour}:00", STOCKHOLM) for day in days for hour in hours]
    told = [(closed.is_open(moment), some.is_open(moment)) for moment in moments]
    assert told == [(False, False), (False, True), (True, True), (True, True), (False, False), (False, True)]


def test_holidays_alone_close_those_days() -> None:
    """All others are open."""
    asked = opening("", "UTC", "2026-12-24")
    assert [asked.is_open(at(f"2026-12-{day}T12:00:00")) for day in (23, 24, 25)] == [True, False, True]


def test_a_night_that_began_before_a_holiday_goes_on() -> None:
    """And one that would begin on it does not."""
    asked = opening("Mo-Su 20:00-04:00", "UTC", "2026-12-24")
    hours = ["2026-12-24T02:00:00", "2026-12-24T21:00:00", "2026-12-25T02:00:00", "2026-12-25T21:00:00"]
    assert [asked.is_open(at(hour)) for hour in hours] == [True, False, False, True]


def test_zones_and_holidays_are_read() -> None:
    """In order and once; a day that no year has is none."""
    assert read_zone("timezone", STOCKHOLM) == STOCKHOLM
    assert read_holidays("holidays", "12-25, 2026-12-24,12-25 ,02-29") == "2026-12-24,02-29,12-25"
    for name, read, text in [
        ("timezone", read_zone, "Europe/Atlantis"), ("timezone", read_zone, "../etc/passwd"), ("timezone", read_zone, ""),
        ("holidays", read_holidays, "2026-02-29"), ("holidays", read_holidays, "christmas"),
        ("holidays", read_holidays, ",".join(f"{year}-01-01" for year in range(1600, 2001))),
    ]:  # fmt: skip
        with pytest.raises(Invalid, match=name):
            read(name, text)


minutes = st.integers(0, 23 * 60 + 59)
spans = st.tuples(minutes, minutes).filter(lambda both: both[0] != both[1])
days = st.sampled_from(["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su", "PH", "Mo-Fr", "Sa-Mo"])
rules = st.lists(st.tuples(days, st.lists(spans, min_size=1, max_size=3)), min_size=1, max_size=4)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)).map(lambda each: each.replace(tzinfo=UTC))  # noqa: DTZ001 - see the end


def written(every: list[tuple[str, list[tuple[int, int]]]]) -> str:
    def time(minute: int) -> str:
        return f"{minute // 60:02}:{minute % 60:02}"

    return "; ".join(f"{name} {','.join(f'{time(a)}-{time(b)}' for a, b in each)}" for name, each in every)


@given(rules, moments)
def test_the_form_that_is_kept_means_the_same(every: list[tuple[str, list[tuple[int, int]]]], moment: datetime) -> None:
    """Whatever was written, and whenever it is asked."""
    text = written(every)
    kept = read_hours("hours", text)
    holidays = "2026-05-01,12-25"
    assert read_hours("hours", kept) == kept
    assert opening(kept, STOCKHOLM, holidays).is_open(moment) == opening(text, STOCKHOLM, holidays).is_open(moment)


@given(rules, days, moments)
def test_a_day_that_is_closed_opens_nothing(
    every: list[tuple[str, list[tuple[int, int]]]], day: str, moment: datetime
) -> None:
    """Hours that say `off` of a day more are open at no moment at which they were not before."""
    text = written(every)
    if opening(f"{text}; {day} off", STOCKHOLM, "12-25").is_open(moment):
        assert opening(text, STOCKHOLM, "12-25").is_open(moment)
