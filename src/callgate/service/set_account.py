"""Change an account: what it may owe, what prices its calls and how they hold money, when they may be placed, what is told."""

from dataclasses import dataclass

import msgspec

from callgate.errors import AmountInvalid, Conflict, Invalid, NotFound
from callgate.money import format_micros, parse_micros
from callgate.policy.caller_id import Screening
from callgate.policy.permissions import NAMES as PERMISSIONS
from callgate.policy.pricing import NAMES as PRICING
from callgate.policy.texts import read_locale
from callgate.service.application import read_low_balance
from callgate.service.books import AccountKey, Books, Keys
from callgate.service.import_deck import NO_DECK

_NAMES = ("credit_limit", "deck", "elastic", "low_balance", "locale", *PRICING, *PERMISSIONS)
_SWITCH = {"on": True, "off": False}


@dataclass(frozen=True, kw_only=True)
class SetAccount:
    """`words` are `NAME=VALUE`. All of them apply or none."""

    application: str
    account: str
    words: tuple[str, ...]

    def keys(self) -> Keys:
        """Raises `Invalid` for a word that is not `NAME=VALUE`."""
        changes = self._changes()
        return Keys(
            accounts=(AccountKey(self.application, self.account),),
            decks=(changes["deck"],) if "deck" in changes else (),
        )

    def run(self, books: Books) -> None:
        """Raises `Invalid`, `NotFound`; `Conflict` for a deck of another currency, or a limit below what is held."""
        key = AccountKey(self.application, self.account)
        if books.accounts.get(key) is None:
            raise NotFound(f"there is no account {self.account} in application {self.application}")
        changes = self._changes()
        if "deck" in changes:
            self._set_deck(books, key, changes["deck"])
        if "credit_limit" in changes:
            self._set_credit_limit(books, key, changes["credit_limit"])
        if "elastic" in changes:
            self._set_elastic(books, key, changes["elastic"])
        if "low_balance" in changes:
            self._set_low_balance(books, key, changes["low_balance"])
        if "locale" in changes:
            self._set_locale(books, key, changes["locale"])
        for name in PRICING.keys() & changes.keys():
            self._set_pricing(books, key, name, changes[name])
        for name in PERMISSIONS.keys() & changes.keys():
            self._set_permission(books, key, name, changes[name])

    def _set_deck(self, books: Books, key: AccountKey, name: str) -> None:
        account, deck = books.accounts.get(key), books.decks.get(name)
        assert account is not None, "the caller has asked"
        if deck is None and name != NO_DECK:
            raise NotFound(f"there is no deck {name}; import it with: callgate rates import FILE --deck {name}")
        if deck is not None and deck.currency != account.currency:
            raise Conflict(f"deck {name} is priced in {deck.currency}, account {account.id} is in {account.currency}")
        books.accounts.put(key, msgspec.structs.replace(account, deck=name))

    def _set_credit_limit(self, books: Books, key: AccountKey, text: str) -> None:
        wallet = books.wallet(*key)
        limit_micros = parse_micros(text, "credit_limit")
        if limit_micros < 0:
            raise AmountInvalid("credit_limit", repr(text), "0 or more")
        least_micros = max(0, wallet.held_micros - wallet.posted_micros)
        if limit_micros < least_micros:
            raise Conflict(
                f"the credit limit cannot be cut to {format_micros(limit_micros)}: {format_micros(wallet.held_micros)} is"
                f" held of {format_micros(wallet.posted_micros)}; at least {format_micros(least_micros)} is possible"
            )
        books.wallets.put(key, msgspec.structs.replace(wallet, credit_limit_micros=limit_micros))

    def _set_elastic(self, books: Books, key: AccountKey, word: str) -> None:
        """Calls that are up go on as they began."""
        account = books.accounts.get(key)
        assert account is not None, "the caller has asked"
        if word not in _SWITCH:
            raise Invalid("elastic", repr(word[:50]), "on or off")
        books.accounts.put(key, msgspec.structs.replace(account, is_elastic=_SWITCH[word]))

    def _set_low_balance(self, books: Books, key: AccountKey, word: str) -> None:
        """It is looked at from the next call on."""
        account = books.accounts.get(key)
        assert account is not None, "the caller has asked"
        micros = None if word == "default" else read_low_balance(word)
        books.accounts.put(key, msgspec.structs.replace(account, low_balance_micros=micros))

    def _set_locale(self, books: Books, key: AccountKey, word: str) -> None:
        account = books.accounts.get(key)
        assert account is not None, "the caller has asked"
        locale = "" if word in ("", "default") else read_locale(word, "locale")
        books.accounts.put(key, msgspec.structs.replace(account, locale=locale))

    def _set_pricing(self, books: Books, key: AccountKey, name: str, word: str) -> None:
        """Calls that are up keep the price that they were authorized with."""
        account = books.accounts.get(key)
        assert account is not None, "the caller has asked"
        books.accounts.put(key, msgspec.structs.replace(account, pricing=account.pricing.changed(name, word)))

    def _set_permission(self, books: Books, key: AccountKey, name: str, word: str) -> None:
        """It holds from the next call on."""
        account = books.accounts.get(key)
        assert account is not None, "the caller has asked"
        permissions = account.permissions.changed(name, word)
        books.accounts.put(key, msgspec.structs.replace(account, permissions=permissions))

    def _changes(self) -> dict[str, str]:
        changes = {}
        for word in self.words:
            name, equals, value = word.partition("=")
            if not equals or name not in _NAMES:
                raise Invalid(
                    "account setting",
                    repr(word),
                    "credit_limit=AMOUNT, deck=NAME, elastic=on|off, low_balance=AMOUNT, locale=LOCALE, markup=PERCENT, "
                    "markup_fee=AMOUNT, markup_increments=FIRST/NEXT, margin_guard=on|off, hours=HOURS, timezone=ZONE, "
                    f"holidays=DAYS, caller_id={'|'.join(Screening)} or caller_ids=NUMBERS",
                )
            changes[name] = value
        return changes
