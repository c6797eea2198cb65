"""What can be seen of a deck at a glance: how it is written, where its header is, and which column is taken for what.

For a person who is to say what the file does not: whether it can be read as a whole is another question.
"""

from collections.abc import Sequence

from callgate.rating.deck_csv import DeckMapping, MappedColumn
from callgate.rating.deck_header import HEADER_WITHIN, Header, find_header, without_header
from callgate.rating.deck_text import Record, open_text, unpack

SAMPLES = 3
LOOKED_AT = 200
"""Rows below the header from which samples are taken."""


def outline_deck(data: bytes, columns: dict[str, str], ignored: Sequence[str] = ()) -> DeckMapping | None:
    """The columns of a file, `columns` being those that a person has named, `ignored` those that are nothing. None where no line
    names a code and a price, or the file is no table at all. Raises `Invalid` for a column that the file does not have, and where
    nothing is left to go by.
    """
    try:
        text = open_text(unpack(data), lambda records: _score(records, columns, ignored))
    except ValueError:
        return None
    first: list[Record] = []
    header: Header | None = None
    samples: list[dict[str, None]] = []
    for line, record in text.records([]):
        if header is None:
            first.append((line, record))
            if len(first) < HEADER_WITHIN:
                continue
            if (header := _header(first, columns, ignored)) is None:
                return None
            samples = _sampled(header, first)
        elif line > header.line + LOOKED_AT:
            break
        else:
            _see(samples, record)
    if header is None:
        if (header := _header(first, columns, ignored)) is None:
            return None
        samples = _sampled(header, first)
    fields = {place: field for field, place in header.places.items()}
    return DeckMapping(
        encoding=text.encoding,
        delimiter=text.delimiter,
        header_line=header.line,
        columns=[
            MappedColumn(column=name.strip(), field=fields.get(place, ""), samples=list(samples[place]))
            for place, name in enumerate(header.names)
            if name.strip() or place in fields
        ],
        assumed={},
        skipped=0,
    )


def _score(records: list[Record], columns: dict[str, str], ignored: Sequence[str]) -> int:
    header = _header(records, columns, ignored)
    return 0 if header is None else 1 + len(header.places)


def _header(records: list[Record], columns: dict[str, str], ignored: Sequence[str]) -> Header | None:
    header = find_header(records, columns, ignored)
    return without_header(records[0][1]) if header is None and records else header


def _sampled(header: Header, records: list[Record]) -> list[dict[str, None]]:
    samples: list[dict[str, None]] = [{} for _ in header.names]
    for line, record in records:
        if line > header.line:
            _see(samples, record)
    return samples


def _see(samples: list[dict[str, None]], record: list[str]) -> None:
    for seen, cell in zip(samples, record, strict=False):
        if cell.strip() and len(seen) < SAMPLES:
            seen.setdefault(cell.strip()[:40])
