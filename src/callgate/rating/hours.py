"""Hours of the week that a price is for, as decks with prices by time of day have them.

Written `12345 08:00-18:00 Europe/Stockholm`: days from 1 for Monday to 7, from the first minute on and before the last, in
that zone. Hours that end at or before they begin go on past midnight, and belong to the day on which they begin.
"""

import re
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_HOURS = re.compile(r"([1-7]{1,7}) ([0-2][0-9]):([0-5][0-9])-([0-2][0-9]):([0-5][0-9]) (\S{1,64})")
_DAY_MIN = 24 * 60


def is_in_hours(hours: str, at: datetime) -> bool:
    """Whether that moment lies in these hours. `hours` is what `write_hours` wrote."""
    days, start_min, end_min, zone = _read(hours)
    local = at.astimezone(zone)
    minute = local.hour * 60 + local.minute
    if start_min < end_min:
        return start_min <= minute < end_min and str(local.isoweekday()) in days
    if minute >= start_min:
        return str(local.isoweekday()) in days
    return minute < end_min and str((local - timedelta(days=1)).isoweekday()) in days


def write_hours(days: str, start_min: int, end_min: int, zone: str) -> str:
    """Return the hours in words, empty where they are all hours of the week. Minutes from 0 to 1440 of a day."""
    assert days and 0 <= start_min < _DAY_MIN and 0 <= end_min <= _DAY_MIN, "the reader has checked"
    days = "".join(sorted(set(days)))
    if days == "1234567" and start_min == 0 and end_min == _DAY_MIN:
        return ""
    return f"{days} {start_min // 60:02}:{start_min % 60:02}-{end_min // 60:02}:{end_min % 60:02} {zone}"


@lru_cache(maxsize=1_024)
def _read(hours: str) -> tuple[str, int, int, ZoneInfo]:
    match = _HOURS.fullmatch(hours)
    assert match is not None, "only what we wrote is read"
    days, start_h, start_min, end_h, end_min, zone = match.groups()
    return days, int(start_h) * 60 + int(start_min), int(end_h) * 60 + int(end_min), ZoneInfo(zone)
