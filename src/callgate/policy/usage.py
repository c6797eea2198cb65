"""What an account has used of its limits: the windows that slide, and the block that ends by itself. Plain code.

The row is loaded and locked with the account's wallet and changed in the transaction of the hold, so that no two calls see
the same room. It keeps no more than the limits need: the newest attempts, as many as a limit counts. Times are integers of
microseconds since 1970 UTC.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from callgate.policy.limits import Bounds
from callgate.policy.refusal import Refusal

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US

WATCHED_NUMBERS = 1_000
"""Numbers of one account whose repeats are counted while its destinations are not limited: those called last."""

HOUR_MINUTES = 60

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Called(msgspec.Struct, frozen=True, array_like=True):
    """A number that was called within the last hour: when, oldest first. `is_within`: there was room for it when it was new."""

    number: str
    is_within: bool
    at: tuple[int, ...]


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Attempts in the windows, oldest first. `spent` is what calls were charged, by the minute, kept only for accounts that
    are limited by the hour: None elsewhere. `at_limit_at` is when a call was last refused for too many at once.
    """

    application: str
    account: str
    blocked_until: int | None = None
    at_limit_at: int | None = None
    calls: tuple[int, ...] = ()
    called: tuple[Called, ...] = ()
    spent: tuple[tuple[int, int], ...] | None = None
    suspicions: tuple[int, ...] = ()


def is_blocked(usage: Usage, now: datetime) -> bool:
    """Whether the account's block has not run out."""
    return usage.blocked_until is not None and _us(now) < usage.blocked_until


def begins_block(before: Usage | None, after: Usage) -> bool:
    """Whether this attempt was the one that led to a block."""
    return after.blocked_until is not None and (before is None or before.blocked_until != after.blocked_until)


def suspicions_in_hour(usage: Usage | None, now: datetime) -> int:
    """Refusals in the hour before now that smell of fraud, as far as a limit counts them."""
    since = _us(now) - HOUR_US
    return 0 if usage is None else sum(at > since for at in usage.suspicions)


def calls_in_minute(usage: Usage, now: datetime) -> int:
    """Attempts in the minute before now, as far as a limit counts them."""
    since = _us(now) - MINUTE_US
    return sum(at > since for at in usage.calls)


def other_destinations(usage: Usage, number: str, now: datetime) -> int:
    """Different numbers, beside this one, that were called in the hour before now."""
    since = _us(now) - HOUR_US
    return sum(each.at[-1] > since and each.number != number for each in usage.called)


def is_known_destination(usage: Usage, number: str, now: datetime) -> bool:
    """Whether this number was called in the hour before now, when there was still room for it."""
    since = _us(now) - HOUR_US
    return any(each.number == number and each.is_within and each.at[-1] > since for each in usage.called)


def repeats_in_hour(usage: Usage, number: str, now: datetime) -> int:
    """How often this number was called in the hour before now."""
    since = _us(now) - HOUR_US
    return sum(at > since for each in usage.called if each.number == number for at in each.at)


def spent_in_hour_micros(usage: Usage, now: datetime) -> int:
    """What calls were charged in the hour before now. A minute counts whole while any of it is in the hour."""
    since = _us(now) // MINUTE_US - HOUR_MINUTES
    return sum(micros for minute, micros in usage.spent or () if minute >= since)


def most_repeated(usage: Usage, now: datetime) -> tuple[str, int]:
    """The number that was called most often in the hour before now, as far as a limit counts, and how often; none, 0."""
    counts = [(repeats_in_hour(usage, each.number, now), each.number) for each in usage.called]
    most, number = max(counts, default=(0, ""))
    return (number, most) if most else ("", 0)


def with_attempt(usage: Usage, bounds: Bounds, number: str, now: datetime) -> Usage:
    """Count one attempt. Where no limit counts anything, the usage itself is returned."""
    at = _us(now)
    most_calls = max(bounds.calls_per_minute or 0, bounds.calls_per_minute_warn or 0)
    calls = usage.calls
    if most_calls or calls:
        calls = _newest([each for each in calls if each > at - MINUTE_US], at, most_calls)
    called = usage.called
    if called or bounds.destinations_per_hour is not None or bounds.repeats_per_hour is not None:
        called = _with_destination(usage, bounds, number, at)
    spent = usage.spent if bounds.spend_per_hour_micros is None else usage.spent or ()
    if calls is usage.calls and called is usage.called and spent is usage.spent:
        return usage
    return msgspec.structs.replace(usage, calls=calls, called=called, spent=spent)


def _with_destination(usage: Usage, bounds: Bounds, number: str, at: int) -> tuple[Called, ...]:
    since, most = at - HOUR_US, bounds.destinations_per_hour
    others = [each for each in usage.called if each.number != number and each.at[-1] > since]
    before = [each for each in usage.called if each.number == number and each.at[-1] > since]
    if most is None and bounds.repeats_per_hour is None:
        return tuple(others)
    times = [each for known in before for each in known.at if each > since]
    is_within = most is None or len(others) < most or any(known.is_within for known in before)
    called = [*others, Called(number, is_within, _newest(times, at, bounds.repeats_per_hour or 1))]
    if most is None:
        return tuple(called[-WATCHED_NUMBERS:])
    # Of those that found no room no more are needed than would fill it.
    roomless = [each.number for each in called if not each.is_within]
    forgotten = frozenset(roomless[: max(0, len(roomless) - most)])
    return tuple(each for each in called if each.number not in forgotten)


def with_refusal(usage: Usage, bounds: Bounds, refusal: Refusal, now: datetime) -> Usage:
    """Note a refusal: one that smells of fraud counts towards the block, one for too many calls hurries the healer."""
    at = _us(now)
    if refusal is Refusal.TOO_MANY_CONCURRENT_CALLS:
        return msgspec.structs.replace(usage, at_limit_at=at)
    if bounds.block_after is None or refusal not in SUSPICIOUS:
        return usage
    recent = [each for each in usage.suspicions if each > at - HOUR_US]
    suspicions = _newest(recent, at, bounds.block_after)
    if len(suspicions) < bounds.block_after:
        return msgspec.structs.replace(usage, suspicions=suspicions)
    until = at + (bounds.block_minutes or DEFAULT_BLOCK_MINUTES) * MINUTE_US
    return msgspec.structs.replace(usage, suspicions=(), blocked_until=until)


def with_spending(usage: Usage, micros: int, now: datetime) -> Usage:
    """A call was charged. Kept only where a limit by the hour has asked for it."""
    if usage.spent is None or micros <= 0:
        return usage
    this_minute = _us(now) // MINUTE_US
    by_minute = {minute: spent for minute, spent in usage.spent if minute >= this_minute - HOUR_MINUTES}
    by_minute[this_minute] = by_minute.get(this_minute, 0) + micros
    return msgspec.structs.replace(usage, spent=tuple(sorted(by_minute.items())))


def block(usage: Usage, until: datetime | None) -> Usage:
    """Block the account until then; None lifts the block, and forgets what led to it."""
    return msgspec.structs.replace(usage, blocked_until=None if until is None else _us(until), suspicions=())


def blocked_until(usage: Usage) -> datetime | None:
    """When the block ends, or ended."""
    return None if usage.blocked_until is None else _EPOCH + timedelta(microseconds=usage.blocked_until)


SUSPICIOUS = frozenset(
    {
        Refusal.COUNTRY_BLOCKED,
        Refusal.NUMBER_TYPE_BLOCKED,
        Refusal.RATE_TOO_HIGH,
        Refusal.TOO_MANY_CALLS,
        Refusal.TOO_MANY_DESTINATIONS,
        Refusal.REPEATED_DESTINATION,
    }
)
"""What a stolen account is refused for. An honest one may meet its concurrent calls, its caps and its credit every day."""

DEFAULT_BLOCK_MINUTES = 60


def _newest(times: list[int], at: int, most: int) -> tuple[int, ...]:
    """These and one more, the newest of them. The clocks of two servers may differ, so that the newest may not be the last."""
    if not most:
        return ()
    times.append(at)
    if len(times) > 1 and times[-2] > at:
        times.sort()
    return tuple(times[-most:])


@lru_cache(maxsize=64)
def _us(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND
