"""Markups and guarded margins, in the words that set them."""

import pytest

from callgate.errors import Invalid
from callgate.policy.pricing import NAMES, NOTHING_SAID, Pricing, loses_money


@pytest.mark.parametrize(
    ("name", "word", "shown"),
    [
        ("markup", "25%", "25%"), ("markup", "0.25", "25%"), ("markup", "12.5%", "12.5%"), ("markup", "0", "0%"),
        ("markup_fee", "0.05", "0.05"), ("markup_increments", "30/6", "30/6"), ("margin_guard", "on", "on"),
        ("margin_guard", "off", "off"), ("markup", "none", "none"),
    ],
)  # fmt: skip
def test_words(name: str, word: str, shown: str) -> None:
    """Each is shown in a word that would set it again."""
    pricing = NOTHING_SAID.changed(name, word)
    assert pricing.shown()[name] == shown
    assert NOTHING_SAID.changed(name, shown) == pricing
    assert pricing.changed(name, "none") == NOTHING_SAID


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("markup", "-1%"), ("markup", "10001%"), ("markup", "0.00000000001%"), ("markup_fee", "-0.01"),
        ("markup_fee", "x"), ("markup_increments", "60"), ("markup_increments", "0/60"), ("margin_guard", "yes"),
    ],
)  # fmt: skip
def test_words_that_cannot_be(name: str, word: str) -> None:
    """What was found, and what would do."""
    with pytest.raises(Invalid, match=name):
        NOTHING_SAID.changed(name, word)


def test_an_account_goes_before_its_application() -> None:
    """Where it says something; the rest is the application's."""
    outer = Pricing(markup_nanos=1, fee_micros=2, guards_margin=True)
    assert NOTHING_SAID.under(outer) == outer
    assert Pricing(markup_nanos=5, guards_margin=False).under(outer) == Pricing(
        markup_nanos=5, fee_micros=2, guards_margin=False
    )
    assert set(NAMES) == set(outer.shown())


@pytest.mark.parametrize(("cost", "loses"), [(9, False), (10, False), (11, True), (None, True)])
def test_a_guarded_margin(cost: int | None, loses: bool) -> None:  # noqa: FBT001 - drawn
    """As dear as it is sold for is well; a cost that is not known may be anything."""
    assert loses_money(Pricing(guards_margin=True), 10, cost) is loses
    assert not loses_money(NOTHING_SAID, 10, cost)
    assert not loses_money(Pricing(guards_margin=False), 10, cost)
