"""The cells of carriers' decks: what each way of writing them means, and what is said of one that cannot be read."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from callgate.rating.deck_cells import (
    CellInvalid,
    DateOrder,
    IncrementOrder,
    Increments,
    number_evidence,
    read_clock_min,
    read_codes,
    read_comment,
    read_days,
    read_exact,
    read_increment_s,
    read_increments,
    read_length,
    read_moment,
    read_origins,
    read_price,
    read_seconds,
    read_status,
    read_yes,
)

STOCKHOLM = ZoneInfo("Europe/Stockholm")


@pytest.mark.parametrize(
    ("text", "country", "codes"),
    [
        ("4670", "", ["4670"]),
        ("+46 70", "", ["4670"]),
        ("0046-70", "", ["4670"]),
        ("46-70", "", ["4670"]),
        ("4670-1234", "", ["46701234"]),
        ("4670.0", "", ["4670"]),
        ("46 70,72;73", "", ["4670", "4672", "4673"]),
        ("70,,72", "46", ["4670", "4672"]),
        ("", "46", ["46"]),
        ("7701-7703", "", ["7701", "7702", "7703"]),
        ("70-72", "46", ["4670", "4671", "4672"]),
    ],
)
def test_codes(text: str, country: str, codes: list[str]) -> None:
    """One, a list, a range; with or without the country's own before them."""
    assert read_codes(text, country, is_nanp=False) == codes


def test_codes_of_north_america_may_lack_their_one() -> None:
    """Only where the file is said to be such a one."""
    assert read_codes("212,1213", "", is_nanp=True) == ["1212", "1213"]
    assert read_codes("212", "", is_nanp=True) == ["1212"]


@pytest.mark.parametrize(
    ("text", "country", "says"),
    [
        ("", "", "digits of a country code"),
        (",", "", "digits of a country code"),
        ("soon", "", "digits of a country code"),
        ("070", "", "digits of a country code"),
        ("4.67E+11", "", "a spreadsheet shortened it"),
        ("1" * 40, "", "at most"),
        ("70", "SE", "a country code of digits"),
        ("72-70", "46", "codes of one length"),
        ("44-47", "", "4447 for the one code"),
        ("10000-99999", "", "1000099999 for the one code, or each code of the range"),
        ("1000-9999", "", "10009999 for the one code"),
        ("100000-199999", "", "at most 10000 codes"),
    ],
)
def test_codes_that_cannot_be_read(text: str, country: str, says: str) -> None:
    """Each says what would do."""
    with pytest.raises(CellInvalid, match=says):
        read_codes(text, country, is_nanp=False)


def test_origins() -> None:
    """Digits of callers, once each; a word for anywhere is anywhere."""
    assert read_origins("46;47;46") == ("46", "47")
    assert read_origins(" Rest of World ") == ("",)
    with pytest.raises(CellInvalid, match="blank for any caller"):
        read_origins("Sweden")


@pytest.mark.parametrize(
    ("text", "comma", "price", "currency"),
    [
        ("0.0123", False, 12_300_000, ""),
        ("$ 0.5", False, 500_000_000, ""),
        ("EUR 1,234.5", False, 1_234_500_000_000, "EUR"),
        ("0,05 sek", True, 50_000_000, "SEK"),
        ("1.234,5", True, 1_234_500_000_000, ""),
    ],
)
def test_prices(text: str, price: int, currency: str, *, comma: bool) -> None:
    """To the last digit, with the currency where one stands beside it."""
    assert read_price(text, 10**9, comma=comma, expected="a price") == (price, currency)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cheap", "a price"),
        ("XXQ 1.0", "a price"),
        ("0,05", "written with a point"),
        ("-1", "from 0 to"),
        ("200000000", "from 0 to"),
        ("0.00000000001", "decimals"),
    ],
)
def test_prices_that_cannot_be_read(text: str, says: str) -> None:
    """Nothing is rounded, and no comma is guessed."""
    with pytest.raises(CellInvalid, match=says):
        read_price(text, 10**9, comma=False, expected="a price")


@pytest.mark.parametrize(
    ("text", "evidence"),
    [("0.05", "."), ("0,05", ","), ("1,234", "?"), ("0,123", ","), ("1,234,567", "."), ("1.234,5", ","), ("1,234.5", "."),
     ("7", ""), ("1,,2", "")],
)  # fmt: skip
def test_how_decimals_are_written(text: str, evidence: str) -> None:
    """Thousands or decimals: where a cell does not tell, it is not guessed."""
    assert number_evidence(text) == evidence


@pytest.mark.parametrize(
    ("text", "order", "found"),
    [
        ("", None, None),
        ("60/60", None, Increments(60, 60)),
        ("30+6", None, Increments(30, 6)),
        ("1 min", None, Increments(60, 60)),
        ("60", None, Increments(60, 60)),
        ("per minute", None, Increments(60, 60)),
        ("sec", None, Increments(1, 1)),
        ("0/60/6", None, Increments(60, 6)),
        ("1/60", IncrementOrder.NEXT_FIRST, Increments(60, 1)),
        ("1/60", IncrementOrder.FIRST_NEXT, Increments(1, 60)),
    ],
)
def test_increments(text: str, order: IncrementOrder | None, found: Increments | None) -> None:
    """In seconds, the first and each next."""
    assert read_increments(text, order) == found


@pytest.mark.parametrize(
    ("text", "says"),
    [("1/60", "first-next"), ("1/2/3", "such as 60/60"), ("60/", "such as 60/60"), ("x", "whole seconds"),
     ("0", "whole seconds"), ("1/2/3/4", "such as 60/60")],
)  # fmt: skip
def test_increments_that_cannot_be_read(text: str, says: str) -> None:
    """One that could be meant either way is asked about."""
    with pytest.raises(CellInvalid, match=says):
        read_increments(text, None)


def test_seconds() -> None:
    """A grace may be none, an increment not."""
    assert [read_seconds(text) for text in ("", "0", "0.0", "3", "2 sec")] == [0, 0, 0, 3, 2]
    assert read_increment_s(" ") is None
    with pytest.raises(CellInvalid, match="whole seconds"):
        read_seconds("some")


@pytest.mark.parametrize(
    ("text", "order", "moment"),
    [
        ("2026-11-23", None, datetime(2026, 11, 22, 23, tzinfo=UTC)),
        ("23/11/2026", DateOrder.DMY, datetime(2026, 11, 22, 23, tzinfo=UTC)),
        ("11/23/2026", DateOrder.MDY, datetime(2026, 11, 22, 23, tzinfo=UTC)),
        ("26.11.23", DateOrder.YMD, datetime(2026, 11, 22, 23, tzinfo=UTC)),
        ("23-Nov-26", None, datetime(2026, 11, 22, 23, tzinfo=UTC)),
        ("November 23rd, 2026", None, datetime(2026, 11, 22, 23, tzinfo=UTC)),
        ("2026-11-23T01:02:03Z", None, datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)),
        ("2026-11-23 01:02 +02:30", None, datetime(2026, 11, 22, 22, 32, tzinfo=UTC)),
        ("2026-11-23 01:02-02:00", None, datetime(2026, 11, 23, 3, 2, tzinfo=UTC)),
        ("2026-11-23 12:30 AM", None, datetime(2026, 11, 22, 23, 30, tzinfo=UTC)),
        ("2026-11-23 1:00 pm UTC", None, datetime(2026, 11, 23, 13, tzinfo=UTC)),
        ("46349.5", None, datetime(2026, 11, 23, 11, tzinfo=UTC)),
        ("immediately", None, None),
    ],
)
def test_moments(text: str, order: DateOrder | None, moment: datetime | None) -> None:
    """In UTC, from the sender's zone where none stands with it; spreadsheets count days."""
    assert read_moment(text, order, STOCKHOLM) == moment


@pytest.mark.parametrize(
    ("text", "says"),
    [("11/12/2026", "dmy"), ("soon", "a date such as"), ("2026-13-01", "a date such as"), ("23-Xyz-2026", "a date such as"),
     ("2026-11-23 later", "a date such as"), ("2026-11-23 25:00", "a date such as")],
)  # fmt: skip
def test_moments_that_cannot_be_read(text: str, says: str) -> None:
    """One whose order does not tell is asked about."""
    with pytest.raises(CellInvalid, match=says):
        read_moment(text, None, STOCKHOLM)


def test_years_have_two_or_four_digits() -> None:
    """Another is a slip of a finger."""
    with pytest.raises(CellInvalid, match="a date such as"):
        read_moment("1.2.202", DateOrder.DMY, STOCKHOLM)


def test_words() -> None:
    """What became of a price, yes and no; comments say anything."""
    assert (read_status(" No  Change "), read_status("Closed")) == (False, True)
    assert (read_comment("closed"), read_comment("see annex")) == (True, False)
    assert [read_yes(text) for text in ("Y", "0", "")] == [True, False, False]
    assert [read_exact(text) for text in ("whole number", "no", "")] == [True, False, False]
    with pytest.raises(CellInvalid, match="active or blocked"):
        read_status("maybe")
    with pytest.raises(CellInvalid, match="yes, no or blank"):
        read_yes("perhaps")


def test_lengths_and_hours() -> None:
    """Digits of a number, minutes of a day, days of a week."""
    assert [read_length(text) for text in ("", "0", "11")] == [0, 0, 11]
    assert [read_clock_min(text) for text in ("", "08:30", "24:00:00")] == [None, 510, 1_440]
    assert [read_days(text) for text in ("daily", "120", "sat & sun", "Monday")] == ["1234567", "127", "67", "1"]
    for read, text in (
        (read_length, "99"),
        (read_clock_min, "24:01"),
        (read_clock_min, "noon"),
        (read_days, "someday"),
    ):
        with pytest.raises(CellInvalid):
            read(text)
