"""Rates: decks, what a call would cost, and a new deck in two steps: what it would change, then putting it in force."""

import asyncio
from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, get, post
from litestar.datastructures import State, UploadFile
from litestar.params import MultipartBody

from callgate.errors import Conflict, DeckFault, Invalid, NotFound, RateDeckInvalid
from callgate.logs import log
from callgate.money import format_micros, format_nanos, parse_currency
from callgate.rating.deck_change import DeckComparison, ImportMode, PriceChange
from callgate.rating.deck_csv import read_deck
from callgate.rating.rate import Rate
from callgate.service.books import AccountKey, DeckHead
from callgate.service.import_deck import import_deck
from callgate.service.quote import MAX_SECONDS, QuoteReport, quote_call
from callgate.service.token import Role
from callgate.web.desk import AnyRequest, AtDesk, Desk, Form, name_of
from callgate.web.forms import Filled
from callgate.web.lists import Listed, as_file, form_of, given, paths

MAX_UPLOAD_BYTES = 16 * 1024 * 1024
"""Some 300,000 rows; what is larger is imported by the command."""

FAULTS_SHOWN = 30
CHANGES_SHOWN = 10


@get(paths("/rates"))
async def list_decks(desk: AtDesk, request: AnyRequest) -> Response[Any]:
    """The decks, and what a call would cost: `destination`, `seconds`, and `account` or `deck`."""
    desk.over_all()
    heads = list(await desk.store.deck_heads())
    if form := form_of(request):
        return as_file(form, heads, None, "decks")
    asked = Filled(given(request, ("destination", "seconds", "account", "deck", "app")))
    quote, upload = await _quote(desk, asked), Filled(deck="standard", mode=ImportMode.REPLACE.value)
    return _page(desk, request, heads, asked, quote, upload, ())


async def _quote(desk: Desk, asked: Filled) -> QuoteReport | None:
    """What the call costs, or None with the fault beside its field; None also where nothing is asked."""
    if not asked["destination"]:
        return None
    try:
        seconds = _seconds(asked["seconds"] or "60")
        payer = AccountKey(desk.application(asked["app"]), asked["account"]) if asked["account"] else None
        return await quote_call(
            desk.store,
            asked["destination"],
            seconds,
            payer=payer,
            deck=asked["deck"] or "standard",
            now=desk.clock(),
            held=desk.decks,
        )
    except (Invalid, NotFound) as error:
        otherwise = "account" if "account" in str(error) else "destination"
        asked.blame(error, {"seconds": "seconds", "destination": "destination"}, otherwise)
        return None


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:9]) <= MAX_SECONDS):
        raise Invalid("seconds", repr(text[:20]), f"whole seconds, 0 to {MAX_SECONDS}")
    return int(text[:9])


def _page(  # noqa: PLR0913, PLR0917 - the three parts of the page
    desk: Desk,
    request: Request[Any, Any, State],
    heads: Sequence[DeckHead],
    asked: Filled,
    quote: QuoteReport | None,
    upload: Filled,
    faults: Sequence[DeckFault],
) -> Response[str]:
    return desk.page(
        "rates.html",
        request,
        listed=Listed(heads, None, {}),
        asked=asked,
        quote=quote,
        upload=upload,
        faults=faults[:FAULTS_SHOWN],
        more_faults=max(0, len(faults) - FAULTS_SHOWN),
        modes=(
            (ImportMode.REPLACE.value, "become the whole deck"),
            (ImportMode.MERGE.value, "change only its prefixes"),
        ),
        default_currency=desk.settings.default_currency,
        status_code=422 if upload.is_faulty or asked.is_faulty else 200,
    )


@post("/rates/check", request_max_body_size=MAX_UPLOAD_BYTES)
async def check_deck(desk: AtDesk, request: AnyRequest, data: MultipartBody[dict[str, Any]]) -> Response[Any]:
    """Read an uploaded deck, and show what it would change. Nothing has changed yet."""
    desk.over_all(Role.ADMIN)
    file = data.get("file")
    form = Filled({name: value for name, value in data.items() if isinstance(value, str)})
    content = await file.read() if isinstance(file, UploadFile) else b""
    name = (file.filename if isinstance(file, UploadFile) else "") or "the rows below"
    if not content.strip():
        content, name = form["rows"].encode(), "the rows below"
    try:
        shown = await _dry_run(desk, form, content, name)
    except RateDeckInvalid as error:
        form.faults["rows"] = f"{name} cannot be imported; nothing was changed."
        return await _faulty(desk, request, form, error.faults)
    except (Invalid, Conflict) as error:
        otherwise = "deck" if "deck" in str(error) else "currency"
        return await _faulty(desk, request, form.blame(error, {"deck": "deck", "currency": "currency"}, otherwise))
    upload = await asyncio.to_thread(desk.uploads.keep, content)
    return desk.page(
        "rates_check.html",
        request,
        upload=upload,
        source=name,
        deck=form["deck"].strip(),
        mode=form["mode"],
        currency=shown[0],
        comparison=shown[1],
        dearer=[_change(each) for each in shown[1].dearer[:CHANGES_SHOWN]],
        cheaper=[_change(each) for each in shown[1].cheaper[:CHANGES_SHOWN]],
    )


async def _faulty(desk: Desk, request: AnyRequest, form: Filled, faults: Sequence[DeckFault] = ()) -> Response[str]:
    heads = list(await desk.store.deck_heads())
    return _page(desk, request, heads, Filled(), None, form, faults)


@post("/rates/apply")
async def apply_deck(desk: AtDesk, request: AnyRequest, data: Form) -> Response[Any]:
    """Put in force what was checked."""
    who = desk.over_all(Role.ADMIN)
    form = Filled(data)
    content = await asyncio.to_thread(desk.uploads.read, form["upload"])
    if content is None:
        form.faults["rows"] = "What was uploaded is not kept any more: upload it again."
        return await _faulty(desk, request, form)
    try:
        _, comparison = await _import(desk, form, content, form["name"], who=name_of(who), is_dry_run=False)
    except (Invalid, Conflict, RateDeckInvalid) as error:
        return await _faulty(desk, request, form.blame(error, {}, "deck"))
    await asyncio.to_thread(desk.uploads.drop, form["upload"])
    await desk.catalogs.refresh()
    log.info("deck.imported", deck=form["deck"], who=who.name)
    change = comparison.change
    told = f"{change.added:,} added, {change.removed:,} removed, {change.dearer:,} dearer, {change.cheaper:,} cheaper"
    return desk.done(request, "rates", f"Deck {form['deck']} is in force: {told}.")


async def _dry_run(desk: Desk, form: Filled, content: bytes, name: str) -> tuple[str, DeckComparison]:
    return await _import(desk, form, content, name, who="", is_dry_run=True)


async def _import(  # noqa: PLR0913 - what an import says
    desk: Desk, form: Filled, content: bytes, name: str, *, who: str, is_dry_run: bool
) -> tuple[str, DeckComparison]:
    """Return the currency, and what changes. Raises `Invalid`, `Conflict`, `RateDeckInvalid`."""
    now = desk.clock()
    read = await asyncio.to_thread(read_deck, content, name, now)
    asked = parse_currency(form["currency"]) if form["currency"].strip() else None
    if asked is not None and read.currency is not None and asked != read.currency:
        raise Invalid("currency", asked, f"{read.currency}, which {name} says itself, or nothing")
    currency = asked or read.currency or desk.settings.default_currency
    mode = ImportMode.MERGE if form["mode"] == ImportMode.MERGE else ImportMode.REPLACE
    comparison = await import_deck(
        desk.store,
        form["deck"].strip(),
        currency,
        read.rows,
        mode=mode,
        is_dry_run=is_dry_run,
        now=now,
        file=name,
        who=who,
    )
    return currency, comparison


def _change(change: PriceChange) -> tuple[str, str, str, str, str]:
    """Prefix, destination, the price before and after, and what a call of a minute costs more."""
    rate = change.after or change.before
    assert rate is not None, "a change has a side"
    return (
        rate.prefix,
        rate.destination,
        _price(change.before),
        _price(change.after),
        format_micros(change.by_micros),
    )


def _price(rate: Rate | None) -> str:
    if rate is None:
        return "none"
    return "blocked" if rate.is_blocked else format_nanos(rate.rate_nanos_per_min)


rate_routes = (list_decks, check_deck, apply_deck)
