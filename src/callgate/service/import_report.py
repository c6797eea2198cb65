"""What an import says of itself: how the file was read, what it changes, by how much, and what a call then costs."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from callgate.errors import DeckFault, RateDeckInvalid
from callgate.money import format_micros, format_nanos
from callgate.rating.charge import charge_micros
from callgate.rating.deck_change import DeckComparison, PriceChange
from callgate.rating.deck_csv import DeckMapping
from callgate.rating.rate import Rate
from callgate.rating.supplier_mapping import SupplierMapping
from callgate.service.import_deck import PreparedDeck

PREVIEW_S = (1, 60, 61)
"""Calls that a preview prices: they show the increments, and what a price is for."""


class ReportedFault(msgspec.Struct, frozen=True, kw_only=True):
    """A cell that cannot be read."""

    line: int
    column: str
    found: str
    expected: str


class PreviewedPrice(msgspec.Struct, frozen=True, kw_only=True):
    """What calls of a second, a minute, and a minute and a second cost."""

    prefix: str
    destination: str
    rate_per_minute: str
    connect_fee: str
    increments: str
    charge_1_s: str
    charge_60_s: str
    charge_61_s: str


class ReportedChange(msgspec.Struct, frozen=True, kw_only=True):
    """A price that changes. `by` is how much more a call of a minute costs, with its sign; `percent` likewise."""

    prefix: str
    origin: str
    destination: str
    before: str
    after: str
    by: str
    percent: str | None


class RecalledReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was remembered of the supplier's last file with this header: `said` as a command would say it again."""

    id: str
    supplier: str
    file: str
    said: list[str]
    remembered_at: datetime
    remembered_by: str


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """The counts are prefixes, each once for each origin, number length and hours that it has a price for.

    `dearer_by` and `cheaper_by` are averages of calls of a minute. A file with `errors` changes nothing. `recalled` is what of
    its reading was remembered, null where nothing was.
    """

    added: int
    removed: int
    dearer: int
    cheaper: int
    unchanged: int
    errors: list[ReportedFault]
    deck: str
    currency: str
    dry_run: bool
    rows: int = 0
    free: int = 0
    blocked: int = 0
    newly_blocked: int = 0
    dearer_by: str = "0.00"
    cheaper_by: str = "0.00"
    largest: list[ReportedChange] = []
    preview: list[PreviewedPrice] = []
    mapping: DeckMapping | None = None
    recalled: RecalledReport | None = None


def report_import(deck: str, prepared: PreparedDeck, *, is_dry_run: bool) -> ImportReport:
    """Say what an import changes, or would change."""
    comparison = prepared.comparison
    change = comparison.change
    return ImportReport(
        **msgspec.structs.asdict(change),
        errors=[],
        deck=deck,
        currency=prepared.currency,
        dry_run=is_dry_run,
        rows=len(prepared.after),
        free=comparison.free,
        blocked=comparison.blocked,
        newly_blocked=comparison.newly_blocked,
        dearer_by=_average(comparison.dearer_by_micros, change.dearer),
        cheaper_by=_average(comparison.cheaper_by_micros, change.cheaper),
        largest=[_change(each) for each in _largest(comparison)],
        preview=list(map(_preview, prepared.examples)),
        mapping=prepared.mapping,
        recalled=None if prepared.recalled is None else _recalled(prepared.recalled),
    )


def _recalled(mapping: SupplierMapping) -> RecalledReport:
    return RecalledReport(
        id=mapping.id,
        supplier=mapping.supplier,
        file=mapping.file,
        said=mapping.said.shown(),
        remembered_at=mapping.remembered_at,
        remembered_by=mapping.remembered_by,
    )


def report_faults(deck: str, currency: str, invalid: RateDeckInvalid, *, is_dry_run: bool) -> ImportReport:
    """Say what is wrong with a file, which changes nothing."""
    return ImportReport(
        added=0, removed=0, dearer=0, cheaper=0, unchanged=0, errors=report_each(invalid.faults), deck=deck,
        currency=currency, dry_run=is_dry_run,
    )  # fmt: skip


def report_each(faults: Sequence[DeckFault]) -> list[ReportedFault]:
    return [
        ReportedFault(line=fault.line, column=fault.column, found=fault.found, expected=fault.expected)
        for fault in faults
    ]


def _largest(comparison: DeckComparison) -> list[PriceChange]:
    """Those that cost callers or the operator most, whichever way."""
    both = [*comparison.dearer, *comparison.cheaper]
    return sorted(both, key=lambda each: -abs(each.by_micros))


def _change(change: PriceChange) -> ReportedChange:
    before, after = change
    assert before is not None and after is not None, "only prices that are on both sides are compared"
    was = charge_micros(before, 60)
    tenths, sign = abs(change.by_micros) * 1_000 // was if was else 0, "-" if change.by_micros < 0 else "+"
    percent = f"{sign}{tenths // 10}.{tenths % 10}" if was else None
    return ReportedChange(
        prefix=after.prefix,
        origin=after.origin,
        destination=after.destination,
        before=_price(before),
        after=_price(after),
        by=format_micros(change.by_micros),
        percent=percent,
    )


def _price(rate: Rate) -> str:
    fee = f" + {format_micros(rate.connect_fee_micros)}" if rate.connect_fee_micros else ""
    return f"{format_nanos(rate.rate_nanos_per_min)}{fee} {rate.first_increment_s}/{rate.increment_s}"


def _preview(rate: Rate) -> PreviewedPrice:
    second, minute, minute_and_second = (format_micros(charge_micros(rate, seconds)) for seconds in PREVIEW_S)
    return PreviewedPrice(
        prefix=rate.prefix,
        destination=rate.destination,
        rate_per_minute=format_nanos(rate.rate_nanos_per_min),
        connect_fee=format_micros(rate.connect_fee_micros),
        increments=f"{rate.first_increment_s}/{rate.increment_s}",
        charge_1_s=second,
        charge_60_s=minute,
        charge_61_s=minute_and_second,
    )


def _average(sum_micros: int, count: int) -> str:
    return format_micros(sum_micros // count if count else 0)
