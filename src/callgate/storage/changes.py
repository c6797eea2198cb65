"""What a batch changed, as rows to write: the same for every engine, parents before those that refer to them.

New rows are in the order of their keys: two nodes that add the same ones must not wait for each other in a circle.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from enum import Enum, auto
from operator import itemgetter
from typing import NamedTuple, TypeVar

from callgate.ledger.accounts import is_of_house
from callgate.service.books import Books, Shelf
from callgate.service.delivery import DeliveryState, Lane
from callgate.storage import (
    call_rows,
    did_rows,
    export_rows,
    list_rows,
    mapping_rows,
    outbox_rows,
    rows,
    rule_rows,
    sign_in_rows,
    usage_rows,
)
from callgate.storage.audit_rows import AUDIT, from_audit_entry
from callgate.storage.operator_rows import OPERATOR, OPERATOR_KEY, SESSION, SESSION_KEY, from_operator, from_session
from callgate.storage.rows import Row

K = TypeVar("K", bound=str | tuple[str, ...])
V = TypeVar("V")


_call_key = itemgetter(slice(len(call_rows.CALL_KEY)))


class Verb(Enum):
    """How rows are written."""

    ADD = auto()  # there was none under this key; where there is one by now, the database must refuse
    CHANGE = auto()  # there was one
    TOUCH = auto()  # there may be one, and if there is none there is nothing to do
    ADD_UP = auto()  # what is not the key is added to what is there
    REMOVE = auto()  # rows are keys alone


class Change(NamedTuple):
    """Rows of one table. `key` is empty where rows are never changed."""

    verb: Verb
    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    rows: Sequence[Row]


def changes_of(books: Books) -> Iterator[Change]:
    """Only tables in which something changed. What is removed goes last, children before those that they refer to."""
    yield from _of(books.applications, "applications", rows.APPLICATION, rows.APPLICATION_KEY, rows.from_application)
    yield from _of(books.accounts, "accounts", rows.ACCOUNT, rows.ACCOUNT_KEY, rows.from_account)
    yield from _of(books.wallets, "wallets", rows.WALLET, rows.WALLET_KEY, rows.from_wallet)
    yield from _of(books.usages, "usages", usage_rows.USAGE, usage_rows.USAGE_KEY, usage_rows.from_usage)
    yield from _of_identities(books)
    yield from _of(books.decks, "decks", rows.DECK, rows.DECK_KEY, rows.from_deck_head)
    yield from _of(
        books.mappings, "supplier_mappings", mapping_rows.MAPPING, mapping_rows.MAPPING_KEY, mapping_rows.from_mapping
    )
    yield from _of(books.tokens, "tokens", rows.TOKEN, rows.TOKEN_KEY, rows.from_token)
    yield from _of(books.replies, "replies", rows.REPLY, rows.REPLY_KEY, rows.from_reply)
    yield from _of(books.leases, "leases", rows.LEASE, rows.LEASE_KEY, rows.from_lease)
    yield from _of(books.users, "users", sign_in_rows.USER, sign_in_rows.USER_KEY, sign_in_rows.from_user)
    yield from _of(books.tickets, "tickets", sign_in_rows.TICKET, sign_in_rows.TICKET_KEY, sign_in_rows.from_ticket)
    yield from _of(books.rules, "rules", rule_rows.RULES, rule_rows.RULES_KEY, rule_rows.from_rules)
    if books.rules_versions:
        written = [rule_rows.from_rules_version(each) for each in books.rules_versions]
        yield Change(Verb.ADD, "rules_versions", rule_rows.RULES_VERSION, (), written)
    yield from _of(books.operators, "operators", OPERATOR, OPERATOR_KEY, from_operator)
    yield from _of(books.sessions, "sessions", SESSION, SESSION_KEY, from_session)
    yield from _of(books.exports, "exports", export_rows.EXPORT, export_rows.EXPORT_KEY, export_rows.from_export)
    yield from _of(books.lists, "lists", list_rows.LIST, list_rows.LIST_KEY, list_rows.from_list)
    if books.list_changes:
        changed = [list_rows.from_list_change(each) for each in books.list_changes]
        yield Change(Verb.ADD, "list_changes", list_rows.LIST_CHANGE, (), changed)
    yield from _of(books.dids, "dids", did_rows.DID, did_rows.DID_KEY, did_rows.from_did)
    yield from _of(books.inputs, "inputs", did_rows.INPUT, did_rows.INPUT_KEY, did_rows.from_answered)
    yield from _of_calls(books)
    if books.transfers:
        yield Change(Verb.ADD, "transfers", rows.TRANSFER, (), [rows.from_transfer(each) for each in books.transfers])
        yield Change(Verb.ADD_UP, "house_accounts", rows.HOUSE, rows.HOUSE_KEY, _of_house(books))
    if books.records:
        yield Change(Verb.ADD, "records", call_rows.RECORD, (), [call_rows.from_record(each) for each in books.records])
    yield from _of(
        books.endpoints, "endpoints", outbox_rows.ENDPOINT, outbox_rows.ENDPOINT_KEY, outbox_rows.from_endpoint
    )
    if books.concluded:
        concluded = [outbox_rows.from_concluded(each) for each in books.concluded]
        yield Change(Verb.TOUCH, "deliveries", outbox_rows.CONCLUDED, outbox_rows.CONCLUDED_KEY, concluded)
    yield from _of(
        books.deliveries, "deliveries", outbox_rows.DELIVERY, outbox_rows.DELIVERY_KEY, outbox_rows.from_delivery
    )
    if books.callbacks:
        yield Change(
            Verb.ADD, "callbacks", call_rows.CALLBACK, (), [call_rows.from_callback(each) for each in books.callbacks]
        )
    if books.audit:
        yield Change(Verb.ADD, "audit_log", AUDIT, (), [from_audit_entry(each) for each in books.audit])
    yield from _removed(books.calls, "calls", call_rows.CALL_KEY)
    yield from _removed(books.users, "users", sign_in_rows.USER_KEY)
    yield from _removed(books.operators, "operators", OPERATOR_KEY)
    yield from _removed(books.sessions, "sessions", SESSION_KEY)
    yield from _removed(books.tokens, "tokens", rows.TOKEN_KEY)
    yield from _removed(books.identities, "identities", rows.IDENTITY_KEY)
    yield from _removed(books.lists, "lists", list_rows.LIST_KEY)
    yield from _removed(books.dids, "dids", did_rows.DID_KEY)
    yield from _removed(books.mappings, "supplier_mappings", mapping_rows.MAPPING_KEY)


def lanes_of(books: Books) -> list[Lane]:
    """Lanes in which somebody may have to step forward, in one order."""
    added = {delivery.lane for delivery in books.deliveries.changes().values()}
    left = {delivery.lane for delivery in books.concluded if delivery.state is not DeliveryState.NEXT}
    return sorted(added | left)


def changes_configuration(books: Books) -> bool:
    """Whether servers must look again at what they look up outside the lock."""
    configured = (books.applications, books.decks, books.endpoints, books.rules, books.lists, books.dids)
    return any(shelf.changes() or shelf.removed() for shelf in configured)


def _of(
    shelf: Shelf[K, V], table: str, columns: tuple[str, ...], key: tuple[str, ...], to_row: Callable[[V], Row]
) -> Iterator[Change]:
    changed = shelf.changes()
    if not changed:
        return
    added = [to_row(row) for name, row in changed.items() if shelf.is_new(name)]
    if added and table != "deliveries":  # they are numbered as they are queued, under a lock of their lane
        added.sort(key=itemgetter(slice(len(key))))
    if added:
        yield Change(Verb.ADD, table, columns, key, added)
    if len(added) < len(changed):
        known = [to_row(row) for name, row in changed.items() if not shelf.is_new(name)]
        yield Change(Verb.CHANGE, table, columns, key, known)


def _removed(shelf: Shelf[K, V], table: str, key: tuple[str, ...]) -> Iterator[Change]:
    """Keys of one word are words, others tuples. What the database never had needs no removing."""
    found = sorted(
        (name,) if isinstance(name, str) else tuple(name) for name in shelf.removed() if not shelf.is_new(name)
    )
    if found:
        yield Change(Verb.REMOVE, table, key, key, found)


def _of_identities(books: Books) -> Iterator[Change]:
    changed, is_new = books.identities.changes(), books.identities.is_new
    for verb, is_added in ((Verb.ADD, True), (Verb.CHANGE, False)):
        found = sorted((*name, account) for name, account in changed.items() if is_new(name) is is_added)
        if found:
            yield Change(verb, "identities", rows.IDENTITY, rows.IDENTITY_KEY, found)


def _of_calls(books: Books) -> Iterator[Change]:
    """Calls that were just decided, which are most of the new ones, have few columns to write."""
    decided, added, known = [], [], []
    for key, call in books.calls.changes().items():
        if not books.calls.is_new(key):
            known.append(call_rows.from_call(call))
        elif call_rows.is_just_decided(call):
            decided.append(call_rows.from_decided(call))
        else:
            added.append(call_rows.from_call(call))
    for verb, columns, found in (
        (Verb.ADD, call_rows.DECIDED, decided),
        (Verb.ADD, call_rows.CALL, added),
        (Verb.CHANGE, call_rows.CALL, known),
    ):
        if found:
            found.sort(key=_call_key)
            yield Change(verb, "calls", columns, call_rows.CALL_KEY, found)


def _of_house(books: Books) -> list[Row]:
    """What the batch's transfers add to the house's own ledger accounts, one row for each."""
    changes: dict[tuple[str, str, str], int] = defaultdict(int)
    for transfer in books.transfers:
        for side, micros in ((transfer.debit, -transfer.amount_micros), (transfer.credit, transfer.amount_micros)):
            if is_of_house(side):
                changes[transfer.application, transfer.currency, side] += micros
    return [(*key, micros) for key, micros in sorted(changes.items())]
