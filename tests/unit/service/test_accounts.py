"""Accounts are opened, topped up and limited: names, identities, references, and what is refused with which words."""

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from callgate.errors import AmountInvalid, Conflict, Invalid, NotFound
from callgate.policy.account import Status
from callgate.policy.limits import UNLIMITED, Limits
from callgate.service.application import ApplicationSettings
from callgate.service.books import AccountKey, Books, DeckHead, Keys
from callgate.service.open_account import OpenAccount, parse_account_id, parse_identity
from callgate.service.set_limits import SetAccountLimits, SetApplicationLimits
from callgate.service.top_up import TopUp

if TYPE_CHECKING:
    from tests.conftest import House


class PutDeck:
    """A deck is in force, without any rows."""

    def __init__(self, currency: str) -> None:
        self._head = DeckHead(name="standard", currency=currency, version=1)

    def keys(self) -> Keys:
        return Keys(decks=("standard",))

    def run(self, books: Books) -> None:
        books.decks.put("standard", self._head)


def open_account(account: str = "alice", currency: str = "USD", *identities: str, app: str = "app") -> OpenAccount:
    return OpenAccount(application=app, account=account, currency=currency, identities=identities)


def top_up(
    house: "House", amount_micros: int = 1, reference: str = "r", account: str = "alice", app: str = "app"
) -> TopUp:
    return TopUp(application=app, account=account, amount_micros=amount_micros, reference=reference, now=house.now)


@pytest.mark.parametrize("text", ["a", "7", "Alice.B_c@d+e-f", "a" * 64])
def test_account_ids(text: str) -> None:
    """Letters, digits and a few signs."""
    assert parse_account_id(text) == text


@pytest.mark.parametrize("text", ["", "-a", "a" * 65, "a b", "a/b", "a:b", "\u00e5", "a\n", "\u0661"])
def test_account_ids_that_will_not_do(text: str) -> None:
    """A slash or a colon would make names of transfers ambiguous."""
    with pytest.raises(Invalid, match="account id"):
        parse_account_id(text)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("user:alice", "user:alice"),
        ("user:a:b", "user:a:b"),
        ("user:" + "x" * 255, "user:" + "x" * 255),
        ("number:+46701740605", "number:+46701740605"),
        ("number:0046 70-174 06 05", "number:+46701740605"),
        ("number:46701740605", "number:+46701740605"),
    ],
)
def test_identities(text: str, stored: str) -> None:
    """A number is stored in one spelling, so that it is found in any."""
    assert parse_identity(text) == stored


@pytest.mark.parametrize(
    "text",
    ["", "alice", "user:", "user:a b", "user:" + "x" * 256, "number:", "number:123", "number:+0123456789", "sip:a@b"],
)
def test_identities_that_will_not_do(text: str) -> None:
    """With what would."""
    with pytest.raises(Invalid, match=r"user:alice or number:\+46700000001"):
        parse_identity(text)


def test_an_account_answers_to_the_user_of_its_name(house: "House") -> None:
    """Unless identities are named; then to those alone."""
    house.perform(open_account("alice"))
    house.perform(open_account("bob", "usd", "user:robert", "number:+46701740606", "number:46701740606"))
    found = [house.run(house.store.account(AccountKey("app", account))) for account in ("alice", "bob")]
    assert [each.identities for each in found] == [("user:alice",), ("number:+46701740606", "user:robert")]
    assert house.wallet("bob").currency == "USD"


def test_an_account_begins_with_nothing(house: "House") -> None:
    """Active, on the standard deck, without limits of its own."""
    account = house.perform(open_account()).account
    assert (account.status, account.deck, account.limits) == (Status.ACTIVE, "standard", Limits())
    wallet = house.wallet()
    assert (wallet.posted_micros, wallet.held_micros, wallet.credit_limit_micros, wallet.owed_micros) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("job", "error", "words"),
    [
        (open_account("alice"), Conflict, "account alice exists already"),
        (open_account("b", "USD", "user:alice"), Conflict, "user:alice is an identity of account alice already"),
        (open_account("b", "USD", "user:b", "user:alice"), Conflict, "identity of account alice"),
        (open_account("b", "XXX"), AmountInvalid, "ISO 4217"),
        (open_account("b/c"), Invalid, "account id"),
        (open_account("b", "USD", "b"), Invalid, "identity"),
        (open_account("b", app="other"), NotFound, "no application other"),
        (open_account("b", "EUR"), Conflict, "deck standard is priced in USD, the account would be in EUR"),
    ],
)
def test_an_account_is_opened_whole_or_not_at_all(
    house: "House", job: OpenAccount, error: type[Exception], words: str
) -> None:
    """No identity of a refused one remains, so that the next may have it."""
    house.perform(PutDeck("USD"))
    house.perform(open_account("alice"))
    with pytest.raises(error, match=words):
        house.perform(job)
    assert house.run(house.store.account(AccountKey("app", "b"))) is None
    house.perform(open_account("b"))


def test_a_top_up_is_done_once_for_each_reference(house: "House") -> None:
    """The same again moves nothing and says so; another account has references of its own."""
    house.open("alice")
    house.open("bob")
    first = house.perform(top_up(house, 70_000, "inv-1"))
    assert (first.wallet.posted_micros, first.is_repeat) == (70_000, False)
    again = house.perform(top_up(house, 70_000, "inv-1"))
    assert (again.transfer_id, again.is_repeat, again.wallet.posted_micros) == (first.transfer_id, True, 70_000)
    assert house.perform(top_up(house, 1, "inv-2")).wallet.posted_micros == 70_001
    assert not house.perform(top_up(house, 5, "inv-1", "bob")).is_repeat
    assert (house.wallet("alice").posted_micros, house.wallet("bob").posted_micros) == (70_001, 5)
    assert house.faults() == ()


@pytest.mark.parametrize("amount", [69_999, 70_001])
def test_a_reference_means_one_amount(house: "House", amount: int) -> None:
    """Another one is a conflict that says what it was used for."""
    house.open("alice")
    house.perform(top_up(house, 70_000, "inv-1"))
    with pytest.raises(Conflict, match=r"reference inv-1 was used for 0\.07 USD before"):
        house.perform(top_up(house, amount, "inv-1"))
    assert house.wallet().posted_micros == 70_000


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ({"amount_micros": 0}, AmountInvalid),
        ({"amount_micros": -1}, AmountInvalid),
        ({"reference": ""}, Invalid),
        ({"reference": "x" * 201}, Invalid),
        ({"reference": "a\nb"}, Invalid),
        ({"account": "nobody"}, NotFound),
        ({"app": "other"}, NotFound),
    ],
)
def test_top_ups_that_are_refused(house: "House", words: dict[str, Any], error: type[Exception]) -> None:
    """Nothing moves."""
    house.open("alice")
    with pytest.raises(error):
        house.perform(top_up(house, **words))
    assert house.transfers() == []


def test_the_smallest_and_longest_that_will_do(house: "House") -> None:
    """A micro, and a reference of 200 characters."""
    house.open("alice")
    assert house.perform(top_up(house, 1, "x" * 200)).wallet.posted_micros == 1


def test_only_a_closed_account_takes_no_money(house: "House") -> None:
    """A suspended one does; and a repeat of what was done before stays done."""
    house.open("alice", "1")
    house.set_status("alice", Status.SUSPENDED)
    house.top_up("alice", "1", "second")
    house.set_status("alice", Status.CLOSED)
    with pytest.raises(Conflict, match="account alice is closed"):
        house.top_up("alice", "1", "third")
    assert house.top_up("alice", "1", "second").is_repeat
    assert house.wallet().posted_micros == 2_000_000


def test_limits_of_an_account_shorten_its_calls(house: "House") -> None:
    """From the next call on."""
    house.open("alice", "5")
    words = ("max_seconds=90",)
    limits = house.perform(SetAccountLimits(application="app", account="alice", words=words))
    assert limits == msgspec.structs.replace(UNLIMITED, max_seconds=90)
    assert house.granted_s(house.hear(house.arrived()).answer) == 90
    assert house.perform(SetAccountLimits(application="app", account="alice", words=())) == limits
    assert house.perform(SetAccountLimits(application="app", account="alice", words=("open",))) == UNLIMITED
    with pytest.raises(NotFound, match="no account bob"):
        house.perform(SetAccountLimits(application="app", account="bob", words=words))


def test_limits_of_an_application(house: "House") -> None:
    """They are stored with it."""
    limited = msgspec.structs.replace(UNLIMITED, max_seconds=60)
    assert house.perform(SetApplicationLimits(application="app", words=("max_seconds=60",))) == limited
    (row,) = house.run(house.store.applications())
    assert row.limits == limited
    with pytest.raises(NotFound, match="no application other"):
        house.perform(SetApplicationLimits(application="other", words=()))
    with pytest.raises(Invalid):
        house.perform(SetApplicationLimits(application="app", words=("max_seconds=0",)))


@pytest.mark.parametrize(
    ("words", "trust", "freshness"),
    [
        ([], (), 300),
        (["trust=number"], ("number",), 300),
        (["trust=number,number"], ("number",), 300),
        (["trust=number", "trust=none"], (), 300),
        (["trust=number", "trust="], (), 300),
        (["freshness=1", "trust=number"], ("number",), 1),
        (["freshness=86400"], (), 86_400),
    ],
)
def test_settings_of_an_application(words: list[str], trust: tuple[str, ...], freshness: int) -> None:
    """In words, later ones over earlier ones."""
    assert ApplicationSettings().changed(words) == ApplicationSettings(trust=trust, freshness=freshness)


@pytest.mark.parametrize(
    "word",
    ["trust=all", "trust=number,header", "trust", "freshness=0", "freshness=86401", "freshness=\u00b2", "other=1", ""],
)
def test_settings_that_will_not_do(word: str) -> None:
    """What is trusted has to be spelled out."""
    with pytest.raises(Invalid):
        ApplicationSettings().changed([word])
