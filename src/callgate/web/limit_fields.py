"""Limits as fields of a form: what stands in each, and the words that set what was changed. Plain functions."""

from collections.abc import Mapping
from typing import Any


def to_fill(limits: Mapping[str, Any]) -> dict[str, str]:
    """Each limit as it stands in its field; empty for what is not limited."""
    return {
        name: "" if value is None else ",".join(value) if isinstance(value, list) else str(value)
        for name, value in limits.items()
    }


def to_show(limits: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """Each limit with its words, None where there is none."""
    filled = to_fill(limits)
    return [(name, None if value is None else filled[name] or "nothing is allowed") for name, value in limits.items()]


def changed_words(before: Mapping[str, str], sent: Mapping[str, str]) -> tuple[str, ...]:
    """The words `NAME=VALUE` of the fields that are others by now; one that was emptied lifts its limit."""
    changed = [name for name, value in before.items() if name in sent and sent[name].strip() != value]
    return tuple(f"{name}={sent[name].strip() or 'none'}" for name in changed)
