"""An operator and a session as they are kept."""

from datetime import datetime
from enum import StrEnum

import msgspec

from callgate.service.token import Role


class SessionKind(StrEnum):
    """What the browser proved itself with."""

    OPERATOR = "operator"
    TOKEN = "token"  # noqa: S105 - a word
    OPENID = "openid"


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who signs in to the dashboard. Without a password hash no password opens it. `sealed_totp` is the encrypted secret
    of the second factor, None for no such factor, and `totp_step` the last step whose code was used.
    """

    name: str
    role: Role
    password_hash: str
    created_at: datetime
    sealed_totp: bytes | None = None
    totp_step: int = 0
    signed_in_at: datetime | None = None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A browser that is signed in: `subject` is an operator's name, or the digest of a token, or what an OpenID Connect provider
    calls somebody. `digest` is that of its cookie. Of these last it holds all that is known: what they may do, the one
    application that they see, None for all, `sub`, the provider's own id of them, and encrypted the token that it gave of them,
    by which it knows which session of its own ends with this one; None where that is too long.
    """

    digest: str
    kind: SessionKind
    subject: str
    created_at: datetime
    expires_at: datetime
    seen_at: datetime
    role: Role | None = None
    application: str | None = None
    sub: str | None = None
    sealed_id_token: bytes | None = None

    @property
    def hint(self) -> str:
        """What it is called in the audit log."""
        return self.subject[:12]
