"""A look goes so far and no further, and the next one begins where it ended."""

import asyncio
from collections.abc import Sequence

import pytest

from callgate.service.look_through import LOOKED_AT, PORTION, Looked, look_through


def looked(wanted: set[int], every: int, limit: int, start: int | None = None) -> Looked[int]:
    async def read(last: int | None, most: int) -> Sequence[int]:
        first = (start if last is None else last + 1) or 0
        return range(first, min(every, first + most))

    return asyncio.run(look_through(read, limit, lambda item: item in wanted))


@pytest.mark.parametrize(
    ("wanted", "every", "limit", "expected"),
    [
        ({3, 7}, 10, 5, Looked([3, 7], None)),
        ({3, 7}, 10, 2, Looked([3, 7], None)),
        ({3, 7, 9}, 10, 2, Looked([3, 7], 7)),
        ({PORTION, PORTION + 1}, 2 * PORTION, 1, Looked([PORTION], PORTION)),
        (set(), PORTION, 5, Looked([], None)),
        (set(), 0, 5, Looked([], None)),
        ({2, LOOKED_AT}, LOOKED_AT + 1, 5, Looked([2], LOOKED_AT - 1, is_cut=True)),
    ],
)
def test_what_is_found(wanted: set[int], every: int, limit: int, expected: Looked[int]) -> None:
    """Up to the limit, with the place where it goes on; nothing after the last one; cut where it was looked far enough."""
    assert looked(wanted, every, limit) == expected


def test_looks_one_after_the_other_find_all() -> None:
    """Each once, however they are spread."""
    wanted = set(range(0, 3 * LOOKED_AT, 611))
    found: list[int] = []
    start: int | None = 0
    while start is not None:
        look = looked(wanted, 3 * LOOKED_AT, 4, start)
        found += look.items
        start = None if look.last is None else look.last + 1
    assert found == sorted(wanted)


def test_without_a_sieve_one_read_is_enough() -> None:
    """One more than is shown, to know whether there is more."""
    asked: list[int] = []

    async def read(_: int | None, most: int) -> Sequence[int]:
        asked.append(most)
        return range(most)

    assert asyncio.run(look_through(read, 3)) == Looked(range(3), 2)
    assert asked == [4]
