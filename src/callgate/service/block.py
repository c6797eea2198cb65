"""Block an account for a while by hand, lift its block, and say that the operator knows who is behind it."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from callgate.errors import NotFound
from callgate.policy.account import Account
from callgate.policy.usage import Usage, block
from callgate.service.books import AccountKey, Books, Keys


@dataclass(frozen=True, kw_only=True)
class BlockAccount:
    """Refuse its calls until then; None lifts the block. Lifting one that is not there changes nothing and succeeds."""

    application: str
    account: str
    until: datetime | None

    def keys(self) -> Keys:
        return Keys(accounts=(AccountKey(self.application, self.account),))

    def run(self, books: Books) -> Usage:
        """Raises `NotFound`."""
        key = AccountKey(self.application, self.account)
        usage = books.usages.get(key)
        if usage is None:
            raise NotFound(f"there is no account {self.account} in application {self.application}")
        usage = block(usage, self.until)
        books.usages.put(key, usage)
        return usage


@dataclass(frozen=True, kw_only=True)
class VerifyAccount:
    """From the next call on the defaults of a verified account hold; `is_verified=False` takes that back."""

    application: str
    account: str
    is_verified: bool = True

    def keys(self) -> Keys:
        return Keys(accounts=(AccountKey(self.application, self.account),))

    def run(self, books: Books) -> Account:
        """Raises `NotFound`."""
        key = AccountKey(self.application, self.account)
        account = books.accounts.get(key)
        if account is None:
            raise NotFound(f"there is no account {self.account} in application {self.application}")
        account = msgspec.structs.replace(account, is_verified=self.is_verified)
        books.accounts.put(key, account)
        return account
