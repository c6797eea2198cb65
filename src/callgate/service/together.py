"""Several jobs as one: all of them are done, in order and in one transaction, or none."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from callgate.service.books import Books, Job, Keys


@dataclass(frozen=True, kw_only=True)
class Together:
    """`name` is what the audit log calls it. What the jobs return is not of interest."""

    name: str
    jobs: Sequence[Job[Any]]

    def keys(self) -> Keys:
        named = [each.keys() for each in self.jobs]
        return Keys(
            **{
                field: tuple(dict.fromkeys(chain.from_iterable(getattr(each, field) for each in named)))
                for field in Keys.__struct_fields__
            }
        )

    def run(self, books: Books) -> None:
        """Raises what the jobs do."""
        for job in self.jobs:
            job.run(books)
