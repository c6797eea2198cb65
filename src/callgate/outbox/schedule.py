"""When to try again, and when to give up: plain functions of an answer, a time and a random number that is handed in."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import NamedTuple

import msgspec

from callgate.service.delivery import Delivery, DeliveryState

DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""How long to wait after the first failed attempt, the second, ... After one more the delivery is parked."""

JITTER = 0.1
"""Each wait is longer by up to this part of it, so that what failed together does not come back together."""

MAX_RETRY_AFTER = timedelta(hours=24)
"""A receiver may ask for a longer wait than ours, up to this."""


class Fate(Enum):
    """What an attempt means for its delivery."""

    DELIVERED = auto()
    RETRY = auto()
    DEAD = auto()  # the same bytes would fail again: park it, and let those behind it go on
    GONE = auto()  # the receiver wants nothing more, ever
    HELD = auto()  # nothing would get through to this endpoint: all of it rests, and no try is used up


class Answer(NamedTuple):
    """What came of an attempt. `why` says what failed, or what is to be noted of a delivery; `wait` is what the receiver
    asked for. It is of all that goes to the endpoint, unless `is_of_record`.
    """

    fate: Fate
    why: str = ""
    wait: timedelta = timedelta(0)
    is_of_record: bool = False


ABOUT_THE_RECORD = frozenset({400, 409, 413, 415, 422})
"""Statuses that speak of the bytes we sent: they will not change. Any other failure (401, 403, 404, a redirect that we do
not follow, 5xx) speaks of the receiver, which somebody may mend: then the record waits, and its account's order is kept."""

GONE = 410
"""Source: Standard Webhooks 1.0.0, a receiver that answers 410 is to be disabled."""


def read_status(status: int, retry_after: str | None, now: datetime) -> Answer:
    """Say what an answer means; only 2xx is success."""
    if 200 <= status < 300:  # noqa: PLR2004 - the class of success
        return Answer(Fate.DELIVERED)
    why = f"answered {status}"
    if status == GONE:
        return Answer(Fate.GONE, why)
    if status in ABOUT_THE_RECORD:
        return Answer(Fate.DEAD, why)
    return Answer(Fate.RETRY, why, read_retry_after(retry_after, now))


def read_retry_after(text: str | None, now: datetime) -> timedelta:
    """Read a `Retry-After`, seconds or an HTTP date; zero where there is none or it cannot be read. Bounded."""
    if text is None:
        return timedelta(0)
    try:
        if text.isascii() and text.isdigit():
            return min(timedelta(seconds=int(text[:9])), MAX_RETRY_AFTER)
        at = parsedate_to_datetime(text)
        wait = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)) - now
    except (ValueError, OverflowError):
        return timedelta(0)
    return min(max(wait, timedelta(0)), MAX_RETRY_AFTER)


def conclude(claimed: Delivery, answer: Answer, now: datetime, jitter: float) -> Delivery:
    """Return the delivery as it stands after an attempt. `jitter` is at least 0 and below 1."""
    match answer.fate:
        case Fate.DELIVERED:
            return msgspec.structs.replace(claimed, state=DeliveryState.DELIVERED, why=answer.why)
        case Fate.HELD:
            count = claimed.attempt_count - 1  # due at once: it is the endpoint that rests, until it is mended
            return msgspec.structs.replace(claimed, due_at=now, attempt_count=count, why=answer.why)
        case Fate.RETRY if claimed.attempt_count <= len(DELAYS):
            due_at = now + max(delay_after(claimed.attempt_count, jitter), answer.wait)
            return msgspec.structs.replace(claimed, due_at=due_at, why=answer.why)
        case _:
            return msgspec.structs.replace(claimed, state=DeliveryState.PARKED, why=answer.why)


def delay_after(attempt_count: int, jitter: float) -> timedelta:
    """How long to wait after that many attempts, from 1 to the number of `DELAYS`."""
    return DELAYS[attempt_count - 1] * (1 + JITTER * jitter)
