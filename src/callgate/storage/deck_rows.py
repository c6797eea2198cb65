"""Rate decks as rows of a table: one for each page of a deck."""

from collections.abc import Iterator, Sequence

from callgate.rating.deck_pages import to_pages
from callgate.rating.rate import Rate
from callgate.rating.rates import Rates, sorted_rates
from callgate.service.books import DeckHead
from callgate.storage.rows import Row, from_us

PAGE = ("deck", "version", "number", "content")


def from_rates(head: DeckHead, rates: Rates) -> Iterator[Row]:
    """The rows of the table, one at a time."""
    for number, content in enumerate(to_pages(rates)):
        yield (head.name, head.version, number, content)


RATE = (
    "prefix", "effective_from", "effective_to", "destination", "rate_nanos_per_min", "connect_fee_micros",
    "first_increment_s", "increment_s", "minimum_charge_micros", "grace_s", "is_blocked",
)  # fmt: skip
"""The table of one row for each prefix, as decks were stored before there were pages. Nothing is written to it any more."""


DROP_PORTIONS = (
    (
        """DELETE FROM deck_pages WHERE (deck, version, number) IN
        (SELECT deck, version, number FROM deck_pages WHERE deck = ? AND version = ? LIMIT ?)""",
        8,
    ),
    (
        """DELETE FROM rates WHERE (deck, version, prefix, effective_from) IN
        (SELECT deck, version, prefix, effective_from FROM rates WHERE deck = ? AND version = ? LIMIT ?)""",
        2_000,
    ),
)
"""How a version's rows are removed, so many at a time, that decisions go on between them."""


def to_rates(found: Sequence[Row]) -> Rates:
    """Read those."""
    return sorted_rates(map(_to_rate, found))


def _to_rate(row: Row) -> Rate:
    named = dict(zip(RATE, row, strict=True))
    end = named.pop("effective_to")
    return Rate(
        effective_from=from_us(named.pop("effective_from")),
        effective_to=None if end is None else from_us(end),
        is_blocked=bool(named.pop("is_blocked")),
        **named,
    )
