"""What the service asks of a store and of a platform, in its own words. Neither holds any of the rules."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, TypeVar

from callgate.ledger.transfer import Transfer
from callgate.ledger.verify import LedgerRows
from callgate.ledger.wallet import Wallet
from callgate.protocol.call import CallEnded, CallKey, CallOngoing, PlaceCall
from callgate.protocol.provider import CallbackUrls
from callgate.rating.rate import Rate
from callgate.rating.rates import Rates
from callgate.rating.supplier_mapping import SupplierMapping
from callgate.service.application import ApplicationRow
from callgate.service.audit_entry import AuditEntry
from callgate.service.books import AccountKey, DeckHead, Job, UserKey
from callgate.service.decided_call import DecidedCall
from callgate.service.delivery import Delivery, DeliveryState
from callgate.service.did import Did
from callgate.service.endpoint import Endpoint
from callgate.service.export_file import ExportFile
from callgate.service.number_list import ListChange, ListHead
from callgate.service.open_account import OpenedAccount
from callgate.service.operator_rows import Operator, Session
from callgate.service.records import Call, Callback, CallRecord
from callgate.service.rule_book import RulesVersion
from callgate.service.signature_fault import SignatureFault
from callgate.service.token import Token
from callgate.service.user import User
from callgate.service.watch import Watched

T = TypeVar("T")


class CallPosition(NamedTuple):
    """A place in the list of all calls."""

    decided_at: datetime
    key: CallKey


class RecordPosition(NamedTuple):
    """A place among all call records, in the order in which calls ended."""

    ended_at: datetime
    record_id: str


class RecordRange(NamedTuple):
    """Records of calls that ended from `since` on and before `until`; of all applications and accounts unless named."""

    since: datetime
    until: datetime
    application: str | None = None
    account: str | None = None


class AuditFilter(NamedTuple):
    """Which lines of the audit log are wanted: all, unless named."""

    application: str | None = None
    who: str | None = None
    kind: str | None = None
    subject: str | None = None


class Store(Watched, Protocol):
    """The books on one engine. `is_shared`: several servers may work on them at once, and must share what one alone may do."""

    is_shared: bool

    @property
    def waiting_count(self) -> int:
        """Jobs that wait to be performed by this process."""

    @property
    def is_lost(self) -> bool:
        """Whether the database was lost and has not been found again. One that is slow, or refuses a batch, is not."""

    async def live_count(self) -> int:
        """Calls that are up."""

    async def delivery_counts(self) -> Mapping[str, int]:
        """Deliveries that are not delivered yet, and those that are parked, by state."""

    async def open(self) -> None:
        """Start to work. Raises `StorageUnavailable` when the database cannot be used, is older or newer than we are."""

    async def close(self) -> None:
        """Finish what waits, then stop."""

    async def migrate(self) -> None:
        """Bring the schema to this version, before `open`. Raises `StorageUnavailable`."""

    async def describe(self) -> str:
        """What engine this is, and what an operator may want to know of it, in a line. Raises `StorageUnavailable`."""

    async def perform(self, job: Job[T], *, is_urgent: bool = False, is_patient: bool = False) -> T:
        """Run the job with those that wait beside it and return its answer once that is durable. One that `is_patient` waits
        a moment for others to go with, so that nobody waits for a commit of its own.

        A caller that is cancelled before the job has begun takes it back; after that it is done, and only the answer is
        lost. Raises `StorageOverloaded` when too many wait (never when `is_urgent`), `StorageUnavailable` when the engine
        did not take it, and whatever the job itself raised; in each case nothing of the job was written.
        """

    async def configuration_version(self) -> int:
        """A number that changes when applications, decks, rules or endpoints do, whoever changed them."""

    async def applications(self) -> Sequence[ApplicationRow]: ...

    async def rules_in_force(self) -> Sequence[RulesVersion]:
        """The version of each application's rules that is in force, of those that have rules."""

    async def rules_versions(
        self, application: str, *, version: int | None = None, limit: int = 1
    ) -> Sequence[RulesVersion]:
        """Versions of an application's rules, newest first, or the one that is named."""

    async def deck_heads(self) -> Sequence[DeckHead]: ...

    async def deck_rows(self, head: DeckHead) -> Rates:
        """All rows of a version, sorted. Raises `StorageUnavailable` too where somebody is removing them."""

    async def supplier_mappings(self, supplier: str | None = None) -> Sequence[SupplierMapping]:
        """How files of this supplier, or of all, were read when they were imported, by id; not more than anybody looks at."""

    async def next_deck_version(self) -> int:
        """A number that no version of any deck or list had before."""

    async def stage_deck(self, head: DeckHead, rows: Iterable[Rate]) -> None:
        """Write the rows of a version that nobody reads yet, in portions, so that decisions go on between them."""

    async def drop_deck_rows(self, head: DeckHead) -> None:
        """Remove the rows of a version that nobody reads any more, in portions."""

    async def list_heads(self) -> Sequence[ListHead]:
        """Deny and allow lists of all applications, by application and name."""

    async def list_entries(self, version: int, after: int = -1, limit: int | None = None) -> Sequence[int]:
        """What a version of a list began with, sorted: those behind the entry `after`."""

    async def list_changes(self, version: int, after: int, until: int) -> Sequence[ListChange]:
        """Changes of that version behind one revision, up to another, in their order."""

    async def list_has(self, head: ListHead, entries: Sequence[int]) -> set[int]:
        """Which of these entries are on the list now."""

    async def stage_list(self, version: int, entries: Iterable[int]) -> None:
        """Write the entries of a version that nobody reads yet, in portions, so that decisions go on between them."""

    async def drop_list_rows(self, version: int) -> None:
        """Remove entries and changes of a version that nobody reads any more, in portions."""

    async def dids(self) -> Sequence[Did]:
        """Rented numbers of all applications, by application and number."""

    async def account(self, key: AccountKey) -> OpenedAccount | None: ...

    async def accounts(self, application: str, *, after: str, limit: int) -> Sequence[OpenedAccount]:
        """Accounts by id, those behind the id `after`."""

    async def transfers(
        self, key: AccountKey, limit: int, *, behind: str | None = None
    ) -> tuple[Wallet, Sequence[Transfer]] | None:
        """The account's wallet and the transfers on its ledger accounts, newest first, from one moment; from behind the one
        with the id `behind` on.
        """

    async def blocked_accounts(self, application: str, now: datetime, limit: int) -> Sequence[tuple[str, datetime]]:
        """Accounts whose block has not run out, with its end, the last to end first."""

    async def accounts_on_deck(self, deck: str, other_than: str) -> Sequence[AccountKey]:
        """Accounts that are priced by this deck and whose currency is another than the one given."""

    async def call(self, key: CallKey) -> Call | None: ...

    async def callbacks(self, key: CallKey) -> Sequence[Callback]:
        """What was heard of one call, oldest first."""

    async def last_callback(self) -> int:
        """The number of the newest callback that was recorded, 0 when there is none. They only rise."""

    async def heard_since(self, number: int, limit: int) -> Sequence[tuple[int, CallKey]]:
        """Which calls were heard of after that callback, in order, each with the number of the callback."""

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

    async def calls_named(self, keys: Sequence[CallKey]) -> Sequence[Call]:
        """Calls by their keys, in no order; those that are not there are left out."""

    async def decided_calls(
        self, application: str, *, since: datetime, until: datetime, before: CallPosition | None, limit: int
    ) -> Sequence[DecidedCall]:
        """Calls of an application that were decided in time, from `since` on and before `until`, newest first, those behind the
        position `before`; each with the question that it was decided by, and with its payer. Calls without one are left out.
        """

    async def parked_since(self, before: datetime, limit: int) -> Sequence[Call]:
        """Ends that came without a start, and have waited since before this time."""

    async def calls_to_ask(self, now: datetime, limit: int) -> Sequence[CallKey]:
        """Calls whose hold is open and past its time: first those of accounts that were just refused a call for too many at
        once, then those that have waited longest.
        """

    async def calls_to_extend(self, now: datetime, limit: int) -> Sequence[CallKey]:
        """Elastic calls whose timer has gone off, the longest ago first."""

    async def bridges_to_tend(self, limit: int) -> Sequence[tuple[CallKey, CallKey]]:
        """Live sides of bridges, each with its other side, where that has ended, or has answered and this is not dialled."""

    async def call_referred(self, application: str, reference: str) -> Call | None:
        """The call that we placed under this reference, whatever id it has now."""

    async def user(self, key: UserKey) -> User | None: ...

    async def users(self, application: str, *, after: str, limit: int) -> Sequence[User]:
        """Users by name, those behind the name `after`."""

    async def forget_tickets(self, before: datetime) -> None:
        """Remove used tickets that had expired before this time, a portion of them."""

    async def records(self, wanted: RecordRange, *, after: RecordPosition | None, limit: int) -> Sequence[CallRecord]:
        """Records in the order in which calls ended, those behind the position `after`."""

    async def records_mark(self) -> int:
        """The number of the last record: whatever is written from now on has a higher one, on every server."""

    async def numbered_records(self, *, after: int, up_to: int, limit: int) -> Sequence[tuple[int, CallRecord]]:
        """Records by number, in the order in which they were written."""

    async def due_exports(self) -> Sequence[ExportFile]:
        """Files whose time is over and which are not there yet, oldest first."""

    async def last_export(self) -> ExportFile | None:
        """The one whose time was over last."""

    async def token(self, digest: str) -> Token | None: ...

    async def tokens(self) -> Sequence[Token]:
        """All that are valid, oldest first."""

    async def forget_replies(self, before: datetime) -> None:
        """Remove replies kept for an `Idempotency-Key` since before this time, a portion of them."""

    async def forget_deliveries(self, before: datetime) -> None:
        """Remove what was delivered and had happened before this time, in portions, so that decisions go on between them."""

    async def drop_deliveries(self, endpoint: str) -> None:
        """Remove all that was queued for an endpoint, whatever became of it, in portions."""

    async def audit_entries(self, wanted: AuditFilter, *, before: int | None, limit: int) -> Sequence[AuditEntry]:
        """Lines of the audit log, newest first, those with ids below `before`."""

    async def operator(self, name: str) -> Operator | None: ...

    async def operators(self) -> Sequence[Operator]:
        """All of them, by name."""

    async def session(self, digest: str) -> Session | None: ...

    async def sessions_of(self, subject: str) -> Sequence[Session]:
        """Those of one operator, or of one token by its digest, oldest first."""

    async def forget_sessions(self, before: datetime) -> None:
        """Remove sessions that ended before this time, a portion of them."""

    async def has_tokens(self) -> bool: ...

    async def endpoints(self) -> Sequence[Endpoint]:
        """All of them, in the order in which they were added."""

    async def claim_deliveries(
        self, endpoint: str, now: datetime, until: datetime, limit: int, *, is_patient: bool = False
    ) -> Sequence[Delivery]:
        """Take what is next and due for one endpoint, the longest due first, and have until `until` to say what became of it.

        No two workers get the same one, and none waits for another. Whatever a worker that died has taken is due again then.
        `is_patient` as in `perform`.
        """

    async def delivery(self, named: str) -> Delivery | None: ...

    async def deliveries(
        self,
        state: DeliveryState | None,
        limit: int,
        *,
        endpoint: str | None = None,
        application: str | None = None,
        behind: str | None = None,
    ) -> Sequence[Delivery]:
        """Deliveries, those that were queued last first, from behind the one with the id `behind` on; without a state, in
        any.
        """

    async def deliveries_since(self, state: DeliveryState, since: datetime) -> Sequence[tuple[str, str]]:
        """Ids and endpoints of deliveries of what happened since then, in the order in which they were queued."""

    async def keep_faults(self, faults: Sequence[SignatureFault], most: int) -> None:
        """Store them, and of those with a known key, and of the others, only the newest `most` that there are then."""

    async def faults(self, limit: int) -> Sequence[SignatureFault]:
        """Newest first."""

    async def inspect_ledger(self, look: Callable[[LedgerRows], T]) -> T:
        """Call `look` with one consistent view of everything that the invariants speak of, and return what it returns."""


class Platform(Protocol):
    """What the service asks of the platforms themselves, about calls that their applications carry.

    Every method raises `PlatformFailed` when the platform did not answer, or not with what was asked. `resource` is the
    call's own address as the platform gave it, empty when it gave none: a hint, followed only to a host that is allowed.
    """

    async def ask(self, call: CallKey, resource: str) -> CallEnded | CallOngoing | None:
        """Return what the platform knows of the call: its end, that it is still up, or None for no such call."""

    async def hang_up(self, call: CallKey, resource: str) -> bool:
        """End a live call; False when the platform knows no such call, which has then ended."""

    async def put_out(self, call: CallKey, resource: str, conference: str) -> bool:
        """Put a caller out of a conference, which ends the call; False when the caller is not in it."""

    async def warn(self, call: CallKey, resource: str, text: str, locale: str) -> bool:
        """Speak to the caller of a live call; False when the platform knows no such call."""

    async def place(self, application: str, call: PlaceCall) -> str:
        """Place a call, once, and return the platform's id of it. What fails and `may_be_done` rings perhaps: it is never
        asked again.
        """


class ManagedPlatform(Platform, Protocol):
    """A platform that also says, and is told, how its applications are set up."""

    async def callback_urls(self, application: str) -> CallbackUrls:
        """Return where the platform sends an application's callbacks."""

    async def set_callback_urls(self, application: str, urls: CallbackUrls) -> None:
        """Say where the platform is to send them. Raises `Invalid` for what is no URL."""
