"""Bring the rows that a batch names onto the shelves: a fixed number of rounds, whatever its size."""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TypeVar

from callgate.protocol.call import CallKey
from callgate.service.books import AccountKey, Books, IdentityKey, Keys
from callgate.storage import call_rows, rows, usage_rows
from callgate.storage.alone import ALONE
from callgate.storage.rows import Row
from callgate.storage.sql import select, select_many
from callgate.storage.sqlite.kept import Kept, Opened

V = TypeVar("V")

PORTION = 64
"""Rows that one statement takes at most; each smaller number has a statement of its own, which SQLite keeps prepared.

One statement for many rows lets go of the interpreter once. One for each row would let a busy event loop in between every
two rows, and wait for it.
"""


def portions(every: Sequence[V]) -> Iterator[Sequence[V]]:
    for start in range(0, len(every), PORTION):
        yield every[start : start + PORTION]


def load(db: sqlite3.Connection, books: Books, keys: Keys, kept: Kept) -> None:
    """Calls and identities first, since they say whose accounts come with them; then those; then all that stands alone."""
    payers = {*keys.accounts, *_load_calls(db, books, keys.calls), *_load_identities(db, books, keys.identities, kept)}
    _load_accounts(db, books, sorted(payers), kept)
    for kind in ALONE:
        if wanted := kind.keys(keys):
            kind.load(books, wanted, _rows(db, kind.table, kind.columns, kind.key, kind.parts(wanted)))
    for refund in keys.refunds:
        books.refunded.load(refund, db.execute(_REFUNDED, refund).fetchone()[0])
    for account in keys.open_holds:
        books.open_holds.load(account, db.execute(_OPEN_HOLDS, account).fetchone()[0])

    for caller in keys.emergencies:
        books.emergencies.load(caller, tuple(map(call_rows.to_call, db.execute(_EMERGENCIES, caller).fetchall())))


def _load_calls(db: sqlite3.Connection, books: Books, keys: Sequence[CallKey]) -> list[AccountKey]:
    """Return the payers."""
    payers = []
    for key in keys:
        books.calls.load(key, None)
    for row in _rows(db, "calls", call_rows.CALL, call_rows.CALL_KEY, keys):
        call = call_rows.to_call(row)
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
    """Accounts with their wallets and usages."""
    missing = [key for key in keys if key not in kept.accounts]
    if missing:
        accounts = {
            row[:2]: rows.to_account(row) for row in _rows(db, "accounts", rows.ACCOUNT, rows.ACCOUNT_KEY, missing)
        }
        wallets = {row[:2]: rows.to_wallet(row) for row in _rows(db, "wallets", rows.WALLET, rows.WALLET_KEY, missing)}
        usages = {
            row[:2]: usage_rows.to_usage(row)
            for row in _rows(db, "usages", usage_rows.USAGE, usage_rows.USAGE_KEY, missing)
        }
        kept.accounts.update({key: Opened(accounts.get(key), wallets.get(key), usages.get(key)) for key in missing})
    for key in keys:
        opened = kept.accounts[key]
        books.accounts.load(key, opened.account)
        books.wallets.load(key, opened.wallet)
        books.usages.load(key, opened.usage)


def _rows(
    db: sqlite3.Connection, table: str, columns: Sequence[str], key: Sequence[str], keys: Sequence[Sequence[str]]
) -> Iterator[Row]:
    for portion in portions(keys):
        yield from db.execute(
            select_many(table, columns, key, len(portion)), tuple(chain.from_iterable(portion))
        ).fetchall()


_REFUNDED = """SELECT coalesce(sum(amount_micros), 0) FROM transfers
    WHERE application = ? AND call_id = ? AND kind = 'refund'"""
_OPEN_HOLDS = """SELECT count(*) FROM calls
    WHERE application || '' = ? AND account || '' = ? AND hold_state = 'open' AND flags NOT LIKE '%emergency%'"""
_EMERGENCIES = (
    f"{select('calls', call_rows.CALL)} WHERE application = ? AND caller = ? AND hold_state = 'open' AND rate IS NULL"
)
