"""Revoke API tokens: whoever holds one is a stranger from the next request on."""

from collections.abc import Sequence
from dataclasses import dataclass

from callgate.errors import NotFound
from callgate.service.books import Books, Keys
from callgate.service.ports import Store
from callgate.service.token import Token


@dataclass(frozen=True, kw_only=True)
class ForgetTokens:
    """Remove what is kept of them. Those that are gone already are no matter."""

    digests: tuple[str, ...]

    def keys(self) -> Keys:
        return Keys(tokens=self.digests)

    def run(self, books: Books) -> None:
        for digest in self.digests:
            books.tokens.remove(digest)


async def revoke_tokens(store: Store, word: str) -> Sequence[Token]:
    """Revoke every token of this name, or the one that begins with this hint; return them. Raises `NotFound`."""
    tokens = [token for token in await store.tokens() if word in (token.name, token.hint)]
    if not tokens:
        raise NotFound(f"there is no token {word}; see: callgate token list")
    await store.perform(ForgetTokens(digests=tuple(token.digest for token in tokens)))
    return tokens
