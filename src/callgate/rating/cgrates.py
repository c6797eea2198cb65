"""Tariff plans of CGRateS: three files that belong together, in a zip. Destinations have prefixes, rates have prices by the
second of the call from which on they count, and destination rates say which goes with which.

What our rows cannot say is a fault, never rounded off: more than two prices in one call, limits on what a call may cost.
"""

import csv
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from io import BytesIO, StringIO
from pathlib import Path
from typing import NamedTuple

from callgate.errors import AmountInvalid, DeckFault, RateDeckInvalid
from callgate.money import MICROS, NANOS_PER_MICRO, parse_scaled
from callgate.rating.deck_cells import MAX_PRICE, CellInvalid, read_codes
from callgate.rating.deck_csv import MAX_FAULTS, DeckFile, DeckMapping, MappedColumn, duplicates, shown
from callgate.rating.rate import MAX_INCREMENT_S
from callgate.rating.rates import Rates, Terms, key_of, sorted_rates

RATES, DESTINATIONS, DESTINATION_RATES = "Rates.csv", "Destinations.csv", "DestinationRates.csv"
_COLUMNS = {
    RATES: ("Id", "ConnectFee", "Rate", "RateUnit", "RateIncrement", "GroupIntervalStart"),
    DESTINATIONS: ("Id", "Prefix"),
    DESTINATION_RATES: (
        "Id", "DestinationId", "RatesTag", "RoundingMethod", "RoundingDecimals", "MaxCost", "MaxCostStrategy",
    ),
}  # fmt: skip

MAX_FILE_BYTES = 256 * 1024 * 1024
"""Largest of the three, once it is unpacked."""

ANY = "*any"
"""The destination that is every number."""

_DURATION = re.compile(r"([0-9]{1,6})(ms|s|m|h)?", re.ASCII)
_UNITS_S = {"s": 1, "m": 60, "h": 3600}
_NANOS = MICROS * NANOS_PER_MICRO
_MINUTE_S = 60


def is_cgrates(data: bytes) -> bool:
    """Whether it is a zip with these files, wherever in it they lie."""
    if not data.startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(BytesIO(data)) as parts:
            names = {name.rpartition("/")[2] for name in parts.namelist()}
    except zipfile.BadZipFile:
        return False
    return _COLUMNS.keys() <= names


def packed(folder: Path) -> bytes:
    """The three files of a folder as such a zip. Raises `OSError` where one is not there."""
    data = BytesIO()
    with zipfile.ZipFile(data, "w") as parts:
        for name in _COLUMNS:
            parts.write(folder / name, name)
    return data.getvalue()


class _Tier(NamedTuple):
    """A price from some second of the call on: nanos a minute, exact."""

    start_s: int
    fee_micros: int
    nanos_per_min: Fraction
    increment_s: int


class _Price(NamedTuple):
    """What the tiers of a rate come to in a row of ours."""

    fee_micros: int
    nanos_per_min: int
    first_s: int
    next_s: int
    included_s: int


def read_cgrates(
    data: bytes, source: str, at: datetime, *, default_row: str = "", allow_free: bool = False
) -> DeckFile:
    """Read the three files; all rows take effect `at`. Raises `RateDeckInvalid` with all faults, each with its file."""
    files = _unpacked(data, source)
    reader = _Reader(files, at, default_row, allow_free=allow_free)
    rows = reader.read()
    if reader.faults:
        raise RateDeckInvalid(source, reader.faults[:MAX_FAULTS])
    columns = [
        MappedColumn(column=f"{file}: {name}", field=_FIELDS.get(name, ""), samples=[])
        for file, names in _COLUMNS.items()
        for name in names
    ]
    mapping = DeckMapping(
        encoding="utf-8",
        delimiter="zip of CGRateS",
        header_line=1,
        columns=columns,
        assumed={"effective_from": at.isoformat(), "rounding": "once, at the end of a call, up to a micro"},
        skipped=reader.skipped,
    )
    return DeckFile(rows=rows, currency=None, mapping=mapping)


_FIELDS = {
    "Prefix": "prefix", "DestinationId": "destination", "ConnectFee": "connect_fee", "Rate": "rate_per_min",
    "RateUnit": "rate_unit", "RateIncrement": "next_s", "GroupIntervalStart": "first_s",
}  # fmt: skip


def _unpacked(data: bytes, source: str) -> Mapping[str, str]:
    files = {}
    with zipfile.ZipFile(BytesIO(data)) as parts:
        for part in parts.infolist():
            name = part.filename.rpartition("/")[2]
            if name not in _COLUMNS:
                continue
            if part.file_size > MAX_FILE_BYTES:
                found = f"{part.file_size} bytes"
                raise RateDeckInvalid(source, [DeckFault(1, name, found, f"at most {MAX_FILE_BYTES}")])
            try:
                files[name] = parts.read(part).decode("utf-8-sig")
            except (UnicodeDecodeError, zipfile.BadZipFile) as error:
                raise RateDeckInvalid(source, [DeckFault(1, name, str(error)[:80], "CSV in UTF-8")]) from error
    return files


class _Reader:
    def __init__(self, files: Mapping[str, str], at: datetime, default_row: str, *, allow_free: bool) -> None:
        self._files, self._at, self._default_row, self._allow_free = files, at, default_row, allow_free
        self.faults: list[DeckFault] = []
        self.skipped = 0

    def read(self) -> Rates:
        prices = {name: self._price(line, tiers) for name, (line, tiers) in self._tiers().items()}
        prefixes = self._prefixes()
        rows, plans = Rates(), dict[str, int]()
        for line, cells in self._rows(DESTINATION_RATES):
            plan, destination, rate, _, _, cap, _ = cells
            plans.setdefault(plan, line)
            if _is_more_than_0(cap):
                self._fault(
                    line, DESTINATION_RATES, "MaxCost", cap, "0 or nothing: rows have no limit on a call's cost"
                )
            if destination not in prefixes and destination != ANY:
                self._fault(line, DESTINATION_RATES, "DestinationId", destination, f"one that {DESTINATIONS} has")
            if rate not in prices:
                self._fault(line, DESTINATION_RATES, "RatesTag", rate, f"one that {RATES} has")
            price = prices.get(rate)
            if price is not None:
                found = self._anywhere(line) if destination == ANY else prefixes.get(destination, ())
                self._add(rows, destination, found, price)
        if len(plans) > 1:
            second = list(plans)[1]
            expected = "the rows of one Id: which plan is meant"
            self._fault(plans[second], DESTINATION_RATES, "Id", ", ".join(plans)[:80], expected)
        if not rows and not self.faults:
            self._fault(1, DESTINATION_RATES, "Id", "", "at least one row")
        rows = sorted_rates(rows)
        self.faults += duplicates(rows, f"{DESTINATIONS}: Prefix")
        return rows

    def _add(self, rows: Rates, label: str, prefixes: Sequence[tuple[int, str]], price: _Price) -> None:
        terms = Terms(
            effective_from=self._at,
            effective_to=None,
            connect_fee_micros=price.fee_micros,
            first_increment_s=price.first_s,
            increment_s=price.next_s,
            minimum_charge_micros=0,
            grace_s=0,
            included_s=price.included_s,
            is_blocked=False,
            number_length=0,
            origin="",
            hours="",
            deck="",
            file="",
        )
        place = rows.place(terms)
        for line, prefix in prefixes:
            rows.add(key_of(prefix), price.nanos_per_min, place, label, line)

    def _anywhere(self, line: int) -> Sequence[tuple[int, str]]:
        if self._default_row == "import":
            return [(line, digit) for digit in "123456789"]
        if self._default_row != "skip":
            expected = "an answer to which is meant: default-row import (every number that no other row is for) or skip"
            self._fault(line, DESTINATION_RATES, "DestinationId", ANY, expected)
        self.skipped += 1
        return ()

    # -- the files ---------------------------------------------------------------------------------------------------

    def _rows(self, file: str) -> Iterator[tuple[int, list[str]]]:
        """Rows with their lines, without comments, of which the header is one."""
        width = len(_COLUMNS[file])
        reader = csv.reader(StringIO(self._files[file]))
        for cells in reader:
            if not any(cells) or cells[0].startswith("#"):
                continue
            if len(cells) != width:
                self._fault(reader.line_num, file, "", f"{len(cells)} cells", f"{width}: {','.join(_COLUMNS[file])}")
                continue
            yield reader.line_num, [cell.strip() for cell in cells]

    def _prefixes(self) -> dict[str, list[tuple[int, str]]]:
        found: dict[str, list[tuple[int, str]]] = {}
        for line, (name, text) in self._rows(DESTINATIONS):
            try:
                found.setdefault(name, []).extend((line, code) for code in read_codes(text, "", is_nanp=False))
            except CellInvalid as fault:
                self._fault(line, DESTINATIONS, "Prefix", text, str(fault))
        return found

    def _tiers(self) -> dict[str, tuple[int, list[_Tier]]]:
        found: dict[str, tuple[int, list[_Tier]]] = {}
        for line, (name, *cells) in self._rows(RATES):
            before = len(self.faults)
            fee, price = (self._money(line, *each) for each in zip(_COLUMNS[RATES][1:3], cells[:2], strict=True))
            unit, step, start = (
                self._seconds(line, *each) for each in zip(_COLUMNS[RATES][3:], cells[2:], strict=True)
            )
            tiers = found.setdefault(name, (line, []))[1]
            if len(self.faults) == before:
                nanos = Fraction(price * _MINUTE_S, unit)
                tiers.append(_Tier(start, fee // NANOS_PER_MICRO, nanos, step))
                if fee % NANOS_PER_MICRO:
                    self._fault(line, RATES, "ConnectFee", cells[0], "at most 6 decimals")
        return found

    def _price(self, line: int, tiers: list[_Tier]) -> _Price | None:
        """Put the tiers of a rate into one row; None where that cannot be, which is a fault."""
        tiers = sorted(tiers)
        if not tiers:
            return None
        first, *later = tiers
        fault = _unsayable(first, later)
        last = later[-1] if later else first
        is_flat = all(each.nanos_per_min == first.nanos_per_min for each in later)
        fee = Fraction(first.fee_micros)
        if (
            not is_flat
        ):  # the price of the first increment is paid for with the fee, the rate is for what comes after it
            fee += first.nanos_per_min * first.increment_s / _MINUTE_S / NANOS_PER_MICRO
        if not fault and (last.nanos_per_min.denominator != 1 or fee.denominator != 1):
            fault = "prices of whole nanos a minute and of whole micros before the second price"
        if not fault and not (last.nanos_per_min or fee or self._allow_free):
            fault = "an answer to which is meant: allow-free where it costs nothing"
        if fault:
            self._fault(line, RATES, "Rate", f"{len(tiers)} prices of one call", fault)
            return None
        included_s = 0 if is_flat else first.increment_s
        return _Price(int(fee), int(last.nanos_per_min), first.increment_s, last.increment_s, included_s)

    # -- cells -------------------------------------------------------------------------------------------------------

    def _money(self, line: int, column: str, text: str) -> int:
        """In nanos."""
        try:
            nanos = parse_scaled(text or "0", _NANOS, "")
        except AmountInvalid:
            nanos = -1
        if not 0 <= nanos <= MAX_PRICE * _NANOS:
            self._fault(line, RATES, column, text, "a decimal such as 0.0105, at most 9 decimals")
            return 0
        return nanos

    def _seconds(self, line: int, column: str, text: str) -> int:
        """Whole seconds: of a start 0 or more, else 1 or more."""
        match = _DURATION.fullmatch(text)
        least = 0 if column == "GroupIntervalStart" else 1
        seconds = int(match[1]) * _UNITS_S.get(match[2] or "s", 0) if match is not None else -1
        if match is not None and match[2] == "ms":
            seconds = -1
        if not least <= seconds <= MAX_INCREMENT_S:
            self._fault(line, RATES, column, text, f"whole seconds such as 60s, {least} to {MAX_INCREMENT_S}")
            return 1
        return seconds

    def _fault(self, line: int, file: str, column: str, found: str, expected: str) -> None:
        self.faults.append(DeckFault(line, f"{file}: {column}" if column else file, shown(found), expected))


def _unsayable(first: _Tier, later: Sequence[_Tier]) -> str:
    """What would do in place of tiers that no row of ours can say, empty where one can."""
    if first.start_s:
        return "a first price from 0s on"
    if len(later) > 1:
        return "one price, or two"
    if not later:
        return ""
    second = later[0]
    if second.fee_micros:
        return "no ConnectFee beside the second price"
    is_one_step = second.start_s == first.increment_s
    is_same = second.nanos_per_min == first.nanos_per_min and second.increment_s == first.increment_s
    return "" if is_one_step or is_same else "a second price from the end of the first increment on"


def _is_more_than_0(text: str) -> bool:
    return any(character in "123456789" for character in text)
