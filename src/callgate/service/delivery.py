"""Deliveries: one record on its way to one endpoint.

The records of one account reach one endpoint in order: the first that is not there yet is next, those behind it wait until
it is delivered or parked.
"""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

from callgate.service.endpoint import RecordType


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"  # behind an earlier one of its lane
    NEXT = "next"  # first of its lane: to be sent at `due_at`, or being sent until then
    DELIVERED = "delivered"
    PARKED = "parked"  # given up, until somebody asks for it again


class Lane(NamedTuple):
    """Deliveries that keep their order among each other."""

    endpoint: str
    application: str
    account: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A record for an endpoint. `id` is what the receiver tells repeats by, `body` what it gets, byte for byte.

    `due_at` of one that is being sent is when its claim ends: a worker that has not said by then what became of it is
    taken for dead. `attempt_count` is counted before sending. `attempted_at` tells one claim from another: what comes of a
    claim is only written down while it is the last one. `why` says what went wrong the last time.
    """

    id: str
    lane: Lane
    type: RecordType
    sequence: int
    body: bytes
    occurred_at: datetime
    due_at: datetime
    state: DeliveryState = DeliveryState.WAITING
    attempt_count: int = 0
    attempted_at: datetime | None = None
    why: str = ""
