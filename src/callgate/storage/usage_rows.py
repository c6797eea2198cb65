"""What accounts have used of their limits, as rows: columns for what is looked for, and one for all windows together."""

import msgspec

from callgate.policy.usage import Called, Usage
from callgate.storage.rows import Row

USAGE_KEY = ("application", "account")
USAGE = (*USAGE_KEY, "blocked_until", "at_limit_at", "windows")


class Windows(msgspec.Struct, frozen=True, array_like=True):
    """The windows as they are stored. New ones are added at the end, with a default."""

    calls: tuple[int, ...]
    called: tuple[Called, ...]
    spent: tuple[tuple[int, int], ...] | None
    suspicions: tuple[int, ...]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Windows).decode

NO_WINDOWS = _encode(Windows((), (), None, ()))
"""What is stored for an account that no window is kept for."""


def from_usage(usage: Usage) -> Row:
    windows = Windows(usage.calls, usage.called, usage.spent, usage.suspicions)
    return (usage.application, usage.account, usage.blocked_until, usage.at_limit_at, _encode(windows))


def to_usage(row: Row) -> Usage:
    application, account, blocked_until, at_limit_at, stored = row
    windows = _decode(stored)
    return Usage(
        application=application,
        account=account,
        blocked_until=blocked_until,
        at_limit_at=at_limit_at,
        calls=windows.calls,
        called=windows.called,
        spent=windows.spent,
        suspicions=windows.suspicions,
    )
