"""Rows of a deck as pages: each some thousand rows, in columns of bytes.

A deck of a million prefixes is a hundred pages, which are written and read in a fraction of a second, where a million rows
took half a minute. One page takes a few milliseconds, so that a server decides calls between two of them.
"""

import sys
from collections.abc import Iterator

import msgspec

from callgate.rating.rates import Rates, Terms, is_sound

PAGE_ROWS = 8_192
"""Rows in a page, a quarter of a megabyte."""


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


def to_pages(rates: Rates) -> Iterator[bytes]:
    """The rows, one page at a time."""
    terms_seen = labels_seen = 0
    for start in range(0, len(rates), PAGE_ROWS):
        end = min(start + PAGE_ROWS, len(rates))
        # Places were given in the order of the rows before they were sorted, so that a page may name any of them.
        terms_end = max(terms_seen, 1 + max(rates.terms_at[start:end]))
        labels_end = max(labels_seen, 1 + max(rates.labels_at[start:end]))
        yield _encode(
            _Page(
                rates.slice_columns(start, end), rates.terms[terms_seen:terms_end], rates.labels[labels_seen:labels_end]
            )
        )
        terms_seen, labels_seen = terms_end, labels_end


def add_page(rates: Rates, content: bytes) -> None:
    """Add the rows of the next page. Raises `ValueError` for one that is damaged."""
    page, start = _decode(content), len(rates)
    rates.extend_columns(page.columns, page.terms, page.labels)
    if not is_sound(rates, start, len(rates)):
        raise ValueError("a page of a rate deck is damaged")
