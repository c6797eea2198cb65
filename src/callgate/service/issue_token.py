"""Issue an API token. The token itself is returned once and kept nowhere."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from callgate.errors import Invalid, NotFound
from callgate.service.books import Books, Keys
from callgate.service.ports import Store
from callgate.service.token import PREFIX, Role, Token, digest_of

MAX_NAME = 64


@dataclass(frozen=True, kw_only=True)
class KeepToken:
    """Store what is kept of a token."""

    token: Token

    def keys(self) -> Keys:
        bound = self.token.application
        return Keys(tokens=(self.token.digest,), applications=() if bound is None else (bound,))

    def run(self, books: Books) -> Token:
        """Raises `NotFound` where the application that it is bound to is not there."""
        application = self.token.application
        if application is not None and books.applications.get(application) is None:
            raise NotFound(f"there is no application {application}")
        books.tokens.put(self.token.digest, self.token)
        return self.token


def new_token(
    name: str, role: Role, now: datetime, *, application: str | None = None, expires_at: datetime | None = None
) -> tuple[KeepToken, str]:
    """Make a token of 256 random bits: the job that keeps it, and the token itself.

    Raises `Invalid` for a name that could not be told from a token, and for an end that is past.
    """
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or not name.strip() or name.startswith(PREFIX):
        raise Invalid(
            "token name", repr(name[:80]), f"1 to {MAX_NAME} printable characters that do not begin with {PREFIX}"
        )
    if expires_at is not None and expires_at <= now:
        raise Invalid("expires_at", expires_at.isoformat(), "a time that is to come")
    clear = PREFIX + secrets.token_urlsafe(32)
    kept = Token(
        digest=digest_of(clear),
        name=name,
        role=role,
        hint=clear[:7],
        created_at=now,
        application=application,
        expires_at=expires_at,
    )
    return KeepToken(token=kept), clear


async def issue_token(  # noqa: PLR0913 - what is said of a token
    store: Store,
    name: str,
    role: Role,
    now: datetime,
    *,
    application: str | None = None,
    expires_at: datetime | None = None,
) -> str:
    """Make a token and return it. Raises `Invalid`."""
    job, clear = new_token(name, role, now, application=application, expires_at=expires_at)
    await store.perform(job)
    return clear
