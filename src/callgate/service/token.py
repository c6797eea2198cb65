"""API tokens: who may look, operate, configure. Only a hash is kept; the token itself is shown once."""

import hashlib
from datetime import datetime
from enum import StrEnum

import msgspec

PREFIX = "cg_"


class Role(StrEnum):
    """What a token may do: a viewer reads, an operator also moves money and ends calls, an admin also configures."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token as it is kept. `hint` is its first characters, to tell tokens apart.

    `application` is the one that it may see and change, None for all of them. `expires_at` is when it stops working, None
    for never. `last_used_at` is written in batches: it may be a minute behind.
    """

    digest: str
    name: str
    role: Role
    hint: str
    created_at: datetime
    application: str | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at


def digest_of(token: str) -> str:
    """Hash a token for storage and look-up. A token has 256 random bits, so that a plain hash cannot be guessed."""
    return hashlib.sha256(token.encode()).hexdigest()
