"""Elastic holds: a call that holds its money slice by slice. Plain code: what to hold next, and when to look again.

The platform is told a longer limit than money is held for. Before what is held is used up, the next slice is held; where
that is refused, the caller is warned, and the call is ended while its hold still covers it.
"""

from datetime import datetime, timedelta

import msgspec

LONGEST_LEAD_S = 60
"""How long before the end of a slice the next one is held."""

LONGEST_PARTING_S = 10
"""How long before the end of the money the call is ended, so that it does not cost more than was held."""


class ElasticTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The server's settings: seconds of a slice, and the limit that the platform is told."""

    slice_s: int = 300
    max_s: int = 1_800


DEFAULT_TERMS = ElasticTerms()


class Elastic(msgspec.Struct, frozen=True, kw_only=True):
    """How far the hold of an elastic call reaches. `look_at` is its timer, None when there is nothing more to extend.

    `is_refused`: the last extension was, and the caller has been warned.
    """

    slice_s: int
    held_s: int
    look_at: datetime | None
    is_refused: bool = False


def begin(slice_s: int, decided_at: datetime) -> Elastic:
    """The first slice is held. Until we hear of the answer, talking may begin at any moment from now."""
    return Elastic(slice_s=slice_s, held_s=slice_s, look_at=extend_at(slice_s, slice_s, decided_at))


def ending(granted_s: int, begins_at: datetime) -> Elastic:
    """All of the grant is held, and nothing but our timer ends the call: the platform was told no limit."""
    look_at = hang_up_at(granted_s, granted_s, begins_at)
    return Elastic(slice_s=granted_s, held_s=granted_s, look_at=look_at, is_refused=True)


def extend_at(held_s: int, slice_s: int, begins_at: datetime) -> datetime:
    """When to hold more, for a call that is held for so long and began to talk then."""
    return begins_at + timedelta(seconds=held_s - min(LONGEST_LEAD_S, slice_s // 5))


def hang_up_at(held_s: int, slice_s: int, begins_at: datetime) -> datetime:
    """When a call that gets no more must be ended."""
    return begins_at + timedelta(seconds=held_s - min(LONGEST_PARTING_S, slice_s // 10))


def wanted_s(elastic: Elastic, granted_s: int, begins_at: datetime, now: datetime) -> int:
    """How far the hold should reach next: a slice beyond what is held, and beyond now where the server was down."""
    elapsed_s = int((now - begins_at).total_seconds())
    return min(granted_s, max(elastic.held_s, elapsed_s) + elastic.slice_s)


def talks_since(elastic: Elastic | None, begins_at: datetime) -> Elastic | None:
    """The call was answered then: its slices count from there. A timer that has stopped stays so."""
    if elastic is None or elastic.look_at is None:
        return elastic
    look_at = extend_at(elastic.held_s, elastic.slice_s, begins_at)
    return msgspec.structs.replace(elastic, look_at=look_at, is_refused=False)


def over(elastic: Elastic | None) -> Elastic | None:
    """The call has ended, or is about to by itself: its timer stops."""
    return None if elastic is None else msgspec.structs.replace(elastic, look_at=None)
