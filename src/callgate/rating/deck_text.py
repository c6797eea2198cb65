"""A rate deck's file as records: gzip or plain, in the encodings and with the delimiters that senders use, or a workbook.

Each record comes with the line that it starts on. What cannot be split is a fault with its line.
"""

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from io import BytesIO, TextIOWrapper
from itertools import islice

import msgspec

from callgate.errors import DeckFault
from callgate.rating.deck_header import HEADER_WITHIN
from callgate.rating.workbook import is_workbook, read_workbook

MAX_DECK_BYTES = 512 * 1024 * 1024
"""Largest file that is read, once it is unpacked: a few million rows."""

DELIMITERS = (",", ";", "\t", "|")
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}

_SAMPLE = 65_536
_HIGH = re.compile(rb"[\x80-\xff]")
_TWO_BYTES = re.compile(rb"[\xc3-\xf4][\x80-\xbf]")
_UNDEFINED = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_UTF16 = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}

Record = tuple[int, list[str]]


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a file. `records` goes through it anew each time it is called, adding to the faults it is given."""

    encoding: str
    delimiter: str
    records: Callable[[list[DeckFault]], Iterator[Record]]


def unpack(data: bytes) -> bytes:
    """Undo gzip, where there is some. Raises `ValueError` for what is damaged or too large."""
    if not data.startswith(b"\x1f\x8b"):
        unpacked = data
    else:
        try:
            with gzip.GzipFile(fileobj=BytesIO(data)) as packed:
                unpacked = packed.read(MAX_DECK_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"a damaged gzip file ({error})") from error
    if len(unpacked) > MAX_DECK_BYTES:
        raise ValueError(f"more than {MAX_DECK_BYTES // 1024 // 1024} MB")
    return unpacked


def open_text(data: bytes, score: Callable[[list[Record]], int]) -> Text:
    """Find out how the file is written. `score` says how much of a deck's header is in the first records, if split so.

    Raises `ValueError` for a workbook that cannot be read.
    """
    if is_workbook(data):
        sheets = [(sheet, score(rows[:HEADER_WITHIN])) for sheet, rows in read_workbook(data)] or [("", 0)]
        best = max(range(len(sheets)), key=lambda each: sheets[each][1])
        rows = read_workbook(data)[best][1] if sheets[best][0] else []
        return Text(encoding="xlsx", delimiter=f"sheet {sheets[best][0]}", records=lambda _: iter(rows))
    encoding = find_encoding(data)
    start = data[:_SAMPLE]
    sample = start.decode(encoding, errors="replace")
    lines = sample.splitlines(keepends=True)
    if len(data) > _SAMPLE and len(lines) > 1:
        lines = lines[:-1]  # it may be cut short
    scores = {each: score(_first(lines, each)) for each in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda each: scores[each])
    return Text(
        encoding=encoding,
        delimiter=_NAMES[delimiter],
        records=lambda faults: _records(data, encoding, delimiter, faults),
    )


def find_encoding(data: bytes) -> str:
    """UTF-8 and UTF-16 by their marks or as they look, else the usual one of spreadsheets where that can be."""
    if data[:2] in _UTF16:
        return "utf-16"
    if data[:200].count(0) > len(data[:200]) // 4:
        return "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    if _HIGH.search(data) is None:
        return "utf-8-sig"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        is_cp1252 = _TWO_BYTES.search(data) is None and _UNDEFINED.search(data) is None
        return "cp1252" if is_cp1252 else "utf-8-sig"
    return "utf-8-sig"


def _first(lines: Iterable[str], delimiter: str) -> list[Record]:
    reader = csv.reader(lines, delimiter=delimiter)
    found: list[Record] = []
    with suppress(csv.Error):  # what comes before it may do
        found.extend((reader.line_num, record) for record in islice(reader, HEADER_WITHIN))
    return found


def _records(data: bytes, encoding: str, delimiter: str, faults: list[DeckFault]) -> Iterator[Record]:
    """Split into records. Rows of nothing but delimiters are passed over, as blank ones.

    Bytes that are not in the encoding arrive as lone surrogates, so that the fault can name their line and column.
    """
    text = TextIOWrapper(BytesIO(data), encoding=encoding, errors="surrogateescape", newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader, None)
        except csv.Error as error:
            if reader.line_num > line or "unexpected end" in str(error):
                faults.append(DeckFault(line, "", "a quote that is not closed on its line", "a closing quote"))
                return  # where the next row starts is anybody's guess
            faults.append(DeckFault(line, "", f"a row that is not CSV ({error})", "quotes doubled inside quotes"))
            continue
        except UnicodeError as error:
            faults.append(DeckFault(line, "", f"text that is not {encoding} ({error.reason})", "text in UTF-8"))  # type: ignore[attr-defined]
            return
        if record is None:
            return
        if any(record):
            yield line, record
