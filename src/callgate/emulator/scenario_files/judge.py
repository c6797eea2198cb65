"""Compares what was expected with what came: plain values in, misses out."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from callgate.emulator.scenario_files.read import value_at
from callgate.emulator.scenario_files.wording import AccountExpectPart, AnswerPart, ExpectPart
from callgate.emulator.sinch import Ending, Exchange

AMOUNTS = ("charge", "hold", "posted", "held", "available", "cost")
"""What is compared as amounts: 0.04 is 0.040."""


def judge_call(name: str, expect: ExpectPart, events: Sequence[Exchange], ending: Ending) -> list[str]:
    """What the platform saw of a call."""
    told = [str(each.sent["type"] if each.sent["event"] == "notify" else each.sent["event"]) for each in events]
    seen = {
        "outcome": str(ending.outcome),
        "events": told,
        "reason": ending.reason,
        "result": ending.result,
        "duration_s": ending.duration_s,
        "granted_s": ending.granted_s,
    }
    misses = [
        miss(f"{name}, {what}", wanted if isinstance(wanted, str | int) else list(wanted), seen[what])
        for what in seen
        if (wanted := getattr(expect, what)) is not None
    ]
    for answer in expect.answers:
        misses += _judge_answer(name, answer, events)
    return [each for each in misses if each]


def judge_books(name: str, expect: ExpectPart, call: Mapping[str, Any] | None, *, is_known: bool = True) -> list[str]:
    """What our own server wrote down of a call."""
    wanted = {what: getattr(expect, what) for what in ("refusal", "charge", "hold", "flags")}
    wanted = {what: value for what, value in wanted.items() if value is not None}
    if not wanted or not is_known:
        return []
    if call is None:
        return [f"{name}: expected {', '.join(wanted)}, but the server knows no such call"]
    seen = {
        "refusal": value_at("decision.refusal", call) or "none",
        "charge": call.get("charge"),
        "hold": call.get("hold"),
        "flags": list(call.get("flags") or ()),
    }
    found = [
        miss(f"{name}, {what}", list(value) if what == "flags" else value, seen[what]) for what, value in wanted.items()
    ]
    return [each for each in found if each]


def judge_records(name: str, expect: ExpectPart, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """What was delivered of a call."""
    misses = []
    if expect.delivered is not None:
        misses.append(miss(f"{name}, records delivered", expect.delivered, len(records)))
    if expect.record is not None:
        if not records:
            return [f"{name}: expected a record, none was delivered"]
        misses += has(f"{name}, record", expect.record, records[-1])
    return [each for each in misses if each]


def judge_account(expect: AccountExpectPart, account: Mapping[str, str] | None) -> list[str]:
    """What an account has in the end."""
    if account is None:
        return [f"account {expect.id}: the server knows no such account"]
    wanted = {what: getattr(expect, what) for what in ("posted", "held", "available")}
    found = [
        miss(f"account {expect.id}, {what}", value, account.get(what))
        for what, value in wanted.items()
        if value is not None
    ]
    return [each for each in found if each]


def has(what: str, wanted: Mapping[str, Any], seen: Any) -> list[str]:
    """Values at paths."""
    found = [miss(f"{what}, {path}", value, value_at(path, seen)) for path, value in wanted.items()]
    return [each for each in found if each]


def miss(what: str, wanted: Any, seen: Any) -> str:
    """A line where they differ, else nothing."""
    if wanted == seen or (what.rpartition(" ")[2].rpartition(".")[2] in AMOUNTS and _is_same_amount(wanted, seen)):
        return ""
    return f"{what}: expected {wanted!r}, came {seen!r}"


def _judge_answer(name: str, expect: AnswerPart, events: Sequence[Exchange]) -> list[str]:
    found = [each for each in events if each.sent["event"] == expect.event]
    what = f"{name}, answer to {expect.event}" + (f" no. {expect.nth}" if expect.nth > 1 else "")
    if len(found) < expect.nth:
        return [f"{what}: there was none, the event was sent {len(found)} times"]
    exchange = found[expect.nth - 1]
    misses = [miss(f"{what}, status", expect.status, exchange.status)] if expect.status is not None else []
    if expect.action is not None:
        misses.append(miss(f"{what}, action", expect.action, value_at("action.name", exchange.answer)))
    return [each for each in [*misses, *has(what, expect.has, exchange.answer)] if each]


def _is_same_amount(wanted: Any, seen: Any) -> bool:
    try:
        return Decimal(str(wanted)) == Decimal(str(seen))
    except InvalidOperation:
        return False
