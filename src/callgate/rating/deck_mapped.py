"""Rate decks in carriers' own formats: their columns found by name, their cells read as their senders write them.

A file is gone through twice. The first time shows what can be told by the file as a whole only: the order of days and months,
commas in decimals, codes without a country. What stays open is asked, never guessed: a fault that names the setting.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import dropwhile, islice
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from callgate.errors import AmountInvalid, DeckFault, RateDeckInvalid
from callgate.money import MICROS, NANOS_PER_MICRO, parse_currency
from callgate.rating import deck_cells as cells
from callgate.rating.cgrates import is_cgrates, read_cgrates
from callgate.rating.deck_cells import CellInvalid, IncrementOrder, Increments
from callgate.rating.deck_csv import (
    COLUMNS,
    MAX_FAULTS,
    REQUIRED_COLUMNS,
    DeckFile,
    DeckMapping,
    MappedColumn,
    duplicates,
    read_deck,
    read_label,
    shown,
)
from callgate.rating.deck_header import HEADER_WITHIN, find_header, plain, without_header
from callgate.rating.deck_options import ReadOptions, read_zone
from callgate.rating.deck_survey import MAX_REMEMBERED, SAMPLED, Survey
from callgate.rating.deck_text import Record, Text, open_text, unpack
from callgate.rating.hours import write_hours
from callgate.rating.origin import INDETERMINATE, INTER, INTRA
from callgate.rating.rates import Rates, Terms, key_of, sorted_rates

_T = TypeVar("_T")

ALL_DIGITS = tuple("123456789")
"""Prefixes that together are every number: what a row for the rest of the world stands for."""

_NANOS = MICROS * NANOS_PER_MICRO
_QUESTION = "an answer to which is meant"
_RATE = "a decimal such as 0.0105, blank to block the prefix"
_AMOUNT = "a decimal such as 0.05, blank or 0 for none"
_DEFAULT_INCREMENTS = Increments(60, 60)
_PRICES = ("rate_per_min", "inter", "intra", "indeterminate")
_ORIGINS = {"inter": INTER, "intra": INTRA, "indeterminate": INDETERMINATE}
_SHARED = (
    "connect_fee", "first_s", "next_s", "increments", "grace_s", "minimum_charge", "effective_from", "effective_to", "status",
    "reject", "comment", "currency", "exact", "number_length", "origin", "direction", "days", "from", "to",
)  # fmt: skip
"""Columns whose cells repeat together in most files, so that they are read once for many rows."""

_OWN = ("prefix", "country_code", "destination", "network", "country", *_PRICES)
_FIRST_PRICE = _OWN.index(_PRICES[0])


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


class _Shared(NamedTuple):
    """What the cells of `_SHARED` say."""

    number: int
    terms: Terms
    increments: Increments | None
    origins: tuple[str, ...]
    is_exact: bool
    currency: str
    is_inbound: bool


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
        self._text, self._source, self._now, self._zone, self._options = text, source, now, zone, options
        self._faults: list[DeckFault] = []
        self._asked: set[tuple[str, str]] = set()
        self._rates = Rates()
        self._places: dict[tuple[Any, ...], int] = {}
        self._currencies: dict[str, int] = {}
        self._free: list[int] = []
        self._skipped = self._count = 0

    def read(self) -> DeckFile:
        records = list(islice(self._text.records([]), HEADER_WITHIN))
        header = find_header(records, self._options.map, self._options.ignored)
        if header is None and records:
            header = without_header(records[0][1])
        if header is None:
            self._fail(self._no_header(records))
            raise self._invalid()
        self._header = header
        self._is_ours = set(REQUIRED_COLUMNS) <= {plain(name)[0].replace(" ", "_") for name in header.names}
        survey = self._look_through()
        self._settle(survey)
        if not self._faults:
            self._read_rows()
        self._conclude()
        currency = next(iter(self._currencies), None) or self._header_currency()
        return DeckFile(rows=self._rates, currency=currency, mapping=self._mapping(survey))

    # -- the file as a whole -------------------------------------------------------------------------------------------

    def _rows(self, faults: list[DeckFault]) -> Iterator[Record]:
        header_line = self._header.line
        return dropwhile(lambda record: record[0] <= header_line, self._text.records(faults))

    def _look_through(self) -> Survey:
        header, width = self._header, len(self._header.names)
        survey = Survey(width)
        prefix, country = header.places["prefix"], header.places.get("country_code")
        price_places = [
            header.places[name] for name in (*_PRICES, "connect_fee", "minimum_charge") if name in header.places
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

    def _settle(self, survey: Survey) -> None:
        """Decide what the rows are read by, or ask."""
        options, header = self._options, self._header
        self._dates = options.dates or survey.date_order()
        mark = {"point": ".", "comma": ","}.get(options.decimal) or survey.decimal_mark()
        if mark == "?":
            self._ask("rate_per_min", next(iter(survey.prices - {""})), "decimal point (thousands) or comma (decimals)")
        self._comma = mark == ","
        self._has_decimals = survey.codes_with_decimals > 0 and survey.codes_with_decimals == survey.codes
        self._joins_country = "country_code" in header.places and not survey.starts_with_country
        self._is_nanp = header.is_nanp if options.nanp is None else options.nanp
        is_told = options.nanp is not None or header.is_nanp or self._is_ours or "country_code" in header.places
        if not is_told and survey.may_lack_country():
            found = f"{survey.codes} codes that may be American ones without their 1"
            self._fail(DeckFault(header.line or 1, self._name("prefix"), found, f"{_QUESTION}: nanp add1 or none"))
        self._rate_unit_s = options.rate_unit
        word = plain(self._name("connect_fee"))[0] if "connect_fee" in header.places else ""
        self._fee_pays_first = word == "initial cost"
        self._shared = _Remembered(self._read_shared)
        self._found = _Remembered(lambda key: self._priced(*key))
        self._prices = _Remembered(lambda text: self._read_price(text, _NANOS, _RATE))
        self._labels = _Remembered(lambda texts: read_label(_label(*texts)))

    # -- rows ----------------------------------------------------------------------------------------------------------

    def _read_rows(self) -> None:
        header, width = self._header, len(self._header.names)
        places = dict(header.places)
        if header.has_split_increments:
            places["next_s"] = places["increments"] + 1
        own = itemgetter(*(places.get(name, width) for name in _OWN))
        shared = itemgetter(*(places.get(name, width) for name in _SHARED))
        self._has = frozenset(places)
        for line, record in self._rows(self._faults):
            if len(self._faults) >= MAX_FAULTS:
                break
            if len(record) != width:
                if any(cell.strip() for cell in record[width:]):
                    self._fail(DeckFault(line, "", f"{len(record)} cells", f"{width}, as the header has"))
                    continue
                record = [*record[:width], *[""] * (width - len(record))]  # noqa: PLW2901 - padded
            record.append("")
            texts = own(record)
            if not "".join(texts[_FIRST_PRICE:]).strip() and self._is_note(record, texts[0].strip()):
                self._skipped += 1
                continue
            try:
                self._add(line, texts, self._shared[shared(record)])
            except (CellInvalid, AmountInvalid):
                self._explain(line, texts, shared(record))

    def _is_note(self, record: Sequence[str], code: str) -> bool:
        """A line without a price above, between or below the rows: nothing in it could be a code."""
        filled = sum(bool(cell.strip()) for cell in record)
        return not any(character.isdecimal() for character in code) and (
            not code or filled == 1 or code.lower() not in _ANY
        )

    def _add(self, line: int, texts: Sequence[str], shared: _Shared) -> None:
        """Add the rows that a line stands for. Raises `CellInvalid`."""
        code, country = texts[:2]
        if shared.is_inbound:
            self._skipped += 1
            return
        label = self._labels[texts[2:_FIRST_PRICE]]
        found = self._found[texts[_FIRST_PRICE:], shared.origins]
        if shared.currency:
            self._currencies.setdefault(shared.currency, line)
        for prefix in self._read_codes(code, country):
            length = len(prefix) if shared.is_exact else shared.terms.number_length
            for origin, nanos, currency in found:
                if currency:
                    self._currencies.setdefault(currency, line)
                for caller in shared.origins if not origin else (origin,):
                    self._put(line, prefix, nanos, label, shared, length, caller)

    def _put(  # noqa: PLR0913, PLR0917 - a row
        self, line: int, prefix: str, nanos: int | None, label: str, shared: _Shared, length: int, origin: str
    ) -> None:
        terms = shared.terms
        is_blocked = terms.is_blocked or nanos is None
        increments = shared.increments or Increments(1, 1)
        if shared.increments is None and not is_blocked:
            raise CellInvalid(cells.INCREMENT)
        known = (shared.number, is_blocked, length, origin)
        place = self._places.get(known)
        if place is None:
            place = self._places[known] = self._rates.place(
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
            if self._rate_unit_s != _MINUTE_S:
                nanos, rest = divmod(nanos * _MINUTE_S, self._rate_unit_s or increments.next_s)
                if rest:
                    raise CellInvalid("a price that is a whole number of nanos a minute")
            if not (nanos or terms.connect_fee_micros or terms.minimum_charge_micros):
                self._free.append(line)
        self._rates.add(key_of(prefix), nanos, place, label, line)

    def _priced(self, texts: Sequence[str], origins_named: Sequence[str]) -> list[tuple[str, int | None, str]]:
        """Origin, nanos (None: blocked) and currency of each price of a line. Within and between states they differ."""
        found = [
            ("" if field == "rate_per_min" else _ORIGINS[field], *self._prices[text])
            for field, text in zip(_PRICES, texts, strict=True)
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

    # -- cells ---------------------------------------------------------------------------------------------------------

    def _read_codes(self, text: str, country: str) -> list[str]:
        country = country if self._joins_country else ""
        word = text.strip().lower()
        if word in cells.ANYWHERE and word:
            if self._options.default_row == "import":
                return list(ALL_DIGITS)
            if self._options.default_row == "skip":
                return []
            raise CellInvalid(f"{_QUESTION}: default-row import (every number that no other row is for) or skip")
        if text.strip().endswith(".0") and not self._has_decimals:
            raise CellInvalid(
                "digits without decimals: a spreadsheet took the codes for numbers, format the column as text"
            )
        if self._joins_country and word in ("", "proper"):
            text, country = country, ""
        return cells.read_codes(text, country, is_nanp=self._is_nanp)

    def _read_price(self, text: str, scale: int, expected: str) -> tuple[int | None, str]:
        if text.strip().lower() in cells.NO_PRICE:
            return None, ""
        price, currency = cells.read_price(text, scale, comma=self._comma, expected=expected)
        return price, currency

    def _read_shared(self, texts: Sequence[str]) -> _Shared:
        (
            fee, first, following, joined, grace, minimum, start, end, status, reject, comment, currency, exact, length, origin,
            direction, days, from_, to,
        ) = texts  # fmt: skip
        fee_micros, fee_currency = self._read_price(fee, MICROS, _AMOUNT)
        effective_from = cells.read_moment(start, self._dates, self._zone) or self._now
        effective_to = cells.read_moment(end, self._dates, self._zone)
        if effective_to is not None and effective_to <= effective_from:
            raise CellInvalid(_END)
        is_blocked = cells.read_status(status) or cells.read_yes(reject) or cells.read_comment(comment)
        self._count += 1
        return _Shared(
            number=self._count,
            terms=Terms(
                effective_from=effective_from,
                effective_to=effective_to,
                connect_fee_micros=fee_micros or 0,
                first_increment_s=1,
                increment_s=1,
                minimum_charge_micros=self._read_price(minimum, MICROS, _AMOUNT)[0] or 0,
                grace_s=cells.read_seconds(grace),
                included_s=0,
                is_blocked=is_blocked,
                number_length=cells.read_length(length),
                origin="",
                hours=self._read_hours(days, from_, to),
                deck="",
                file="",
            ),
            increments=self._read_increments(first, following, joined),
            origins=cells.read_origins(origin),
            is_exact=cells.read_exact(exact),
            currency=parse_currency(currency) if currency.strip() else fee_currency,
            is_inbound=direction.strip().lower() in ("inbound", "in", "incoming"),
        )

    def _read_increments(self, first: str, following: str, joined: str) -> Increments | None:
        """From whichever columns the file has; None where they are blank, as a blocked row may have them."""
        order = self._options.increment_order
        if "increments" in self._has:
            if not following.strip():
                return cells.read_increments(joined, order)
            first = joined
        elif not {"first_s", "next_s"} & self._has:
            return self._options.increments or _DEFAULT_INCREMENTS
        first_s, next_s = cells.read_increment_s(first), cells.read_increment_s(following)
        if first_s is None or next_s is None:
            only_s = first_s or next_s
            return None if only_s is None else Increments(only_s, only_s)
        if order is None and self._is_ours:
            order = IncrementOrder.FIRST_NEXT  # our own names say it
        return cells.ordered(first_s, next_s, order)

    def _read_hours(self, days: str, from_: str, to: str) -> str:
        if not {"days", "from", "to"} & self._has:
            return ""
        start_min, end_min = cells.read_clock_min(from_), cells.read_clock_min(to)
        if end_min is not None and end_min % 60 == 59:  # noqa: PLR2004 - 23:59 is meant to the end of its minute
            end_min += 1
        return write_hours(
            cells.read_days(days), (start_min or 0) % _DAY_MIN, _DAY_MIN if end_min is None else end_min, self._zone.key
        )

    # -- faults --------------------------------------------------------------------------------------------------------

    def _explain(self, line: int, texts: Sequence[str], shared: Sequence[str]) -> None:
        """Say what is wrong with a line that could not be read: each cell by itself, then cells against each other."""
        before = len(self._faults), len(self._asked)
        own = dict(zip(_OWN, texts, strict=True))
        named = dict(zip(_SHARED, shared, strict=True))
        self._try(line, "prefix", own["prefix"], lambda text: self._read_codes(text, own["country_code"]))
        self._try(line, "destination", own["destination"], lambda _: read_label(_label(*texts[2:5])))
        for field in _PRICES:
            self._try(line, field, own[field], lambda text: self._read_price(text, _NANOS, _RATE))
        for field in ("connect_fee", "minimum_charge"):
            self._try(line, field, named[field], lambda text: self._read_price(text, MICROS, _AMOUNT))
        for field, read in _READERS.items():
            self._try(line, field, named[field], read)
        for field in ("effective_from", "effective_to"):
            self._try(line, field, named[field], lambda text: cells.read_moment(text, self._dates, self._zone))
        if before == (len(self._faults), len(self._asked)):
            self._explain_together(line, named, own)

    def _explain_together(self, line: int, named: dict[str, str], own: dict[str, str]) -> None:
        field = next((name for name in ("increments", "first_s", "next_s") if name in self._has), "first_s")
        found = "/".join(named[name].strip() for name in ("increments", "first_s", "next_s") if named[name].strip())
        try:
            increments = self._read_increments(named["first_s"], named["next_s"], named["increments"])
        except CellInvalid as fault:
            self._say(line, field, found, str(fault))
            return
        if increments is None and own["rate_per_min"].strip():
            self._say(line, field, "", cells.INCREMENT)
            return
        try:
            self._read_shared(tuple(named[name] for name in _SHARED))
        except CellInvalid as fault:
            self._say(line, "effective_to", named["effective_to"], str(fault))
        else:
            self._say(
                line,
                "rate_per_min",
                own["rate_per_min"],
                "a price of whole nanos a minute, and no origin beside states",
            )

    def _try(self, line: int, field: str, text: str, read: Callable[[str], object]) -> None:
        try:
            read(text)
        except CellInvalid as fault:
            self._say(line, field, text, str(fault))
        except AmountInvalid as fault:
            self._say(line, field, text, fault.expected)

    def _say(self, line: int, field: str, text: str, expected: str) -> None:
        if expected.startswith(_QUESTION):
            self._ask(field, text, expected.removeprefix(f"{_QUESTION}: "), line)
        else:
            self._fail(DeckFault(line, self._name(field), shown(text), expected))

    def _ask(self, field: str, text: str, answers: str, line: int = 0) -> None:
        """A question is put once, at the first line that raises it."""
        if (field, answers) not in self._asked:
            self._asked.add((field, answers))
            self._fail(
                DeckFault(line or self._header.line or 1, self._name(field), shown(text), f"{_QUESTION}: {answers}")
            )

    def _fail(self, fault: DeckFault) -> None:
        self._faults.append(fault)

    def _name(self, field: str) -> str:
        """A column as the file calls it."""
        place = self._header.places.get(field)
        return field if place is None else self._header.names[place].strip() or field

    def _no_header(self, records: Sequence[Record]) -> DeckFault:
        if not records:
            return DeckFault(1, "", "an empty file", f"the header {','.join(REQUIRED_COLUMNS)} and rows below it")
        line, cells_ = records[0]
        found = f"no line that names a code and a price, such as {shown(','.join(cells_))}"
        return DeckFault(
            line, "", found, f"the header {','.join(REQUIRED_COLUMNS)}, one in a carrier's words, or the setting map"
        )

    # -- the end -------------------------------------------------------------------------------------------------------

    def _conclude(self) -> None:
        """Judge the rows together. Raises `RateDeckInvalid`."""
        header_currency = self._header_currency()
        first, *others = [*self._currencies] or [""]
        for other in others:
            found = f"{other}, after {first} on line {self._currencies[first]}"
            self._fail(DeckFault(self._currencies[other], self._name("currency"), found, "one currency"))
        if first and header_currency and first != header_currency and not others:
            found = f"{first}, after {header_currency} in the header"
            self._fail(DeckFault(self._currencies[first], self._name("currency"), found, "one currency"))
        if self._free and not (self._is_ours or self._options.allow_free):
            answers = "allow-free where they cost nothing; a blank price blocks"
            self._ask("rate_per_min", f"{len(self._free)} rows that cost nothing", answers, self._free[0])
        if not self._rates and not self._faults:
            line = self._header.line or 1
            self._fail(DeckFault(line, "", "a header without rows", "at least one row below it"))
        self._rates = sorted_rates(self._rates)
        self._faults += duplicates(self._rates, self._name("prefix"))
        if self._faults:
            raise self._invalid()

    def _invalid(self) -> RateDeckInvalid:
        return RateDeckInvalid(self._source, sorted(self._faults, key=lambda fault: fault.line)[:MAX_FAULTS])

    def _header_currency(self) -> str | None:
        """A dollar sign means the dollars that were named, else those of the United States."""
        currency = self._header.currency
        named = self._options.currency
        if currency == "USD" and named is not None and named.endswith("D") and "$" in "".join(self._header.names):
            return named
        return currency

    def _mapping(self, survey: Survey) -> DeckMapping:
        fields = {place: field for field, place in self._header.places.items()}
        if self._header.has_split_increments:
            fields[self._header.places["increments"] + 1] = "next_s"
        assumed = {}
        if not {"increments", "first_s", "next_s"} & self._has:
            first_s, next_s = self._options.increments or _DEFAULT_INCREMENTS
            assumed["increments"] = f"{first_s}/{next_s}"
        if "effective_from" not in self._has:
            assumed["effective_from"] = self._now.isoformat()
        elif self._options.tz == "UTC":
            assumed["tz"] = "UTC"
        if self._dates is not None:
            assumed["dates"] = self._dates.value
        if self._comma:
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


_END = "a moment after effective_from"
_MINUTE_S = 60
_DAY_MIN = 24 * 60
_ANY = cells.ANYWHERE
_READERS: dict[str, Callable[[str], object]] = {
    "grace_s": cells.read_seconds,
    "first_s": cells.read_increment_s,
    "next_s": cells.read_increment_s,
    "status": cells.read_status,
    "reject": cells.read_yes,
    "currency": lambda text: parse_currency(text) if text.strip() else None,
    "number_length": cells.read_length,
    "origin": cells.read_origins,
    "days": cells.read_days,
    "from": cells.read_clock_min,
    "to": cells.read_clock_min,
}


def _label(destination: str, network: str, country: str) -> str:
    """The most telling of what a row says of where it leads."""
    if destination.strip():
        return destination.strip()
    return " ".join(part for part in (country.strip(), network.strip()) if part)
