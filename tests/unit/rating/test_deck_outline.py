"""A deck at a glance: its columns are seen whether or not its rows can be read."""

import gzip

import pytest

from callgate.errors import Invalid
from callgate.rating.deck_outline import SAMPLES, outline_deck

CARRIER = "Wholesale\n\nDst Code;Where to;New Rate (USD);Old\n" + "46;Sweden;cheap;0,02\n" * 400


def columns(text: str | bytes, **named: str) -> list[tuple[str, str]]:
    found = outline_deck(text.encode() if isinstance(text, str) else text, named)
    assert found is not None
    return [(each.column, each.field) for each in found.columns]


def test_columns_are_found_with_samples_below_whatever_stands_above() -> None:
    """Of rows that cannot be read too; gzipped or not."""
    expected = [("Dst Code", "prefix"), ("Where to", ""), ("New Rate (USD)", "rate_per_min"), ("Old", "")]
    assert columns(CARRIER) == columns(gzip.compress(CARRIER.encode())) == expected
    found = outline_deck(CARRIER.encode(), {})
    assert found is not None
    assert (found.header_line, found.delimiter) == (3, "semicolon")
    assert [each.samples for each in found.columns] == [["46"], ["Sweden"], ["cheap"], ["0,02"]]


def test_a_person_may_say_which_column_is_which() -> None:
    """The one that had the field before has none then."""
    assert columns(CARRIER, destination="Where to")[1] == ("Where to", "destination")
    assert columns(CARRIER, rate_per_min="Old")[2:] == [("New Rate (USD)", ""), ("Old", "rate_per_min")]
    with pytest.raises(Invalid):
        outline_deck(CARRIER.encode(), {"rate_per_min": "Colour"})


@pytest.mark.parametrize("data", [b"", b"hello\n", b"\x1f\x8b broken", b"a,b,c\n1,2,3\n" * 60])
def test_what_is_no_deck_has_no_outline(data: bytes) -> None:
    """No line names a code and a price."""
    assert outline_deck(data, {}) is None


def test_a_file_without_a_header_and_a_short_one() -> None:
    """One sender has neither header nor title; samples are few."""
    rows = "".join(f"Sweden,4670{number},0.01\n" for number in range(9))
    found = outline_deck(rows.encode(), {})
    assert found is not None
    assert [len(each.samples) for each in found.columns] == [1, SAMPLES, 1]
