"""Opening hours: when calls may be placed, by the clock of a time zone.

They are written as in OpenStreetMap's `opening_hours`, of which this reads the part that opening hours of a business need:
`Mo-Fr 08:00-12:00,13:00-18:00; Sa 10:00-14:00; PH off`. Source: https://wiki.openstreetmap.org/wiki/Key:opening_hours.
"""

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from callgate.errors import Invalid
from callgate.policy.refusal import Refusal

ALWAYS = "24/7"
NEVER = "off"

MAX_HOLIDAYS = 400

EXPECTED = "24/7, or days and times such as Mo-Fr 08:00-18:00; Sa 10:00-14:00; PH off, where PH are the holidays"

_DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su", "PH")
_PLACES = {name.lower(): place for place, name in enumerate(_DAYS)}
_HOLIDAY = 7
_DAY_MINUTES = 1_440

_DAY = r"[A-Z]{2}(?:\s*-\s*[A-Z]{2})?"
_TIME = r"[0-9]{1,2}:[0-9]{2}\s*-\s*[0-9]{1,2}:[0-9]{2}"
_RULE = re.compile(
    rf"\s*(?P<days>{_DAY}(?:\s*,\s*{_DAY})*)\s+(?P<times>off|closed|{_TIME}(?:\s*,\s*{_TIME})*)\s*(?P<mark>[,;]|$)\s*",
    re.ASCII | re.IGNORECASE,
)

Span = tuple[int, int]
"""From and to, in minutes since midnight. A span that ends on the next day ends beyond 1440."""

Days = tuple[tuple[Span, ...], ...]
"""The spans of each day from Monday to Sunday, and of holidays."""


class Opening(NamedTuple):
    """Opening hours to be asked. `yearly` are holidays of every year, as month and day."""

    days: Days
    zone: ZoneInfo
    dates: frozenset[date]
    yearly: frozenset[tuple[int, int]]

    def is_open(self, now: datetime) -> bool:
        """Whether it is open at this moment. What began on the day before lasts past midnight, whatever day follows."""
        local = now.astimezone(self.zone)
        today, minute = local.date(), local.hour * 60 + local.minute
        if any(begin <= minute < end for begin, end in self._spans(today)):
            return True
        yesterday = self._spans(today - timedelta(days=1))
        return any(end > _DAY_MINUTES and minute < end - _DAY_MINUTES for _, end in yesterday)

    def _spans(self, day: date) -> tuple[Span, ...]:
        is_holiday = day in self.dates or (day.month, day.day) in self.yearly
        return self.days[_HOLIDAY if is_holiday else day.weekday()]


@lru_cache(maxsize=4_096)
def opening(hours: str, zone: str, holidays: str) -> Opening:
    """Compile hours, a time zone and holidays that were read before. Costs some 20 us for ones not seen lately."""
    days = [_read_day("holidays", word) for word in holidays.split(",") if word]
    return Opening(
        days=_read_days("hours", hours) if hours else _EVERY_DAY,
        zone=ZoneInfo(zone),
        dates=frozenset(day for day in days if isinstance(day, date)),
        yearly=frozenset(day for day in days if not isinstance(day, date)),
    )


def judge_hours(hours: Opening, now: datetime) -> Refusal | None:
    """Step 8: it is open."""
    return None if hours.is_open(now) else Refusal.OUTSIDE_HOURS


# -- as words ----------------------------------------------------------------------------------------------------------


def read_hours(name: str, text: str) -> str:
    """Return the hours in the one form in which they are kept. Raises `Invalid`."""
    return _shown(_read_days(name, text))


def read_zone(name: str, text: str) -> str:
    """Read the name of a time zone. Raises `Invalid`."""
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):  # no such zone, or a name that is none
        raise Invalid(name, repr(text[:80]), "the name of a time zone, such as Europe/Stockholm") from None
    return text


def read_holidays(name: str, text: str) -> str:
    """Return the days in order, each once: those of one year, then those of every year. Raises `Invalid`."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if len(words) > MAX_HOLIDAYS:
        raise Invalid(name, f"{len(words)} days", f"at most {MAX_HOLIDAYS}")
    days = {_read_day(name, word) for word in words}
    dates = sorted(day for day in days if isinstance(day, date))
    yearly = sorted(day for day in days if not isinstance(day, date))
    return ",".join([*map(date.isoformat, dates), *(f"{month:02}-{day:02}" for month, day in yearly)])


def _read_day(name: str, word: str) -> date | tuple[int, int]:
    try:
        if re.fullmatch(r"[0-9]{2}-[0-9]{2}", word, re.ASCII):
            leap = date.fromisoformat(f"2000-{word}")  # 29 February is a day of some years
            return leap.month, leap.day
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", word, re.ASCII):
            return date.fromisoformat(word)
    except ValueError:
        pass
    raise Invalid(
        name, repr(word[:40]), "days such as 2026-12-24, or 12-25 for one of every year, comma between; or none"
    )


def _read_days(name: str, text: str) -> Days:
    """A rule behind a semicolon replaces what was said of its days before, one behind a comma is added to it."""
    if text.strip() == ALWAYS:
        return _ALL_DAYS
    days: list[tuple[Span, ...]] = [()] * len(_DAYS)
    if text.strip().lower() == NEVER:
        return tuple(days)
    text, place, is_more = text.rstrip(" ;"), 0, False
    while place < len(text) or not text:
        rule = _RULE.match(text, place)
        if rule is None:
            raise Invalid(name, f"{text[place : place + 40]!r} at column {place + 1}", EXPECTED)
        spans = {_span(name, times) for times in rule["times"].split(",") if ":" in times}
        for day in _places(name, rule["days"]):
            days[day] = tuple(sorted({*days[day], *spans} if is_more and spans else spans))
        place, is_more = rule.end(), rule["mark"] == ","
    return tuple(days)


def _places(name: str, text: str) -> list[int]:
    """The days from one to another, round the end of the week where they are written so."""
    places: list[int] = []
    for words in text.split(","):
        first, _, last = (word.strip().lower() for word in words.partition("-"))
        begin, end = _PLACES.get(first), _PLACES.get(last or first)
        if begin is None or end is None or (_HOLIDAY in (begin, end) and begin != end):
            raise Invalid(name, repr(words.strip()), f"days among {', '.join(_DAYS)}, of which PH stands by itself")
        places += range(begin, end + 1) if begin <= end else [*range(begin, _HOLIDAY), *range(end + 1)]
    return places


def _span(name: str, times: str) -> Span:
    begin, end = (_minutes(name, time.strip()) for time in times.split("-"))
    if begin in {_DAY_MINUTES, end}:
        raise Invalid(name, repr(times.strip()), "from a time of the day to a later one, or to one of the next morning")
    return begin, end if end > begin else end + _DAY_MINUTES


def _minutes(name: str, text: str) -> int:
    hour, minute = map(int, text.split(":"))
    if minute > 59 or hour * 60 + minute > _DAY_MINUTES:  # noqa: PLR2004 - of an hour
        raise Invalid(name, repr(text), "a time from 00:00 to 24:00")
    return hour * 60 + minute


def _shown(days: Days) -> str:
    """Days that follow each other and have the same hours are named together; those that are closed not at all."""
    if days == _ALL_DAYS:
        return ALWAYS
    runs: list[tuple[int, int]] = []
    for place, spans in enumerate(days[:_HOLIDAY]):
        if runs and days[runs[-1][0]] == spans:
            runs[-1] = (runs[-1][0], place)
        else:
            runs.append((place, place))
    said = [
        f"{_DAYS[first] if first == last else f'{_DAYS[first]}-{_DAYS[last]}'} {_times(days[first])}"
        for first, last in runs
        if days[first]
    ]
    if days[_HOLIDAY]:
        said.append(f"{_DAYS[_HOLIDAY]} {_times(days[_HOLIDAY])}")
    return "; ".join(said) or NEVER


def _times(spans: Iterable[Span]) -> str:
    return ",".join(
        f"{_time(begin)}-{_time(end if end <= _DAY_MINUTES else end - _DAY_MINUTES)}" for begin, end in spans
    )


def _time(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


_WHOLE = ((0, _DAY_MINUTES),)
_ALL_DAYS: Days = (_WHOLE,) * len(_DAYS)
_EVERY_DAY: Days = (*(_WHOLE,) * _HOLIDAY, ())
"""What holds where only holidays were named: they are closed, all other days are open."""
