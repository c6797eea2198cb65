"""What would a call cost: by an account's deck, by one that is named, and what cannot be quoted."""

from typing import TYPE_CHECKING, Any

import pytest

from callgate.errors import Invalid, NotFound
from callgate.rating.deck import Deck
from callgate.rating.deck_merge import ImportMode
from callgate.service.books import AccountKey
from callgate.service.import_deck import import_deck
from callgate.service.quote import MAX_SECONDS, QuoteReport, quote_call

if TYPE_CHECKING:
    from tests.conftest import House


@pytest.fixture
def shop(house: "House") -> "House":
    """A house whose deck is in the store, with an account that has two units."""
    rows = [
        house.rate("46", "0.02"),
        house.rate("49", "0.03", first_s=30, next_s=6, fee="0.05"),
        house.rate("44", "0.01", is_blocked=True),
    ]
    house.run(
        import_deck(house.store, "standard", "USD", rows, mode=ImportMode.REPLACE, is_dry_run=False, now=house.now)
    )
    house.open("alice", "2")
    return house


def quote(house: "House", to: str, seconds: int = 61, payer: str | None = None, **words: Any) -> QuoteReport:
    key = None if payer is None else AccountKey(house.app, payer)
    words = {"deck": "standard"} | words
    return house.run(quote_call(house.store, to, seconds, payer=key, now=house.now, **words))


def test_a_quote_by_a_deck(shop: "House") -> None:
    """What is billed and what it costs; nobody is named, so that nothing is said of what can be paid."""
    told = quote(shop, "0046 70-174 06 05")
    assert (told.destination, told.deck, told.prefix, told.currency) == (shop.sweden, "standard", "46", "USD")
    assert (told.rate_per_minute, told.connect_fee, told.increments) == ("0.02", "0.00", "60/60")
    assert (told.billed_seconds, told.charge, told.affordable_seconds) == (120, "0.04", None)


def test_a_quote_for_an_account(shop: "House") -> None:
    """By its own deck, whatever deck is named, with the seconds that it can pay."""
    told = quote(shop, shop.germany, 31, payer="alice", deck="another")
    assert (told.billed_seconds, told.charge, told.connect_fee) == (36, "0.068", "0.05")
    assert told.affordable_seconds == 3900  # 1.95 after the fee, at 0.003 for six seconds


def test_a_quote_for_an_account_without_money(shop: "House") -> None:
    """It can pay for nothing, and the price is told all the same."""
    shop.set_wallet("alice", posted_micros=0, owed_micros=5)
    told = quote(shop, shop.sweden, payer="alice")
    assert (told.affordable_seconds, told.charge) == (0, "0.04")


def test_a_deck_that_is_held_is_not_read_again(shop: "House") -> None:
    """A server has its decks in memory."""
    held = {"standard": Deck(name="standard", currency="USD", rows=[shop.rate("46", "0.5")])}
    assert quote(shop, shop.sweden, 60, held=held).charge == "0.50"


@pytest.mark.parametrize("to", ["", "alice", "123", "+0123456789"])
def test_what_cannot_be_dialled(shop: "House", to: str) -> None:
    """With what would do."""
    with pytest.raises(Invalid, match=r"destination: .* such as \+46700000001"):
        quote(shop, to)


@pytest.mark.parametrize("seconds", [-1, MAX_SECONDS + 1])
def test_what_cannot_be_timed(shop: "House", seconds: int) -> None:
    """With the bounds, which themselves are fine."""
    with pytest.raises(Invalid, match=f"0 to {MAX_SECONDS}"):
        quote(shop, shop.sweden, seconds)
    assert quote(shop, shop.sweden, 0).charge == "0.00"
    assert quote(shop, shop.sweden, MAX_SECONDS).seconds == MAX_SECONDS


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"to": "+447911123456"}, r"blocks \+447911123456"),
        ({"to": "+33123456789"}, r"has no price for \+33123456789"),
        ({"to": "+46701740605", "deck": "none"}, "no deck none; import one"),
        ({"to": "+46701740605", "payer": "nobody"}, "no account nobody in application app"),
    ],
)
def test_what_has_no_price(shop: "House", words: dict[str, Any], why: str) -> None:
    """A blocked prefix, one that is not there, a deck, an account."""
    with pytest.raises(NotFound, match=why):
        quote(shop, **words)
