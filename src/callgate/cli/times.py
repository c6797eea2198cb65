"""Durations and times as people type them: `90s`, `30m`, `24h`, `7d`; `7d` ago or `2026-11-23T07:00:00Z`."""

import re
from datetime import UTC, datetime, timedelta

from callgate.errors import Invalid

_DURATION = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

LONGEST = timedelta(days=3_650)


def parse_duration(text: str, where: str, *, most: timedelta = LONGEST) -> timedelta:
    """Read a whole number and its unit. Raises `Invalid`."""
    match = _DURATION.fullmatch(text)
    duration = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match is not None else None
    if duration is None or duration > most:
        raise Invalid(where, repr(text), f"a duration such as 90s, 30m, 24h or 7d, at most {most.days}d")
    return duration


def parse_since(text: str, where: str, now: datetime) -> datetime:
    """Read a duration as that long ago, or an RFC 3339 time; without a zone it is UTC. Raises `Invalid`."""
    if _DURATION.fullmatch(text) is not None:
        return now - parse_duration(text, where)
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        expected = "a duration such as 30m, 24h or 7d, or a time such as 2026-11-23T07:00:00Z"
        raise Invalid(where, repr(text), expected) from error
    return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
