"""Look for what no index has: a list is read in portions and sifted, so far and no further in one look.

Portions are small and others have their turn between them, so that a look costs the same however long the list is, and keeps
nobody waiting.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

PORTION = 250
"""Items that are read and sifted at once: a millisecond or two."""

LOOKED_AT = 5_000
"""Items that one look goes through at most."""


class Looked(NamedTuple, Generic[T]):
    """What was found. `last` is the item behind which the next look begins, None where there is no more; `is_cut` says that the
    look ended for having gone far enough, and not for having found enough.
    """

    items: Sequence[T]
    last: T | None
    is_cut: bool = False


async def look_through(
    read: Callable[[T | None, int], Awaitable[Sequence[T]]],
    limit: int,
    is_wanted: Callable[[T], bool] | None = None,
) -> Looked[T]:
    """Return up to `limit` items of a list, those that are wanted, or all. `read` returns up to so many that stand behind one
    item, or the first ones for None.
    """
    if is_wanted is None:
        found = await read(None, limit + 1)
        return Looked(found[:limit], found[limit - 1] if len(found) > limit else None)
    items: list[T] = []
    last: T | None = None
    for _ in range(LOOKED_AT // PORTION):
        portion = await read(last, PORTION)
        items += filter(is_wanted, portion)
        if len(items) > limit:
            return Looked(items[:limit], items[limit - 1])
        if len(portion) < PORTION:
            return Looked(items, None)
        last = portion[-1]
        await asyncio.sleep(0)
    return Looked(items, last, is_cut=True)
