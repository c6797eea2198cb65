"""Routes of rate decks: what is in force, and a file in the body that takes its place."""

import asyncio
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
from litestar import Response, get, put
from litestar.params import FromPath, FromQuery, QueryParameter

from callgate.errors import Invalid, NotFound, RateDeckInvalid
from callgate.http.api.access import may_configure, may_look
from callgate.http.api.desk import ApiRequest, TheDesk
from callgate.http.api.paging import Cursor, Limit, Page, page, read_cursor
from callgate.money import parse_currency
from callgate.rating.deck_merge import ImportMode
from callgate.rating.deck_options import Said, read_columns
from callgate.service.books import DeckHead
from callgate.service.import_alone import prepare_by_size
from callgate.service.import_deck import DeckImport, check_deck_name, import_file
from callgate.service.import_report import ImportReport, report_faults, report_import
from callgate.service.rate_report import RateReport, report_rate

MAX_FILE_BYTES = 256 * 1024 * 1024
"""Largest file in a body: some three million rows."""


class DeckReport(msgspec.Struct, frozen=True, kw_only=True):
    """A deck that is in force. `rows` is null where an older version imported it."""

    name: str
    currency: str
    version: int
    rows: int | None
    file: str
    imported_at: datetime | None
    imported_by: str


@get("/decks", guards=[may_look])
async def list_decks(desk: TheDesk, cursor: Cursor = None, limit: Limit = 50) -> Page[DeckReport]:
    """List the decks in force, by name."""
    after = read_cursor(cursor)
    heads = [head for head in await desk.store.deck_heads() if head.name > after]
    return page(heads[: limit + 1], limit, lambda head: head.name, _report)


@get("/decks/{name:str}", guards=[may_look])
async def show_deck(desk: TheDesk, name: FromPath[str]) -> DeckReport:
    """Show one deck."""
    return _report(await _head(desk, name))


@get("/decks/{name:str}/rates", guards=[may_look])
async def list_rates(
    desk: TheDesk,
    name: FromPath[str],
    prefix: Annotated[
        str, QueryParameter(name="prefix", pattern=r"^[0-9]{0,15}$", description="Rows that begin so.")
    ] = "",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[RateReport]:
    """List the rows of a deck, by prefix."""
    deck = desk.decks.get(name)
    if deck is None:
        raise NotFound(f"there is no deck {name}")
    position = read_cursor(cursor)
    if position and not position.isdecimal():
        raise Invalid("cursor", repr(cursor), "the `next` of the page before")
    start, end = deck.rows_under(prefix)
    start = max(start, int(position or 0))
    found = [(row, deck.rates[row]) for row in range(start, min(end, start + limit + 1))]
    return page(found, limit, lambda each: str(each[0] + 1), lambda each: report_rate(each[1]))


@put("/decks/{name:str}", guards=[may_configure], request_max_body_size=MAX_FILE_BYTES)
async def put_deck(
    request: ApiRequest,
    desk: TheDesk,
    name: FromPath[str],
    dry_run: FromQuery[bool] = False,  # noqa: FBT002 - a query
    mode: FromQuery[ImportMode] = ImportMode.REPLACE,
    currency: FromQuery[str | None] = None,
    file: Annotated[str, QueryParameter(name="file", max_length=200, description="What to call the file.")] = "",
    dates: FromQuery[str | None] = None,
    tz: FromQuery[str | None] = None,
    decimal: FromQuery[str | None] = None,
    increments: FromQuery[str | None] = None,
    increment_order: FromQuery[str | None] = None,
    rate_unit: FromQuery[str | None] = None,
    nanp: FromQuery[str | None] = None,
    default_row: FromQuery[str | None] = None,
    allow_free: FromQuery[str | None] = None,
    effective: FromQuery[str | None] = None,
    map_: Annotated[list[str] | None, QueryParameter(name="map", description="FIELD=COLUMN, repeated.")] = None,
    ignore: Annotated[list[str] | None, QueryParameter(name="ignore", description="A column, repeated.")] = None,
    supplier: FromQuery[str] = "",
    afresh: FromQuery[bool] = False,  # noqa: FBT002 - a query
) -> Response[ImportReport]:
    """Import the file in the body: CSV, gzipped CSV or an Excel workbook. With `dry_run` nothing changes. A file with faults
    changes nothing; `errors` has all of them, each with line and column. What was said of the `supplier`'s last file with the
    same header is said of this one, unless it is read `afresh`.
    """
    check_deck_name(name)
    asked = parse_currency(currency, "currency") if currency is not None else None
    words = {
        "dates": dates, "tz": tz, "decimal": decimal, "increments": increments, "increment_order": increment_order,
        "rate_unit": rate_unit, "nanp": nanp, "default_row": default_row, "allow_free": allow_free, "effective": effective,
        "currency": asked,
    }  # fmt: skip
    said = Said(
        answers={option: word for option, word in words.items() if word is not None},
        columns=read_columns(map_ or []),
        ignored=tuple(ignore or ()),
    )
    said.options()  # what is wrong with it is said before the file is received
    with tempfile.TemporaryDirectory(prefix="callgate-") as folder:
        path = Path(folder) / "deck"
        size = await _receive(request, path)
        order = DeckImport(
            path=path,
            file=file or f"{name}.csv",
            deck=name,
            mode=mode,
            currency=asked,
            default_currency=desk.default_currency,
            said=said,
            now=desk.clock(),
            supplier=supplier,
        )
        try:
            prepared = await import_file(
                desk.store,
                order,
                is_dry_run=dry_run,
                who=request.auth.name,
                prepare=prepare_by_size(size),
                recalls=not afresh,
            )
        except RateDeckInvalid as invalid:
            report = report_faults(name, asked or desk.default_currency, invalid, is_dry_run=dry_run)
            return Response(report, status_code=200 if dry_run else 422)
    if not dry_run:
        await desk.refresh()
    return Response(report_import(name, prepared, is_dry_run=dry_run))


async def _receive(request: ApiRequest, path: Path) -> int:
    """Write the body to a file as it comes, and return its size: no more than a piece of it is held in memory."""
    size = 0
    with path.open("wb") as file:
        async for chunk in request.stream():
            size += len(chunk)
            await asyncio.to_thread(file.write, chunk)
    return size


async def _head(desk: TheDesk, name: str) -> DeckHead:
    for head in await desk.store.deck_heads():
        if head.name == name:
            return head
    raise NotFound(f"there is no deck {name}")


def _report(head: DeckHead) -> DeckReport:
    return DeckReport(
        name=head.name,
        currency=head.currency,
        version=head.version,
        rows=head.row_count or None,
        file=head.file,
        imported_at=head.imported_at,
        imported_by=head.imported_by,
    )
