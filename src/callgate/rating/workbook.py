"""Sheets of an Excel workbook (.xlsx) as records: cells as text, dates as the numbers that they are stored as.

A workbook is XML in a zip file. Entities and document types are refused, sizes are bounded, nothing outside is read.
Source: ECMA-376, part 1, section 18.
"""

import re
import zipfile
from collections.abc import Iterator
from decimal import Context, InvalidOperation
from io import BytesIO
from xml.parsers import expat

MAX_WORKBOOK_BYTES = 512 * 1024 * 1024
"""Most that the parts of a workbook may unpack to."""

MAX_COLUMNS = 256

_CELL = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"

Sheet = tuple[str, list[tuple[int, list[str]]]]


def is_workbook(data: bytes) -> bool:
    return data.startswith(b"PK\x03\x04") and b"xl/" in data


def read_workbook(data: bytes) -> list[Sheet]:
    """Return the sheets that are shown, in order, each with its rows and their numbers. Raises `ValueError`."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as parts:
            if sum(part.file_size for part in parts.infolist()) > MAX_WORKBOOK_BYTES:
                raise ValueError(f"a workbook of more than {MAX_WORKBOOK_BYTES // 1024 // 1024} MB")
            names = set(parts.namelist())
            strings = _strings(parts.read("xl/sharedStrings.xml")) if "xl/sharedStrings.xml" in names else []
            return [(name, list(_rows(parts.read(path), strings))) for name, path in _sheets(parts) if path in names]
    except (zipfile.BadZipFile, KeyError, expat.ExpatError, RuntimeError, IndexError, InvalidOperation) as error:
        raise ValueError(f"a workbook that cannot be read ({error})") from error


def _sheets(parts: zipfile.ZipFile) -> list[tuple[str, str]]:
    """Names of sheets, and where each is."""
    targets: dict[str, str] = {}
    for name, words in _elements(parts.read("xl/_rels/workbook.xml.rels")):
        if name == "Relationship":
            targets[words["Id"]] = words["Target"]
    found = []
    for name, words in _elements(parts.read("xl/workbook.xml")):
        if name == "sheet" and words.get("state", "visible") == "visible":
            target = targets.get(words.get("r:id", ""), "")
            found.append(
                (words.get("name", ""), target.removeprefix("/") if target.startswith("/") else f"xl/{target}")
            )
    return found


def _elements(content: bytes) -> list[tuple[str, dict[str, str]]]:
    found: list[tuple[str, dict[str, str]]] = []
    parser = _parser()
    parser.StartElementHandler = lambda name, words: found.append((name.rpartition(":")[2], words))
    parser.Parse(content, True)
    return found


def _parser() -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def refuse(*_: object) -> None:
        raise ValueError("a workbook with a document type, which none has")

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    return parser


def _strings(content: bytes) -> list[str]:
    """The texts that cells point at. Phonetic hints beside them are left out."""
    reader, parser = _StringReader(), _parser()
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.text
    parser.Parse(content, True)
    return reader.found


class _StringReader:
    """Collects texts as the parser comes past them."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._text = ""
        self._is_text = False
        self._hints = 0

    def start(self, name: str, _: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        if name == "si":
            self._text = ""
        self._hints += name == "rPh"
        self._is_text = name == "t" and not self._hints

    def end(self, name: str) -> None:
        name = name.rpartition(":")[2]
        if name == "si":
            self.found.append(self._text)
        self._hints -= name == "rPh"
        self._is_text = False

    def text(self, data: str) -> None:
        if self._is_text:
            self._text += data


class _SheetReader:
    """Collects rows as the parser comes past them."""

    def __init__(self, strings: list[str]) -> None:
        self.rows: list[tuple[int, list[str]]] = []
        self._strings = strings
        self._cells: dict[int, str] = {}
        self._row = self._column = 0
        self._kind = ""
        self._text: list[str] | None = None

    def start(self, name: str, words: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        if name == "row":
            self._row = int(words["r"]) if words.get("r", "").isdigit() else self._row + 1
            self._cells, self._column = {}, 0
        elif name == "c":
            match = _CELL.fullmatch(words.get("r", ""))
            self._column = _number(match[1]) if match else self._column + 1
            self._kind = words.get("t", "n")
            self._cells[self._column] = ""
        elif name in ("v", "t"):
            self._text = []

    def text(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def end(self, name: str) -> None:
        name = name.rpartition(":")[2]
        if name in ("v", "t") and self._text is not None:
            value = "".join(self._text)
            self._cells[self._column] += self._strings[int(value)] if self._kind == "s" else _plain(value, self._kind)
            self._text = None
        elif name == "row" and any(cell.strip() for cell in self._cells.values()):
            width = min(max(self._cells), MAX_COLUMNS)
            self.rows.append((self._row, [self._cells.get(column, "") for column in range(1, width + 1)]))


def _rows(content: bytes, strings: list[str]) -> Iterator[tuple[int, list[str]]]:
    reader, parser = _SheetReader(strings), _parser()
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.text
    parser.Parse(content, True)
    return iter(reader.rows)


def _number(letters: str) -> int:
    """The number of a column: A is 1, AA is 27."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _plain(value: str, kind: str) -> str:
    """A number as people write it: Excel keeps 0.0105 as 1.0500000000000001E-2, of which fifteen digits are meant."""
    if kind != "n" or not re.search(r"[eE.]", value):
        return value
    return format(_FIFTEEN_DIGITS.create_decimal(value).normalize(), "f")


_FIFTEEN_DIGITS = Context(prec=15)
