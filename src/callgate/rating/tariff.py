"""Prices that an operator sets by hand, for what no deck lists: in-app calls, conferences, SIP domains, receiving."""

import re
from datetime import UTC, datetime

import msgspec

from callgate.errors import Invalid
from callgate.money import CURRENCIES, format_micros, format_nanos, parse_scaled
from callgate.rating.rate import Rate

FREE_WORD = "free"

_PRICE = re.compile(r"([0-9][0-9.]{0,18}) ?([A-Z]{3})?", re.ASCII)
_NANOS = 1_000_000_000
_MICROS = 1_000_000
_MOST = 1_000_000
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


class Tariff(msgspec.Struct, frozen=True, kw_only=True):
    """A price by the minute, or a fee for an answered call. Without a currency it is in that of whoever pays."""

    nanos_per_min: int = 0
    fee_micros: int = 0
    currency: str = ""

    def rate(self, label: str, currency: str) -> Rate | None:
        """The rate that a call in this currency is priced by, in single seconds; None where the price is in another."""
        if self.currency not in ("", currency):
            return None
        return Rate(
            prefix="",
            destination=label,
            rate_nanos_per_min=self.nanos_per_min,
            connect_fee_micros=self.fee_micros,
            first_increment_s=1,
            increment_s=1,
            effective_from=_EVER,
        )

    def on_top_of(self, rate: Rate, currency: str) -> Rate | None:
        """A rate with this price added, in the increments of that rate: one call has one duration, and is rounded once."""
        if self.currency not in ("", currency):
            return None
        return msgspec.structs.replace(
            rate,
            rate_nanos_per_min=rate.rate_nanos_per_min + self.nanos_per_min,
            connect_fee_micros=rate.connect_fee_micros + self.fee_micros,
        )

    def shown(self) -> str:
        """As the word that would set it."""
        if not self.nanos_per_min and not self.fee_micros:
            return FREE_WORD
        price = format_nanos(self.nanos_per_min) if self.nanos_per_min else format_micros(self.fee_micros)
        return f"{price}{self.currency}"


FREE = Tariff()


def read_fee(text: str, where: str) -> Tariff:
    """Read `free`, or a fee for each answered call such as `0.05` or `0.05USD`. Raises `Invalid`."""
    price, currency = _price(text, where, _MICROS)
    return Tariff(fee_micros=price, currency=currency)


def read_price(text: str, where: str) -> Tariff:
    """Read `free`, or a price per minute such as `0.01` or `0.01USD`. Raises `Invalid`."""
    price, currency = _price(text, where, _NANOS)
    return Tariff(nanos_per_min=price, currency=currency)


def _price(text: str, where: str, scale: int) -> tuple[int, str]:
    if text == FREE_WORD:
        return 0, ""
    found = _PRICE.fullmatch(text)
    currency = found[2] or "" if found is not None else ""
    if found is None or (currency and currency not in CURRENCIES):
        raise Invalid(where, repr(text[:50]), "free, or an amount such as 0.05 or 0.05USD")
    price = parse_scaled(found[1], scale, where)
    if price > _MOST * scale:
        raise Invalid(where, repr(text[:50]), f"at most {_MOST}")
    return price, currency
