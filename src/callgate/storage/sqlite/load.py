"""Bring the rows that a batch names onto the shelves: a fixed number of rounds, whatever its size."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, TypeVar

from callgate.protocol.call import CallKey
from callgate.service.books import AccountKey, Books, IdentityKey, Keys, Shelf
from callgate.storage import rows
from callgate.storage.rows import Row
from callgate.storage.sql import select_many
from callgate.storage.sqlite.kept import Kept, Opened

K = TypeVar("K")
V = TypeVar("V")

PORTIONS = (64, 16, 4, 1)
"""How many rows one statement takes: few lengths, so that each is prepared once."""


def portions(every: Sequence[V]) -> Iterator[Sequence[V]]:
    """Cut a sequence into the largest portions that fit."""
    start, count = 0, len(every)
    for length in PORTIONS:
        while count - start >= length:
            yield every[start : start + length]
            start += length


def load(db: sqlite3.Connection, books: Books, keys: Keys, kept: Kept) -> None:
    """Calls and identities first, since they say whose accounts come with them; then those; then all that stands alone."""
    payers = {*keys.accounts, *_load_calls(db, books, keys.calls), *_load_identities(db, books, keys.identities, kept)}
    _load_accounts(db, books, sorted(payers), kept)
    for name, table, columns, key, to_struct in _ALONE:
        if wanted := getattr(keys, name):
            _load_alone(
                db, getattr(books, "moved" if name == "transfers" else name), table, columns, key, wanted, to_struct
            )
    for refund in keys.refunds:
        books.refunded.load(refund, db.execute(_REFUNDED, refund).fetchone()[0])
    for account in keys.open_holds:
        books.open_holds.load(account, db.execute(_OPEN_HOLDS, account).fetchone()[0])


def _load_calls(db: sqlite3.Connection, books: Books, keys: Sequence[CallKey]) -> list[AccountKey]:
    """Return the payers."""
    payers = []
    for key in keys:
        books.calls.load(key, None)
    for row in _rows(db, "calls", rows.CALL, rows.CALL_KEY, keys):
        call = rows.to_call(row)
        books.calls.load(call.key, call)
        if call.account is not None:
            payers.append(AccountKey(call.key.application, call.account))
    return payers


def _load_identities(db: sqlite3.Connection, books: Books, keys: Sequence[IdentityKey], kept: Kept) -> list[AccountKey]:
    """Return whose they are."""
    missing = [key for key in keys if key not in kept.identities]
    if missing:
        kept.identities.update(dict.fromkeys(missing))
        found = _rows(db, "identities", rows.IDENTITY, rows.IDENTITY_KEY, missing)
        kept.identities.update({IdentityKey(*row[:2]): row[2] for row in found})
    for key in keys:
        books.identities.load(key, kept.identities[key])
    owned = ((key.application, books.identities.get(key)) for key in keys)
    return [AccountKey(application, account) for application, account in owned if account is not None]


def _load_accounts(db: sqlite3.Connection, books: Books, keys: Sequence[AccountKey], kept: Kept) -> None:
    """Accounts with their wallets."""
    missing = [key for key in keys if key not in kept.accounts]
    if missing:
        accounts = {
            row[:2]: rows.to_account(row) for row in _rows(db, "accounts", rows.ACCOUNT, rows.ACCOUNT_KEY, missing)
        }
        wallets = {row[:2]: rows.to_wallet(row) for row in _rows(db, "wallets", rows.WALLET, rows.WALLET_KEY, missing)}
        kept.accounts.update({key: Opened(accounts.get(key), wallets.get(key)) for key in missing})
    for key in keys:
        opened = kept.accounts[key]
        books.accounts.load(key, opened.account)
        books.wallets.load(key, opened.wallet)


def _load_alone(  # noqa: PLR0913, PLR0917 - where a row is found and what becomes of it
    db: sqlite3.Connection,
    shelf: Shelf[K, V],
    table: str,
    columns: Sequence[str],
    key: Sequence[str],
    wanted: Sequence[K],
    to_struct: Callable[[Row], V],
) -> None:
    """Rows that bring no others with them. The key is what each row begins with."""
    for each in wanted:
        shelf.load(each, None)
    named: dict[Any, K] = {each if isinstance(each, tuple) else (each,): each for each in wanted}
    for row in _rows(db, table, columns, key, list(named)):
        shelf.load(named[row[: len(key)]], to_struct(row))


def _rows(
    db: sqlite3.Connection, table: str, columns: Sequence[str], key: Sequence[str], keys: Sequence[Sequence[str]]
) -> Iterator[Row]:
    for portion in portions(keys):
        yield from db.execute(
            select_many(table, columns, key, len(portion)), tuple(chain.from_iterable(portion))
        ).fetchall()


_ALONE: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...], Callable[[Row], Any]], ...] = (
    ("applications", "applications", rows.APPLICATION, rows.APPLICATION_KEY, rows.to_application),
    ("decks", "decks", rows.DECK, rows.DECK_KEY, rows.to_deck_head),
    ("transfers", "transfers", rows.TRANSFER, rows.TRANSFER_KEY, rows.to_transfer),
    ("tokens", "tokens", rows.TOKEN, rows.TOKEN_KEY, rows.to_token),
    ("endpoints", "endpoints", rows.ENDPOINT, rows.ENDPOINT_KEY, rows.to_endpoint),
    ("deliveries", "deliveries", rows.DELIVERY, rows.DELIVERY_KEY, rows.to_delivery),
    ("replies", "replies", rows.REPLY, rows.REPLY_KEY, rows.to_reply),
    ("leases", "leases", rows.LEASE, rows.LEASE_KEY, rows.to_lease),
)
"""What `Keys` and `Books` call it, its table, its columns and key, and what a row becomes."""

_REFUNDED = """SELECT coalesce(sum(amount_micros), 0) FROM transfers
    WHERE application = ? AND call_id = ? AND kind = 'refund'"""
_OPEN_HOLDS = "SELECT count(*) FROM calls WHERE application = ? AND account = ? AND hold_state = 'open'"
