"""`callgate rates ...`: rate decks."""

from pathlib import Path

import msgspec

from callgate.cli.desk import (
    AsJson,
    Config,
    InApp,
    Whole,
    open_books,
    read_settings,
    say,
    say_json,
    the_application,
    who,
)
from callgate.errors import Invalid
from callgate.rating.deck_change import ImportMode


async def import_(
    file: Path,
    *,
    deck: str,
    currency: str | None = None,
    mode: ImportMode = ImportMode.REPLACE,
    dry_run: bool = False,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Import a rate deck from CSV, and say what changes in price.

    Parameters
    ----------
    file
        CSV with the columns prefix, destination, rate_per_min, connect_fee, first_s, next_s, effective_from.
    deck
        Name of the deck.
    currency
        ISO 4217 code, where the file has none; the setting default_currency when neither says it.
    mode
        replace: the file becomes the deck. merge: only the prefixes that it lists change.
    dry_run
        Show what would change, and change nothing.
    """
    from callgate.app import clock
    from callgate.money import parse_currency
    from callgate.rating.deck_csv import read_deck
    from callgate.service.import_deck import import_deck

    now = clock()
    read = read_deck(_content(file), str(file), now)
    asked = parse_currency(currency, "--currency") if currency is not None else None
    if asked is not None and read.currency is not None and asked != read.currency:
        raise Invalid("--currency", asked, f"{read.currency}, which {file} says itself, or no --currency")
    used = asked or read.currency or read_settings(config).default_currency
    async with open_books(config) as store:
        comparison = await import_deck(
            store, deck, used, read.rows, mode=mode, is_dry_run=dry_run, now=now, file=file.name, who=who()
        )
    change = comparison.change
    if json:
        say_json({**msgspec.structs.asdict(change), "errors": []})
    else:
        say(
            f"{'Would import' if dry_run else 'Imported'} deck {deck} in {used}: "
            f"{change.added} added, {change.removed} removed, {change.dearer} dearer, {change.cheaper} cheaper, "
            f"{change.unchanged} unchanged"
        )
    return 0


async def quote(
    destination: str,
    *,
    seconds: Whole,
    account: str | None = None,
    deck: str = "standard",
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
    """
    from callgate.app import clock
    from callgate.service.books import AccountKey
    from callgate.service.quote import quote_call

    async with open_books(config) as store:
        payer = AccountKey(await the_application(store, app), account) if account is not None else None
        report = await quote_call(store, destination, seconds, payer=payer, deck=deck, now=clock())
    if json:
        say_json(report)
        return 0
    price = f"{report.rate_per_minute} {report.currency} a minute, {report.increments}"
    say(f"{report.destination}: prefix {report.prefix} at {price}")
    say(f"{report.seconds} s are billed as {report.billed_seconds} s: {report.charge} {report.currency}")
    if report.affordable_seconds is not None:
        say(f"{account} could pay for {report.affordable_seconds} s")
    return 0


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Invalid(str(file), error.strerror or str(error), "a readable CSV file") from error
