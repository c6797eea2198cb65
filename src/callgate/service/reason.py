"""Why a call was refused, in words for people."""

from typing import Any

from callgate.policy.refusal import SENTENCES, Refusal


def refused_by(refusal: Refusal | None, trace: list[dict[str, Any]]) -> str | None:
    """The operator's rule that refused a call, from its trace; None where none did."""
    if refusal is not Refusal.RULE or not trace:
        return None
    rule = trace[-1]["saw"].get("rule")
    return None if rule is None else str(rule)


def reason_of(refusal: Refusal | None, rule: str | None) -> str | None:
    """A refusal in a sentence, with the rule's name where one refused."""
    if refusal is None:
        return None
    return SENTENCES[refusal] + ("" if rule is None else f" Rule: {rule}.")
