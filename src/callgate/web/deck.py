"""The page of one deck: its rows, and which of them price a number."""

import re
from collections.abc import Sequence
from typing import Any

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from callgate.rating.deck import Deck
from callgate.rating.rate import Rate
from callgate.service.look_through import Looked, look_through
from callgate.service.rate_report import report_rate
from callgate.web.desk import AnyRequest, AtDesk
from callgate.web.lists import Listed, as_file, form_of, given, query
from callgate.web.search import holds

SHOWN = 100
MAX_DIGITS = 15
"""Of a number in E.164."""

Row = tuple[int, Rate]
"""A row with its place in the deck."""


@get("/rates/decks/{name:str}")
async def show_deck(desk: AtDesk, request: AnyRequest, name: FromPath[str]) -> Response[Any]:
    """The rows of a deck, by prefix: those that begin with a `number`, or that price it; with `destination` in their names."""
    desk.over_all()
    form = form_of(request)
    named = name.removesuffix(f".{form}") if form else name
    deck = desk.decks.get(named)
    if deck is None:
        raise NotFoundException(detail="There is no such deck.")
    filters = given(request, ("number", "destination", "after"))
    found = await _found(deck, filters["number"], filters["destination"], filters.pop("after"))
    items = [report_rate(rate) for _, rate in found.items]
    following = None if found.last is None else query(request, after=str(found.last[0]))
    if form:
        return as_file(form, items, following, named)
    return await desk.page(
        "deck.html",
        request,
        deck=named,
        currency=deck.currency,
        row_count=len(deck),
        listed=Listed(items, following, filters, is_cut=found.is_cut),
        same=query(request, after=None),
    )


async def _found(deck: Deck, number: str, destination: str, after: str) -> Looked[Row]:
    start, end = _rows_of(deck, re.sub("[^0-9]", "", number)[:MAX_DIGITS])
    if after.isascii() and after.isdigit():
        start = max(start, int(after[:12]) + 1)

    async def read(last: Row | None, limit: int) -> Sequence[Row]:
        first = start if last is None else last[0] + 1
        return [(row, deck.rates[row]) for row in range(first, min(end, first + limit))]

    def has_it(row: Row) -> bool:
        return holds(destination, row[1].destination)

    return await look_through(read, SHOWN, has_it if destination else None)


def _rows_of(deck: Deck, digits: str) -> tuple[int, int]:
    """Rows whose prefixes begin so; where there are none, those of the longest prefix that the digits begin with."""
    start, end = deck.rows_under(digits)
    while start == end and digits:
        digits = digits[:-1]
        start, last = deck.rows_under(digits)
        end = start
        while end < last and deck.rates[end].prefix == digits:  # a prefix stands before those that begin with it
            end += 1
    return start, end
