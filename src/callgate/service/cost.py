"""What the platform says that a call costs us, and what follows from it: a price where no deck has one, or that it loses."""

from datetime import datetime

from callgate.policy.pricing import Pricing
from callgate.protocol.call import CallArrived
from callgate.rating.cost_plus import USUAL_INCREMENTS, cost_plus_rate, quoted_nanos
from callgate.rating.rate import Rate


def cost_nanos_of(call: CallArrived, currency: str, *, is_redirected: bool) -> int | None:
    """Nanos a minute in the account's currency; None where they are not known, as for a place that was not dialled."""
    quoted = call.provider_rate
    if quoted is None or is_redirected:
        return None
    return quoted_nanos(quoted.amount, quoted.currency, currency)


def rate_by_cost(pricing: Pricing, cost_nanos: int | None, number: str, at: datetime) -> Rate | None:
    """The rate of an account that no deck prices: the cost and a markup. None without one of them."""
    if pricing.markup_nanos is None or cost_nanos is None:
        return None
    return cost_plus_rate(
        cost_nanos,
        pricing.markup_nanos,
        fee_micros=pricing.fee_micros or 0,
        increments=pricing.increments or USUAL_INCREMENTS,
        number=number,
        at=at,
    )
