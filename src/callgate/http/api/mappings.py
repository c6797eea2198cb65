"""Routes of what is remembered of suppliers' files."""

from typing import Annotated

from litestar import delete, get
from litestar.params import FromPath, QueryParameter

from callgate.http.api.access import may_configure, may_look
from callgate.http.api.desk import TheDesk
from callgate.http.api.paging import Cursor, Limit, Page, page, read_cursor
from callgate.service.forget_mapping import ForgetMapping, MappingReport, report_mapping


@get("/supplier-mappings", guards=[may_look])
async def list_mappings(
    desk: TheDesk,
    supplier: Annotated[str | None, QueryParameter(name="supplier", description="Of this one alone.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[MappingReport]:
    """List how suppliers' files are read since somebody said so."""
    after = read_cursor(cursor)
    found = [each for each in await desk.store.supplier_mappings(supplier) if each.id > after]
    return page(found[: limit + 1], limit, lambda mapping: mapping.id, report_mapping)


@delete("/supplier-mappings/{id:str}", guards=[may_configure])
async def forget_mapping(desk: TheDesk, id: FromPath[str]) -> None:  # noqa: A002 - the path's word
    """Forget it: the next file is read by what it tells itself."""
    await desk.store.perform(ForgetMapping(id=id))
