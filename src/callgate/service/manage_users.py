"""The operator's own list of an app's users: who may sign in with a password, and which account pays for them."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from callgate.errors import Conflict, NotFound
from callgate.service.books import AccountKey, Books, IdentityKey, Keys, UserKey
from callgate.service.user import User, parse_user_name


@dataclass(frozen=True, kw_only=True)
class AddUser:
    """Keep a user. The account answers to calls of the in-app user of this name from then on, if it did not before.

    `password` is what is kept of it.
    """

    application: str
    name: str
    account: str
    password: str
    now: datetime

    def keys(self) -> Keys:
        return Keys(
            users=(UserKey(self.application, self.name),),
            accounts=(AccountKey(self.application, self.account),),
            identities=(self._identity(),),
        )

    def run(self, books: Books) -> User:
        """Raises `Invalid`, `NotFound` for the account, `Conflict` where the name is taken or another account's."""
        key = UserKey(self.application, parse_user_name(self.name))
        if books.accounts.get(AccountKey(self.application, self.account)) is None:
            raise NotFound(f"there is no account {self.account} in application {self.application}")
        if books.users.get(key) is not None:
            raise Conflict(f"user {self.name} exists already")
        owner = books.identities.get(self._identity())
        if owner not in (None, self.account):
            raise Conflict(f"user:{self.name} is an identity of account {owner}, which is who pays for their calls")
        if owner is None:
            books.identities.put(self._identity(), self.account)
        user = User(
            application=self.application,
            name=self.name,
            account=self.account,
            password=self.password,
            created_at=self.now,
        )
        books.users.put(key, user)
        return user

    def _identity(self) -> IdentityKey:
        return IdentityKey(self.application, f"user:{self.name}")


@dataclass(frozen=True, kw_only=True)
class SetPassword:
    """Give a user another password."""

    application: str
    name: str
    password: str

    def keys(self) -> Keys:
        return Keys(users=(UserKey(self.application, self.name),))

    def run(self, books: Books) -> User:
        """Raises `NotFound`."""
        key = UserKey(self.application, self.name)
        user = msgspec.structs.replace(the_user(books, key), password=self.password)
        books.users.put(key, user)
        return user


@dataclass(frozen=True, kw_only=True)
class RemoveUser:
    """Let a user sign in no more. The identity stays the account's: a registration at the platform may still be valid, and
    its calls are then somebody's to pay.
    """

    application: str
    name: str

    def keys(self) -> Keys:
        return Keys(users=(UserKey(self.application, self.name),))

    def run(self, books: Books) -> User:
        """Raises `NotFound`."""
        key = UserKey(self.application, self.name)
        user = the_user(books, key)
        books.users.remove(key)
        return user


def the_user(books: Books, key: UserKey) -> User:
    """Raises `NotFound`."""
    user = books.users.get(key)
    if user is None:
        raise NotFound(f"there is no user {key.name} in application {key.application}")
    return user
