"""The price of one prefix: what a line of a rate deck says, and what is stored with the hold of a call."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

MAX_INCREMENT_S = 14_400
"""Longest increment and longest grace that we take: the longest call that a platform connects."""

MAX_PREFIX_DIGITS = 15
"""Digits of the longest E.164 number. Source: ITU-T E.164, section 6."""


class Rate(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A priced prefix, in the currency of its deck, in force in the half-open `[effective_from, effective_to)`.

    `prefix` is digits without `+`, empty where no deck has the price; `destination` is a label and never matched.
    `is_blocked` also says that the deck had no price: such a rate refuses the call, whatever its other fields hold.
    The bounds are checked where one is decoded. The connect fee pays for the first `included_s` seconds; the rate a
    minute for what is billed beyond them. What else has to fit, where it is set: `number_length`, the digits of the
    number dialled (as many as the prefix has: that number alone); `origin`, the first digits of the number that the
    callee sees, or one of `rating.origin`'s words; `hours`, see `rating.hours`. `deck`, `file` and `line` say where
    the price comes from.
    """

    prefix: Annotated[str, Meta(pattern=r"^([1-9][0-9]{0,14})?$")]
    destination: str
    rate_nanos_per_min: Annotated[int, Meta(ge=0)]
    connect_fee_micros: Annotated[int, Meta(ge=0)]
    first_increment_s: Annotated[int, Meta(ge=1)]
    increment_s: Annotated[int, Meta(ge=1)]
    minimum_charge_micros: Annotated[int, Meta(ge=0)] = 0
    grace_s: Annotated[int, Meta(ge=0)] = 0
    included_s: Annotated[int, Meta(ge=0)] = 0
    effective_from: datetime
    effective_to: datetime | None = None
    is_blocked: bool = False
    number_length: Annotated[int, Meta(ge=0)] = 0
    origin: str = ""
    hours: str = ""
    deck: str = ""
    file: str = ""
    line: int = 0

    def is_in_force(self, at: datetime) -> bool:
        """At or after the start, and before the end where there is one."""
        return self.effective_from <= at and (self.effective_to is None or at < self.effective_to)

    @property
    def slot(self) -> tuple[str, int, str, str]:
        """What calls it is for. Rows of one slot follow each other in time; at one time there is one."""
        return self.prefix, self.number_length, self.origin, self.hours
