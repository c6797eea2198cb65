"""What was said of a supplier's file, kept for the next one with the same header: it is read in the same way, without asking.

Only what a person said is kept. What the file tells by itself is told anew by each.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice

import msgspec

from callgate.rating.deck_csv import REQUIRED_COLUMNS, DeckMapping
from callgate.rating.deck_header import HEADER_WITHIN
from callgate.rating.deck_options import Said
from callgate.rating.deck_text import Record, open_text, unpack

_MARK_CHARACTERS = 12


class SupplierMapping(msgspec.Struct, frozen=True, kw_only=True):
    """How files of one supplier with this header are read. `file` is the last that was imported so, by whom and when."""

    id: str
    supplier: str
    header: tuple[str, ...]
    said: Said
    file: str
    remembered_at: datetime
    remembered_by: str


def fingerprint_of(header: Iterable[str]) -> str:
    """The same for headers that differ in case, blanks and unnamed columns alone."""
    names = [_clean(cell).lower() for cell in header if cell.strip()]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _clean(cell: str) -> str:
    """On one line, and without what no database takes: bytes of another encoding, and control characters."""
    words = " ".join(cell.split()).encode(errors="replace").decode()
    return "".join(character for character in words if character.isprintable())


def id_of(supplier: str, header: Iterable[str]) -> str:
    return f"{supplier}-{fingerprint_of(header)[:_MARK_CHARACTERS]}"


def header_to_remember(mapping: DeckMapping | None) -> tuple[str, ...] | None:
    """The header that a file is known by. None where there is nothing to remember: it has none, or it is our own."""
    if mapping is None or not mapping.header_line:
        return None
    names = tuple(_clean(each.column) for each in mapping.columns if each.column.strip())
    return None if set(REQUIRED_COLUMNS) <= {name.lower() for name in names} else names


def find_mapping(data: bytes, mappings: Sequence[SupplierMapping]) -> SupplierMapping | None:
    """Which of these was made for a file with the header of this one."""
    known = {fingerprint_of(each.header): each for each in mappings}

    def found_in(records: Iterable[Record]) -> SupplierMapping | None:
        found = (known.get(fingerprint_of(cells)) for _, cells in records)
        return next((each for each in found if each is not None), None)

    try:
        text = open_text(unpack(data), lambda records: int(found_in(records) is not None))
        return found_in(islice(text.records([]), HEADER_WITHIN))
    except ValueError:  # not a table at all: whoever reads it says so
        return None
