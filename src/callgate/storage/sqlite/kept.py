"""Rows that were read before and are still as they were: who an identity is, accounts with their wallets and usages.

Valid for as long as no other process has written to the file, which SQLite tells for the price of one small statement.
"""

import sqlite3
from typing import NamedTuple

from callgate.ledger.wallet import Wallet
from callgate.policy.account import Account
from callgate.policy.usage import Usage
from callgate.service.books import AccountKey, Books, IdentityKey

KEPT_COUNT = 20_000
"""Identities, and accounts, that are kept; what was kept first goes first. Some 20 MB in all."""


class Opened(NamedTuple):
    """What is kept of an account; nothing, where there is no such account."""

    account: Account | None
    wallet: Wallet | None
    usage: Usage | None


class Kept:
    """What the writer has at hand between batches."""

    def __init__(self) -> None:
        self.identities: dict[IdentityKey, str | None] = {}  # None: it is nobody's
        self.accounts: dict[AccountKey, Opened] = {}
        self._version: int | None = None

    def check(self, db: sqlite3.Connection) -> None:
        """Inside a transaction: forget everything when another connection has written since the last time."""
        (version,) = db.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self.identities.clear()
            self.accounts.clear()
            self._version = version

    def renew(self, books: Books) -> None:
        """What the batch changed is committed."""
        self.identities.update(books.identities.changes())
        changed = books.wallets.changes().keys() | books.accounts.changes().keys() | books.usages.changes().keys()
        self.accounts.update(
            {key: Opened(books.accounts.get(key), books.wallets.get(key), books.usages.get(key)) for key in changed}
        )
        self.identities.update(dict.fromkeys(books.identities.removed()))
        for kept in (self.identities, self.accounts):
            for _ in range(len(kept) - KEPT_COUNT):
                del kept[next(iter(kept))]  # type: ignore[arg-type]
