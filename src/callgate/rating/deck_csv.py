"""Rate decks as CSV: from the bytes of a file to rates, or to every fault in it with line and column.

Only our own header is read here. A blank price blocks its prefix and never makes it free; a price of 0 is a real zero.
"""

import csv
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO, TextIOWrapper
from operator import itemgetter
from typing import NamedTuple, TypeVar

import msgspec

from callgate.errors import AmountInvalid, DeckFault, RateDeckInvalid
from callgate.money import MICROS, NANOS_PER_MICRO, parse_currency, parse_scaled
from callgate.rating.deck_cells import MAX_PRICE, CellInvalid
from callgate.rating.rate import MAX_INCREMENT_S, MAX_PREFIX_DIGITS
from callgate.rating.rates import Rates, Terms, key_of, prefix_of, sorted_rates

REQUIRED_COLUMNS = ("prefix", "destination", "rate_per_min", "connect_fee", "first_s", "next_s", "effective_from")
OPTIONAL_COLUMNS = ("minimum_charge", "grace_s", "effective_to", "status", "currency")
COLUMNS = REQUIRED_COLUMNS + OPTIONAL_COLUMNS

MAX_LABEL_CHARACTERS = 200

MAX_FAULTS = 1_000
"""Reading stops here: a file as wrong as this is another kind of file."""

_MAX_REMEMBERED = 100_000
"""Cells repeat; so many different ones of a column are remembered, and the rest are read each time."""

_SHOWN_CHARACTERS = 60
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_BAD_BYTES = re.compile(r"[\udc80-\udcff]")
_PREFIX = re.compile(rf"[1-9][0-9]{{0,{MAX_PREFIX_DIGITS - 1}}}")
_WHOLE = re.compile(r"[0-9]{1,9}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d))?", re.ASCII)
_DATE_CHARACTERS = len("2026-11-23")

_INCREMENT_EXPECTED = f"whole seconds, 1 to {MAX_INCREMENT_S}"
_END_EXPECTED = "a moment after effective_from"
_MOMENT_EXPECTED = "2026-11-23 (from 00:00 UTC), or a moment with its offset such as 2026-11-23T06:00:00Z"

_Value = TypeVar("_Value")


class MappedColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column of a file, what it is taken for (empty: for nothing), and some of its values."""

    column: str
    field: str
    samples: list[str]


class DeckMapping(msgspec.Struct, frozen=True, kw_only=True):
    """How a file was read. `assumed` is what it does not say itself; `skipped` counts lines that are no rows."""

    encoding: str
    delimiter: str
    header_line: int
    columns: list[MappedColumn]
    assumed: dict[str, str]
    skipped: int


class DeckFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says: its rows, and their currency where it names one. `mapping` is None for a file in our own format,
    whose rows stand in the order of the file.
    """

    rows: Rates
    currency: str | None
    mapping: DeckMapping | None = None


def read_deck(data: bytes, source: str, now: datetime) -> DeckFile:
    """Read a deck with our header, its columns in any order; a row without a date takes effect `now`.

    Raises `RateDeckInvalid` with all faults found, `MAX_FAULTS` at most. `source` names the file in its message.
    """
    faults: list[DeckFault] = []
    records = _records(data, faults)
    header_line, header = next(records, (1, []))
    faults += _header_faults(header_line, header)
    if faults:
        raise RateDeckInvalid(source, faults)
    rows, currencies = _read_rows(records, [_column_name(cell) for cell in header], _Cells(now), faults)
    faults += _currency_faults(currencies)
    faults += duplicates(sorted_rates(rows), "prefix")
    if not rows and not faults:
        faults.append(DeckFault(header_line, "", "a header without rows", "at least one row below it"))
    if faults:
        raise RateDeckInvalid(source, sorted(faults, key=lambda fault: fault.line)[:MAX_FAULTS])
    return DeckFile(rows=rows, currency=next(iter(currencies), None))


def _read_rows(
    records: Iterator[tuple[int, list[str]]], header: list[str], cells: "_Cells", faults: list[DeckFault]
) -> tuple[Rates, dict[str, int]]:
    """Return the rows that can be read, and the first line of each currency; add what is wrong with the others."""
    rows = Rates()
    currencies: dict[str, int] = {}
    # A blank cell is put after the last of each row: that is where the columns look that the file does not have.
    in_our_order = itemgetter(*(header.index(name) if name in header else len(header) for name in COLUMNS))
    for line, record in records:
        if len(faults) >= MAX_FAULTS:
            break
        if len(record) != len(header):
            faults.append(DeckFault(line, "", f"{len(record)} cells", f"{len(header)}, as the header has"))
            continue
        record.append("")
        texts = in_our_order(record)
        try:
            currency = cells.add(rows, line, texts)
        except CellInvalid:
            faults += cells.faults(line, texts)
            continue
        if currency:
            currencies.setdefault(currency, line)
    return rows, currencies


def _records(data: bytes, faults: list[DeckFault]) -> Iterator[tuple[int, list[str]]]:
    """Split into records, each with the line it starts on. Rows of nothing but commas are passed over, as blank ones.

    Bytes that are not UTF-8 arrive as lone surrogates, so that the fault can name their line and column.
    """
    text = TextIOWrapper(BytesIO(data), encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(text, strict=True)
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
        if record is None:
            return
        if any(record):
            yield line, record


def _column_name(cell: str) -> str:
    return cell.strip().lower()


def _header_faults(line: int, header: list[str]) -> list[DeckFault]:
    canonical = f"the header {','.join(REQUIRED_COLUMNS)}"
    if not header:
        return [DeckFault(line, "", "an empty file", f"{canonical} and rows below it")]
    names = [_column_name(cell) for cell in header]
    expected = f"{canonical}, optionally with {', '.join(OPTIONAL_COLUMNS)}"
    missing = [name for name in REQUIRED_COLUMNS if name not in names]
    faults = [DeckFault(line, name, "no such column", expected) for name in missing]
    for place, name in enumerate(names):
        if name not in COLUMNS:
            faults.append(DeckFault(line, shown(name), "an unknown column", expected))
        elif name in names[:place]:
            faults.append(DeckFault(line, name, "this column twice", "each column once"))
    return faults


def _currency_faults(currencies: dict[str, int]) -> list[DeckFault]:
    first, *others = currencies or [""]
    return [
        DeckFault(currencies[other], "currency", f"{other}, after {first} on line {currencies[first]}", "one currency")
        for other in others
    ]


def duplicates(rows: Rates, column: str) -> Iterator[DeckFault]:
    """Find rows of sorted ones that stand for the same calls from the same date on: which would price them is anybody's guess."""
    keys, terms = rows.keys, rows.terms
    first_line = 0
    for row in range(1, len(keys)):
        if keys[row] != keys[row - 1]:
            continue
        before, after = terms[rows.terms_at[row - 1]], terms[rows.terms_at[row]]
        if before.preference != after.preference:
            first_line = 0
            continue
        lines = sorted((rows.lines[row - 1], rows.lines[row]))
        first_line = min(first_line or lines[0], lines[0])
        origin = f" from {after.origin}" if after.origin else ""
        found = f"{prefix_of(keys[row])}{origin} again, with the same date as on line {first_line}"
        yield DeckFault(lines[1], column, found, "each prefix once for each date")


class _Remembered(dict[str, _Value]):
    """The cells of one column, each different text read once."""

    def __init__(self, read: Callable[[str], _Value]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: str) -> _Value:
        value = self._read(text.strip())
        if len(self) < _MAX_REMEMBERED:
            self[text] = value
        return value


def _read_prefix(text: str) -> str:
    digits = text.removeprefix("+") if text.startswith("+") else text.removeprefix("00")
    if _PREFIX.fullmatch(digits):
        return digits
    if digits.isdecimal() and len(digits) > MAX_PREFIX_DIGITS:
        raise CellInvalid(f"at most {MAX_PREFIX_DIGITS} digits")
    if re.fullmatch(r"[0-9.,]+[eE]\+?[0-9]+", digits):
        raise CellInvalid("all digits of the prefix: a spreadsheet shortened it, format the column as text")
    raise CellInvalid("the digits of a country code and what follows it, such as 4670")


def read_label(text: str) -> str:
    if len(text) > MAX_LABEL_CHARACTERS:
        raise CellInvalid(f"at most {MAX_LABEL_CHARACTERS} characters")
    if _CONTROL.search(text):
        raise CellInvalid("a label on one line, without control characters")
    if not text.isascii() and _BAD_BYTES.search(text):
        raise CellInvalid("text in UTF-8")
    return text


def _read_rate_nanos(text: str) -> int | None:
    return _read_price(text, MICROS * NANOS_PER_MICRO, "a decimal a minute such as 0.0105, blank to block the prefix")


def _read_micros(text: str) -> int:
    return _read_price(text, MICROS, "a decimal such as 0.05, blank or 0 for none") or 0


def _read_price(text: str, scale: int, expected: str) -> int | None:
    if not text:
        return None
    try:
        price = parse_scaled(text, scale, "")
    except AmountInvalid as fault:
        raise CellInvalid(fault.expected if "decimals" in fault.expected else expected) from None
    if not 0 <= price <= MAX_PRICE * scale:
        raise CellInvalid(f"from 0 to {MAX_PRICE}")
    return price


def _read_increment_s(text: str) -> int | None:
    """Blank is None: only a blocked row may leave its increments out."""
    if not text:
        return None
    if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= MAX_INCREMENT_S:
        raise CellInvalid(_INCREMENT_EXPECTED)
    return int(text)


def _read_grace_s(text: str) -> int:
    if not text:
        return 0
    if not _WHOLE.fullmatch(text) or int(text) > MAX_INCREMENT_S:
        raise CellInvalid(f"whole seconds, 0 to {MAX_INCREMENT_S}")
    return int(text)


def _read_moment(text: str) -> datetime | None:
    if not text:
        return None
    if not _MOMENT.fullmatch(text):
        raise CellInvalid(_MOMENT_EXPECTED)
    try:
        moment = datetime.fromisoformat(text.upper())
        return moment.replace(tzinfo=UTC) if len(text) == _DATE_CHARACTERS else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise CellInvalid(_MOMENT_EXPECTED) from None


def _read_is_blocked(text: str) -> bool:
    if text.lower() not in ("", "active", "blocked"):
        raise CellInvalid("active, blocked or blank")
    return text.lower() == "blocked"


def _read_currency(text: str) -> str:
    if not text:
        return ""
    try:
        return parse_currency(text)
    except AmountInvalid as fault:
        raise CellInvalid(fault.expected) from None


_READERS: dict[str, Callable[[str], object]] = {
    "prefix": _read_prefix,
    "destination": read_label,
    "rate_per_min": _read_rate_nanos,
    "connect_fee": _read_micros,
    "first_s": _read_increment_s,
    "next_s": _read_increment_s,
    "effective_from": _read_moment,
    "minimum_charge": _read_micros,
    "grace_s": _read_grace_s,
    "effective_to": _read_moment,
    "status": _read_is_blocked,
    "currency": _read_currency,
}


class _Shared(NamedTuple):
    """What the cells say that repeat from row to row. A row without increments can only be blocked."""

    terms: Terms
    has_increments: bool
    currency: str


class _Cells:
    """Adds the texts of a row, in the order of `COLUMNS`, to the rows; or says what is wrong with it."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._labels = _Remembered(read_label)
        self._rates = _Remembered(_read_rate_nanos)
        self._amounts = _Remembered(_read_micros)
        self._increments = _Remembered(_read_increment_s)
        self._graces = _Remembered(_read_grace_s)
        self._moments = _Remembered(_read_moment)
        self._are_blocked = _Remembered(_read_is_blocked)
        self._currencies = _Remembered(_read_currency)
        self._shared: dict[tuple[str, ...], _Shared] = {}
        self._places: dict[tuple[tuple[str, ...], bool], int] = {}

    def add(self, rows: Rates, line: int, texts: tuple[str, ...]) -> str:
        """Add a row and return its currency, blank where it names none. Raises `CellInvalid` at the first fault."""
        prefix, label, rate, *_ = texts
        rate_nanos = self._rates[rate]
        known = texts[3:], rate_nanos is None
        place = self._places.get(known)
        shared = self._read_shared(texts[3:]) if place is None else self._shared[texts[3:]]
        if place is None:
            is_blocked = shared.terms.is_blocked or rate_nanos is None
            if not (is_blocked or shared.has_increments):
                raise CellInvalid(_INCREMENT_EXPECTED)
            place = rows.place(shared.terms._replace(is_blocked=is_blocked))
            if len(self._places) < _MAX_REMEMBERED:
                self._shared[texts[3:]], self._places[known] = shared, place
        digits = prefix if _PREFIX.fullmatch(prefix) else _read_prefix(prefix.strip())
        rows.add(key_of(digits), rate_nanos or 0, place, self._labels[label], line)
        return shared.currency

    def _read_shared(self, texts: tuple[str, ...]) -> _Shared:
        fee, first, increment, start, minimum, grace, end, status, currency = texts
        first_s, increment_s = self._increments[first], self._increments[increment]
        effective_from, effective_to = self._moments[start] or self._now, self._moments[end]
        if effective_to is not None and effective_to <= effective_from:
            raise CellInvalid(_END_EXPECTED)
        terms = Terms(
            effective_from=effective_from,
            effective_to=effective_to,
            connect_fee_micros=self._amounts[fee],
            first_increment_s=first_s or 1,
            increment_s=increment_s or 1,
            minimum_charge_micros=self._amounts[minimum],
            grace_s=self._graces[grace],
            included_s=0,
            is_blocked=self._are_blocked[status],
            number_length=0,
            origin="",
            hours="",
            deck="",
            file="",
        )
        return _Shared(terms, first_s is not None and increment_s is not None, self._currencies[currency])

    def faults(self, line: int, texts: tuple[str, ...]) -> Iterator[DeckFault]:
        """Say what is wrong with a row that `read` refused: each cell by itself, then cells against each other."""
        values: dict[str, object] = {}
        for column, text in zip(COLUMNS, texts, strict=True):
            try:
                values[column] = _READERS[column](text.strip())
            except CellInvalid as fault:
                yield DeckFault(line, column, shown(text), str(fault))
        if values.get("rate_per_min") is not None and values.get("status") is False:
            for column in ("first_s", "next_s"):
                if column in values and values[column] is None:
                    yield DeckFault(line, column, shown(""), _INCREMENT_EXPECTED)
        start = values.get("effective_from", "unreadable") or self._now
        end = values.get("effective_to")
        if isinstance(start, datetime) and isinstance(end, datetime) and end <= start:
            yield DeckFault(line, "effective_to", end.isoformat(), f"{_END_EXPECTED}, {start.isoformat()}")


def shown(text: str) -> str:
    """Show a cell as it stands, shortened; bytes that are no UTF-8 as bytes."""
    if not text.strip():
        return "nothing"
    shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
    return repr(shown.encode(errors="surrogateescape") if _BAD_BYTES.search(shown) else shown)
