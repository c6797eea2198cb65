"""Limits that an operator sets on an application or an account. Both must hold; lifting one does not lift the other."""

import msgspec

from callgate.errors import Invalid

MAX_GRANT_S = 14_400
"""Longest grant of all. Source: longest `maxDuration` of the platform, Sinch Voice API reference, SVAML actions."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one application or one account may do. None: not limited here."""

    max_seconds: int | None = None


def longest_grant_s(*limits: Limits) -> int:
    """Return the longest grant in seconds that all of these limits, and the platform, allow."""
    return min([MAX_GRANT_S, *(each.max_seconds for each in limits if each.max_seconds is not None)])


def change_limits(limits: Limits, words: list[str]) -> Limits:
    """Apply `NAME=VALUE` words in order and return the new limits.

    `none` lifts one limit, the single word `open` lifts all. Raises `Invalid` naming the word that cannot be used.
    """
    if words == ["open"]:
        return Limits()
    changed = msgspec.structs.asdict(limits)
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in changed:
            known = ", ".join(changed)
            raise Invalid("limits", repr(word), f"NAME=VALUE with one of these names: {known}; or the single word open")
        changed[name] = None if value == "none" else _seconds(name, value)
    return Limits(**changed)


def _seconds(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= MAX_GRANT_S and len(value) <= 9):  # noqa: PLR2004 - keeps int() small
        raise Invalid(name, repr(value), f"whole seconds from 1 to {MAX_GRANT_S}, or none")
    return int(value)
