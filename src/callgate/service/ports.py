"""What the service asks of a store, in its own words. An engine satisfies this and holds none of the rules."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, TypeVar

from callgate.ledger.verify import LedgerRows
from callgate.protocol.call import CallKey
from callgate.rating.rate import Rate
from callgate.service.application import ApplicationRow
from callgate.service.books import AccountKey, DeckHead, Job
from callgate.service.open_account import OpenedAccount
from callgate.service.records import Call, Callback
from callgate.service.token import Token

T = TypeVar("T")


class CallPosition(NamedTuple):
    """A place in the list of all calls."""

    decided_at: datetime
    key: CallKey


class Store(Protocol):
    """The books on one engine."""

    async def open(self) -> None:
        """Start to work. Raises `StorageUnavailable` when the database cannot be used, is older or newer than we are."""

    async def close(self) -> None:
        """Finish what waits, then stop."""

    async def perform(self, job: Job[T], *, is_urgent: bool = False) -> T:
        """Run the job with those that wait beside it and return its answer once that is durable.

        A caller that is cancelled before the job has begun takes it back; after that it is done, and only the answer is
        lost. Raises `StorageOverloaded` when too many wait (never when `is_urgent`), `StorageUnavailable` when the engine
        did not take it, and whatever the job itself raised; in each case nothing of the job was written.
        """

    async def configuration_version(self) -> int:
        """A number that changes when applications or decks do, whoever changed them."""

    async def applications(self) -> Sequence[ApplicationRow]: ...

    async def deck_heads(self) -> Sequence[DeckHead]: ...

    async def deck_rows(self, head: DeckHead) -> Sequence[Rate]: ...

    async def next_deck_version(self) -> int:
        """A number that no version of any deck had before."""

    async def stage_deck(self, head: DeckHead, rows: Iterable[Rate]) -> None:
        """Write the rows of a version that nobody reads yet, in portions, so that decisions go on between them."""

    async def drop_deck_rows(self, head: DeckHead) -> None:
        """Remove the rows of a version that nobody reads any more, in portions."""

    async def account(self, key: AccountKey) -> OpenedAccount | None: ...

    async def accounts(self, application: str, *, after: str, limit: int) -> Sequence[OpenedAccount]:
        """Accounts by id, those behind the id `after`."""

    async def accounts_on_deck(self, deck: str, other_than: str) -> Sequence[AccountKey]:
        """Accounts that are priced by this deck and whose currency is another than the one given."""

    async def call(self, key: CallKey) -> Call | None: ...

    async def callbacks(self, key: CallKey) -> Sequence[Callback]:
        """What was heard of one call, oldest first."""

    async def calls(
        self,
        application: str | None,
        *,
        account: str | None = None,
        only_live: bool = False,
        before: CallPosition | None = None,
        limit: int,
    ) -> Sequence[Call]:
        """Calls, newest first, those behind the position `before`."""

    async def parked_since(self, before: datetime, limit: int) -> Sequence[Call]:
        """Ends that came without a start, and have waited since before this time."""

    async def token(self, digest: str) -> Token | None: ...

    async def has_tokens(self) -> bool: ...

    async def inspect_ledger(self, look: Callable[[LedgerRows], T]) -> T:
        """Call `look` with one consistent view of everything that the invariants speak of, and return what it returns."""
