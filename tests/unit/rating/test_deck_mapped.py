"""Rate decks as carriers send them: every header that we know of, and what their files have in common."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from callgate.errors import DeckFault, Invalid, RateDeckInvalid
from callgate.rating.charge import charge_micros
from callgate.rating.deck import Deck
from callgate.rating.deck_cells import DateOrder, IncrementOrder
from callgate.rating.deck_csv import DeckFile
from callgate.rating.deck_mapped import read_deck_file
from callgate.rating.deck_options import ReadOptions, read_columns, read_options

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def read(text: str | bytes, **options: Any) -> DeckFile:
    data = text.encode() if isinstance(text, str) else text
    return read_deck_file(data, "carrier.csv", NOW, ReadOptions(**options))


def faults(text: str | bytes, **options: Any) -> tuple[DeckFault, ...]:
    with pytest.raises(RateDeckInvalid) as refused:
        read(text, **options)
    return refused.value.faults


class Price(NamedTuple):
    """What a row says, in short: nanos is None where it is blocked."""

    prefix: str
    nanos: int | None
    increments: str = "60/60"
    fee_micros: int = 0
    origin: str = ""


def prices(deck: DeckFile) -> list[Price]:
    return [
        Price(
            rate.prefix,
            None if rate.is_blocked else rate.rate_nanos_per_min,
            f"{rate.first_increment_s}/{rate.increment_s}",
            rate.connect_fee_micros,
            rate.origin,
        )
        for rate in deck.rows
    ]


CENT = 10_000_000
"""Nanos."""

VARIANTS: dict[str, tuple[str, list[Price]]] = {
    "Twilio": (
        ('ISO,Country,Description,Price / min,Origination Prefixes,Destination Prefixes\n'
        'AT,Austria,Austria - Mobile,0.01,"43, 46","43664, 4367"\nAT,Austria,Austria - Mobile,0.02,,"43664, 4367"\n'),
        [
            Price("43664", 2 * CENT), Price("43664", CENT, origin="43"), Price("43664", CENT, origin="46"),
            Price("4367", 2 * CENT), Price("4367", CENT, origin="43"), Price("4367", CENT, origin="46"),
        ],
    ),
    "Telnyx": (
        ("ISO,Country,Description,Origination Prefixes,Destination Prefixes,Interval 1,Interval N,Rate,Price Per Call,"
        "Exact Match\nSE,Sweden,Mobile,,4670,60,1,0.0105,0.01,\n"),
        [Price("4670", 10_500_000, "60/1", 10_000)],
    ),
    "DIDWW outbound": (
        ("Category,Country,Network,Prefix,Rate,Connection fee,Initial increment,Recurring increment\n"
        "International,Sweden,Telia,4670,0.02,0.05,60,1\nInternational,Sweden,Premium,46900,,,60,60\n"),
        [Price("4670", 2 * CENT, "60/1", 50_000), Price("46900", None)],
    ),
    "DIDWW inbound": (
        ("Country,Src country name,Source type,Destination,Rate,Connection fee,Initial interval,Next interval,Reject calls\n"
        "Sweden,Any,Mobile,4670,0.01,0,1,1,no\nSweden,Any,Mobile,4690,0.01,0,1,1,yes\n"),
        [Price("4670", CENT, "1/1"), Price("4690", None, "1/1")],
    ),
    "46 Labs": (
        "code,duration,increment,interrate,intrarate,ijrate,effective_date\n1212555,6,6,0.01,0.02,0.03,8/16/2022\n",
        [
            Price("1212555", 3 * CENT, "6/6", origin="indeterminate"), Price("1212555", CENT, "6/6", origin="inter"),
            Price("1212555", 2 * CENT, "6/6", origin="intra"),
        ],
    ),
    "a sheet by e-mail": (
        'CODES,NEW RATE USD,EFECTIVE DATE,BILLING TERMS,\n"46,47",0.01,23/11/2026,30,6\n7701-7703,0.02,24/11/2026,60,1\n',
        [
            Price("46", CENT, "30/6"), Price("47", CENT, "30/6"),
            Price("7701", 2 * CENT, "60/1"), Price("7702", 2 * CENT, "60/1"), Price("7703", 2 * CENT, "60/1"),
        ],
    ),
    "another sheet by e-mail": (
        'Dst Code,Rate,Effective Date,Billing Increment\n46,0.01,23-Nov-2026,60/1\n47,0.01,"Nov 23, 2026",60\n',
        [Price("46", CENT, "60/1"), Price("47", CENT)],
    ),
    "JeraSoft": (
        ("Dst Code;Rate;Effective Date;End Date;Min Time;Interval;Src Code\n46;0,0105;2026-11-23;2027-01-01;30;6;\n"
        "46;0,0205;2026-11-23;;30;6;49\n"),
        [Price("46", 10_500_000, "30/6"), Price("46", 20_500_000, "30/6", origin="49")],
    ),
    "ASTPP origination": (
        "Code,Destination,Connection Cost,Grace Time,Cost / Min,Initial Increment,Increment\n46,Sweden,0.01,2,0.02,30,6\n",
        [Price("46", 2 * CENT, "30/6", 10_000)],
    ),
    "ASTPP termination": (
        ("Code,Destination,Connect Cost,Included Seconds,Per Minute Cost,Increment,Precedence,Strip,Prepend\n"
        "46,Sweden,0.01,2,0.02,60,1,,\n"),
        [Price("46", 2 * CENT, "60/60", 10_000)],
    ),
    "IvozProvider": (
        ('"Target Pattern Name","Prefix","Per minute charge","Connection charge","Charge period"\n'
        '"Sweden","+46","0.02","0.01","1"\n'),
        [Price("46", 2 * CENT, "1/1", 10_000)],
    ),
    "Kazoo": (
        ("prefix,rate_cost,rate_increment,rate_minimum,rate_nocharge_time,rate_surcharge,direction,iso_country_code,"
        "description,weight,caller_id_numbers\n46,0.02,6,30,1,0.01,outbound,SE,Sweden,10,49\n47,0.02,60,60,0,0,inbound,NO,,10,\n"),
        [Price("46", 2 * CENT, "30/6", 10_000, "49")],
    ),
    "Yeastar P": (
        "Name,Match Prefix,Number Length,Rate,Billable Unit(s),Initial Time(s),Initial Cost\nSweden,46,11,0.02,6,60,0.05\n",
        [Price("46", 2 * CENT, "60/6", 50_000)],
    ),
    "Yeastar S": (
        ("Name,Match Prefix,Number Length,Rate,Billable Unit(s),Initial Time(s),Initial Cost,From,To,Days of Week\n"
        "Sweden,46,,0.02,60,60,0.05,08:00,17:59,12345\nSweden,46,,0.01,60,60,0.05,00:00,23:59,60\n"),
        [Price("46", 2 * CENT, "60/60", 50_000), Price("46", CENT, "60/60", 50_000)],
    ),
    "Freeside": (
        'Australia,61,0.01\n"Australia mobile","61 38,39",0.02\n',
        [Price("61", CENT), Price("6138", 2 * CENT), Price("6139", 2 * CENT)],
    ),
    "ictVoIP": ("Description,Prefix,RateValue,Increment\nSweden,46,0.02,6\n", [Price("46", 2 * CENT, "6/6")]),
}  # fmt: skip


@pytest.mark.parametrize("sender", VARIANTS)
def test_a_carriers_file(sender: str) -> None:
    """Its columns are found by their names, and each row says what its sender means."""
    text, expected = VARIANTS[sender]
    assert prices(read(text)) == expected


@pytest.mark.parametrize("sender", VARIANTS)
@pytest.mark.parametrize(
    "written",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.replace("\n", "\r\n").encode("utf-16-le"),
        lambda text: gzip.compress(text.encode()),
    ],
    ids=["with a mark", "UTF-16", "UTF-16 without a mark", "gzip"],
)
def test_a_carriers_file_in_another_dress(sender: str, written: Callable[[str], bytes]) -> None:
    """The same rows, however the file is written."""
    text, expected = VARIANTS[sender]
    assert prices(read(written(text))) == expected


def test_the_order_of_lines_makes_no_difference() -> None:
    """The same deck comes of the same lines in any order; only the numbers of lines differ."""
    for text, expected in VARIANTS.values():
        first, *rest = text.splitlines()
        backwards = [*reversed([first, *rest])] if first.startswith("Australia") else [first, *reversed(rest)]
        assert prices(read("\n".join(backwards))) == expected


def test_how_it_was_read_is_told() -> None:
    """Which column is what with some of its values, what was assumed, and what no row was read from."""
    text = "ACME\nPrices as of today\n\nDestination;Country Code;Area Code;New Rate (\u20ac);Old Rate;Increments\n"
    text += "Sweden;46;;0,01;0,02;60/60\nSweden Mobile;46;70,72-73;0,0210;0,02;60/60\n\nAll prices exclude VAT\n"
    deck = read(text)
    assert prices(deck) == [Price("46", CENT), *(Price(code, 21_000_000) for code in ("4670", "4672", "4673"))]
    assert deck.currency == "EUR"
    mapping = deck.mapping
    assert mapping is not None
    assert (mapping.delimiter, mapping.header_line, mapping.skipped) == ("semicolon", 4, 1)
    assert {each.column: each.field for each in mapping.columns} == {
        "Destination": "destination", "Country Code": "country_code", "Area Code": "prefix",
        "New Rate (\u20ac)": "rate_per_min", "Old Rate": "", "Increments": "increments",
    }  # fmt: skip
    assert mapping.columns[3].samples == ["0,01", "0,0210"]
    assert mapping.assumed == {"effective_from": NOW.isoformat(), "decimal": "comma"}


def test_a_column_can_be_named() -> None:
    """Where words mislead, the person who imports says which column is which."""
    text = "Prefix,Rate,Weekend Price,Increment\n46,0.01,0.02,60\n"
    assert prices(read(text, map=read_columns(["rate_per_min=Weekend Price"]))) == [Price("46", 2 * CENT)]
    with pytest.raises(Invalid, match="a column of the file"):
        read(text, map={"rate_per_min": "Nothing"})


QUESTIONS: dict[str, tuple[str, str, dict[str, Any], list[Price]]] = {
    "increments in one cell": (
        "Code,Rate,Increments\n46,0.01,1/60\n47,0.01,1/60\n", "increment-order",
        {"increment_order": IncrementOrder.NEXT_FIRST}, [Price("46", CENT, "60/1"), Price("47", CENT, "60/1")],
    ),
    "increments in two cells": (
        "Code,Rate,Initial increment,Increment\n46,0.01,1,60\n", "increment-order",
        {"increment_order": IncrementOrder.FIRST_NEXT}, [Price("46", CENT, "1/60")],
    ),
    "days and months": (
        "Code,Rate,Effective Date\n46,0.01,05/11/2026\n", "dates", {"dates": DateOrder.MDY}, [Price("46", CENT)],
    ),
    "thousands or decimals": (
        "Code;Rate\n46;1,234\n", "decimal", {"decimal": "comma"}, [Price("46", 1_234_000_000)],
    ),
    "codes without their 1": (
        "Code,Rate\n" + "".join(f"2125{number},0.01\n" for number in range(50, 60)), "nanp", {"nanp": True},
        [Price(f"12125{number}", CENT) for number in range(50, 60)],
    ),
    "the rest of the world": (
        "Code,Rate\n46,0.02\nROW,0.01\n", "default-row", {"default_row": "import"},
        sorted([*(Price(digit, CENT) for digit in "123456789"), Price("46", 2 * CENT)]),
    ),
    "prices of nothing": ("Code,Rate\n46,0\n47,0\n", "allow-free", {"allow_free": True}, [Price("46", 0), Price("47", 0)]),
}  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_a_file_leaves_open_is_asked(question: str) -> None:
    """Once, with the setting that answers it; never guessed."""
    text, setting, answer, expected = QUESTIONS[question]
    (fault,) = faults(text)
    assert fault.expected.startswith("an answer to which is meant: ")
    assert setting in fault.expected
    assert prices(read(text, **answer)) == expected


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-12-01", datetime(2026, 11, 30, 23, tzinfo=UTC)),
        ("01/12/2026", datetime(2026, 11, 30, 23, tzinfo=UTC)),
        ("2026.12.01", datetime(2026, 11, 30, 23, tzinfo=UTC)),
        ("1-Dec-2026", datetime(2026, 11, 30, 23, tzinfo=UTC)),
        ("Dec 1, 2026", datetime(2026, 11, 30, 23, tzinfo=UTC)),
        ("46357", datetime(2026, 11, 30, 23, tzinfo=UTC)),
        ("46357.25", datetime(2026, 12, 1, 5, tzinfo=UTC)),
        ("01/12/2026 06:00", datetime(2026, 12, 1, 5, tzinfo=UTC)),
        ("2026-12-01T06:00:00Z", datetime(2026, 12, 1, 6, tzinfo=UTC)),
        ("2026-12-01 06:00:00+02:00", datetime(2026, 12, 1, 4, tzinfo=UTC)),
        ("", NOW),
    ],
)
def test_dates_in_a_zone(written: str, moment: datetime) -> None:
    """A date without an offset is one of the zone that was named; one with an offset needs none."""
    text = f'Code,Rate,Effective Date\n45,0.01,24/12/2026\n46,0.01,"{written}"\n'
    found = {rate.prefix: rate.effective_from for rate in read(text, tz="Europe/Stockholm", dates=DateOrder.DMY).rows}
    assert found["46"] == moment


def test_one_date_settles_the_order_of_all() -> None:
    """A day above 12 tells for the whole file."""
    text = "Code,Rate,Effective Date\n46,0.01,05/11/2026\n47,0.01,{}\n"
    for other, month in (("13/11/2026", 11), ("11/13/2026", 5)):
        assert read(text.format(other)).rows[0].effective_from.month == month


@pytest.mark.parametrize(
    ("cell", "codes"),
    [
        ("+4670", ["4670"]),
        ("004670", ["4670"]),
        ("0114670", ["4670"]),
        ("46 70", ["4670"]),
        ("46-70", ["4670"]),
        ("(46)70", ["4670"]),
        ("7701;7702", ["7701", "7702"]),
        ("7701-7703", ["7701", "7702", "7703"]),
        ("61 38,39", ["6138", "6139"]),
        ("1-212-555", ["1212555"]),
    ],
)
def test_codes(cell: str, codes: list[str]) -> None:
    """However they are written."""
    assert [rate.prefix for rate in read(f'Code,Rate\n"{cell}",0.01\n').rows] == codes


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        ("Code", "4.47E+11", "a spreadsheet shortened it"),
        ("Code", "46700000-46800000", "at most 10000 codes"),
        ("Code", "44-47", "each code of the range by itself"),
        ("Code", "46.0", "digits without decimals"),
        ("Code", "abc1", "the digits of a country code"),
        ("Rate", "cheap", "a decimal such as 0.0105"),
        ("Rate", "0.00000000001", "at most 9 decimals"),
        ("Rate", "-1", "from 0 to"),
        ("Setup", "x", "0.05"),
        ("Increments", "0/0", "whole seconds"),
        ("Increments", "", "whole seconds"),
        ("Date", "31/02/2026", "a date such as"),
        ("Date", "soon", "a date such as"),
        ("End Date", "2020-01-01", "after effective_from"),
        ("Status", "perhaps", "active or blocked"),
        ("Origin", "EEA", "first digits of callers' numbers"),
        ("Currency", "EURO", "ISO 4217"),
    ],
)
def test_a_bad_cell_is_named(column: str, cell: str, expected: str) -> None:
    """By its line and the file's own word for its column, with what would do."""
    row = {"Code": "46", "Rate": "0.01", "Setup": "0", "Increments": "60/60", "Date": "23/11/2026", "End Date": "", "Status": "",
        "Origin": "", "Currency": "", "Notes": "n"}  # fmt: skip
    bad = ",".join((row | {column: cell}).values())
    (fault,) = faults(f"{','.join(row)}\n45,0.01,0,60/60,23/11/2026,,,,,\n{bad}\n")
    assert (fault.line, fault.column) == (3, column)
    assert expected in fault.expected


def test_every_fault_of_a_file_is_found() -> None:
    """Ten broken lines among many, in one report."""
    lines = [f"{code},0.01" for code in range(100_000, 101_000)]
    for broken in range(0, 1_000, 100):
        lines[broken] = f"{100_000 + broken},dear"
    found = faults("Dial Code,Rate\n" + "\n".join(lines), nanp=False)
    assert [fault.line for fault in found] == [2 + broken for broken in range(0, 1_000, 100)]


@pytest.mark.parametrize("cell", ["", "N/A", "-", "Blocked"])
def test_no_price_blocks(cell: str) -> None:
    """It is never free."""
    (rate,) = read(f"Code,Destination,Rate\n46,Sweden,{cell}\n").rows
    assert rate.is_blocked


def test_a_code_twice_names_both_lines() -> None:
    """Unless the dates differ, or the origins."""
    (fault,) = faults("Code,Rate\n46,0.01\n47,0.01\n46,0.02\n")
    assert (fault.line, fault.column) == (4, "Code")
    assert "line 2" in fault.found
    assert len(read("Code,Rate,Date\n46,0.01,2026-11-23\n46,0.02,2026-12-23\n").rows) == 2


@pytest.mark.parametrize(
    ("header", "cell", "currency"),
    [
        ("Rate (USD)", "0.01", "USD"), ("\u20ac/min", "0.01", "EUR"), ("New Rate \u00a3", "0.01", "GBP"), ("Rate", "$0.01", None),
        ("Rate", "0.01 SEK", "SEK"), ("Rate", "0.01", None),
    ],
)  # fmt: skip
def test_currency(header: str, cell: str, currency: str | None) -> None:
    """In the header, beside a price, or nowhere."""
    assert read(f"Code,{header}\n46,{cell}\n").currency == currency


def test_what_a_price_is_for() -> None:
    """A minute, unless the person who imports says a second, or an increment."""
    text = "Code,Rate,Increments\n46,0.001,30/6\n"
    found = {
        unit: read(text, rate_unit=seconds).rows[0]
        for unit, seconds in (("minute", 60), ("second", 1), ("increment", 0))
    }
    assert {unit: charge_micros(rate, 30) for unit, rate in found.items()} == {
        "minute": 500, "second": 30_000, "increment": 5_000,
    }  # fmt: skip


def test_a_cost_for_the_first_seconds_is_charged_once() -> None:
    """Such files have a price for a first period, and one a minute for what comes after."""
    (rate,) = read(VARIANTS["Yeastar P"][0]).rows
    assert [charge_micros(rate, seconds) for seconds in (1, 60, 61, 120)] == [50_000, 50_000, 52_000, 70_000]
    deck = Deck(name="d", currency="USD", rows=[rate])
    assert deck.rate_for("+46701234567", NOW) == rate
    assert deck.rate_for("+4670123456", NOW) is None


def test_text_in_the_encoding_of_spreadsheets() -> None:
    """Western text that is no UTF-8."""
    (rate,) = read("Code,Description,Rate\n225,C\u00f4te d'Ivoire,0.1\n".encode("cp1252")).rows
    assert rate.destination == "C\u00f4te d'Ivoire"


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "an empty file"),
        (b"code,colour\n46,blue\n", "no line that names a code and a price"),
        (b"Code,Rate\n", "a header without rows"),
        (b"\x1f\x8b\x08broken", "a damaged gzip file"),
        (b"PK\x03\x04xl/broken", "a workbook that cannot be read"),
        (bytes(range(256)), "no line that names"),
    ],
)
def test_what_is_no_deck(data: bytes, found: str) -> None:
    """Is told so."""
    assert found in faults(data)[0].found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"dates": "xyz"}, "dmy, mdy"), ({"tz": "Mars/Base"}, "a time zone"), ({"decimal": "dot"}, "point, comma"),
        ({"increments": "x"}, "whole seconds"), ({"rate_unit": "hour"}, "minute"), ({"effective": "soon"}, "a date"),
        ({"increment_order": "any"}, "first-next"), ({"nanp": "yes"}, "add1"), ({"default_row": "x"}, "import, skip"),
    ],
)  # fmt: skip
def test_an_option_that_cannot_be(words: dict[str, str], said: str) -> None:
    """Says what would do."""
    with pytest.raises(Invalid, match=said):
        read_options(words)


@pytest.mark.parametrize("word", ["dmy", "DD/MM/YYYY", "%d/%m/%Y", "D.M.YY"])
def test_the_order_of_dates_in_words(word: str) -> None:
    """A word for it, or a pattern."""
    assert read_options({"dates": word}).dates is DateOrder.DMY
    assert read_options({"dates": "iso"}).dates is DateOrder.YMD
