"""A change that is made only if nobody else has made one since: the tag of what was read must still be that of what is there.

Looked at in the transaction of the change. Source: RFC 9110, 13.1.1, If-Match.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from callgate.errors import Stale
from callgate.service.books import Books, Job, Keys

ANY = "*"
"""What matches whatever is there, and not what is not there."""


def tag_of(*rows: object) -> str:
    """The entity tag of what these rows say, with its quotes; it changes when they do."""
    return f'"{hashlib.sha256(msgspec.json.encode(rows)).hexdigest()[:20]}"'


@dataclass(frozen=True, kw_only=True)
class Matched:
    """Another job, where one of the tags `wanted` is what `tag` makes of the books; `tag` gives None for nothing there."""

    job: Job[Any]
    wanted: str
    tag: Callable[[Books], str | None]

    def keys(self) -> Keys:
        return self.job.keys()

    def run(self, books: Books) -> Any:
        """Raises `Stale`, and whatever the job does."""
        found = self.tag(books)
        tags = [each.strip().removeprefix("W/") for each in self.wanted.split(",")]
        if found not in tags and not (ANY in tags and found is not None):
            raise Stale(
                f"it was changed meanwhile: If-Match says {self.wanted[:80]}, and it is {found or 'not there'} now"
            )
        return self.job.run(books)
