"""The same request twice does its work once: a reply is kept with the work, in one transaction, and given again.

A key belongs to one token, method and path. The same key with another body is a conflict. What the work itself refused is
kept too; what the store could not take is not, so that it may be tried again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from callgate.errors import Conflict, Error, Invalid
from callgate.service.books import Books, Job, Keys
from callgate.service.reply import Reply

KEPT_FOR = timedelta(days=30)
MAX_KEY = 255


class Asked(NamedTuple):
    """What a caller asked: `scope` names token, method, path and the caller's key; `digest` is that of the body."""

    scope: str
    digest: str


def check_key(key: str) -> str:
    """Check an `Idempotency-Key`. Raises `Invalid`."""
    if not 1 <= len(key) <= MAX_KEY or not key.isascii() or not key.isprintable():
        raise Invalid("Idempotency-Key", repr(key[:50]), f"1 to {MAX_KEY} printable ASCII characters")
    return key


@dataclass(frozen=True, kw_only=True)
class Idempotent:
    """Another job, done once. `render` makes the reply of its result, `refuse` that of its error.

    `reveal` makes the body that is answered the first time and not kept, where the work makes a secret.
    """

    job: Job[Any]
    asked: Asked
    now: datetime
    render: Callable[[Any], tuple[int, bytes]]
    refuse: Callable[[Error], tuple[int, bytes]]
    reveal: Callable[[Any], bytes] | None = None

    def keys(self) -> Keys:
        return msgspec.structs.replace(self.job.keys(), replies=(self.asked.scope,))

    def run(self, books: Books) -> Reply:
        """Raises `Conflict` when the key was used for another body."""
        kept = books.replies.get(self.asked.scope)
        if kept is not None and self.now - kept.at < KEPT_FOR:
            if kept.digest != self.asked.digest:
                raise Conflict("this Idempotency-Key was used for another body before; use a new key for new work")
            return kept
        revealed = None
        try:
            result = self.job.run(books)
            status, body = self.render(result)
            revealed = self.reveal(result) if self.reveal is not None else None
        except Error as error:
            books.undo()
            status, body = self.refuse(error)
        reply = Reply(scope=self.asked.scope, digest=self.asked.digest, status=status, body=body, at=self.now)
        books.replies.put(self.asked.scope, reply)
        return reply if revealed is None else msgspec.structs.replace(reply, body=revealed)
