"""A row of a rate deck as it is shown."""

from datetime import datetime

import msgspec

from callgate.money import format_micros, format_nanos
from callgate.rating.rate import Rate


class RateReport(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a deck, and the line of the file that it is from."""

    prefix: str
    destination: str
    rate_per_minute: str
    connect_fee: str
    increments: str
    minimum_charge: str
    grace_s: int
    included_s: int
    blocked: bool
    origin: str
    number_length: int
    hours: str
    effective_from: datetime
    effective_to: datetime | None
    file: str
    line: int


def report_rate(rate: Rate) -> RateReport:
    return RateReport(
        prefix=rate.prefix,
        destination=rate.destination,
        rate_per_minute=format_nanos(rate.rate_nanos_per_min),
        connect_fee=format_micros(rate.connect_fee_micros),
        increments=f"{rate.first_increment_s}/{rate.increment_s}",
        minimum_charge=format_micros(rate.minimum_charge_micros),
        grace_s=rate.grace_s,
        included_s=rate.included_s,
        blocked=rate.is_blocked,
        origin=rate.origin,
        number_length=rate.number_length,
        hours=rate.hours,
        effective_from=rate.effective_from,
        effective_to=rate.effective_to,
        file=rate.file,
        line=rate.line,
    )
