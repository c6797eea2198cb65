"""A batch: the jobs that one transaction takes, what they name, and how each gets its own result or error.

The order of the steps is here, once for all engines; how rows are loaded, saved and committed is each engine's own.
"""

import asyncio
from collections.abc import Callable, Sequence
from enum import Enum, auto
from itertools import chain
from typing import Any

import msgspec

from callgate.errors import Error, StorageUnavailable
from callgate.service.books import Books, Job, Keys


class Step(Enum):
    """Where a batch stands. Engines tell their `on_step` of each as it is reached, so that a test can crash there."""

    BEGUN = auto()
    LOADED = auto()
    RUN = auto()
    SAVED = auto()
    COMMITTED = auto()


OnStep = Callable[[Step], None]


def pass_on(_: Step) -> None:
    """What a server does at each step: nothing."""


class Refused(Error):
    """The database does not take what a job of the batch wrote. Those beside it are still good."""


class Waiting:
    """A job and the caller who waits for it. A caller who has gone away before the job began takes it back."""

    __slots__ = ("error", "future", "job", "keys", "loop", "result")

    def __init__(self, job: Job[Any], loop: asyncio.AbstractEventLoop) -> None:
        self.job = job
        self.keys = job.keys()
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.result: Any = None
        self.error: Exception | None = None

    def run(self, books: Books) -> None:
        """Run the job; when it fails, it alone is undone."""
        try:
            self.result = self.job.run(books)
            books.keep()
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to this caller, not to the batch
            books.undo()
            # A future takes any other exception; this one would keep the answers of the whole batch back.
            self.error = RuntimeError("the job ran out of values") if isinstance(error, StopIteration) else error
        else:
            self.error = None

    def answer(self) -> None:
        """On the caller's own loop."""
        if self.future.cancelled():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


def named_by(batch: Sequence[Waiting]) -> Keys:
    """Everything that the jobs name, each key once, in the one order in which all nodes load and lock."""
    kinds = zip(*(msgspec.structs.astuple(waiting.keys) for waiting in batch), strict=True)
    return Keys(
        **{
            name: tuple(sorted(set(chain.from_iterable(keys)))) if any(keys) else ()
            for name, keys in zip(Keys.__struct_fields__, kinds, strict=True)
        }
    )


def commit_batch(batch: list[Waiting], commit: Callable[[list[Waiting]], None]) -> None:
    """Try one transaction for all; where that fails, one for each, so that a bad job fails alone.

    `commit` runs the jobs in one transaction, all or nothing; it raises `StorageUnavailable` when the engine would not take
    any of them now, `Refused` or whatever else when one of them is bad. Raises `StorageUnavailable`: nothing was written.
    """
    try:
        commit(batch)
    except StorageUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the jobs beside the bad one are still good
        if len(batch) > 1:
            _commit_one_by_one(batch, commit)
        else:
            batch[0].error = StorageUnavailable(str(error)) if isinstance(error, Refused) else error


def _commit_one_by_one(batch: list[Waiting], commit: Callable[[list[Waiting]], None]) -> None:
    """What was committed before the engine gave up stays answered as such; the rest was not written."""
    for place, waiting in enumerate(batch):
        try:
            commit_batch([waiting], commit)
        except StorageUnavailable as error:
            for unwritten in batch[place:]:
                unwritten.error = error
            return
