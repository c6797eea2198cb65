"""Amounts as text and as integers."""

import decimal
import re

import pytest

from callgate.errors import AmountInvalid
from callgate.money import (
    CURRENCIES,
    MAX_MICROS,
    MICROS,
    ceil_div,
    format_micros,
    format_nanos,
    parse_currency,
    parse_micros,
    parse_scaled,
)


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("25.00", 25_000_000),
        ("0", 0),
        ("-0.00", 0),
        (".5", 500_000),
        ("+1", 1_000_000),
        ("-0.000001", -1),
        (" 7 ", 7_000_000),
        ("0.020000000000", 20_000),
        ("1000000000", MAX_MICROS),
    ],
)
def test_amount_is_read_exactly(text: str, micros: int) -> None:
    """Plain decimals become micros; zeros beyond the sixth decimal lose nothing."""
    assert parse_micros(text) == micros


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ".",
        "1.",
        "-",
        "1,5",
        "1 000",
        "1_000",
        "1e3",
        "NaN",
        "Infinity",
        "--1",
        "0x1",
        "\u0661",
        "1.2.3",
        "9" * 19,
    ],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    """Only digits with one point are an amount: no exponents, separators or digits of other scripts."""
    with pytest.raises(AmountInvalid) as refused:
        parse_micros(text, "topup")
    assert refused.value.where == "topup"
    assert repr(text) in str(refused.value)


def test_seventh_decimal_is_refused() -> None:
    """A digit that micros cannot hold is an error, never rounded away."""
    with pytest.raises(AmountInvalid, match="at most 6 decimals"):
        parse_micros("0.0000001")


@pytest.mark.parametrize("text", ["1000000000.000001", "-1000000000.000001"])
def test_amount_beyond_the_bound_is_refused(text: str) -> None:
    """Either sign has the same bound, and the message names it."""
    with pytest.raises(AmountInvalid, match="from -1000000000 to 1000000000"):
        parse_micros(text)


def test_no_digit_is_lost_at_any_length() -> None:
    """A long number's last digit counts, also where decimal arithmetic would round it away."""
    with pytest.raises(AmountInvalid, match="decimals"):
        parse_scaled("999999999999999999.000000000000000001", MICROS, "amount")
    with decimal.localcontext(prec=3):
        assert parse_micros("12345.678901") == 12_345_678_901


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "0.00"), (70_000, "0.07"), (9_659, "0.009659"), (25_000_000, "25.00"), (-1, "-0.000001"), (1_500_000, "1.50")],
)
def test_amount_is_written_plainly(micros: int, text: str) -> None:
    """At least two decimals, no more than are needed, and never an exponent; reading it gives the amount back."""
    assert format_micros(micros) == text
    assert parse_micros(text) == micros


def test_rate_is_written_with_all_its_decimals() -> None:
    """Nanos keep nine decimals."""
    assert format_nanos(500) == "0.0000005"
    assert format_nanos(20_000_000) == "0.02"


@pytest.mark.parametrize(
    ("dividend", "divisor", "up"), [(0, 3, 0), (1, 3, 1), (3, 3, 1), (4, 3, 2), (10**30 + 1, 10, 10**29 + 1)]
)
def test_division_rounds_up(dividend: int, divisor: int, up: int) -> None:
    """Any remainder counts as a whole one."""
    assert ceil_div(dividend, divisor) == up


def test_currency_is_read_in_any_case() -> None:
    """A code is an ISO 4217 currency in use; others are refused with the text as it came."""
    assert parse_currency(" eur ") == "EUR"
    assert all(re.fullmatch("[A-Z]{3}", code) for code in CURRENCIES)
    with pytest.raises(AmountInvalid, match="'DEM'"):
        parse_currency("DEM")
