"""Callbacks that were not genuine: which ingredient of their signatures differed, and whose key they named."""

from typing import Any

from litestar import Response, get

from callgate.service.reports import MAX_LIST, FaultReport, fault_reports
from callgate.web.desk import AnyRequest, AtDesk
from callgate.web.lists import Listed, as_file, form_of, given, paths, query
from callgate.web.search import holds

KEYS = (("ours", "one of ours"), ("other", "nobody's"))
"""Whose key a callback named."""


@get(paths("/applications/faults"))
async def list_faults(desk: AtDesk, request: AnyRequest) -> Response[Any]:
    """The newest, as many as are kept: of one `ingredient`, naming a key that is `ours` or not, with `find` in that key."""
    desk.over_all()
    filters = given(request, ("ingredient", "key", "find"))
    every = await fault_reports(desk.store, limit=MAX_LIST)
    items = [fault for fault in every if _is_wanted(fault, filters)]
    if form := form_of(request):
        return as_file(form, items, None, "faults")
    return await desk.page(
        "faults.html",
        request,
        listed=Listed(items, None, filters),
        ingredients=sorted({fault.ingredient for fault in every}),
        keys=KEYS,
        same=query(request),
    )


def _is_wanted(fault: FaultReport, filters: dict[str, str]) -> bool:
    return (
        filters["ingredient"] in ("", fault.ingredient)
        and filters["key"] in ("", "ours" if fault.is_known else "other")
        and holds(filters["find"], fault.application)
    )
