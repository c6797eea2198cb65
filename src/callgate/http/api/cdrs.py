"""Route of call records: a page of JSON, or all of a time as a file."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream

from callgate.errors import Invalid
from callgate.http.api.access import may_look
from callgate.http.api.accounts import InApp
from callgate.http.api.desk import ApiRequest, Desk, TheDesk
from callgate.http.api.paging import Cursor, Limit, Page, page, read_cursor
from callgate.http.api.times import read_time
from callgate.service.export import MEDIA_TYPES, FileFormat, lines, position_of
from callgate.service.parquet import write_parquet
from callgate.service.ports import RecordPosition, RecordRange
from callgate.service.records import CallRecord
from callgate.service.reports import RecordReport, report_record

USUAL = timedelta(days=1)
"""How far back records go unless told otherwise."""

CHUNK = 65_536

Since = Annotated[
    str | None, QueryParameter(name="since", format="date-time", description="Calls that ended since then; a day ago.")
]
Until = Annotated[str | None, QueryParameter(name="until", format="date-time", description="And before then; now.")]
Form = Annotated[FileFormat | None, QueryParameter(name="format", description="A file instead of a page.")]


@get("/cdrs", guards=[may_look])
async def list_records(
    request: ApiRequest,
    desk: TheDesk,
    since: Since = None,
    until: Until = None,
    account: FromQuery[str | None] = None,
    app: InApp = None,
    in_format: Form = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response[Any]:
    """List call records in the order in which calls ended. `format`, or `Accept`, asks for all of them as a file: `ndjson`,
    `csv` or `parquet`.
    """
    now = desk.clock()
    wanted = RecordRange(
        since=now - USUAL if since is None else read_time("since", since),
        until=now if until is None else read_time("until", until),
        application=desk.scope(app),
        account=account,
    )
    form = in_format or _accepted(request)
    if form is None:
        return Response(await _page(desk, wanted, cursor, limit))
    content = _parquet(desk, wanted) if form is FileFormat.PARQUET else lines(desk.store, wanted, form)
    headers = {"content-disposition": f'attachment; filename="cdrs.{form}"'}
    return Stream(content, media_type=MEDIA_TYPES[form].partition(";")[0], headers=headers)


async def _page(desk: Desk, wanted: RecordRange, cursor: str | None, limit: int) -> Page[RecordReport]:
    found = await desk.store.records(wanted, after=_read_position(cursor), limit=limit + 1)
    return page(found, limit, _position, report_record)


async def _parquet(desk: Desk, wanted: RecordRange) -> AsyncIterator[bytes]:
    """By way of a file, which is gone afterwards: its end says where its parts are."""
    with tempfile.TemporaryDirectory(prefix="callgate-") as folder:
        path = Path(folder) / "cdrs.parquet"
        await write_parquet(desk.store, wanted, path)
        with await asyncio.to_thread(path.open, "rb") as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                yield chunk


def _accepted(request: ApiRequest) -> FileFormat | None:
    """What `Accept` names first of what there is; JSON where it names none."""
    for each in request.headers.get("accept", "").split(","):
        kind = each.partition(";")[0].strip().lower()
        for form, media_type in MEDIA_TYPES.items():
            if kind == media_type.partition(";")[0]:
                return form
    return None


def _position(record: CallRecord) -> str:
    return msgspec.json.encode(position_of(record)).decode()


def _read_position(cursor: str | None) -> RecordPosition | None:
    if not cursor:
        return None
    try:
        return msgspec.json.decode(read_cursor(cursor), type=RecordPosition)
    except msgspec.MsgspecError:
        raise Invalid("cursor", repr(cursor[:40]), "the `next` of the page before") from None
