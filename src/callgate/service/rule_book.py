"""Operators' rules as they are kept: every version of an application's document, and which one is in force."""

from datetime import datetime

import msgspec


class RulesHead(msgspec.Struct, frozen=True, kw_only=True):
    """Which version of an application's rules is in force. `digest` tells documents apart."""

    application: str
    version: int
    digest: str


class RulesVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of an application's rules as it was written, and who applied it. Never changed."""

    application: str
    version: int
    document: str
    applied_at: datetime
    applied_by: str
