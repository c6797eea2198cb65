"""What rules came to on real calls, those in shadow too: from the traces of the newest calls. Writes nothing."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from callgate.policy.rules.rule import Effect
from callgate.service.ports import Store
from callgate.service.records import Call

LOOKED_AT = 300
"""Newest calls whose traces are looked at: a few milliseconds of work."""


class RuleResult(msgspec.Struct, frozen=True, kw_only=True):
    """How often a rule's condition held among the calls that were looked at, and how often it could not be judged.
    `would_refuse` are those calls among them that were let through and that the rule refuses once it binds. `last` is the id of
    the newest call that it matched, empty where it matched none.
    """

    matched: int = 0
    failed: int = 0
    would_refuse: int = 0
    last: str = ""


async def rule_results(store: Store, application: str) -> tuple[int, Mapping[str, RuleResult]]:
    """How many calls were looked at, and what each rule that matched any of them came to."""
    calls = await store.calls(application, limit=LOOKED_AT)
    return len(calls), results_of(calls)


def results_of(calls: Iterable[Call]) -> Mapping[str, RuleResult]:
    """Of calls, the newest first."""
    found: dict[str, RuleResult] = {}
    for call in calls:
        for match in _matches(call):
            name = str(match["rule"])
            before = found.get(name, RuleResult())
            refuses = call.refusal is None and match.get("effect") == Effect.REFUSE and not match.get("error")
            found[name] = RuleResult(
                matched=before.matched + (not match.get("error")),
                failed=before.failed + bool(match.get("error")),
                would_refuse=before.would_refuse + refuses,
                last=before.last or call.key.call_id,
            )
    return found


def _matches(call: Call) -> Iterable[dict[str, Any]]:
    """Each rule once, however often the call was judged: sent elsewhere, it is judged there too."""
    steps: list[dict[str, Any]] = msgspec.json.decode(call.trace) if call.trace else []
    seen = {
        str(match["rule"]): match
        for step in steps
        if step["step"] == "rules"
        for match in step["saw"].get("matches", ())
    }
    return seen.values()
