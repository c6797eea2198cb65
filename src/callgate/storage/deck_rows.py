"""Rate decks as rows of a table: pages, each with some thousand rows of a deck in columns of bytes.

A deck of a million prefixes is read as sixty rows in a fraction of a second, where a million rows took half a minute.
"""

import sys
from collections.abc import Iterator, Sequence

import msgspec

from callgate.rating.rate import Rate
from callgate.rating.rates import Rates, Terms, is_sound, sorted_rates
from callgate.service.books import DeckHead
from callgate.storage.rows import Row, from_us

PAGE_ROWS = 8_192
"""Rows in a page, a quarter of a megabyte: written in a few milliseconds, so that decisions go on between pages."""

PAGE = ("deck", "version", "number", "content")


class _Page(msgspec.Struct, frozen=True, array_like=True):
    """Some rows: columns as bytes of little-endian integers, and the terms and labels that no page before it had."""

    columns: list[bytes]
    terms: list[Terms]
    labels: list[str]


_decode = msgspec.msgpack.Decoder(_Page).decode
_encode = msgspec.msgpack.Encoder().encode

assert sys.byteorder == "little", (
    "pages are written as the machine holds them, and every machine that we run on is little"
)


def from_rates(head: DeckHead, rates: Rates) -> Iterator[Row]:
    """The rows of the table, one at a time."""
    terms_seen = labels_seen = 0
    for number, start in enumerate(range(0, len(rates), PAGE_ROWS)):
        end = min(start + PAGE_ROWS, len(rates))
        # Places were given in the order of the rows before they were sorted, so that a page may name any of them.
        terms_end = max(terms_seen, 1 + max(rates.terms_at[start:end]))
        labels_end = max(labels_seen, 1 + max(rates.labels_at[start:end]))
        page = _Page(
            rates.slice_columns(start, end), rates.terms[terms_seen:terms_end], rates.labels[labels_seen:labels_end]
        )
        terms_seen, labels_seen = terms_end, labels_end
        yield (head.name, head.version, number, _encode(page))


def add_page(rates: Rates, content: bytes) -> None:
    """Add the rows of the next page. Raises `ValueError` for one that is damaged."""
    page, start = _decode(content), len(rates)
    rates.extend_columns(page.columns, page.terms, page.labels)
    if not is_sound(rates, start, len(rates)):
        raise ValueError("a page of a rate deck is damaged")


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
