"""The books: the rows that a batch of jobs works on, loaded and locked by an engine, saved by it afterwards.

Jobs see plain values and no engine. Each job is undone alone when it fails: its changes lie in a layer of their own until
it has run to its end.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec

from callgate.ledger.hold import HoldState
from callgate.ledger.transfer import Transfer
from callgate.ledger.wallet import Movement, Wallet
from callgate.policy.account import Account
from callgate.policy.usage import Usage
from callgate.protocol.call import CallKey
from callgate.protocol.life import LIVE
from callgate.rating.supplier_mapping import SupplierMapping
from callgate.service.application import ApplicationRow
from callgate.service.audit_entry import AuditEntry
from callgate.service.delivery import Delivery
from callgate.service.did import Did, DidKey
from callgate.service.endpoint import Endpoint
from callgate.service.export_file import ExportFile
from callgate.service.inputs import Answered, InputKey
from callgate.service.lease import Lease
from callgate.service.number_list import ListChange, ListHead, ListKey
from callgate.service.operator_rows import Operator, Session
from callgate.service.records import Call, Callback, CallRecord, Flag
from callgate.service.reply import Reply
from callgate.service.rule_book import RulesHead, RulesVersion
from callgate.service.ticket import UsedTicket
from callgate.service.token import Token
from callgate.service.user import User

K = TypeVar("K")
V = TypeVar("V")
T_co = TypeVar("T_co", covariant=True)


class AccountKey(NamedTuple):
    """An account id is unique within its application."""

    application: str
    account: str


class IdentityKey(NamedTuple):
    """What a caller is known by, such as `user:alice` or `number:+46700000001`; unique within an application."""

    application: str
    identity: str


class CallerKey(NamedTuple):
    """Who calls, as the row of a call says it: a user, or a number. Empty where a caller shows neither."""

    application: str
    caller: str


class TicketKey(NamedTuple):
    """A ticket that was issued for an application."""

    application: str
    id: str


class UserKey(NamedTuple):
    """A user of an application's app, as the operator keeps them."""

    application: str
    name: str


class DeckHead(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force under a deck's name; `version` says which of its stored rows.

    `row_count` is 0 where it is not known. `file` is the last that was imported, by whom and when.
    """

    name: str
    currency: str
    version: int
    row_count: int = 0
    file: str = ""
    imported_at: datetime | None = None
    imported_by: str = ""


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """What a job works on. With a call come its payer's account, wallet and usage; with an identity, those of its owner."""

    calls: tuple[CallKey, ...] = ()
    identities: tuple[IdentityKey, ...] = ()
    accounts: tuple[AccountKey, ...] = ()
    applications: tuple[str, ...] = ()
    decks: tuple[str, ...] = ()
    transfers: tuple[tuple[str, str], ...] = ()  # application, transfer id
    tokens: tuple[str, ...] = ()
    refunds: tuple[CallKey, ...] = ()
    open_holds: tuple[AccountKey, ...] = ()
    emergencies: tuple[CallerKey, ...] = ()
    endpoints: tuple[str, ...] = ()
    deliveries: tuple[str, ...] = ()
    replies: tuple[str, ...] = ()
    leases: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()
    lists: tuple[ListKey, ...] = ()
    dids: tuple[DidKey, ...] = ()
    inputs: tuple[InputKey, ...] = ()
    tickets: tuple[TicketKey, ...] = ()
    users: tuple[UserKey, ...] = ()
    operators: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    mappings: tuple[str, ...] = ()


class Job(Protocol[T_co]):
    """A use case. Delivered twice, it must do its work once: the rows it finds tell it that it was here before."""

    def keys(self) -> Keys: ...

    def run(self, books: "Books") -> T_co: ...


class Layer(Protocol):
    """Changes of the running job, apart from those of the batch."""

    def keep(self) -> None: ...

    def undo(self) -> None: ...


class Shelf(Generic[K, V]):
    """Rows of one kind by key, in three layers: as loaded, changed by this batch, changed by the job that runs now."""

    __slots__ = ("_changed", "_fresh", "_loaded", "_touched")

    def __init__(self, touched: "list[Layer]") -> None:
        self._loaded: dict[K, V | None] = {}
        self._changed: dict[K, V | None] = {}  # None: removed
        self._fresh: dict[K, V | None] = {}
        self._touched = touched

    def load(self, key: K, row: V | None) -> None:
        """For the engine: what the database has under this key, None for nothing."""
        self._loaded[key] = row

    def is_loaded(self, key: K) -> bool:
        """For the engine: each row is read once a batch."""
        return key in self._loaded

    def get(self, key: K) -> V | None:
        """Return the row as this job sees it. A key that the job did not name in `keys()` is our own bug: KeyError."""
        if key in self._fresh:
            return self._fresh[key]
        if key in self._changed:
            return self._changed[key]
        return self._loaded[key]

    def put(self, key: K, row: V) -> None:
        self._set(key, row)

    def steps(self) -> Iterator[tuple[K, V | None, V | None]]:
        """What the running job has changed: the key, the row as it was before this job, and as it is now."""
        for key, row in self._fresh.items():
            yield key, self._changed[key] if key in self._changed else self._loaded.get(key), row

    def fresh(self) -> Iterable[V]:
        """What the running job has put."""
        return (row for row in self._fresh.values() if row is not None)

    def remove(self, key: K) -> None:
        self._set(key, None)

    def _set(self, key: K, row: V | None) -> None:
        if not self._fresh:
            self._touched.append(self)
        self._fresh[key] = row

    def keep(self) -> None:
        self._changed.update(self._fresh)
        self._fresh.clear()

    def undo(self) -> None:
        self._fresh.clear()

    def changes(self) -> Mapping[K, V]:
        """For the engine: the rows to save, once the batch has run."""
        return {key: row for key, row in self._changed.items() if row is not None}

    def is_new(self, key: K) -> bool:
        """For the engine: whether the database has nothing under this key, as far as it was asked."""
        return self._loaded.get(key) is None

    def removed(self) -> Sequence[K]:
        """For the engine: the keys of rows to delete, once the batch has run."""
        return [key for key, row in self._changed.items() if row is None]

    def differences(self) -> Iterator[tuple[V | None, V | None]]:
        """Each row that is not as it was loaded: before, and as this job sees it."""
        for key in self._changed.keys() | self._fresh.keys():
            yield self._loaded[key], self.get(key)


class Journal(Generic[V]):
    """Rows that are only ever added."""

    __slots__ = ("_fresh", "_kept", "_touched")

    def __init__(self, touched: "list[Layer]") -> None:
        self._kept: list[V] = []
        self._fresh: list[V] = []
        self._touched = touched

    def add(self, row: V) -> None:
        if not self._fresh:
            self._touched.append(self)
        self._fresh.append(row)

    def keep(self) -> None:
        self._kept += self._fresh
        self._fresh.clear()

    def undo(self) -> None:
        self._fresh.clear()

    def fresh(self) -> Iterable[V]:
        """What the running job has added."""
        return tuple(self._fresh)

    def __iter__(self) -> Iterator[V]:
        return iter(self._kept)

    def __bool__(self) -> bool:
        return bool(self._kept)


class Books:
    """Everything that jobs may read and change."""

    def __init__(self) -> None:
        touched = self._touched = list[Layer]()  # by the job that runs now: most jobs touch few
        self.calls: Shelf[CallKey, Call] = Shelf(touched)
        self.identities: Shelf[IdentityKey, str] = Shelf(touched)  # to the id of the account
        self.accounts: Shelf[AccountKey, Account] = Shelf(touched)
        self.wallets: Shelf[AccountKey, Wallet] = Shelf(touched)
        self.usages: Shelf[AccountKey, Usage] = Shelf(touched)
        self.applications: Shelf[str, ApplicationRow] = Shelf(touched)
        self.decks: Shelf[str, DeckHead] = Shelf(touched)
        self.mappings: Shelf[str, SupplierMapping] = Shelf(touched)
        self.moved: Shelf[tuple[str, str], Transfer] = Shelf(touched)  # by application and id; added through `move`
        self.tokens: Shelf[str, Token] = Shelf(touched)
        self.refunded: Shelf[CallKey, int] = Shelf(touched)  # micros given back so far; follows from the transfers
        self.open_holds: Shelf[AccountKey, int] = Shelf(
            touched
        )  # how many, when the batch began: see `open_hold_count`
        self.emergencies: Shelf[CallerKey, tuple[Call, ...]] = Shelf(
            touched
        )  # that are up, when the batch began: see `emergencies_of`
        self.endpoints: Shelf[str, Endpoint] = Shelf(touched)
        self.deliveries: Shelf[str, Delivery] = Shelf(touched)
        self.replies: Shelf[str, Reply] = Shelf(touched)
        self.leases: Shelf[str, Lease] = Shelf(touched)
        self.exports: Shelf[str, ExportFile] = Shelf(touched)
        self.lists: Shelf[ListKey, ListHead] = Shelf(touched)
        self.dids: Shelf[DidKey, Did] = Shelf(touched)
        self.inputs: Shelf[InputKey, Answered] = Shelf(touched)
        self.tickets: Shelf[TicketKey, UsedTicket] = Shelf(touched)  # those that a call has presented
        self.users: Shelf[UserKey, User] = Shelf(touched)
        self.operators: Shelf[str, Operator] = Shelf(touched)
        self.sessions: Shelf[str, Session] = Shelf(touched)
        self.rules: Shelf[str, RulesHead] = Shelf(touched)  # by application
        self.is_probed = False  # something is to be written, although nothing changes
        self.transfers: Journal[Transfer] = Journal(touched)
        self.callbacks: Journal[Callback] = Journal(touched)
        self.list_changes: Journal[ListChange] = Journal(touched)
        self.records: Journal[CallRecord] = Journal(touched)
        self.concluded: Journal[Delivery] = Journal(touched)  # without a look at what is stored: see `Conclude`
        self.audit: Journal[AuditEntry] = Journal(touched)
        self.rules_versions: Journal[RulesVersion] = Journal(touched)

    def keep(self) -> None:
        """The running job succeeded: its changes belong to the batch.

        The schema sees a wallet only as the last job of a batch left it, so that each job's own work is looked at here.
        """
        assert all(wallet.is_lawful for wallet in self.wallets.fresh()), "a job left a wallet that breaks its law"
        for layer in self._touched:
            layer.keep()
        self._touched.clear()

    def undo(self) -> None:
        """The running job failed: nothing of it remains."""
        for layer in self._touched:
            layer.undo()
        self._touched.clear()

    def move(self, movement: Movement) -> None:
        """Money moved: the wallet as it now stands, and the transfers that say how."""
        wallet = movement.wallet
        self.wallets.put(AccountKey(wallet.application, wallet.account), wallet)
        for transfer in movement.transfers:
            self.transfers.add(transfer)
            self.moved.put((transfer.application, transfer.id), transfer)

    def open_hold_count(self, key: AccountKey) -> int:
        """How many holds of this account are open, with what the jobs of this batch have done to them."""
        changes = (_is_holding(now, key) - _is_holding(before, key) for before, now in self.calls.differences())
        return (self.open_holds.get(key) or 0) + sum(changes)

    def emergencies_of(self, key: CallerKey) -> list[Call]:
        """The emergency calls of this caller that are up, with what the jobs of this batch have done to them."""
        calls = {call.key: call for call in self.emergencies.get(key) or () if Flag.EMERGENCY in call.flags}
        for _, call in self.calls.differences():
            if call is not None and (call.key.application, call.caller) == key and Flag.EMERGENCY in call.flags:
                calls[call.key] = call
        return [call for call in calls.values() if call.state in LIVE]

    def wallet(self, application: str, account: str) -> Wallet:
        """The wallet of an account that is known to exist."""
        wallet = self.wallets.get(AccountKey(application, account))
        assert wallet is not None, f"account {account} has no wallet"
        return wallet

    def usage(self, application: str, account: str) -> Usage:
        """What an account that is known to exist has used of its limits."""
        usage = self.usages.get(AccountKey(application, account))
        assert usage is not None, f"account {account} has no usage"
        return usage


def _is_holding(call: Call | None, key: AccountKey) -> bool:
    if call is None or call.hold is None:
        return False
    is_of_nothing = Flag.EMERGENCY in call.flags
    return call.hold.state is HoldState.OPEN and not is_of_nothing and (call.key.application, call.account) == key
