"""What a run asks of the server behind the callback URL, beside answers: only our own has books that can be looked into."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from callgate.emulator.applications import Application
from callgate.emulator.scenario_files.wording import FilePart


class Books(Protocol):
    """A server that a scenario can set up, and whose money and records can be seen."""

    async def prepare(self, file: FilePart, platform_url: str) -> Application:
        """Set up an application of its own for this scenario, with its accounts and deck. `platform_url` is where the
        platform's REST interface is meanwhile. Raises `Invalid` for what the server would not take.
        """

    async def account(self, application: str, named: str) -> Mapping[str, str] | None:
        """An account's money as texts: `posted`, `held`, `available`."""

    async def call(self, application: str, call_id: str) -> Mapping[str, Any] | None:
        """A call as the server knows it, in the words of the operators' API."""

    async def records(self, application: str, call_id: str, least: int) -> Sequence[Mapping[str, Any]]:
        """The records of a call that were delivered, in their order; waits a while for so many."""

    async def hang_up(self, application: str, call_id: str) -> str:
        """End a live call as its operator would, over the platform's REST interface; returns why not, or nothing."""

    async def stall(self, seconds: float) -> None:
        """Keep the store busy for so long; returns when it has begun."""

    async def verify(self) -> Sequence[str]:
        """What is wrong with the ledger as a whole: one line each."""
