"""Rate decks in carriers' own formats: their columns found by name, their cells read as their senders write them.

A file is gone through twice. The first time shows what can be told by the file as a whole only: the order of days and months,
commas in decimals, codes without a country. What stays open is asked, never guessed: a fault that names the setting.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import dropwhile, islice
from operator import itemgetter
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from callgate.errors import AmountInvalid, DeckFault, RateDeckInvalid
from callgate.rating import deck_cells as cells
from callgate.rating.cgrates import is_cgrates, read_cgrates
from callgate.rating.deck_cells import CellInvalid, Increments
from callgate.rating.deck_csv import (
    COLUMNS,
    MAX_FAULTS,
    REQUIRED_COLUMNS,
    DeckFile,
    DeckMapping,
    MappedColumn,
    duplicates,
    read_deck,
    shown,
)
from callgate.rating.deck_faults import Faults
from callgate.rating.deck_header import HEADER_WITHIN, find_header, plain, without_header
from callgate.rating.deck_options import ReadOptions, read_zone
from callgate.rating.deck_row import (
    DEFAULT_INCREMENTS,
    FIRST_PRICE,
    OWN,
    PRICES,
    QUESTION,
    SHARED,
    ReadBy,
    RowCells,
    Shared,
)
from callgate.rating.deck_survey import MAX_REMEMBERED, SAMPLED, Survey
from callgate.rating.deck_text import Record, Text, open_text, unpack
from callgate.rating.origin import INDETERMINATE, INTER, INTRA
from callgate.rating.rates import Rates, key_of, sorted_rates

_T = TypeVar("_T")

_ORIGINS = {"inter": INTER, "intra": INTRA, "indeterminate": INDETERMINATE}
_MINUTE_S = 60


def read_deck_file(data: bytes, source: str, now: datetime, options: ReadOptions = ReadOptions()) -> DeckFile:  # noqa: B008 - frozen
    """Read a deck in our own format or in one of many others; a row without a date takes effect `now`.

    Raises `RateDeckInvalid` with all faults and questions found, `MAX_FAULTS` at most; `Invalid` for an option that cannot be.
    """
    zone = read_zone(options.tz)
    try:
        data = unpack(data)
        if is_cgrates(data):
            at = options.effective or now
            return read_cgrates(data, source, at, default_row=options.default_row, allow_free=options.allow_free)
        if _is_ours(data) and options == ReadOptions(currency=options.currency, effective=options.effective):
            return read_deck(data, source, options.effective or now)
        text = open_text(data, lambda records: _score(records, options))
    except ValueError as error:
        raise RateDeckInvalid(
            source, [DeckFault(1, "", str(error), "CSV, gzipped or not, or an Excel workbook")]
        ) from error
    return _Reader(text, source, options.effective or now, zone, options).read()


def _is_ours(data: bytes) -> bool:
    """Whether the header is exactly ours: then the file is read strictly, as its page says."""
    first = data[:4_096].removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n").splitlines()[:1]
    names = (
        {cell.strip().strip('"').strip().lower() for cell in first[0].decode(errors="replace").split(",")}
        if first
        else set()
    )
    return set(REQUIRED_COLUMNS) <= names <= set(COLUMNS) or not data.strip()


def _score(records: Sequence[Record], options: ReadOptions) -> int:
    header = find_header(records, options.map, options.ignored)
    if header is None:
        return 1 if records and without_header(records[0][1]) is not None else 0
    return 1 + len(header.places)


class _Remembered(dict[Any, _T]):
    """Cells, or several beside each other, each different one read once."""

    def __init__(self, read: Callable[[Any], _T]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, key: Any) -> _T:
        value = self._read(key)
        if len(self) < MAX_REMEMBERED:
            self[key] = value
        return value


class _Reader:
    """Reads one file."""

    def __init__(self, text: Text, source: str, now: datetime, zone: ZoneInfo, options: ReadOptions) -> None:
        """Raises `RateDeckInvalid` where nothing in the file is a header."""
        self._text, self._now, self._zone, self._options = text, now, zone, options
        records = list(islice(text.records([]), HEADER_WITHIN))
        header = find_header(records, options.map, options.ignored)
        if header is None and records:
            header = without_header(records[0][1])
        if header is None:
            raise RateDeckInvalid(source, [_no_header(records)])
        self._header = header
        self._is_ours = set(REQUIRED_COLUMNS) <= {plain(name)[0].replace(" ", "_") for name in header.names}
        self._places = dict(header.places)
        if header.has_split_increments:
            self._places["next_s"] = self._places["increments"] + 1
        self._faults = Faults(source, header)
        self._rates = Rates()
        self._terms_places: dict[tuple[Any, ...], int] = {}
        self._currencies: dict[str, int] = {}
        self._free: list[int] = []
        self._skipped = 0

    def read(self) -> DeckFile:
        """Raises `RateDeckInvalid` with every fault and question."""
        survey = self._look_through()
        by = self._settle(survey)
        if not self._faults.found:
            self._read_rows(RowCells(by))
        self._conclude()
        currency = next(iter(self._currencies), None) or self._header_currency()
        return DeckFile(rows=self._rates, currency=currency, mapping=self._mapping(survey, by))

    # -- the file as a whole -------------------------------------------------------------------------------------------

    def _rows(self, faults: list[DeckFault]) -> Iterator[Record]:
        header_line = self._header.line
        return dropwhile(lambda record: record[0] <= header_line, self._text.records(faults))

    def _look_through(self) -> Survey:
        header, width = self._header, len(self._header.names)
        survey = Survey(width)
        prefix, country = header.places["prefix"], header.places.get("country_code")
        price_places = [
            header.places[name] for name in (*PRICES, "connect_fee", "minimum_charge") if name in header.places
        ]
        date_places = [header.places[name] for name in ("effective_from", "effective_to") if name in header.places]
        for count, (_, record) in enumerate(self._rows([])):
            if len(record) < width:
                record = [*record, *[""] * (width - len(record))]  # noqa: PLW2901 - padded
            code = record[prefix].strip()
            prices = [record[place] for place in price_places]
            land = None if country is None else record[country].strip()
            if not (code or land) or not any(map(str.strip, prices)):
                continue
            survey.see_code(code, land)
            if len(survey.prices) < MAX_REMEMBERED:
                survey.prices.update(prices)
            if len(survey.dates) < MAX_REMEMBERED:
                survey.dates.update([record[place] for place in date_places])
            if count < SAMPLED:
                survey.see_sample(record)
        return survey

    def _settle(self, survey: Survey) -> ReadBy:
        """Decide what the rows are read by, or ask."""
        options, header, faults = self._options, self._header, self._faults
        mark = {"point": ".", "comma": ","}.get(options.decimal) or survey.decimal_mark()
        if mark == "?":
            either = next(iter(survey.prices - {""}))
            faults.ask("rate_per_min", either, "decimal point (thousands) or comma (decimals)")
        is_told = options.nanp is not None or header.is_nanp or self._is_ours or "country_code" in header.places
        if not is_told and survey.may_lack_country():
            found = f"{survey.codes} codes that may be American ones without their 1"
            faults.add(header.line or 1, faults.name("prefix"), found, f"{QUESTION}: nanp add1 or none")
        return ReadBy(
            options=options,
            now=self._now,
            zone=self._zone,
            has=frozenset(self._places),
            dates=options.dates or survey.date_order(),
            has_comma=mark == ",",
            has_decimals=survey.codes_with_decimals > 0 and survey.codes_with_decimals == survey.codes,
            joins_country="country_code" in header.places and not survey.starts_with_country,
            is_nanp=header.is_nanp if options.nanp is None else options.nanp,
            is_ours=self._is_ours,
        )

    # -- rows ----------------------------------------------------------------------------------------------------------

    def _read_rows(self, row: RowCells) -> None:
        width, faults = len(self._header.names), self._faults
        own = itemgetter(*(self._places.get(name, width) for name in OWN))
        shared = itemgetter(*(self._places.get(name, width) for name in SHARED))
        self._row = row
        self._shared = _Remembered(row.shared)
        self._found = _Remembered(lambda key: self._priced(*key))
        self._prices = _Remembered(row.rate)
        self._labels = _Remembered(lambda texts: row.label(*texts))
        word = plain(faults.name("connect_fee"))[0] if "connect_fee" in self._header.places else ""
        self._fee_pays_first = word == "initial cost"
        for line, record in self._rows(faults.found):
            if len(faults.found) >= MAX_FAULTS:
                break
            if len(record) != width:
                if any(cell.strip() for cell in record[width:]):
                    faults.add(line, "", f"{len(record)} cells", f"{width}, as the header has")
                    continue
                record = [*record[:width], *[""] * (width - len(record))]  # noqa: PLW2901 - padded
            record.append("")
            texts = own(record)
            if not "".join(texts[FIRST_PRICE:]).strip() and self._is_note(record, texts[0].strip()):
                self._skipped += 1
                continue
            try:
                self._add(line, texts, self._shared[shared(record)])
            except (CellInvalid, AmountInvalid):
                faults.explain(line, texts, shared(record), row)

    def _is_note(self, record: Sequence[str], code: str) -> bool:
        """A line without a price above, between or below the rows: nothing in it could be a code."""
        filled = sum(bool(cell.strip()) for cell in record)
        return not any(character.isdecimal() for character in code) and (
            not code or filled == 1 or code.lower() not in cells.ANYWHERE
        )

    def _add(self, line: int, texts: Sequence[str], shared: Shared) -> None:
        """Add the rows that a line stands for. Raises `CellInvalid`."""
        code, country = texts[:2]
        if shared.is_inbound:
            self._skipped += 1
            return
        label = self._labels[texts[2:FIRST_PRICE]]
        found = self._found[texts[FIRST_PRICE:], shared.origins]
        if shared.currency:
            self._currencies.setdefault(shared.currency, line)
        for prefix in self._row.codes(code, country):
            length = len(prefix) if shared.is_exact else shared.terms.number_length
            for origin, nanos, currency in found:
                if currency:
                    self._currencies.setdefault(currency, line)
                for caller in shared.origins if not origin else (origin,):
                    self._put(line, prefix, nanos, label, shared, length, caller)

    def _put(  # noqa: PLR0913, PLR0917 - a row
        self, line: int, prefix: str, nanos: int | None, label: str, shared: Shared, length: int, origin: str
    ) -> None:
        terms = shared.terms
        is_blocked = terms.is_blocked or nanos is None
        increments = shared.increments or Increments(1, 1)
        if shared.increments is None and not is_blocked:
            raise CellInvalid(cells.INCREMENT)
        known = (shared.number, is_blocked, length, origin)
        place = self._terms_places.get(known)
        if place is None:
            place = self._terms_places[known] = self._rates.place(
                terms._replace(
                    is_blocked=is_blocked,
                    number_length=length,
                    origin=origin,
                    first_increment_s=increments.first_s,
                    increment_s=increments.next_s,
                    included_s=increments.first_s if self._fee_pays_first and not is_blocked else 0,
                )
            )
        nanos = nanos or 0
        if not is_blocked:
            if self._options.rate_unit != _MINUTE_S:
                nanos, rest = divmod(nanos * _MINUTE_S, self._options.rate_unit or increments.next_s)
                if rest:
                    raise CellInvalid("a price that is a whole number of nanos a minute")
            if not (nanos or terms.connect_fee_micros or terms.minimum_charge_micros):
                self._free.append(line)
        self._rates.add(key_of(prefix), nanos, place, label, line)

    def _priced(self, texts: Sequence[str], origins_named: Sequence[str]) -> list[tuple[str, int | None, str]]:
        """Origin, nanos (None: blocked) and currency of each price of a line. Within and between states they differ."""
        found = [
            ("" if field == "rate_per_min" else _ORIGINS[field], *self._prices[text])
            for field, text in zip(PRICES, texts, strict=True)
            if field in self._header.places
            and (text.strip() or field == "rate_per_min" or not any(map(str.strip, texts)))
        ]
        origins = {origin for origin, _, _ in found}
        if origins and "" not in origins and INDETERMINATE not in origins:  # who cannot be told pays the dearest
            dearest = max(found, key=lambda each: (each[1] is not None, each[1] or 0))
            found.append((INDETERMINATE, *dearest[1:]))
        if "" not in origins and origins_named != ("",):
            raise CellInvalid("no origin beside prices within and between states")
        return found

    # -- the end -------------------------------------------------------------------------------------------------------

    def _conclude(self) -> None:
        """Judge the rows together. Raises `RateDeckInvalid`."""
        faults, header_currency = self._faults, self._header_currency()
        first, *others = [*self._currencies] or [""]
        for other in others:
            found = f"{other}, after {first} on line {self._currencies[first]}"
            faults.add(self._currencies[other], faults.name("currency"), found, "one currency")
        if first and header_currency and first != header_currency and not others:
            found = f"{first}, after {header_currency} in the header"
            faults.add(self._currencies[first], faults.name("currency"), found, "one currency")
        if self._free and not (self._is_ours or self._options.allow_free):
            answers = "allow-free where they cost nothing; a blank price blocks"
            faults.ask("rate_per_min", f"{len(self._free)} rows that cost nothing", answers, self._free[0])
        if not self._rates and not faults.found:
            faults.add(self._header.line or 1, "", "a header without rows", "at least one row below it")
        self._rates = sorted_rates(self._rates)
        faults.found += duplicates(self._rates, faults.name("prefix"))
        if faults.found:
            raise faults.invalid()

    def _header_currency(self) -> str | None:
        """A dollar sign means the dollars that were named, else those of the United States."""
        currency = self._header.currency
        named = self._options.currency
        if currency == "USD" and named is not None and named.endswith("D") and "$" in "".join(self._header.names):
            return named
        return currency

    def _mapping(self, survey: Survey, by: ReadBy) -> DeckMapping:
        fields = {place: field for field, place in self._places.items()}
        assumed = {}
        if not {"increments", "first_s", "next_s"} & by.has:
            first_s, next_s = self._options.increments or DEFAULT_INCREMENTS
            assumed["increments"] = f"{first_s}/{next_s}"
        if "effective_from" not in by.has:
            assumed["effective_from"] = self._now.isoformat()
        elif self._options.tz == "UTC":
            assumed["tz"] = "UTC"
        if by.dates is not None:
            assumed["dates"] = by.dates.value
        if by.has_comma:
            assumed["decimal"] = "comma"
        return DeckMapping(
            encoding=self._text.encoding,
            delimiter=self._text.delimiter,
            header_line=self._header.line,
            columns=[
                MappedColumn(column=name.strip(), field=fields.get(place, ""), samples=list(survey.samples[place]))
                for place, name in enumerate(self._header.names)
                if name.strip() or place in fields
            ],
            assumed=assumed,
            skipped=self._skipped,
        )


def _no_header(records: Sequence[Record]) -> DeckFault:
    if not records:
        return DeckFault(1, "", "an empty file", f"the header {','.join(REQUIRED_COLUMNS)} and rows below it")
    line, cells_ = records[0]
    found = f"no line that names a code and a price, such as {shown(','.join(cells_))}"
    return DeckFault(
        line, "", found, f"the header {','.join(REQUIRED_COLUMNS)}, one in a carrier's words, or the setting map"
    )
