"""`callgate rates ...`: rate decks."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from callgate.cli.desk import (
    AsJson,
    Config,
    InApp,
    Whole,
    open_books,
    read_settings,
    say,
    say_json,
    table,
    the_application,
    who,
)
from callgate.errors import Conflict, RateDeckInvalid
from callgate.rating.deck_merge import ImportMode

if TYPE_CHECKING:
    from callgate.service.import_report import ImportReport

LARGEST_SHOWN = 5
"""How many changes are printed for a person."""


async def import_(
    file: Path,
    *,
    deck: str,
    currency: str | None = None,
    mode: ImportMode = ImportMode.REPLACE,
    dry_run: bool = False,
    dates: str | None = None,
    tz: str | None = None,
    decimal: str | None = None,
    increments: str | None = None,
    increment_order: str | None = None,
    rate_unit: str | None = None,
    nanp: str | None = None,
    default_row: str | None = None,
    allow_free: bool = False,
    effective: str | None = None,
    columns: Annotated[list[str], Parameter(name="--map", negative=())] = [],  # noqa: B006 - never changed
    ignored: Annotated[list[str], Parameter(name="--ignore", negative=())] = [],  # noqa: B006 - never changed
    supplier: str = "",
    afresh: bool = False,
    yes: bool = False,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Import a rate deck, and say what changes in price.

    Parameters
    ----------
    file
        CSV, gzipped CSV or an Excel workbook: with our columns, or with those of a carrier, which are found by their names. A
        folder or a zip with the three files of CGRateS.
    deck
        Name of the deck.
    currency
        ISO 4217 code, where the file has none; the setting default_currency when neither says it.
    mode
        replace: the file becomes the deck. merge: only the prefixes that it lists change.
    dry_run
        Show how the file is read and what would change, and change nothing.
    dates
        Order of days and months, where the file leaves it open: dmy, mdy, ymd, or a pattern such as DD/MM/YYYY.
    tz
        Time zone of dates without an offset, such as Europe/Stockholm; UTC unless given.
    decimal
        point or comma, where the file leaves it open.
    increments
        First increment and each next, such as 60/6, for a file without them; 60/60 unless given.
    increment_order
        What 1/60 means: first-next or next-first.
    rate_unit
        What a price is for: minute, second or increment; a minute unless given.
    nanp
        add1: codes are American ones without their 1. none: they are not.
    default_row
        What to do with a row for the rest of the world: import or skip.
    allow_free
        Prices of 0 in a carrier's file are meant.
    effective
        When rows without a date take effect; now unless given.
    columns
        FIELD=COLUMN: take this column of the file for that field. May be repeated.
    ignored
        Read nothing from this column of the file. May be repeated.
    supplier
        Who sent the file, where the deck has files of several; the deck's name unless given. What you say of a file is
        remembered for the next one of this supplier with the same header.
    afresh
        Read the file as if it were the first of its supplier.
    yes
        Import without asking whether the file is read rightly. Without a terminal nothing is asked.
    """
    from callgate.app import clock
    from callgate.money import parse_currency
    from callgate.rating.deck_options import Said, read_columns
    from callgate.service.import_deck import DeckImport, PreparedDeck, import_file
    from callgate.service.import_report import report_faults, report_import

    asked = parse_currency(currency, "--currency") if currency is not None else None
    words = {
        "dates": dates, "tz": tz, "decimal": decimal, "increments": increments, "increment_order": increment_order,
        "rate_unit": rate_unit, "nanp": nanp, "default_row": default_row, "effective": effective, "currency": asked,
        "allow_free": "true" if allow_free else None,
    }  # fmt: skip
    order = DeckImport(
        path=file,
        file=file.name,
        deck=deck,
        mode=mode,
        currency=asked,
        default_currency=read_settings(config).default_currency,
        said=Said(
            answers={option: word for option, word in words.items() if word is not None},
            columns=read_columns(columns),
            ignored=tuple(ignored),
        ),
        now=clock(),
        supplier=supplier,
    )
    order.said.options()  # what is wrong with it is said before the file is read

    def approve(prepared: PreparedDeck) -> None:
        if prepared.mapping is None or json:
            return
        for line in _reading(report_import(deck, prepared, is_dry_run=dry_run), file):
            say(line)
        is_known = prepared.recalled is not None and not order.said
        if (
            not (dry_run or yes or is_known)
            and sys.stdin.isatty()
            and input("Import it so? [y/N] ").strip().lower() not in ("y", "yes")
        ):
            raise Conflict("not imported; nothing was changed")

    async with open_books(config) as store:
        try:
            prepared = await import_file(
                store, order, is_dry_run=dry_run, who=who(), approve=approve, recalls=not afresh
            )
        except RateDeckInvalid as invalid:
            if json:
                say_json(report_faults(deck, asked or order.default_currency, invalid, is_dry_run=dry_run))
            raise
    report = report_import(deck, prepared, is_dry_run=dry_run)
    if json:
        say_json(report)
    else:
        for line in _changes(report):
            say(line)
    return 0


def _reading(report: "ImportReport", file: Path) -> Iterator[str]:
    """How a file was read, and what calls then cost."""
    mapping = report.mapping
    assert mapping is not None, "only asked of a file in another format"
    header = f"header on line {mapping.header_line}" if mapping.header_line else "no header"
    skipped = f", {mapping.skipped} lines that are no prices" if mapping.skipped else ""
    yield f"{file} is read as {mapping.encoding}, {mapping.delimiter}, {header}{skipped}:"
    if (recalled := report.recalled) is not None:
        day = f"{recalled.remembered_at:%Y-%m-%d}"
        said = f", with {' '.join(recalled.said)}" if recalled.said else ""
        yield f"  as {recalled.file} of {recalled.supplier} was on {day}{said}; --afresh reads it without"
    for column in mapping.columns:
        yield f"  {column.column or '(unnamed)':24} {column.field or '-':16} {', '.join(column.samples)}"
    for name, value in mapping.assumed.items():
        yield f"  {'(told by the file)' if name in ('dates', 'decimal') else '(not in the file)':24} {name:16} {value}"
    yield f"Calls of 1, 60 and 61 seconds then cost, in {report.currency}:"
    for price in report.preview:
        charges = f"{price.charge_1_s}, {price.charge_60_s}, {price.charge_61_s}"
        yield f"  {price.prefix:16} {price.destination[:24]:24} {price.increments:8} {charges}"


def _changes(report: "ImportReport") -> Iterator[str]:
    yield (
        f"{'Would import' if report.dry_run else 'Imported'} deck {report.deck} in {report.currency}: "
        f"{report.added} added, {report.removed} removed, {report.dearer} dearer, {report.cheaper} cheaper, "
        f"{report.unchanged} unchanged"
    )
    if report.dearer:
        yield f"  a minute is dearer by {report.dearer_by} on average, where it is dearer"
    if report.cheaper:
        yield f"  a minute is cheaper by {report.cheaper_by} on average, where it is cheaper"
    for change in report.largest[:LARGEST_SHOWN]:
        origin = f" from {change.origin}" if change.origin else ""
        percent = f" ({change.percent} %)" if change.percent is not None else ""
        yield f"  {change.prefix}{origin}: {change.before} becomes {change.after}, {change.by} a minute{percent}"
    if report.newly_blocked:
        yield f"  {report.newly_blocked} prefixes had a price and are blocked now"
    if report.free:
        yield f"  {report.free} prefixes cost nothing"


async def mappings(*, supplier: str | None = None, config: Config = None, json: AsJson = False) -> int:
    """List what is remembered of suppliers' files.

    Parameters
    ----------
    supplier
        Of this one alone.
    """
    from callgate.service.forget_mapping import report_mapping

    async with open_books(config) as store:
        reports = [report_mapping(each) for each in await store.supplier_mappings(supplier)]
    if json:
        say_json(reports)
        return 0
    lines = [
        (each.id, each.supplier, each.file, f"{each.remembered_at:%Y-%m-%d}", each.remembered_by, " ".join(each.said))
        for each in reports
    ]
    table(("id", "supplier", "last file", "on", "by", "said"), lines)
    return 0


async def forget(id: str, *, config: Config = None, json: AsJson = False) -> int:  # noqa: A002 - the column's own name
    """Forget how files of a supplier are read.

    Parameters
    ----------
    id
        As rates mappings lists it.
    """
    from callgate.service.forget_mapping import ForgetMapping, report_mapping

    async with open_books(config) as store:
        report = report_mapping(await store.perform(ForgetMapping(id=id)))
    if json:
        say_json(report)
    else:
        say(f"The next file of {report.supplier} with that header is read by what it tells itself.")
    return 0


async def quote(
    destination: str,
    *,
    seconds: Whole,
    account: str | None = None,
    deck: str = "standard",
    shown: Annotated[str | None, Parameter(name="--from")] = None,
    app: InApp = None,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Say what a call would cost.

    Parameters
    ----------
    destination
        Number that would be called.
    seconds
        How long the call would be.
    account
        Price it by this account's deck, and say how long the account could pay for.
    deck
        Price it by this deck, where no account is named.
    shown
        Number that the callee would see: a price may depend on it.
    """
    from callgate.app import clock
    from callgate.service.books import AccountKey
    from callgate.service.quote import quote_call

    async with open_books(config) as store:
        payer = AccountKey(await the_application(store, app), account) if account is not None else None
        report = await quote_call(store, destination, seconds, payer=payer, deck=deck, now=clock(), shown=shown)
    if json:
        say_json(report)
        return 0
    price = f"{report.rate_per_minute} {report.currency} a minute, {report.increments}"
    say(f"{report.destination}: prefix {report.prefix} at {price}")
    say(f"{report.seconds} s are billed as {report.billed_seconds} s: {report.charge} {report.currency}")
    if report.affordable_seconds is not None:
        say(f"{account} could pay for {report.affordable_seconds} s")
    return 0
