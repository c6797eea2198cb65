"""What an application says of its calls, and what an account says in its place."""

from datetime import UTC, datetime

import pytest

from callgate.errors import Invalid
from callgate.policy.caller_id import Screening
from callgate.policy.permissions import ALL_INHERITED, NAMES, Permissions

MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def permitted(*words: str) -> Permissions:
    permissions = ALL_INHERITED
    for word in words:
        name, _, value = word.partition("=")
        permissions = permissions.changed(name, value)
    return permissions


def test_every_one_is_shown_in_the_words_that_set_it() -> None:
    """`default` where nothing was said, `none` for an empty one."""
    words = {
        "hours": "Mo-Fr 08:00-18:00",
        "timezone": "Europe/Stockholm",
        "holidays": "12-25",
        "caller_id": "refuse",
        "caller_ids": "+4687*",
    }
    assert permitted(*(f"{name}={value}" for name, value in words.items())).shown() == words
    assert ALL_INHERITED.shown() == dict.fromkeys(NAMES, "default")
    lifted = permitted("hours=none", "holidays=none", "caller_ids=none")
    assert [lifted.shown()[name] for name in ("hours", "holidays", "caller_ids")] == ["none"] * 3
    assert permitted("hours=24/7", "hours=default") == ALL_INHERITED


def test_an_account_inherits_one_by_one() -> None:
    """Its own time zone with the hours of its application."""
    outer = permitted("hours=Mo-Fr 08:00-13:00", "caller_id=refuse")
    both = permitted("timezone=Asia/Tokyo").under(outer)
    assert (both.hours, both.timezone, both.screening) == ("Mo-Fr 08:00-13:00", "Asia/Tokyo", Screening.REFUSE)
    assert both.opening is not None and outer.opening is not None
    assert (outer.opening.is_open(MONDAY_NOON), both.opening.is_open(MONDAY_NOON)) == (True, False)
    assert ALL_INHERITED.under(outer) is outer


@pytest.mark.parametrize("word", ["hours=24/7", "hours=none"])
def test_an_account_may_be_open_where_its_application_is_closed(word: str) -> None:
    """What it says takes the place of what the application says."""
    both = permitted(word).under(permitted("hours=off"))
    assert both.opening is None or both.opening.is_open(MONDAY_NOON)


def test_nothing_is_asked_where_nothing_was_said() -> None:
    """Always open, and a number that may not be shown is hidden."""
    assert (ALL_INHERITED.opening, ALL_INHERITED.screening) == (None, Screening.HIDE)
    assert not ALL_INHERITED.may_show("+46700000001")
    assert permitted("timezone=Asia/Tokyo").opening is None


def test_what_cannot_be_read_names_itself() -> None:
    """None of the words is passed over."""
    for name in NAMES:
        with pytest.raises(Invalid, match=name):
            permitted(f"{name}=?")
