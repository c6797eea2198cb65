"""Emergency numbers: which strings are one, exactly, and how many calls to them a caller may have up."""

import phonenumbers
import pytest

from callgate.errors import Invalid
from callgate.policy.emergency import (
    CALLS_AT_ONCE,
    MAX_DIGITS,
    is_emergency,
    judge_emergency,
    read_emergency_numbers,
    read_home_country,
)
from callgate.policy.refusal import Refusal


@pytest.mark.parametrize(
    ("dialled", "country", "is_one"),
    [
        ("112", "SE", True),
        ("90000", "SE", True),
        ("911", "SE", False),
        ("911", "US", True),
        ("999", "GB", True),
        ("112", "", False),
        ("1121", "SE", False),  # connects to 112 from many networks, and is not it
        ("0112", "SE", False),
        ("11", "SE", False),
        ("+112", "SE", False),
        ("112 ", "SE", False),
        ("1 1 2", "SE", False),
        ("112#", "SE", False),
        ("\u0661\u0661\u0662", "SE", False),
        ("+46112", "SE", False),
        ("+46701740605", "SE", False),
        ("", "SE", False),
        ("112", "GN", False),  # a country whose emergency numbers are not known
    ],
)
def test_only_the_number_itself_is_one(dialled: str, country: str, is_one: bool) -> None:  # noqa: FBT001 - the expectation
    """By the country where the application is at home."""
    assert is_emergency(dialled, country, ()) is is_one


def test_numbers_of_the_operator_come_beside() -> None:
    """Also without a country, and also only exactly."""
    told = [
        is_emergency(dialled, country, ("116117",))
        for dialled in ("116117", "1161170", "112")
        for country in ("", "DE")
    ]
    assert told == [True, True, False, False, False, True]


def test_every_country_s_numbers_are_short_enough() -> None:
    """None is as long as a number in E.164, which are told apart by their plus sign alone."""
    lengths = [
        length
        for country in phonenumbers.SUPPORTED_SHORT_REGIONS
        if (known := phonenumbers.PhoneMetadata.short_metadata_for_region(country)).emergency is not None
        for length in known.emergency.possible_length
    ]
    assert max(lengths) <= MAX_DIGITS


def test_two_at_a_time() -> None:
    """The third waits."""
    assert [judge_emergency(up) for up in range(4)] == [None, None, *[Refusal.TOO_MANY_CONCURRENT_CALLS] * 2]
    assert CALLS_AT_ONCE == 2


def test_words() -> None:
    """Countries in any case; numbers in order, each once."""
    assert [read_home_country(word) for word in ("se", "SE", "none", "")] == ["SE", "SE", "", ""]
    assert read_emergency_numbers("911, 112,911") == ("112", "911")
    assert read_emergency_numbers("none") == ()
    for word in ("+112", "1", "1234567", "112;911", "\u0661\u0661\u0662"):
        with pytest.raises(Invalid, match="emergency_numbers"):
            read_emergency_numbers(word)
    with pytest.raises(Invalid, match="emergency_numbers"):
        read_emergency_numbers(",".join(str(number) for number in range(100, 121)))
    for word in ("Sweden", "XX", "S"):
        with pytest.raises(Invalid, match="home_country"):
            read_home_country(word)
