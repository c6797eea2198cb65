"""What the cells of one row say, by what the file as a whole is read by."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from callgate.money import MICROS, NANOS_PER_MICRO, parse_currency
from callgate.rating import deck_cells as cells
from callgate.rating.deck_cells import CellInvalid, DateOrder, IncrementOrder, Increments
from callgate.rating.deck_csv import read_label
from callgate.rating.deck_options import ReadOptions
from callgate.rating.hours import write_hours
from callgate.rating.rates import Terms

PRICES = ("rate_per_min", "inter", "intra", "indeterminate")
SHARED = (
    "connect_fee", "first_s", "next_s", "increments", "grace_s", "minimum_charge", "effective_from", "effective_to", "status",
    "reject", "comment", "currency", "exact", "number_length", "origin", "direction", "days", "from", "to",
)  # fmt: skip
"""Columns whose cells repeat together in most files, so that they are read once for many rows."""

OWN = ("prefix", "country_code", "destination", "network", "country", *PRICES)
"""Columns that rows have for themselves."""

FIRST_PRICE = OWN.index(PRICES[0])

ALL_DIGITS = tuple("123456789")
"""Prefixes that together are every number: what a row for the rest of the world stands for."""

QUESTION = "an answer to which is meant"
"""How an expectation begins that is a question to whoever imports."""

DEFAULT_INCREMENTS = Increments(60, 60)

_RATE = "a decimal such as 0.0105, blank to block the prefix"
AMOUNT = "a decimal such as 0.05, blank or 0 for none"

_NANOS = MICROS * NANOS_PER_MICRO
_END = "a moment after effective_from"
_DAY_MIN = 24 * 60


class ReadBy(NamedTuple):
    """What a file is read by. `has` are the fields that it has columns for. `is_ours`: its columns have our own names."""

    options: ReadOptions
    now: datetime
    zone: ZoneInfo
    has: frozenset[str]
    dates: DateOrder | None
    has_comma: bool
    has_decimals: bool
    joins_country: bool
    is_nanp: bool
    is_ours: bool


class Shared(NamedTuple):
    """What the cells of `SHARED` say. `number` tells different ones apart."""

    number: int
    terms: Terms
    increments: Increments | None
    origins: tuple[str, ...]
    is_exact: bool
    currency: str
    is_inbound: bool


class RowCells:
    """Reads cells. Raises `CellInvalid`, or `AmountInvalid` for amounts, with what was expected."""

    def __init__(self, by: ReadBy) -> None:
        self.by = by
        self._count = 0

    def codes(self, text: str, country: str) -> list[str]:
        """The prefixes that a row is for; none where it is one for the rest of the world, and those are skipped."""
        country = country if self.by.joins_country else ""
        word = text.strip().lower()
        if word in cells.ANYWHERE and word:
            if self.by.options.default_row == "import":
                return list(ALL_DIGITS)
            if self.by.options.default_row == "skip":
                return []
            raise CellInvalid(f"{QUESTION}: default-row import (every number that no other row is for) or skip")
        if text.strip().endswith(".0") and not self.by.has_decimals:
            raise CellInvalid(
                "digits without decimals: a spreadsheet took the codes for numbers, format the column as text"
            )
        if self.by.joins_country and word in ("", "proper"):
            text, country = country, ""
        return cells.read_codes(text, country, is_nanp=self.by.is_nanp)

    def rate(self, text: str) -> tuple[int | None, str]:
        """A price in nanos, None where there is none, and its currency, where the cell names one."""
        return self.price(text, _NANOS, _RATE)

    def price(self, text: str, scale: int, expected: str) -> tuple[int | None, str]:
        if text.strip().lower() in cells.NO_PRICE:
            return None, ""
        price, currency = cells.read_price(text, scale, comma=self.by.has_comma, expected=expected)
        return price, currency

    def shared(self, texts: Sequence[str]) -> Shared:
        (
            fee, first, following, joined, grace, minimum, start, end, status, reject, comment, currency, exact, length, origin,
            direction, days, from_, to,
        ) = texts  # fmt: skip
        fee_micros, fee_currency = self.price(fee, MICROS, AMOUNT)
        effective_from, effective_to = self.moment(start) or self.by.now, self.moment(end)
        if effective_to is not None and effective_to <= effective_from:
            raise CellInvalid(_END)
        is_blocked = cells.read_status(status) or cells.read_yes(reject) or cells.read_comment(comment)
        self._count += 1
        return Shared(
            number=self._count,
            terms=Terms(
                effective_from=effective_from,
                effective_to=effective_to,
                connect_fee_micros=fee_micros or 0,
                first_increment_s=1,
                increment_s=1,
                minimum_charge_micros=self.price(minimum, MICROS, AMOUNT)[0] or 0,
                grace_s=cells.read_seconds(grace),
                included_s=0,
                is_blocked=is_blocked,
                number_length=cells.read_length(length),
                origin="",
                hours=self.hours(days, from_, to),
                deck="",
                file="",
            ),
            increments=self.increments(first, following, joined),
            origins=cells.read_origins(origin),
            is_exact=cells.read_exact(exact),
            currency=parse_currency(currency) if currency.strip() else fee_currency,
            is_inbound=direction.strip().lower() in ("inbound", "in", "incoming"),
        )

    def moment(self, text: str) -> datetime | None:
        return cells.read_moment(text, self.by.dates, self.by.zone)

    def increments(self, first: str, following: str, joined: str) -> Increments | None:
        """From whichever columns the file has; None where they are blank, as a blocked row may have them."""
        order = self.by.options.increment_order
        if "increments" in self.by.has:
            if not following.strip():
                return cells.read_increments(joined, order)
            first = joined
        elif not {"first_s", "next_s"} & self.by.has:
            return self.by.options.increments or DEFAULT_INCREMENTS
        first_s, next_s = cells.read_increment_s(first), cells.read_increment_s(following)
        if first_s is None or next_s is None:
            only_s = first_s or next_s
            return None if only_s is None else Increments(only_s, only_s)
        if order is None and self.by.is_ours:
            order = IncrementOrder.FIRST_NEXT  # our own names say it
        return cells.ordered(first_s, next_s, order)

    def hours(self, days: str, from_: str, to: str) -> str:
        if not {"days", "from", "to"} & self.by.has:
            return ""
        start_min, end_min = cells.read_clock_min(from_), cells.read_clock_min(to)
        if end_min is not None and end_min % 60 == 59:  # noqa: PLR2004 - 23:59 is meant to the end of its minute
            end_min += 1
        return write_hours(
            cells.read_days(days),
            (start_min or 0) % _DAY_MIN,
            _DAY_MIN if end_min is None else end_min,
            self.by.zone.key,
        )

    def label(self, destination: str, network: str, country: str) -> str:
        """The most telling of what a row says of where it leads."""
        if destination.strip():
            return read_label(destination.strip())
        return read_label(" ".join(part for part in (country.strip(), network.strip()) if part))
