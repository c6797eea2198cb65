"""Longest-prefix match with dates."""

import tracemalloc
from datetime import UTC, datetime

import msgspec
import pytest

from callgate.rating.deck import Deck
from callgate.rating.rate import Rate

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
MAY = datetime(2026, 5, 1, tzinfo=UTC)


def make_rate(
    prefix: str, nanos: int = 1, start: datetime = JANUARY, end: datetime | None = None, *, is_blocked: bool = False
) -> Rate:
    return Rate(
        prefix=prefix,
        destination=f"to {prefix}",
        rate_nanos_per_min=nanos,
        connect_fee_micros=2,
        first_increment_s=30,
        increment_s=6,
        minimum_charge_micros=3,
        grace_s=4,
        effective_from=start,
        effective_to=end,
        is_blocked=is_blocked,
    )


def make_deck(*rows: Rate) -> Deck:
    return Deck(name="standard", currency="USD", rows=rows)


def test_rows_of_one_prefix_may_come_in_any_order() -> None:
    """The newest in force prices the call, wherever it stands in the file."""
    march, january = make_rate("46", 3, MARCH), make_rate("46", 1, JANUARY)
    for rows in ((march, january), (january, march)):
        assert make_deck(*rows).rate_for("+46701234567", MAY) == march


@pytest.mark.parametrize(
    ("number", "prefix"),
    [
        ("+46712345678", "46"),
        ("+46701234567", "4670"),
        ("+46700234567", "46700"),
        ("+46801234567", "46"),
        ("+4670", "4670"),
        ("+467", "46"),
        ("+46", "46"),
        ("+4", None),
        ("+47123456", None),
        ("+45999999", None),
        ("+123456789012345", "123456789012345"),
        ("+123456789012346", "1"),
        ("+12345678901234", "1"),
        ("+999999999999999", "9"),
    ],
)
def test_longest_prefix_wins(number: str, prefix: str | None) -> None:
    """Of all prefixes of a number the longest prices it; zeros at the end of a prefix are digits like any other."""
    deck = make_deck(*map(make_rate, ("46", "4670", "46700", "1", "123456789012345", "9")))
    rate = deck.rate_for(number, JANUARY)
    assert (rate and rate.prefix) == prefix


def test_prefixes_that_differ_in_zeros() -> None:
    """Trailing zeros are neither lost nor added."""
    deck = make_deck(make_rate("4600"), make_rate("46"), make_rate("460"))
    found = [deck.rate_for(number, JANUARY) for number in ("+46", "+460", "+4600", "+46000", "+461", "+4601")]
    assert [rate and rate.prefix for rate in found] == ["46", "460", "4600", "4600", "46", "460"]


def test_every_field_comes_back() -> None:
    """What is looked up, or listed, is what was put in."""
    rows = [make_rate("46", 10**17, JANUARY, MARCH), make_rate("46", 0, MARCH), make_rate("4690", is_blocked=True)]
    deck = make_deck(*reversed(rows))
    assert list(deck) == rows
    assert len(deck) == len(rows)
    assert deck.rate_for("+46123456", JANUARY) == rows[0]
    assert (deck.name, deck.currency) == ("standard", "USD")


def test_newest_row_in_force_wins() -> None:
    """Of equal prefixes the newest start that is not in the future; an end opens the way to the older one again."""
    deck = make_deck(make_rate("46", 1, JANUARY), make_rate("46", 2, MARCH, MAY))
    prices = [
        rate and rate.rate_nanos_per_min
        for rate in (
            deck.rate_for("+46123456", at)
            for at in (datetime(2025, 12, 31, tzinfo=UTC), JANUARY, MARCH, datetime(2026, 4, 30, tzinfo=UTC), MAY)
        )
    ]
    assert prices == [None, 1, 2, 2, 1]


def test_row_not_in_force_leaves_its_parent() -> None:
    """A longer prefix that starts later, or is over, does not hide the shorter one."""
    deck = make_deck(make_rate("46"), make_rate("467", end=MARCH), make_rate("4670", start=MAY))
    found = [deck.rate_for("+46701234567", at) for at in (JANUARY, MARCH, MAY)]
    assert [rate and rate.prefix for rate in found] == ["467", "46", "4670"]


def test_blocked_row_stops_a_cheaper_parent() -> None:
    """A blocked prefix is found as such, so that its calls are refused and not priced by what is around it."""
    deck = make_deck(make_rate("46"), make_rate("4690", is_blocked=True))
    blocked = deck.rate_for("+46901234567", JANUARY)
    assert blocked is not None
    assert blocked.is_blocked


def test_empty_deck_prices_nothing() -> None:
    """No rows, no rate."""
    assert make_deck().rate_for("+46123456", JANUARY) is None


def test_rows_are_lean() -> None:
    """A row costs some thirty bytes and not an object: a million prefixes fit beside everything else."""
    row = make_rate("46")
    tracemalloc.start()
    try:
        deck = make_many(20_000, row)
        bytes_per_row = tracemalloc.get_traced_memory()[0] / len(deck)
    finally:
        tracemalloc.stop()
    assert bytes_per_row < 50  # the growth of arrays and the table of first digits included


def make_many(count: int, like: Rate) -> Deck:
    rows = (msgspec.structs.replace(like, prefix=str(10_000 + n), rate_nanos_per_min=10**12 + n) for n in range(count))
    return Deck(name="large", currency="USD", rows=rows)
