"""Where callers are led whose call is refused: to a rented number of the operator's, with a payer and a cap of its own."""

from collections.abc import Mapping

import msgspec

from callgate.errors import Invalid
from callgate.numbers import parse_e164
from callgate.policy.refusal import Refusal

SETTING = "redirect"
"""Before the refusal in the name of a setting: `redirect.insufficient_credit`."""

DEFAULT_REDIRECT_S = 300
"""How long a redirected call may last unless the operator says otherwise: time enough for a menu."""

MAX_REDIRECT_S = 14_400

FINAL = frozenset({Refusal.APPLICATION_SUSPENDED, Refusal.CALL_CONFLICT, Refusal.RULE, Refusal.NOT_DECIDED_IN_TIME})
"""Refusals that lead nowhere: nothing of the application works, or there is no decision; a rule says itself where to."""

_NONE = "none"


class Redirects(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Rented numbers by the name of the refusal. A number that is not rented leads nowhere."""

    numbers: Mapping[str, str] = {}

    def changed(self, refusal: str, word: str) -> "Redirects":
        """Set one by its name after `redirect.`; `none` takes it back. Raises `Invalid`."""
        where = f"{SETTING}.{refusal[:80]}"
        if refusal not in list(Refusal) or refusal in FINAL:
            raise Invalid(
                where, repr(refusal[:50]), f"one of {', '.join(each for each in Refusal if each not in FINAL)}"
            )
        numbers = {known: number for known, number in self.numbers.items() if known != refusal}
        if word not in ("", _NONE):
            number = parse_e164(word)
            if number is None:
                raise Invalid(where, repr(word[:40]), f"a rented number in E.164, such as +46846500400, or {_NONE}")
            numbers[refusal] = number
        return Redirects(numbers=numbers)

    def shown(self) -> dict[str, str]:
        """Every one, by the name that would set it."""
        return {f"{SETTING}.{refusal}": number for refusal, number in sorted(self.numbers.items())}


NO_REDIRECTS = Redirects()


def read_redirect_seconds(word: str) -> int:
    """Raises `Invalid`."""
    if not (word.isascii() and word.isdigit() and 1 <= int(word[:9]) <= MAX_REDIRECT_S):
        raise Invalid("redirect_seconds", repr(word[:40]), f"whole seconds from 1 to {MAX_REDIRECT_S}")
    return int(word)
