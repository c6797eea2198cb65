"""Suspend, resume or close an account; suspend or resume an application. It refuses new calls only: live ones go on."""

from dataclasses import dataclass

import msgspec

from callgate.errors import Conflict, NotFound
from callgate.policy.account import Account, Status
from callgate.service.application import ApplicationRow
from callgate.service.books import AccountKey, Books, Keys


@dataclass(frozen=True, kw_only=True)
class SetAccountStatus:
    """The same status again changes nothing and succeeds. A closed account may be made active, not suspended."""

    application: str
    account: str
    status: Status

    def keys(self) -> Keys:
        holds = (self._key(),) if self.status is Status.CLOSED else ()
        return Keys(accounts=(self._key(),), open_holds=holds)

    def run(self, books: Books) -> Account:
        """Raises `NotFound`; `Conflict` where open holds keep the account from being closed."""
        account = books.accounts.get(self._key())
        if account is None:
            raise NotFound(f"there is no account {self.account} in application {self.application}")
        if account.status is self.status:
            return account
        if account.status is Status.CLOSED and self.status is Status.SUSPENDED:
            raise Conflict(f"account {self.account} is closed, which refuses its calls already")
        if self.status is Status.CLOSED and (count := books.open_hold_count(self._key())):
            held = "1 open hold" if count == 1 else f"{count} open holds"
            raise Conflict(f"account {self.account} has {held}: suspend it, and close it when its calls have ended")
        account = msgspec.structs.replace(account, status=self.status)
        books.accounts.put(self._key(), account)
        return account

    def _key(self) -> AccountKey:
        return AccountKey(self.application, self.account)


@dataclass(frozen=True, kw_only=True)
class SetApplicationStatus:
    """The same status again changes nothing and succeeds."""

    key: str
    status: Status

    def keys(self) -> Keys:
        return Keys(applications=(self.key,))

    def run(self, books: Books) -> ApplicationRow:
        """Raises `NotFound`."""
        assert self.status is not Status.CLOSED, "applications are never closed"
        row = books.applications.get(self.key)
        if row is None:
            raise NotFound(f"there is no application {self.key}")
        if row.status is not self.status:
            row = msgspec.structs.replace(row, status=self.status)
            books.applications.put(self.key, row)
        return row
