"""Rate decks as CSV: from the bytes of a file to rates, or to every fault in it with line and column.

Only our own header is read here. A blank price blocks its prefix and never makes it free; a price of 0 is a real zero.
"""

import csv
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO, TextIOWrapper
from operator import itemgetter
from typing import TypeVar

import msgspec

from callgate.errors import AmountInvalid, DeckFault, RateDeckInvalid
from callgate.money import MICROS, NANOS_PER_MICRO, parse_currency, parse_scaled
from callgate.rating.rate import MAX_INCREMENT_S, MAX_PREFIX_DIGITS, Rate

REQUIRED_COLUMNS = ("prefix", "destination", "rate_per_min", "connect_fee", "first_s", "next_s", "effective_from")
OPTIONAL_COLUMNS = ("minimum_charge", "grace_s", "effective_to", "status", "currency")
COLUMNS = REQUIRED_COLUMNS + OPTIONAL_COLUMNS

MAX_PRICE = 100_000_000
"""Largest price, fee or minimum that we take, in major units: dear satellite minutes fit in any currency, and a call of
four hours stays far inside 64 bits of micros."""

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


class DeckFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says: its rows in the order of the file, and their currency where it names one."""

    rows: list[Rate]
    currency: str | None


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
    if not rows and not faults:
        faults.append(DeckFault(header_line, "", "a header without rows", "at least one row below it"))
    if faults:
        raise RateDeckInvalid(source, sorted(faults, key=lambda fault: fault.line)[:MAX_FAULTS])
    return DeckFile(rows=rows, currency=next(iter(currencies), None))


def _read_rows(
    records: Iterator[tuple[int, list[str]]], header: list[str], cells: "_Cells", faults: list[DeckFault]
) -> tuple[list[Rate], dict[str, int]]:
    """Return the rows that can be read, and the first line of each currency; add what is wrong with the others."""
    rows: list[Rate] = []
    currencies: dict[str, int] = {}
    lines_by_date: dict[datetime, dict[str, int]] = {}
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
            rate, currency = cells.read(line, texts)
        except _CellInvalid:
            faults += cells.faults(line, texts)
            continue
        earlier_line = lines_by_date.setdefault(rate.effective_from, {}).setdefault(rate.prefix, line)
        if earlier_line != line:
            found = f"{rate.prefix} again, with the same date as on line {earlier_line}"
            faults.append(DeckFault(line, "prefix", found, "each prefix once for each date"))
            continue
        if currency:
            currencies.setdefault(currency, line)
        rows.append(rate)
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
            faults.append(DeckFault(line, _shown(name), "an unknown column", expected))
        elif name in names[:place]:
            faults.append(DeckFault(line, name, "this column twice", "each column once"))
    return faults


def _currency_faults(currencies: dict[str, int]) -> list[DeckFault]:
    first, *others = currencies or [""]
    return [
        DeckFault(currencies[other], "currency", f"{other}, after {first} on line {currencies[first]}", "one currency")
        for other in others
    ]


class _CellInvalid(Exception):
    """A cell cannot be read. Carries what would do."""


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
        raise _CellInvalid(f"at most {MAX_PREFIX_DIGITS} digits")
    if re.fullmatch(r"[0-9.,]+[eE]\+?[0-9]+", digits):
        raise _CellInvalid("all digits of the prefix: a spreadsheet shortened it, format the column as text")
    raise _CellInvalid("the digits of a country code and what follows it, such as 4670")


def _read_label(text: str) -> str:
    if len(text) > MAX_LABEL_CHARACTERS:
        raise _CellInvalid(f"at most {MAX_LABEL_CHARACTERS} characters")
    if _CONTROL.search(text):
        raise _CellInvalid("a label on one line, without control characters")
    if not text.isascii() and _BAD_BYTES.search(text):
        raise _CellInvalid("text in UTF-8")
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
        raise _CellInvalid(fault.expected if "decimals" in fault.expected else expected) from None
    if not 0 <= price <= MAX_PRICE * scale:
        raise _CellInvalid(f"from 0 to {MAX_PRICE}")
    return price


def _read_increment_s(text: str) -> int | None:
    """Blank is None: only a blocked row may leave its increments out."""
    if not text:
        return None
    if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= MAX_INCREMENT_S:
        raise _CellInvalid(_INCREMENT_EXPECTED)
    return int(text)


def _read_grace_s(text: str) -> int:
    if not text:
        return 0
    if not _WHOLE.fullmatch(text) or int(text) > MAX_INCREMENT_S:
        raise _CellInvalid(f"whole seconds, 0 to {MAX_INCREMENT_S}")
    return int(text)


def _read_moment(text: str) -> datetime | None:
    if not text:
        return None
    if not _MOMENT.fullmatch(text):
        raise _CellInvalid(_MOMENT_EXPECTED)
    try:
        moment = datetime.fromisoformat(text.upper())
        return moment.replace(tzinfo=UTC) if len(text) == _DATE_CHARACTERS else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _CellInvalid(_MOMENT_EXPECTED) from None


def _read_is_blocked(text: str) -> bool:
    if text.lower() not in ("", "active", "blocked"):
        raise _CellInvalid("active, blocked or blank")
    return text.lower() == "blocked"


def _read_currency(text: str) -> str:
    if not text:
        return ""
    try:
        return parse_currency(text)
    except AmountInvalid as fault:
        raise _CellInvalid(fault.expected) from None


_READERS: dict[str, Callable[[str], object]] = {
    "prefix": _read_prefix,
    "destination": _read_label,
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


class _Cells:
    """Turns the texts of a row, in the order of `COLUMNS`, into a rate; or says what is wrong with it."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._labels = _Remembered(_read_label)
        self._rates = _Remembered(_read_rate_nanos)
        self._amounts = _Remembered(_read_micros)
        self._increments = _Remembered(_read_increment_s)
        self._graces = _Remembered(_read_grace_s)
        self._moments = _Remembered(_read_moment)
        self._are_blocked = _Remembered(_read_is_blocked)
        self._currencies = _Remembered(_read_currency)

    def read(self, line: int, texts: tuple[str, ...]) -> tuple[Rate, str]:
        """Return the rate and its currency, blank where it names none. Raises `_CellInvalid` at the first fault."""
        prefix, label, rate, fee, first, increment, start, minimum, grace, end, status, currency = texts
        rate_nanos = self._rates[rate]
        is_blocked = self._are_blocked[status] or rate_nanos is None
        first_s = self._increments[first]
        increment_s = self._increments[increment]
        if (first_s is None or increment_s is None) and not is_blocked:
            raise _CellInvalid(_INCREMENT_EXPECTED)
        effective_from = self._moments[start] or self._now
        effective_to = self._moments[end]
        if effective_to is not None and effective_to <= effective_from:
            raise _CellInvalid(_END_EXPECTED)
        row = Rate(
            prefix=prefix if _PREFIX.fullmatch(prefix) else _read_prefix(prefix.strip()),
            destination=self._labels[label],
            rate_nanos_per_min=rate_nanos or 0,
            connect_fee_micros=self._amounts[fee],
            first_increment_s=first_s or 1,
            increment_s=increment_s or 1,
            minimum_charge_micros=self._amounts[minimum],
            grace_s=self._graces[grace],
            effective_from=effective_from,
            effective_to=effective_to,
            is_blocked=is_blocked,
            line=line,
        )
        return row, self._currencies[currency]

    def faults(self, line: int, texts: tuple[str, ...]) -> Iterator[DeckFault]:
        """Say what is wrong with a row that `read` refused: each cell by itself, then cells against each other."""
        values: dict[str, object] = {}
        for column, text in zip(COLUMNS, texts, strict=True):
            try:
                values[column] = _READERS[column](text.strip())
            except _CellInvalid as fault:
                yield DeckFault(line, column, _shown(text), str(fault))
        if values.get("rate_per_min") is not None and values.get("status") is False:
            for column in ("first_s", "next_s"):
                if column in values and values[column] is None:
                    yield DeckFault(line, column, _shown(""), _INCREMENT_EXPECTED)
        start = values.get("effective_from", "unreadable") or self._now
        end = values.get("effective_to")
        if isinstance(start, datetime) and isinstance(end, datetime) and end <= start:
            yield DeckFault(line, "effective_to", end.isoformat(), f"{_END_EXPECTED}, {start.isoformat()}")


def _shown(text: str) -> str:
    """Show a cell as it stands, shortened; bytes that are no UTF-8 as bytes."""
    if not text.strip():
        return "nothing"
    shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
    return repr(shown.encode(errors="surrogateescape") if _BAD_BYTES.search(shown) else shown)
