"""Lists: a page, and at the same path with `.json` or `.csv` behind it the same items for programs. Filters are in the URL."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import msgspec
from litestar import Response

from callgate.service.export import csv_lines
from callgate.web.desk import AnyRequest

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a cell for a formula. A number's plus is harmless: digits follow it."""


def paths(path: str) -> list[str]:
    """The page's path and those of its two other forms, for a route."""
    return [path, f"{path}.json", f"{path}.csv"]


def form_of(request: AnyRequest) -> str:
    """`json`, `csv`, or empty for the page."""
    path: str = request.scope["path"]
    return next((form for form in ("json", "csv") if path.endswith(f".{form}")), "")


def as_file(form: str, items: Sequence[Any], following: str | None, name: str) -> Response[bytes]:
    """The items of a list, structs all of one kind. `following` is the query of the next page."""
    if form == "json":
        return Response(msgspec.json.encode({"items": items, "next": following}), media_type="application/json")
    columns = items[0].__struct_fields__ if items else ()
    rows = [[_cell(getattr(item, column)) for column in columns] for item in items]
    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    if following is not None:
        headers["link"] = f'<{quote(following, safe="?=&%")}>; rel="next"'
    return Response(csv_lines([columns, *rows]) if items else b"", media_type="text/csv", headers=headers)


def _cell(value: object) -> object:
    """A value in a cell: lists and structs as JSON, and nothing that a spreadsheet would calculate."""
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    is_formula = text.startswith(FORMULA) and not text[1:].replace(".", "", 1).isdigit()
    return f"'{text}" if is_formula else text


def query(request: AnyRequest, **changes: str | None) -> str:
    """The query of this page with some of it changed; None leaves a name out. Begins with `?`."""
    given = dict(parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=False))
    given |= {name: value for name, value in changes.items() if value is not None}
    left = {name: value for name, value in given.items() if not (name in changes and changes[name] is None)}
    return f"?{urlencode(left)}" if left else "?"


@dataclasses.dataclass(frozen=True)
class Listed:
    """A page of a list: its items, the query of the next page if there is one, and the filters that it was made with. `is_cut`:
    it was looked so far for what is wanted, and goes on there.
    """

    items: Sequence[Any]
    following: str | None
    filters: Mapping[str, str]
    is_cut: bool = False

    @property
    def is_filtered(self) -> bool:
        return any(self.filters.values())


def given(request: AnyRequest, names: Iterable[str]) -> dict[str, str]:
    """The filters that the URL has, each once, without blanks around them."""
    return {name: (request.query_params.get(name) or "").strip() for name in names}
