"""How values are written for people."""

import pytest

from callgate.web.formats import Money, country, facts, money, number


@pytest.mark.parametrize(
    ("amount", "currency", "whole", "below"),
    [
        ("0.07", "USD", "0.07", ""),
        ("0.009659", "USD", "0.00", "9659"),
        ("1234567.50", "USD", "1,234,567.50", ""),
        ("-0.05", "USD", "-0.05", ""),
        ("-1234.567", "USD", "-1,234.56", "7"),
        ("1234.00", "JPY", "1,234", ""),
        ("1234.25", "JPY", "1,234", ".25"),
        ("5.50", "KWD", "5.500", ""),
        ("5.123456", "KWD", "5.123", "456"),
        ("0.00", "CLP", "0", ""),
    ],
)
def test_amounts_have_the_digits_of_their_currency_and_lose_none(
    amount: str, currency: str, whole: str, below: str
) -> None:
    """Thousands are grouped; what lies below the currency's smallest coin stands apart."""
    assert money(amount, currency) == Money(whole, below, currency, amount)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("+46701740605", "+46 70 174 06 05"),
        ("+12025550143", "+1 202 555 0143"),
        ("+442079460123", "+44 20 7946 0123"),
        ("+999123456789", "+999123456789"),
        ("alice", "alice"),
        ("", ""),
    ],
)
def test_numbers_are_grouped_as_their_country_does(text: str, shown: str) -> None:
    """What is no number is left alone."""
    assert number(text) == shown


def test_a_grouped_number_reads_digit_by_digit_as_it_was_dialled() -> None:
    """Also where the library would leave out a digit that it takes for a mistake."""
    for text in ("+46(0)701740605", "+4670174[0605", "+467017406050000"):
        assert number(text).replace(" ", "") == text


def test_the_country_of_a_number() -> None:
    """None of what belongs to no country, such as a satellite's."""
    assert (country("+46701740605"), country("+882161234567"), country("alice")) == ("SE", "", "")


def test_what_a_step_saw_is_told_in_words() -> None:
    """Seconds with their unit, rules that matched by name, what is nested with commas between; never the code's own signs."""
    saw = {
        "affordable_s": 14_400,
        "on": None,
        "matches": (
            {"rule": "no-sweden", "mode": "shadow", "effect": "refuse"},
            {"rule": "x", "mode": "binding", "effect": "cap"},
        ),
        "facts": {"country": "SE", "rate_per_minute": "0.02"},
    }
    assert facts(saw) == [
        ("affordable", "14,400 s"),
        ("on", "none"),
        ("matches", "no-sweden (refuse in shadow), x (cap)"),
        ("facts", "country SE, rate per minute 0.02"),
    ]
