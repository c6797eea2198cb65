"""Open an account: somebody who can pay, with a wallet and the identities by which callers are known."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from callgate.errors import AmountInvalid, Conflict, Invalid, NotFound
from callgate.ledger.wallet import Wallet
from callgate.money import format_micros, parse_currency
from callgate.numbers import parse_e164
from callgate.policy.account import Account
from callgate.policy.limits import BY_DEFAULT, Limits
from callgate.policy.usage import Usage
from callgate.service.books import AccountKey, Books, IdentityKey, Keys

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}", re.ASCII)
_USER = re.compile(r"\S{1,255}")


def parse_account_id(text: str) -> str:
    """Check an account id. Raises `Invalid`."""
    if not _ID.fullmatch(text):
        raise Invalid(
            "account id", repr(text), "1 to 64 of letters, digits and . _ @ + -, beginning with a letter or digit"
        )
    return text


def parse_identity(text: str) -> str:
    """Read `user:ID` or `number:+46700000001` and return it as it is stored. Raises `Invalid`."""
    kind, _, value = text.partition(":")
    if kind == "user" and _USER.fullmatch(value):
        return text
    number = parse_e164(value) if kind == "number" else None
    if number is None:
        raise Invalid("identity", repr(text), "user:ID or number:+E164, such as user:alice or number:+46700000001")
    return f"number:{number}"


class OpenedAccount(NamedTuple):
    """An account as it stands, with its wallet and what its callers are known by."""

    account: Account
    wallet: Wallet
    identities: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class OpenAccount:
    """Open it whole or not at all. Without identities it answers to the in-app user of the same id."""

    application: str
    account: str
    currency: str
    deck: str = "standard"
    identities: tuple[str, ...] = ()
    credit_limit_micros: int = 0
    limits: Limits = BY_DEFAULT

    def keys(self) -> Keys:
        return Keys(
            applications=(self.application,),
            accounts=(AccountKey(self.application, self.account),),
            identities=self._identities(),
            decks=(self.deck,),
        )

    def run(self, books: Books) -> OpenedAccount:
        """Raises `Invalid`, `NotFound` for the application, `Conflict` where a name is taken or the deck is priced in
        another currency.
        """
        key = AccountKey(self.application, parse_account_id(self.account))
        currency = parse_currency(self.currency)
        if self.credit_limit_micros < 0:
            raise AmountInvalid("credit_limit", format_micros(self.credit_limit_micros), "0 or more")
        if books.applications.get(self.application) is None:
            raise NotFound(f"there is no application {self.application}; add it with: callgate app add KEY SECRET")
        if books.accounts.get(key) is not None:
            raise Conflict(f"account {self.account} exists already")
        deck = books.decks.get(self.deck)
        if deck is not None and deck.currency != currency:
            raise Conflict(f"deck {self.deck} is priced in {deck.currency}, the account would be in {currency}")
        for identity in self._identities():
            if (owner := books.identities.get(identity)) is not None:
                raise Conflict(f"{identity.identity} is an identity of account {owner} already")
            books.identities.put(identity, self.account)
        account = Account(
            application=self.application, id=self.account, currency=currency, deck=self.deck, limits=self.limits
        )
        wallet = Wallet(
            application=self.application,
            account=self.account,
            currency=currency,
            credit_limit_micros=self.credit_limit_micros,
        )
        books.accounts.put(key, account)
        books.wallets.put(key, wallet)
        books.usages.put(key, Usage(application=self.application, account=self.account))
        return OpenedAccount(account, wallet, tuple(sorted(identity.identity for identity in self._identities())))

    def _identities(self) -> tuple[IdentityKey, ...]:
        named = [parse_identity(identity) for identity in self.identities] or [f"user:{self.account}"]
        return tuple(IdentityKey(self.application, identity) for identity in dict.fromkeys(named))
