"""Change what an account's callers are known by."""

from dataclasses import dataclass

from callgate.errors import Conflict, NotFound, Stale
from callgate.service.books import AccountKey, Books, IdentityKey, Keys
from callgate.service.open_account import parse_identity


@dataclass(frozen=True, kw_only=True)
class SetIdentities:
    """`known` are those that the account had when it was looked at; afterwards it has `identities`, and none of the others."""

    application: str
    account: str
    known: tuple[str, ...]
    identities: tuple[str, ...]

    def keys(self) -> Keys:
        """Raises `Invalid`."""
        named = dict.fromkeys([*self.known, *self._wanted()])
        return Keys(
            accounts=(AccountKey(self.application, self.account),),
            identities=tuple(IdentityKey(self.application, each) for each in named),
        )

    def run(self, books: Books) -> None:
        """Raises `NotFound`, `Conflict` where one is another account's, `Stale` where they were changed meanwhile."""
        if books.accounts.get(AccountKey(self.application, self.account)) is None:
            raise NotFound(f"there is no account {self.account} in application {self.application}")
        wanted = self._wanted()
        for name in self.known:
            key = IdentityKey(self.application, name)
            if books.identities.get(key) != self.account:
                raise Stale(f"the identities of account {self.account} were changed meanwhile; look again")
            if name not in wanted:
                books.identities.remove(key)
        for name in wanted:
            key = IdentityKey(self.application, name)
            owner = books.identities.get(key)
            if owner not in (None, self.account):
                raise Conflict(f"{name} is an identity of account {owner} already")
            if owner is None:
                books.identities.put(key, self.account)

    def _wanted(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(parse_identity(each) for each in self.identities))
