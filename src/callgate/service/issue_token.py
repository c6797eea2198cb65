"""Issue an API token. The token itself is returned once and kept nowhere."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from callgate.errors import Invalid
from callgate.service.books import Books, Keys
from callgate.service.ports import Store
from callgate.service.token import PREFIX, Role, Token, digest_of

MAX_NAME = 64


@dataclass(frozen=True, kw_only=True)
class KeepToken:
    """Store what is kept of a token."""

    token: Token

    def keys(self) -> Keys:
        return Keys(tokens=(self.token.digest,))

    def run(self, books: Books) -> Token:
        books.tokens.put(self.token.digest, self.token)
        return self.token


async def issue_token(store: Store, name: str, role: Role, now: datetime) -> str:
    """Make a token of 256 random bits and return it. Raises `Invalid` for a name that could not be told from a token."""
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or not name.strip() or name.startswith(PREFIX):
        raise Invalid(
            "token name", repr(name[:80]), f"1 to {MAX_NAME} printable characters that do not begin with {PREFIX}"
        )
    clear = PREFIX + secrets.token_urlsafe(32)
    kept = Token(digest=digest_of(clear), name=name, role=role, hint=clear[:7], created_at=now)
    await store.perform(KeepToken(token=kept))
    return clear
