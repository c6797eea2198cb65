"""Rates made of the provider's price."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from callgate.rating.charge import charge_micros
from callgate.rating.cost_plus import cost_plus_rate, quoted_nanos

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "currency", "nanos"),
    [
        ("0.0095", "USD", 9_500_000),
        ("0.00000000001", "USD", 1),  # rounded up: never sold for less than it costs
        ("1E+2", "USD", 100_000_000_000),
        ("0", "USD", None),
        ("-0.01", "USD", None),
        ("0.01", "EUR", None),
        ("0.01", None, None),
        ("NaN", "USD", None),
        ("Infinity", "USD", None),
        ("1E+999999999", "USD", None),
        ("1E-999999999", "USD", None),
        (None, "USD", None),
    ],
)
def test_what_the_provider_quotes(amount: str | None, currency: str | None, nanos: int | None) -> None:
    """Exactly, in the account's currency; whatever else it is, is not known."""
    assert quoted_nanos(None if amount is None else Decimal(amount), currency, "USD") == nanos


def test_the_markup_is_added() -> None:
    """To the nano, rounded up; the fee is for the call."""
    rate = cost_plus_rate(9_500_001, 250_000_000, fee_micros=10_000, increments=(30, 6), number="+46701740605", at=NOW)
    assert (rate.prefix, rate.rate_nanos_per_min, rate.file) == ("46701740605", 11_875_002, "provider")
    assert charge_micros(rate, 31) == 10_000 + 7_126
