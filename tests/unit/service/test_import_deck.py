"""A deck is imported: what is refused, what a dry run leaves alone, and what an import that breaks off leaves behind."""

from typing import TYPE_CHECKING, Any

import pytest

from callgate.errors import Conflict, Invalid, StorageUnavailable
from callgate.policy.limits import UNLIMITED
from callgate.rating.deck_change import DeckChange
from callgate.rating.deck_merge import ImportMode
from callgate.service.import_deck import import_deck
from callgate.service.open_account import OpenAccount

if TYPE_CHECKING:
    from tests.conftest import House


def bring(house: "House", *prices: str, currency: str = "USD", name: str = "standard", **words: Any) -> DeckChange:
    """Import a deck that prices prefixes 460, 461 and so on."""
    rows = [house.rate(f"46{number}", price) for number, price in enumerate(prices)]
    words = {"mode": ImportMode.REPLACE, "is_dry_run": False} | words
    return house.run(import_deck(house.store, name, currency, rows, now=house.now, **words)).change


def prices(house: "House") -> dict[str, int]:
    """What the deck in force says."""
    heads = house.run(house.store.deck_heads())
    return {row.prefix: row.rate_nanos_per_min for head in heads for row in house.run(house.store.deck_rows(head))}


@pytest.mark.parametrize("name", ["", "-a", "a b", "a/b", "a" * 65, "\u00e5"])
def test_a_deck_has_a_plain_name(house: "House", name: str) -> None:
    """It stands in addresses and on command lines."""
    with pytest.raises(Invalid, match=r"deck: found .*1 to 64"):
        bring(house, "0.02", name=name)


def test_a_deck_is_merged_in_its_own_currency_only(house: "House") -> None:
    """Rows of two currencies in one deck could not be told apart; to replace all of it is another matter."""
    bring(house, "0.02")
    with pytest.raises(Conflict, match="standard is priced in USD; rows in EUR can replace it"):
        bring(house, "0.03", currency="EUR", mode=ImportMode.MERGE)
    bring(house, "0.03", currency="EUR")
    assert prices(house) == {"460": 30_000_000}
    assert [head.currency for head in house.run(house.store.deck_heads())] == ["EUR"]


@pytest.mark.parametrize(
    ("count", "named"), [(1, "USD0$"), (3, "USD0, USD1, USD2$"), (5, r"USD0, USD1, USD2 and 2 more$")]
)
def test_a_deck_keeps_the_currency_of_its_accounts(house: "House", count: int, named: str) -> None:
    """An account is charged in its own currency: the refusal names some of those that would not be."""
    for number in range(count):
        house.perform(OpenAccount(application=house.app, account=f"USD{number}", currency="USD", limits=UNLIMITED))
    with pytest.raises(Conflict, match=named):
        bring(house, "0.03", currency="EUR")
    assert prices(house) == {}


def test_a_dry_run_changes_nothing(house: "House") -> None:
    """And says what an import would change."""
    bring(house, "0.02", "0.02", "0.02")
    change = bring(house, "0.01", "0.03", is_dry_run=True)
    assert (change.cheaper, change.dearer, change.removed, change.added) == (1, 1, 1, 0)
    assert set(prices(house).values()) == {20_000_000}


def test_an_import_that_breaks_off_leaves_no_rows(house: "House", monkeypatch: pytest.MonkeyPatch) -> None:
    """The deck before it stays in force; what was staged is dropped."""
    bring(house, "0.02")
    stage = house.store.stage_deck

    async def break_off(*words: Any) -> None:
        await stage(*words)
        raise StorageUnavailable("the disk is full")

    monkeypatch.setattr(house.store, "stage_deck", break_off)
    with pytest.raises(StorageUnavailable, match="full"):
        bring(house, "0.03")
    assert prices(house) == {"460": 20_000_000}
    monkeypatch.undo()
    bring(house, "0.03")
    assert prices(house) == {"460": 30_000_000}
