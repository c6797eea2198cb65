"""A callback that was not proven genuine, as it is kept for the operator."""

from datetime import datetime

import msgspec


class SignatureFault(msgspec.Struct, frozen=True, kw_only=True):
    """One failure. `application` is the key that it names, which may be nobody's; `ingredient` is what differed.

    `more_count` says how many more failed in its window, of which nothing is kept.
    """

    at: datetime
    provider: str
    application: str
    is_known: bool
    path: str
    ingredient: str
    explanation: str
    more_count: int = 0
