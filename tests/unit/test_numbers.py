"""E.164 numbers as platforms and people write them."""

import pytest

from callgate.numbers import mask, parse_e164


@pytest.mark.parametrize(
    "text",
    [
        "+46701234567",
        "46701234567",
        "0046701234567",
        " +46 70-123 45 67 ",
        "+46 (70) 123.45.67",
        "00 46 70 123 45 67",
        "+46\u00a070\u00a01234567",
    ],
)
def test_spellings_of_one_number(text: str) -> None:
    """With or without plus sign, with `00` for it, with punctuation: one number."""
    assert parse_e164(text) == "+46701234567"


@pytest.mark.parametrize("digits", ["+1234567", "+123456789012345"])
def test_shortest_and_longest(digits: str) -> None:
    """Seven to fifteen digits are a number."""
    assert parse_e164(digits) == digits


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "+123456",
        "+1234567890123456",
        "0701234567",
        "+0701234567",
        "++46701234567",
        "00+46701234567",
        "+0046701234567",
        "+46 (0)70 123 45 67",
        "+4670123456x",
        "+46701234567\n+46701234568",
        "+٤٦٧٠١٢٣٤٥٦٧",
        "alice",
        "sip:alice@example.com",
    ],
)
def test_what_is_no_number(text: str) -> None:
    """Too short, too long, national, ambiguous or not digits: None, never a guess."""
    assert parse_e164(text) is None


@pytest.mark.parametrize(
    ("number", "masked"),
    [("+46701234567", "+46*******67"), ("+1234567", "+12***67"), ("1234567", "*******"), ("", "")],
)
def test_mask_hides_the_middle(number: str, masked: str) -> None:
    """Country and last two digits stay; what is short is hidden whole; the length does not change."""
    assert mask(number) == masked
