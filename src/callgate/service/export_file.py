"""A file of call records that is written on a schedule: which records it has, and what became of it."""

from datetime import datetime

import msgspec


class ExportFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file: the records numbered behind `after` and up to `up_to`, which were settled from `since` on and before `until`.

    `written_at` is None until it has arrived; `why` says why it has not, `digest` is its SHA-256.
    """

    name: str
    since: datetime
    until: datetime
    after: int
    up_to: int
    written_at: datetime | None = None
    count: int = 0
    size: int = 0
    digest: str = ""
    why: str = ""
