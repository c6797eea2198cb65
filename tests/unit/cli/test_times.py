"""Times and durations as people type them."""

from datetime import UTC, datetime, timedelta

import pytest

from callgate.cli.times import parse_duration, parse_since
from callgate.errors import Invalid

NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("0s", timedelta(0)),
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("24h", timedelta(days=1)),
        ("7d", timedelta(days=7)),
    ],
)
def test_a_duration_is_a_number_and_its_unit(text: str, duration: timedelta) -> None:
    """Seconds, minutes, hours, days; since then means that long ago."""
    assert parse_duration(text, "--overlap") == duration
    assert parse_since(text, "--since", NOW) == NOW - duration


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "1.5h", "7w", "1h30m", "9999999d", "999999d", "\u0667d"])
def test_what_is_no_duration_is_refused_with_what_would_do(text: str) -> None:
    """The message shows the forms that there are."""
    with pytest.raises(Invalid, match=r"^--overlap: found .*; expected a duration such as 90s, 30m, 24h or 7d"):
        parse_duration(text, "--overlap")


def test_a_time_without_a_zone_is_utc() -> None:
    """With one it is brought to UTC."""
    expected = datetime(2026, 11, 23, 6, tzinfo=UTC)
    for text in ("2026-11-23T06:00:00Z", "2026-11-23T06:00:00", "2026-11-23 08:00:00+02:00"):
        assert parse_since(text, "--since", NOW) == expected


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "7w", "999999d"])
def test_what_is_no_time_is_refused_with_what_would_do(text: str) -> None:
    """Both forms are shown."""
    with pytest.raises(Invalid, match=r"^--since: found .*; expected a duration such as"):
        parse_since(text, "--since", NOW)
