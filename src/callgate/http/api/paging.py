"""Long lists in pages: `?limit=&cursor=` and `{"items": [...], "next": "..."}`; `next` is null on the last page."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

import msgspec
from litestar.params import QueryParameter

from callgate.errors import Invalid

T = TypeVar("T")
F = TypeVar("F")

MAX_LIMIT = 1_000

Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=MAX_LIMIT, description="Items on a page.")]
Cursor = Annotated[str | None, QueryParameter(name="cursor", description="`next` of the page before.")]


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page. `next` is opaque."""

    items: Sequence[T]
    next: str | None


def page(found: Sequence[F], limit: int, position: Callable[[F], str], show: Callable[[F], T]) -> Page[T]:
    """Make a page of `limit` items from up to one more; `position` says after which item the next page begins."""
    items = found[:limit]
    has_more = len(found) > limit
    return Page(items=[show(item) for item in items], next=write_cursor(position(items[-1])) if has_more else None)


def write_cursor(position: str) -> str:
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> str:
    """Return the position that a cursor stands for, empty for none. Raises `Invalid`."""
    if not cursor:
        return ""
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        raise Invalid("cursor", repr(cursor[:40]), "the `next` of the page before") from None
