"""Who does a piece of work that only one server does at a time."""

from datetime import datetime

import msgspec


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is the work; until `until`, by the holder's clock, nobody but `holder` does it."""

    name: str
    holder: str
    until: datetime
