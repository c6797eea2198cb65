"""When calls may be placed, and which number they may show, as an operator sets it for an application or an account.

What an account says takes the place of what its application says, one by one. Limits, which both must hold, are `limits`.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from callgate.policy.caller_id import Screening, may_show, read_caller_ids, read_screening
from callgate.policy.hours import Opening, opening, read_holidays, read_hours, read_zone

INHERITED = "default"
"""The word that takes back what was said: then the application says, and where it says nothing, nothing is asked."""

NONE = "none"

UTC_ZONE = "UTC"


class Permissions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an application or an account says. None: nothing, so that an account's application does.

    `hours` and `holidays` are as `policy.hours` keeps them, empty where there are none; `caller_ids` as `policy.caller_id`
    does: numbers that may be shown beside the account's own.
    """

    hours: str | None = None
    timezone: str | None = None
    holidays: str | None = None
    caller_id: Screening | None = None
    caller_ids: str | None = None

    def under(self, outer: "Permissions") -> "Permissions":
        """Return this one, and where it says nothing what the other says."""
        if self is ALL_INHERITED or self == ALL_INHERITED:
            return outer
        own = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        return msgspec.structs.replace(outer, **own)

    @property
    def opening(self) -> Opening | None:
        """The opening hours; None where it is always open."""
        if not self.hours and not self.holidays:
            return None
        return opening(self.hours or "", self.timezone or UTC_ZONE, self.holidays or "")

    @property
    def screening(self) -> Screening:
        """What becomes of a call that asks to show a number that it may not show."""
        return self.caller_id or Screening.HIDE

    def may_show(self, number: str) -> bool:
        """Whether an account may show this number, which is none of its own."""
        return may_show(self.caller_ids or "", number)

    def changed(self, name: str, word: str) -> "Permissions":
        """Set one by its name in `NAMES`. Raises `Invalid`."""
        return msgspec.structs.replace(self, **{name: None if word == INHERITED else NAMES[name](name, word)})

    def shown(self) -> dict[str, str]:
        """Every one in the words that would set it."""
        said = msgspec.structs.asdict(self)
        return {name: INHERITED if (value := said[name]) is None else str(value) or NONE for name in NAMES}


ALL_INHERITED = Permissions()


def _or_none(read: Callable[[str, str], str]) -> Callable[[str, str], str]:
    return lambda name, word: "" if word in ("", NONE) else read(name, word)


NAMES: dict[str, Callable[[str, str], Any]] = {
    "hours": _or_none(read_hours),
    "timezone": read_zone,
    "holidays": _or_none(read_holidays),
    "caller_id": read_screening,
    "caller_ids": _or_none(read_caller_ids),
}
"""Settings of applications and accounts, and how each is read."""
