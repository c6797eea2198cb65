"""The price of one prefix: what a line of a rate deck says, and what is stored with the hold of a call."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

MAX_INCREMENT_S = 14_400
"""Longest increment and longest grace that we take: the longest call that a platform connects."""

MAX_PREFIX_DIGITS = 15
"""Digits of the longest E.164 number. Source: ITU-T E.164, section 6."""


class Rate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A priced prefix, in the currency of its deck, in force in the half-open `[effective_from, effective_to)`.

    `prefix` is digits without `+`, empty for a price that no deck has; `destination` is a label and never matched. `is_blocked` also says that the deck had
    no price: such a rate refuses the call, whatever its other fields hold. The bounds are checked where one is decoded.
    """

    prefix: Annotated[str, Meta(pattern=r"^([1-9][0-9]{0,14})?$")]
    destination: str
    rate_nanos_per_min: Annotated[int, Meta(ge=0)]
    connect_fee_micros: Annotated[int, Meta(ge=0)]
    first_increment_s: Annotated[int, Meta(ge=1)]
    increment_s: Annotated[int, Meta(ge=1)]
    minimum_charge_micros: Annotated[int, Meta(ge=0)] = 0
    grace_s: Annotated[int, Meta(ge=0)] = 0
    effective_from: datetime
    effective_to: datetime | None = None
    is_blocked: bool = False

    def is_in_force(self, at: datetime) -> bool:
        """At or after the start, and before the end where there is one."""
        return self.effective_from <= at and (self.effective_to is None or at < self.effective_to)
