"""One line of the audit log: who changed what, by which way, from what to what. Never changed, never deleted."""

from datetime import datetime
from enum import StrEnum

import msgspec


class Via(StrEnum):
    """By which way a change came."""

    API = "api"
    CLI = "cli"
    DASHBOARD = "dashboard"
    SERVER = "server"  # by itself: a sign-in, for example


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who changes something: `who` is `token:NAME`, `operator:NAME`, `openid:NAME`, or `cli:` and a user of the machine."""

    who: str
    via: Via


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One row that changed, or one thing that was asked of a platform.

    `action` is the use case, such as `top_up`. `kind` and `subject` name what changed, `application` whose it is, empty
    where it concerns all of them. `before` and `after` are JSON objects, None where there was or is nothing; secrets are
    in neither. `id` is given by the store, and only rises.
    """

    at: datetime
    who: str
    via: Via
    action: str
    kind: str
    subject: str
    application: str = ""
    before: bytes | None = None
    after: bytes | None = None
    id: int = 0
