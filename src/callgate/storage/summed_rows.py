"""What of a call record is summed: columns of its row, beside the record itself, which is kept whole as JSON.

They are null in rows that were written before there were these columns.
"""

from decimal import Decimal

from callgate.service.records import CallRecord

SUMMED = ("duration_s", "charge_micros", "currency", "cost_nanos", "cost_currency")

MOST_COST = Decimal(1_000_000)
"""A carrier that asks more than that for one call, in whatever currency, has made a mistake: such a cost is in no sum."""

NANOS = Decimal(10**9)


def summed(record: CallRecord) -> tuple[int, int, str, int | None, str | None]:
    """The values of `SUMMED`. Costs are rounded to nanos, half to even; without one, there is no currency of it either."""
    cost_nanos = None if record.cost is None else nanos(record.cost)
    cost_currency = None if cost_nanos is None else record.cost_currency
    return record.duration_s, record.charge_micros, record.currency, cost_nanos, cost_currency


def nanos(cost: str) -> int | None:
    """A decimal in nanos; None where it is too large to be true."""
    amount = Decimal(cost)
    return round(amount * NANOS) if abs(amount) <= MOST_COST else None
