"""A reply that was given to a caller, kept so that a repeat of the request gets the same."""

from datetime import datetime

import msgspec


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """`scope` is who asked what under which key, `digest` that of the body that was sent."""

    scope: str
    digest: str
    status: int
    body: bytes
    at: datetime
