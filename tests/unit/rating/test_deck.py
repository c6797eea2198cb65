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


def like(rate: Rate, **fields: object) -> Rate:
    return msgspec.structs.replace(rate, **fields)


def test_longest_origin_wins() -> None:
    """Rows for callers of one country stand beside the row for all; a number that is not shown has the latter."""
    anybody = make_rate("46", 9)
    swedes, mobiles = (
        like(anybody, origin="46", rate_nanos_per_min=3),
        like(anybody, origin="4670", rate_nanos_per_min=2),
    )
    deck = make_deck(mobiles, anybody, swedes)
    found = [
        deck.rate_for("+46812345678", MAY, caller) for caller in (None, "+4915112345", "+46812345", "+46701234567")
    ]
    assert found == [anybody, anybody, swedes, mobiles]


def test_origin_comes_before_date_and_after_prefix() -> None:
    """A longer prefix for all is nearer than a shorter one for few; of one prefix the origin counts, then the date."""
    swedes = like(make_rate("48", 4), origin="46")
    deck = make_deck(make_rate("467"), like(make_rate("46"), origin="46"), make_rate("48", 5, MARCH), swedes)  # fmt: skip
    by_prefix = deck.rate_for("+46712345678", MAY, "+46812345")
    by_origin = deck.rate_for("+48712345678", MAY, "+46812345")
    assert by_prefix is not None and (by_prefix.prefix, by_prefix.origin) == ("467", "")
    assert by_origin is not None and by_origin.rate_nanos_per_min == 4


@pytest.mark.parametrize(
    ("caller", "number", "found"),
    [
        ("+12125550100", "+15185550100", "intra"),  # New York to New York
        ("+12125550100", "+13105550100", "inter"),  # New York to California
        ("+442071234567", "+13105550100", "indeterminate"),
        (None, "+13105550100", "indeterminate"),
        ("+18005550100", "+13105550100", "indeterminate"),  # toll free: in no state
    ],
)
def test_prices_within_and_between_states(caller: str | None, number: str, found: str) -> None:
    """By the area codes of both numbers; what cannot be told is neither."""
    deck = make_deck(*(like(make_rate("1"), origin=each) for each in ("intra", "inter", "indeterminate")))
    rate = deck.rate_for(number, MAY, caller)
    assert rate is not None and rate.origin == found


def test_price_of_one_number_alone() -> None:
    """A row for numbers as long as its prefix is for that number; one for another length is passed over."""
    prefix = make_rate("46701")
    whole, longer = like(prefix, number_length=5), like(prefix, number_length=7)
    deck = make_deck(prefix, longer, whole)
    assert [deck.rate_for(number, MAY) for number in ("+46701", "+467012", "+4670123")] == [whole, prefix, longer]


def test_price_by_the_hour_of_the_week() -> None:
    """In the zone of the deck, on days from 1 for Monday; other hours have the row for all hours."""
    office = like(make_rate("46", 9), hours="12345 08:00-18:00 Europe/Stockholm")
    night = like(make_rate("47", 9), hours="5 22:00-06:00 UTC")
    deck = make_deck(make_rate("46"), office, make_rate("47"), night)
    friday = datetime(2026, 5, 1, tzinfo=UTC)
    found = {hour: deck.rate_for("+46123456", friday.replace(hour=hour)) for hour in (5, 6, 15, 16)}
    assert {hour: rate and rate.rate_nanos_per_min for hour, rate in found.items()} == {5: 1, 6: 9, 15: 9, 16: 1}
    nights = [friday.replace(hour=21), friday.replace(hour=22), friday.replace(day=2, hour=5), friday.replace(hour=5)]
    rates = [deck.rate_for("+47123456", at) for at in nights]
    assert [rate and rate.rate_nanos_per_min for rate in rates] == [1, 9, 9, 1]
