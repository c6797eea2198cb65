"""What was said of a supplier's file is found again for the next one with the same header, and for no other."""

import gzip
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.errors import Invalid
from callgate.rating.deck_mapped import read_deck_file
from callgate.rating.deck_options import ReadOptions, Said
from callgate.rating.supplier_mapping import (
    SupplierMapping,
    find_mapping,
    fingerprint_of,
    header_to_remember,
    id_of,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HEADER = ("Dst Code", "Where to", "New Rate", "Old Rate", "Terms")
FILE = "Wholesale rates\n\nDst Code;Where to;New Rate;;Old Rate;Terms\n46;Sweden;0,02;;0,03;1/60\n"


def mapping(*header: str, **said: str) -> SupplierMapping:
    header = header or HEADER
    return SupplierMapping(
        id=id_of("acme", header), supplier="acme", header=header, said=Said(answers=said), file="old.csv",
        remembered_at=NOW, remembered_by="eva",
    )  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [
        FILE.encode(),
        FILE.encode("utf-16"),
        gzip.compress(FILE.encode()),
        FILE.replace(";", ",").encode(),
        FILE.upper().encode(),
        FILE.replace("Where to", '" where\nto "').encode(),
        FILE.replace("Wholesale", "November").replace("46;", "47;").encode(),
    ],
    ids=["plain", "utf-16", "gzip", "commas", "upper case", "line breaks", "other rows"],
)
def test_the_same_header_is_found(data: bytes) -> None:
    """However the file is written, and whatever stands above and below it."""
    known = mapping()
    assert find_mapping(data, [mapping("Code", "Rate"), known]) == known


@pytest.mark.parametrize(
    "data",
    [
        FILE.replace("Old Rate", "Older Rate").encode(),
        FILE.replace("Dst Code;Where to", "Where to;Dst Code").encode(),
        FILE.replace(";Terms", "").encode(),
        b"",
        b"\x1f\x8b broken",
        b"PK\x03\x04xl/broken",
    ],
    ids=["another column", "another order", "a column less", "empty", "broken gzip", "broken workbook"],
)
def test_another_header_is_another_file(data: bytes) -> None:
    """Also where the columns are the same in another order: then a person looks again."""
    assert find_mapping(data, [mapping()]) is None
    assert find_mapping(FILE.encode(), []) is None


def test_the_header_of_a_file_that_was_read_is_remembered_as_it_is_found() -> None:
    """Under one id; our own header leaves nothing open, and a file without one cannot be known again."""
    read = read_deck_file(FILE.replace("1/60", "60/1").encode(), "x.csv", NOW, ReadOptions())
    header = header_to_remember(read.mapping)
    assert header == HEADER
    assert fingerprint_of(header) == fingerprint_of(HEADER)
    ours = "prefix,destination,rate_per_min,connect_fee,first_s,next_s,effective_from\n46,Sweden,0.01,0,1,1,\n"
    assert header_to_remember(read_deck_file(ours.encode(), "x.csv", NOW, ReadOptions(tz="CET")).mapping) is None
    bare = read_deck_file(b"Sweden,46,0.01\n", "x.csv", NOW, ReadOptions(nanp=False))
    assert header_to_remember(bare.mapping) is None


names = st.sampled_from(HEADER)
fields = st.sampled_from(["prefix", "destination", "rate_per_min", "connect_fee"])
saids = st.builds(
    Said,
    answers=st.dictionaries(st.sampled_from(["dates", "tz", "nanp"]), st.sampled_from(["a", "b"])),
    columns=st.dictionaries(fields, names),
    ignored=st.lists(names, max_size=2, unique=True).map(tuple),
)


@given(before=saids, now=saids)
def test_what_is_said_now_goes_before_what_was_said(before: Said, now: Said) -> None:
    """All of it holds, and of what was said before all that says nothing else of the same column, field or question."""
    both = now.over(before)
    assert both.answers == {**before.answers, **now.answers}
    assert now.columns.items() <= both.columns.items()
    assert set(now.ignored) <= set(both.ignored)
    named = {*now.columns.values(), *now.ignored}
    for field, name in before.columns.items():
        assert (both.columns.get(field) == name) or field in now.columns or name in named
    for name in both.ignored:
        assert name in now.ignored or (name in before.ignored and name not in named)
    assert Said().over(before) == before
    assert now.over(Said()) == now


def test_what_is_said_of_one_file_alone_is_not_remembered() -> None:
    """When it takes effect, and that its zeros are meant."""
    said = Said(answers={"dates": "dmy", "allow_free": "true", "effective": "2026-12-01"}, ignored=("Old",))
    assert said.lasting() == Said(answers={"dates": "dmy"}, ignored=("Old",))
    assert said.lasting().shown() == ["--dates dmy", '--ignore "Old"']


def test_a_column_can_be_taken_for_nothing() -> None:
    """Then the next best is found; a file needs a code and a price, and has only the columns that it has."""
    both = b"Code,Rate,New Rate,Setup\n46,0.02,0.03,0.10\n"

    def read(*ignored: str) -> tuple[int, int]:
        deck = read_deck_file(both, "x.csv", NOW, ReadOptions(ignored=ignored))
        return deck.rows[0].rate_nanos_per_min, deck.rows[0].connect_fee_micros

    assert read() == (30_000_000, 100_000)
    assert read("new rate ") == (20_000_000, 100_000)
    assert read("New Rate", "Setup") == (20_000_000, 0)
    for wrong, said in ((("Colour",), "a column of the file"), (("Rate", "New Rate"), "one with prices")):
        with pytest.raises(Invalid, match=said):
            read(*wrong)
