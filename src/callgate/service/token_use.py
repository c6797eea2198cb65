"""When tokens were last used: noted in memory on each request, and written for all of them together now and then."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from callgate.errors import StorageUnavailable
from callgate.logs import log
from callgate.service.books import Books, Keys
from callgate.service.ports import Store

WRITE_S = 30.0
"""How far the last use of a token may be behind."""


@dataclass(frozen=True, kw_only=True)
class NoteUses:
    """`uses` are times by the digests of tokens. A token that was revoked meanwhile stays so."""

    uses: Mapping[str, datetime]

    def keys(self) -> Keys:
        return Keys(tokens=tuple(self.uses))

    def run(self, books: Books) -> None:
        for digest, at in self.uses.items():
            token = books.tokens.get(digest)
            if token is not None and (token.last_used_at is None or token.last_used_at < at):
                books.tokens.put(digest, msgspec.structs.replace(token, last_used_at=at))


class TokenUses:
    """What this process has seen. `in` says whether a token was good when it was last shown to us."""

    def __init__(self) -> None:
        self._noted: dict[str, datetime] = {}
        self._unwritten: dict[str, datetime] = {}

    def __contains__(self, digest: str) -> bool:
        return digest in self._noted

    def note(self, digest: str, now: datetime) -> None:
        self._noted[digest] = self._unwritten[digest] = now

    async def write(self, store: Store) -> None:
        """Write what was noted since the last time. Raises `StorageUnavailable`; it is then written the next time."""
        uses, self._unwritten = self._unwritten, {}
        if not uses:
            return
        try:
            await store.perform(NoteUses(uses=uses))
        except StorageUnavailable:
            self._unwritten = {**uses, **self._unwritten}
            raise

    async def keep_writing(self, store: Store) -> None:
        """Write for ever, and once more at the end."""
        try:
            while True:
                await asyncio.sleep(WRITE_S)
                await self._try_to_write(store)
        finally:
            await self._try_to_write(store)

    async def _try_to_write(self, store: Store) -> None:
        try:
            await self.write(store)
        except StorageUnavailable as error:
            log.warning("tokens.uses_not_written", error=str(error))
