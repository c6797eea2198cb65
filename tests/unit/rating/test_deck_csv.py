"""Rate decks as files: what is read, and what is said about what cannot be."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from callgate.errors import DeckFault, RateDeckInvalid
from callgate.rating.deck_csv import MAX_FAULTS, DeckFile, read_deck
from callgate.rating.rate import Rate

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HEADER = "prefix,destination,rate_per_min,connect_fee,first_s,next_s,effective_from"


def read(*lines: str, header: str = HEADER) -> DeckFile:
    return read_deck("\n".join((header, *lines)).encode(), "deck.csv", NOW)


def faults_of(data: bytes) -> tuple[DeckFault, ...]:
    with pytest.raises(RateDeckInvalid) as refused:
        read_deck(data, "deck.csv", NOW)
    assert "deck.csv" in str(refused.value)
    return refused.value.faults


def faults(*lines: str, header: str = HEADER) -> tuple[DeckFault, ...]:
    return faults_of("\n".join((header, *lines)).encode())


def test_canonical_file() -> None:
    """Each column becomes its field, to the last decimal; rows keep the order of the file."""
    deck = read(
        "46,Sweden,0.0105,0.05,30,6,2026-12-01", "4670,Sweden mobile,0.000000001,0,1,1,2026-12-01T06:00:00+01:00"
    )
    assert deck.currency is None
    assert deck.rows == [
        Rate(
            prefix="46",
            destination="Sweden",
            rate_nanos_per_min=10_500_000,
            connect_fee_micros=50_000,
            first_increment_s=30,
            increment_s=6,
            effective_from=datetime(2026, 12, 1, tzinfo=UTC),
            line=2,
        ),
        Rate(
            prefix="4670",
            destination="Sweden mobile",
            rate_nanos_per_min=1,
            connect_fee_micros=0,
            first_increment_s=1,
            increment_s=1,
            effective_from=datetime(2026, 12, 1, 5, tzinfo=UTC),
            line=3,
        ),
    ]


def test_optional_columns_in_any_order() -> None:
    """Columns are found by name, in any case and with blanks round them; further ones fill the rest of the rate."""
    header = "currency,STATUS, effective_to,grace_s,minimum_charge," + ",".join(reversed(HEADER.split(",")))
    deck = read("usd,active,2027-01-01,5,0.1,,60,60,,0.02,Sweden,46", header=header)
    (rate,) = deck.rows
    assert deck.currency == "USD"
    assert (rate.minimum_charge_micros, rate.grace_s, rate.connect_fee_micros) == (100_000, 5, 0)
    assert (rate.effective_from, rate.effective_to) == (NOW, datetime(2027, 1, 1, tzinfo=UTC))
    assert not rate.is_blocked


def test_no_price_blocks() -> None:
    """A blank price or the status blocks, also where the row leaves its increments out; a price of 0 is a real zero."""
    header = f"{HEADER},status"
    rows = read("46,,,,,,,", "47,,,0,60,60,,active", "48,,0.1,0,60,60,,Blocked", "49,,0,0,60,60,,", header=header).rows
    assert [(rate.prefix, rate.is_blocked) for rate in rows] == [
        ("46", True),
        ("47", True),
        ("48", True),
        ("49", False),
    ]
    assert rows[3].rate_nanos_per_min == 0


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_what_spreadsheets_write(ending: str) -> None:
    """A byte order mark, any line ending, blank lines, rows of nothing but commas, and quoted cells are read."""
    lines = (HEADER, "", ' 46 ,"Côte d\'Ivoire, ""mobile""", 0.02 ,0,60,60,', ",,,,,,", "")
    (rate,) = read_deck(b"\xef\xbb\xbf" + ending.join(lines).encode(), "deck.csv", NOW).rows
    assert (rate.prefix, rate.destination, rate.rate_nanos_per_min) == ("46", 'Côte d\'Ivoire, "mobile"', 20_000_000)


@pytest.mark.parametrize(
    ("text", "prefix"), [("+4670", "4670"), ("004670", "4670"), ("123456789012345", "123456789012345")]
)
def test_one_international_prefix_is_stripped(text: str, prefix: str) -> None:
    """A plus sign or `00` before the country code is not part of the prefix."""
    assert read(f"{text},,0.02,0,60,60,").rows[0].prefix == prefix


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01T00:00Z", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01t01:30:00.5z", datetime(2026, 12, 1, 1, 30, 0, 500_000, tzinfo=UTC)),
        ("2026-12-01 01:00:00+01:00", datetime(2026, 12, 1, tzinfo=UTC)),
    ],
)
def test_dates(text: str, moment: datetime) -> None:
    """RFC 3339, or a day from 00:00 UTC; all are kept in UTC."""
    start = read(f"46,,0.02,0,60,60,{text}").rows[0].effective_from
    assert start == moment
    assert start.tzinfo is UTC


@pytest.mark.parametrize(
    ("column", "text", "expected"),
    [
        ("prefix", "", "digits of a country code"),
        ("prefix", "4.47E+11", "spreadsheet"),
        ("prefix", "46-70", "digits of a country code"),
        ("prefix", "46.0", "digits of a country code"),
        ("prefix", "0046 70", "digits of a country code"),
        ("prefix", "+0046", "digits of a country code"),
        ("prefix", "0", "digits of a country code"),
        ("prefix", "٤٦", "digits of a country code"),
        ("prefix", "012345678901234", "digits of a country code"),
        ("prefix", "1234567890123456", "at most 15 digits"),
        ("destination", "x" * 201, "at most 200 characters"),
        ("destination", "a\tb", "control characters"),
        ("rate_per_min", "-0.01", "from 0 to 100000000"),
        ("rate_per_min", "100000000.1", "from 0 to 100000000"),
        ("rate_per_min", "0.0000000001", "at most 9 decimals"),
        ("rate_per_min", "N/A", "blank to block"),
        ("rate_per_min", "1e-3", "blank to block"),
        ("connect_fee", "0.0000001", "at most 6 decimals"),
        ("connect_fee", "-1", "from 0 to"),
        ("minimum_charge", "free", "0.05"),
        ("first_s", "0", "1 to 14400"),
        ("first_s", "", "1 to 14400"),
        ("next_s", "14401", "1 to 14400"),
        ("next_s", "6.0", "1 to 14400"),
        ("next_s", "", "1 to 14400"),
        ("grace_s", "-1", "0 to 14400"),
        ("effective_from", "23/11/2026", "2026-11-23"),
        ("effective_from", "2026-11-31", "2026-11-23"),
        ("effective_from", "2026-11-23T06:00:00", "with its offset"),
        ("effective_from", "0001-01-01T00:00:00+01:00", "2026-11-23"),
        ("effective_to", "2026-11-23T12:00:00Z", "after effective_from"),
        ("effective_to", "2026-01-01", "after effective_from"),
        ("status", "closed", "active, blocked"),
        ("currency", "EURO", "ISO 4217"),
    ],
)
def test_bad_cell(column: str, text: str, expected: str) -> None:
    """A cell that cannot be used is named by line and column, shown, and told what would do."""
    cells = dict.fromkeys((*HEADER.split(","), "minimum_charge", "grace_s", "effective_to", "status", "currency"), "")
    cells |= {"prefix": "46", "rate_per_min": "0.02", "first_s": "60", "next_s": "60", column: text}
    (fault,) = faults("45,,0.02,0,60,60,,,,,,", ",".join(cells.values()), header=",".join(cells))
    assert (fault.line, fault.column) == (3, column)
    assert expected in fault.expected
    assert fault.found in ("nothing", repr(text), f"'{text[:60]}...'") or column == "effective_to"


WITH_HEADER = f"the header {HEADER}, optionally with minimum_charge, grace_s, effective_to, status, currency"
DECIMAL = "a decimal a minute such as 0.0105, blank to block the prefix"
DIGITS = "the digits of a country code and what follows it, such as 4670"


@pytest.mark.parametrize(
    ("more", "rows", "sentence"),
    [
        ("", ["46,a"], "line 2: found 2 cells; expected 7, as the header has"),
        ("", [], "line 1: found a header without rows; expected at least one row below it"),
        (",nosuch", ["46,,1,0,60,60,,"], f"line 1, 'nosuch': found an unknown column; expected {WITH_HEADER}"),
        (",prefix", ["46,,1,0,60,60,,"], "line 1, prefix: found this column twice; expected each column once"),
        (
            ",currency", ["46,,1,0,60,60,,USD", "47,,1,0,60,60,,EUR"],
            "line 3, currency: found EUR, after USD on line 2; expected one currency",
        ),
        (
            "", ["46,,1,0,60,60,", "46,,1,0,60,60,", "x1,,1,0,60,60,"],
            ("line 3, prefix: found 46 again, with the same date as on line 2; expected each prefix once for each date\n"
            f"line 4, prefix: found 'x1'; expected {DIGITS}"),
        ),
        ("", ['46,"a,1,0,60,60,'], "line 2: found a quote that is not closed on its line; expected a closing quote"),
        (
            "", ['46,"a"b,1,0,60,60,'],
            """line 2: found a row that is not CSV (',' expected after '"'); expected quotes doubled inside quotes""",
        ),
        (
            "", ["4.6e10,,1,0,60,60,"],
            ("line 2, prefix: found '4.6e10'; expected all digits of the prefix: a spreadsheet shortened it,"
            " format the column as text"),
        ),
        (
            "", ["46,a\x01,1,0,60,60,"],
            r"line 2, destination: found 'a\x01'; expected a label on one line, without control characters",
        ),
        ("", ["46,,one,0,60,60,"], f"line 2, rate_per_min: found 'one'; expected {DECIMAL}"),
        ("", ["46,,1,two,60,60,"], "line 2, connect_fee: found 'two'; expected a decimal such as 0.05, blank or 0 for none"),
        (
            "", ["46,,1,,,,"],
            ("line 2, first_s: found nothing; expected whole seconds, 1 to 14400\n"
            "line 2, next_s: found nothing; expected whole seconds, 1 to 14400"),
        ),
        (
            ",effective_to", ["46,,1,0,60,60,2027-01-01,2026-01-01"],
            ("line 2, effective_to: found 2026-01-01T00:00:00+00:00;"
            " expected a moment after effective_from, 2027-01-01T00:00:00+00:00"),
        ),
        (",status", ["46,,1,0,60,60,,maybe"], "line 2, status: found 'maybe'; expected active, blocked or blank"),
        ("", [f"46,,{'9' * 61},0,60,60,"], f"line 2, rate_per_min: found '{'9' * 60}...'; expected {DECIMAL}"),
        ("", [f"46,,{'9' * 60},0,60,60,"], f"line 2, rate_per_min: found '{'9' * 60}'; expected {DECIMAL}"),
    ],
)  # fmt: skip
def test_a_fault_is_told_in_a_sentence(more: str, rows: list[str], sentence: str) -> None:
    """Where it is, what was found, and what would do."""
    assert "\n".join(map(str, faults(*rows, header=HEADER + more))) == sentence


def test_an_empty_file_is_told_in_a_sentence() -> None:
    """On its first line, whatever its columns are."""
    sentence = f"line 1: found an empty file; expected the header {HEADER} and rows below it"
    assert [str(fault) for fault in faults_of(b"")] == [sentence]


def test_the_largest_of_each_is_taken() -> None:
    """A bound belongs to what it bounds."""
    header = f"{HEADER},grace_s"
    label = "x" * 200
    (rate,) = read(f"123456789012345,{label},100000000,100000000,14400,14400,,14400", header=header).rows
    assert (rate.prefix, rate.destination) == ("123456789012345", label)
    assert (rate.rate_nanos_per_min, rate.connect_fee_micros) == (10**17, 10**14)
    assert (rate.first_increment_s, rate.increment_s, rate.grace_s) == (14_400, 14_400, 14_400)


def test_a_blocked_row_without_increments() -> None:
    """It has the shortest."""
    (rate,) = read("46,,,,,,").rows
    assert (rate.is_blocked, rate.first_increment_s, rate.increment_s) == (True, 1, 1)


def test_all_faults_are_found() -> None:
    """One reading finds every fault of every row, in the order of the file."""
    found = faults("4x,,-1,0,0,60,", "46,,0.02,0,60,60,", "47,,0.02,0,60", "48,,0.02,0,,,")
    assert [(fault.line, fault.column) for fault in found] == [
        (2, "prefix"),
        (2, "rate_per_min"),
        (2, "first_s"),
        (4, ""),
        (5, "first_s"),
        (5, "next_s"),
    ]


def test_a_fault_brings_no_others_with_it() -> None:
    """A blocked row needs no increments, and no end can be judged by a start that cannot be read."""
    (blocked,) = faults("46,,0.02,0,,,soon,Blocked", header=f"{HEADER},status")
    (dated,) = faults("46,,0.02,0,60,60,soon,2026-01-01", header=f"{HEADER},effective_to")
    assert (blocked.column, dated.column) == ("effective_from", "effective_from")


def test_reading_stops_at_many_faults() -> None:
    """A file of another kind does not fill memory with what is wrong with it."""
    assert len(faults(*["x,,,,,,"] * (MAX_FAULTS * 2))) == MAX_FAULTS


def test_same_prefix_and_date_twice() -> None:
    """A duplicate is refused with both lines, whichever way it is spelled; another date is another row."""
    lines = ("46,,0.02,0,60,60,2026-12-01", "46,,0.03,0,60,60,2026-12-02", "", "+46,,0.02,0,60,60,2026-12-01T00:00:00Z")
    (fault,) = faults(*lines)
    assert (fault.line, fault.column) == (5, "prefix")
    assert "line 2" in fault.found


def test_two_currencies() -> None:
    """A deck has one currency; blank cells go along with it."""
    header = f"{HEADER},currency"
    (fault,) = faults("46,,0.02,0,60,60,,USD", "47,,0.02,0,60,60,,", "48,,0.02,0,60,60,,EUR", header=header)
    assert (fault.line, fault.column) == (4, "currency")
    assert "line 2" in fault.found


def test_header_of_another_file() -> None:
    """Missing, unknown and repeated columns are named, with the header that would do; no row is judged by it."""
    found = faults("x,x", header="Prefix,rate,destination,destination,connect_fee,first_s,next_s,effective_from")
    assert [(fault.line, fault.column, fault.found) for fault in found] == [
        (1, "rate_per_min", "no such column"),
        (1, "'rate'", "an unknown column"),
        (1, "destination", "this column twice"),
    ]
    assert HEADER in found[0].expected


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\n\n", b",,,\n"])
def test_empty_file(data: bytes) -> None:
    """Nothing at all is said to be so, with the header that would do."""
    (fault,) = faults_of(data)
    assert fault.found == "an empty file"
    assert HEADER in fault.expected


def test_header_alone() -> None:
    """A deck without rows would end every price."""
    (fault,) = faults("")
    assert fault.found == "a header without rows"


def test_bytes_that_are_not_utf8() -> None:
    """Text in another encoding is shown as bytes, with its line and column, and the rest is still read."""
    found = faults_of(f"{HEADER}\n225,C\xf4te d'Ivoire,0.02,0,60,60,\n4x,,0.02,0,60,60,\n".encode("cp1252"))
    assert [(fault.line, fault.column, fault.expected) for fault in found[:1]] == [(2, "destination", "text in UTF-8")]
    assert "xf4" in found[0].found
    assert [fault.line for fault in found] == [2, 3]


def test_quote_that_is_never_closed() -> None:
    """The fault names the line where the quote was opened, not the end of the file."""
    (fault,) = faults("46,Sweden,0.02,0,60,60,", '47,"Norway,0.02,0,60,60,', "48,Poland,0.02,0,60,60,")
    assert (fault.line, fault.expected) == (3, "a closing quote")


def test_quote_closed_in_a_later_row() -> None:
    """An open quote that swallows the next row is found too."""
    found = faults('47,"Norway,0.02,0,60,60,', '48,"Poland",0.02,0,60,60,')
    assert (found[0].line, found[0].expected) == (2, "a closing quote")


def test_text_after_a_quote() -> None:
    """A row that is not CSV is one fault, and the rows after it are read."""
    found = faults('47,"Norway" x,0.02,0,60,60,', "4x,,0.02,0,60,60,")
    assert [fault.line for fault in found] == [2, 3]
    assert str(found[0]).startswith("line 2: found a row that is not CSV")
    assert str(found[1]).startswith("line 3, prefix: found '4x'; expected")


def test_lines_are_those_of_the_file() -> None:
    """A label over two lines is refused on the line where its row starts, and lines after it keep their numbers."""
    found = faults('46,"Swe\nden",0.02,0,60,60,', "4x,,0.02,0,60,60,")
    assert [(fault.line, fault.column) for fault in found] == [(2, "destination"), (4, "prefix")]


def test_a_date_is_of_utc_wherever_the_server_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The zone of the machine changes nothing."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        (rate,) = read("46,,0.02,0,60,60,2026-12-01").rows
    time.tzset()
    assert rate.effective_from == datetime(2026, 12, 1, tzinfo=UTC)


def test_blank_date_is_the_moment_of_import() -> None:
    """The moment is passed in, and a zone of its own changes nothing."""
    zoned = NOW.astimezone(timezone(timedelta(hours=2)))
    deck = read_deck(f"{HEADER}\n46,,0.02,0,60,60,\n".encode(), "deck.csv", zoned)
    assert deck.rows[0].effective_from == NOW
