"""A recorded call, judged again by what is in force today. Nothing of it is written, and no money is touched.

Twice, since two questions are asked of a replay: what today's rules would have made of it then, with the money and the prices
that there were; and what would become of the same call if it came now.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from callgate.errors import NotFound
from callgate.money import format_micros
from callgate.protocol import PROVIDERS
from callgate.protocol.call import CallArrived, CallKey
from callgate.service.books import AccountKey
from callgate.service.catalog import Catalog
from callgate.service.decided_call import DecidedCall
from callgate.service.elastic import ElasticTerms
from callgate.service.explain import Explanation, explain_arrival
from callgate.service.ports import CallPosition, Store
from callgate.service.reason import reason_of, refused_by
from callgate.service.records import Call
from callgate.service.redirect import is_redirected
from callgate.service.rejudge import COUNTED, Judges, asked, judges_in_force, verdict_again
from callgate.service.ticket import Presented, Ticket

MOMENT = timedelta(microseconds=1)

WINDOWS = frozenset({"block", "concurrent_calls", "calls", "destinations", "repeats", "spend"})
"""Steps that count other calls. What those had done by then is not kept, so that a replay as of then leaves them out."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """How the call was decided, or would be. `reason` says a refusal in a sentence."""

    outcome: str
    refusal: str | None
    rule: str | None
    reason: str | None
    granted_s: int
    hold: str | None
    destination: str


class ReplayStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the decision three times. None: it did not come to that step, or it has no say in that judgement. `differs`
    says that one that judged it again came to another verdict.
    """

    step: str
    recorded: dict[str, Any] | None
    then: dict[str, Any] | None
    now: dict[str, Any] | None
    differs: bool


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """`then` is None where it cannot be judged as of then: nobody paid for it. `first` names the first step that differs, for
    each of the two; None where the verdict is the same.
    """

    call_id: str
    application: str
    at: datetime
    currency: str | None
    recorded: Judged
    then: Judged | None
    now: Judged
    first_then: str | None
    first_now: str | None
    steps: list[ReplayStep]


async def replay_call(store: Store, catalog: Catalog, key: CallKey, *, now: datetime, elastic: ElasticTerms) -> Replay:
    """Judge a call again. Raises `NotFound` for one that is not there, or whose question is not kept."""
    call = await store.call(key)
    application = catalog.applications.get(key.application)
    if call is None or application is None:
        raise NotFound(f"there is no call {key.call_id} in application {key.application}")
    decided = await _decided(store, call)
    question = None if decided is None else asked(decided, PROVIDERS[application.row.provider])
    if decided is None or question is None:
        raise NotFound(f"of call {key.call_id} there is no question on record that could be asked again")
    judges = judges_in_force(catalog, key.application)
    recorded: list[dict[str, Any]] = msgspec.json.decode(call.trace)
    then, then_steps = (None, []) if is_redirected(call) else _judge_then(decided, question, judges)
    explained = await explain_arrival(
        store, catalog, _anew(question), now=now, elastic=elastic, presented=_proof(call, recorded, now)
    )
    was = _recorded(call, recorded)
    if then is not None and then.refusal is None and was.refusal in COUNTED:
        then, then_steps = was, recorded  # what it was refused for then, it would be again
    return Replay(
        call_id=key.call_id,
        application=key.application,
        at=call.decided_at,
        currency=call.currency or explained.currency,
        recorded=was,
        then=then,
        now=_explained(explained),
        first_then=None if then is None or _is_same(was, then) else _first(recorded, then_steps),
        first_now=None if _is_same(was, _explained(explained)) else _first(recorded, explained.trace),
        steps=_beside(recorded, then_steps, explained.trace),
    )


async def _decided(store: Store, call: Call) -> DecidedCall | None:
    """The call with its question and its payer; of those that were decided in the same moment, the one that is meant."""
    before: CallPosition | None = None
    while portion := await store.decided_calls(
        call.key.application, since=call.decided_at, until=call.decided_at + MOMENT, before=before, limit=50
    ):
        for decided in portion:
            if decided.call.key == call.key:
                return decided
        before = CallPosition(portion[-1].call.decided_at, portion[-1].call.key)
    return None


def _judge_then(
    decided: DecidedCall, question: CallArrived, judges: Judges
) -> tuple[Judged | None, list[dict[str, Any]]]:
    if decided.account is None:
        return None, []
    verdict = verdict_again(decided, question, judges)
    steps: list[dict[str, Any]] = msgspec.to_builtins(verdict.trace)
    rule = refused_by(verdict.refusal, steps)
    judged = Judged(
        outcome="connect" if verdict.refusal is None else "refuse",
        refusal=verdict.refusal,
        rule=rule,
        reason=reason_of(verdict.refusal, rule),
        granted_s=verdict.granted_s,
        hold=format_micros(verdict.hold_micros) if verdict.refusal is None else None,
        destination=(verdict.destination or question.destination).address,
    )
    return judged, steps


def _anew(question: CallArrived) -> CallArrived:
    """The same question of a call that nobody has heard of: by its own id it would be a repeat."""
    return msgspec.structs.replace(question, key=CallKey(question.key.application, "replay"))


def _proof(call: Call, steps: Sequence[dict[str, Any]], now: datetime) -> Presented | None:
    """A ticket was taken out of what is stored. A call that had a good one is judged as if it had another now."""
    had_good = any(step["step"] == "caller" and step["saw"].get("ticket") == "good" for step in steps)
    if not had_good or call.account is None:
        return None
    expires_s = int(now.timestamp()) + 60
    return Presented(Ticket(*AccountKey(call.key.application, call.account), id="replay", expires_s=expires_s))


def _recorded(call: Call, steps: list[dict[str, Any]]) -> Judged:
    rule = refused_by(call.refusal, steps)
    return Judged(
        outcome="connect" if call.refusal is None else "refuse",
        refusal=call.refusal,
        rule=rule,
        reason=reason_of(call.refusal, rule),
        granted_s=call.granted_s,
        hold=None if call.hold is None else format_micros(call.hold.amount_micros),
        destination=call.destination,
    )


def _explained(found: Explanation) -> Judged:
    return Judged(
        outcome=found.outcome,
        refusal=found.refusal,
        rule=found.rule,
        reason=found.reason,
        granted_s=found.granted_s,
        hold=found.hold,
        destination=found.destination,
    )


def _is_same(was: Judged, would: Judged) -> bool:
    return (was.refusal, was.rule, was.destination) == (would.refusal, would.rule, would.destination)


def _first(recorded: Sequence[dict[str, Any]], again: Sequence[dict[str, Any]]) -> str | None:
    """The first step whose verdict is another: one that refuses, or lets through what it had refused."""
    verdicts = {step["step"]: step["refusal"] for step in recorded}
    for step in again:
        if step["refusal"] != verdicts.get(step["step"]):
            return str(step["step"])
    return next((name for name, refusal in verdicts.items() if refusal is not None), None)  # nobody judges that now


def _beside(*traces: Sequence[dict[str, Any]]) -> list[ReplayStep]:
    """The steps of all traces in one order, each with what every one of them says of it; of a step that ran twice, the last."""
    order: list[str] = []
    for trace in sorted(traces, key=len, reverse=True):
        place = 0
        for step in trace:
            name = str(step["step"])
            if name in order:
                place = order.index(name) + 1
            elif name not in {"answer", "grant"}:
                order.insert(place, name)
                place += 1
    recorded, then, now = ({str(step["step"]): step for step in trace} for trace in traces)
    return [
        ReplayStep(
            step=name,
            recorded=recorded.get(name),
            then=None if name in WINDOWS else then.get(name),
            now=now.get(name),
            differs=_differs(name, recorded, now)
            or (bool(then) and name not in WINDOWS and _differs(name, recorded, then)),
        )
        for name in order
    ]


def _differs(name: str, recorded: Mapping[str, dict[str, Any]], again: Mapping[str, dict[str, Any]]) -> bool:
    """Whether a step has another verdict. That one which refused is not judged any more is another one too."""
    was, would = recorded.get(name), again.get(name)
    return (was or _PASSED)["refusal"] != (would or _PASSED)["refusal"]


_PASSED = {"refusal": None}
