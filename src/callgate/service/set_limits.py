"""Set limits on an application or an account."""

from dataclasses import dataclass

import msgspec

from callgate.errors import NotFound
from callgate.policy.limits import Limits, change_limits
from callgate.service.books import AccountKey, Books, Keys


@dataclass(frozen=True, kw_only=True)
class SetAccountLimits:
    """`words` are `NAME=VALUE`, or the single word `open`; without words the limits are returned as they are."""

    application: str
    account: str
    words: tuple[str, ...]

    def keys(self) -> Keys:
        return Keys(accounts=(AccountKey(self.application, self.account),))

    def run(self, books: Books) -> Limits:
        """Raises `NotFound`, `Invalid`."""
        key = AccountKey(self.application, self.account)
        account = books.accounts.get(key)
        if account is None:
            raise NotFound(f"there is no account {self.account} in application {self.application}")
        limits = change_limits(account.limits, list(self.words))
        if limits != account.limits:
            books.accounts.put(key, msgspec.structs.replace(account, limits=limits))
        return limits


@dataclass(frozen=True, kw_only=True)
class SetApplicationLimits:
    """As for an account. Limits of both must hold."""

    application: str
    words: tuple[str, ...]

    def keys(self) -> Keys:
        return Keys(applications=(self.application,))

    def run(self, books: Books) -> Limits:
        """Raises `NotFound`, `Invalid`."""
        application = books.applications.get(self.application)
        if application is None:
            raise NotFound(f"there is no application {self.application}")
        limits = change_limits(application.limits, list(self.words))
        if limits != application.limits:
            books.applications.put(self.application, msgspec.structs.replace(application, limits=limits))
        return limits
