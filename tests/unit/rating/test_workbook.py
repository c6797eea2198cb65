"""Excel workbooks: cells as text, whatever they are stored as."""

import zipfile
from datetime import UTC, datetime
from io import BytesIO

import pytest

from callgate.errors import RateDeckInvalid
from callgate.rating.deck_mapped import read_deck_file
from callgate.rating.workbook import read_workbook

NOW = datetime(2026, 11, 23, tzinfo=UTC)
MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
SHEET = f"""<?xml version="1.0" encoding="UTF-8"?><worksheet {MAIN}><sheetData>
<row r="1"><c r="A1" t="inlineStr"><is><t>ACME rates</t></is></c></row>
<row r="3"><c r="A3" t="s"><v>0</v></c><c r="B3" t="s"><v>1</v></c><c r="C3" t="s"><v>2</v></c><c r="D3" t="s"><v>3</v></c></row>
<row r="4"><c r="A4"><v>4670</v></c><c r="B4"><v>1.0500000000000001E-2</v></c><c r="C4"><v>46357</v></c>
<c r="D4" t="s"><v>4</v></c></row>
<row r="5"><c r="A5" t="str"><f>A4</f><v>47</v></c><c r="D5" t="s"><v>4</v></c></row></sheetData></worksheet>"""
STRINGS = f"""<sst {MAIN}><si><t>Code</t></si><si><r><t>New Rate </t></r><r><t>(USD)</t></r></si><si><t>Effective Date</t>
<rPh sb="0" eb="1"><t>hint</t></rPh></si><si><t>Billing</t></si><si><t>30/6</t></si></sst>"""
NOTES = f'<worksheet {MAIN}><sheetData><row r="1"><c r="A1"><v>1</v></c></row></sheetData></worksheet>'


def workbook(sheet: str = SHEET, strings: str = STRINGS) -> bytes:
    parts = {
        "xl/workbook.xml": f'<workbook {MAIN} xmlns:r="{OFFICE}"><sheets><sheet name="Notes" r:id="r1"/>'
        '<sheet name="Rates" r:id="r2"/><sheet name="Old" state="hidden" r:id="r2"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": '<Relationships><Relationship Id="r1" Target="worksheets/sheet1.xml"/>'
        '<Relationship Id="r2" Target="/xl/worksheets/sheet2.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": NOTES,
        "xl/worksheets/sheet2.xml": sheet,
        "xl/sharedStrings.xml": strings,
    }
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return packed.getvalue()


def test_sheets_that_are_shown() -> None:
    """Numbers as people write them, texts of several parts whole, blank cells blank, rows by their own numbers."""
    assert read_workbook(workbook()) == [
        ("Notes", [(1, ["1"])]),
        (
            "Rates",
            [
                (1, ["ACME rates"]),
                (3, ["Code", "New Rate (USD)", "Effective Date", "Billing"]),
                (4, ["4670", "0.0105", "46357", "30/6"]),
                (5, ["47", "", "", "30/6"]),
            ],
        ),
    ]


def test_a_deck_in_a_workbook() -> None:
    """The sheet with the header is found; a serial number is a date; a blank price blocks."""
    deck = read_deck_file(workbook(), "deck.xlsx", NOW)
    assert deck.currency == "USD"
    assert deck.mapping is not None
    assert (deck.mapping.encoding, deck.mapping.delimiter, deck.mapping.header_line) == ("xlsx", "sheet Rates", 3)
    first, second = deck.rows
    assert (first.prefix, first.rate_nanos_per_min, first.first_increment_s, first.increment_s) == (
        "4670",
        10_500_000,
        30,
        6,
    )
    assert (first.effective_from, first.line) == (datetime(2026, 12, 1, tzinfo=UTC), 4)
    assert (second.prefix, second.is_blocked) == ("47", True)


@pytest.mark.parametrize(
    "damaged",
    [
        workbook(sheet="<worksheet><sheetData>"),
        workbook(sheet='<!DOCTYPE x [<!ENTITY a "b">]>' + SHEET.partition("?>")[2]),
        workbook(strings=f"<sst {MAIN}></sst>"),
        workbook()[:-30],
    ],
    ids=["cut short", "with entities", "without its texts", "cut off"],
)
def test_a_workbook_that_cannot_be_read(damaged: bytes) -> None:
    """Is told so; nothing in it is followed or unfolded."""
    with pytest.raises(RateDeckInvalid, match="workbook"):
        read_deck_file(damaged, "deck.xlsx", NOW)
