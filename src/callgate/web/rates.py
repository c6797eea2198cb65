"""Rates: decks, what a call would cost, and the form of a new deck, see `deck_upload`."""

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, get
from litestar.datastructures import State

from callgate.errors import DeckFault, Invalid, NotFound
from callgate.rating.deck_merge import ImportMode
from callgate.service.books import AccountKey, DeckHead
from callgate.service.quote import MAX_SECONDS, QuoteReport, quote_call
from callgate.web.deck import show_deck
from callgate.web.desk import AnyRequest, AtDesk, Desk
from callgate.web.forms import Filled
from callgate.web.lists import Listed, as_file, form_of, given, paths, query
from callgate.web.search import holds

FAULTS_SHOWN = 30

MODES = (
    (ImportMode.REPLACE.value, "become the whole deck"),
    (ImportMode.MERGE.value, "change only its prefixes"),
)
"""What rows of a new file do to the deck that is there."""


@get(paths("/rates"))
async def list_decks(desk: AtDesk, request: AnyRequest) -> Response[Any]:
    """The decks, those with `find` in name or file; and what a call would cost: `destination`, `seconds`, and `account` or
    `deck`.
    """
    desk.over_all()
    find = given(request, ("find",))["find"]
    heads = [head for head in await desk.store.deck_heads() if holds(find, head.name, head.file)]
    if form := form_of(request):
        return as_file(form, heads, None, "decks")
    asked = Filled(given(request, ("destination", "seconds", "account", "deck", "app")))
    quote, upload = await _quote(desk, asked), Filled(deck="standard", mode=ImportMode.REPLACE.value)
    return await _page(desk, request, heads, asked, quote, upload, ())


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


async def _page(  # noqa: PLR0913, PLR0917 - the three parts of the page
    desk: Desk,
    request: Request[Any, Any, State],
    heads: Sequence[DeckHead],
    asked: Filled,
    quote: QuoteReport | None,
    upload: Filled,
    faults: Sequence[DeckFault],
) -> Response[str]:
    return await desk.page(
        "rates.html",
        request,
        listed=Listed(heads, None, {"find": (request.query_params.get("find") or "").strip()}),
        deck_names=sorted(desk.decks),
        same=query(request),
        asked=asked,
        quote=quote,
        upload=upload,
        faults=faults[:FAULTS_SHOWN],
        more_faults=max(0, len(faults) - FAULTS_SHOWN),
        modes=MODES,
        default_currency=desk.settings.default_currency,
        status_code=422 if upload.is_faulty or asked.is_faulty else 200,
    )


async def faulty_upload(
    desk: Desk, request: AnyRequest, form: Filled, faults: Sequence[DeckFault] = ()
) -> Response[str]:
    """The page with the form of a deck that cannot be imported, as it was sent."""
    heads = list(await desk.store.deck_heads())
    return await _page(desk, request, heads, Filled(), None, form, faults)


rate_routes = (list_decks, show_deck)
