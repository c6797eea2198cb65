"""Checks of delivery: events come twice, at once, late and in the wrong order, and change nothing by it."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from callgate.emulator.conformance.report import Check, Finding, Mark
from callgate.emulator.conformance.sender import Outcome, Sender, action_of
from callgate.emulator.conformance.verdicts import is_same, legal, same, taken, worst

AT_ONCE = 8
MANY = 32

REMEMBER = "keep what you answered for each callid, and answer a repeat with it; write nothing twice"


def checks() -> list[Check]:
    """Every check of this subject, in the order of the report."""
    return [
        Check(
            "ice-twice",
            "an incoming call that comes twice gets the same answer",
            REMEMBER,
            lambda sender: _twice(sender, "ice"),
        ),
        Check(
            "ace-twice",
            "an answered call that comes twice gets the same answer",
            REMEMBER,
            lambda sender: _twice(sender, "ace"),
        ),
        Check(
            "pie-twice",
            "prompt input that comes twice gets the same answer",
            REMEMBER,
            lambda sender: _twice(sender, "pie"),
        ),
        Check(
            "dice-twice", "an end that comes twice is taken both times", REMEMBER, lambda sender: _twice(sender, "dice")
        ),
        Check(
            "same-call-at-once",
            f"{AT_ONCE} copies of one incoming call at the same moment get the same answer",
            "decide a call once: let the copies wait for the first, or have the database refuse a second row",
            _at_once,
        ),
        Check(
            "many-calls-at-once",
            f"{MANY} calls at the same moment are all answered",
            "answer calls beside each other: no call may wait for the one before",
            _many,
        ),
        Check(
            "end-before-answer",
            "an answered call that is told after its end is answered with legal SVAML",
            "take events in any order",
            _end_before_answer,
        ),
        Check(
            "end-of-a-stranger",
            "the end of a call that was never announced is taken",
            "answer 200 and keep it: the announcement may be late, or lost",
            lambda sender: taken(sender.send(sender.event("dice", sender.new_call()))),
        ),
        Check(
            "ended-call",
            "an incoming call that has ended already is not connected",
            "remember ended calls, and answer `hangup`: a late copy would connect a call that nobody pays for",
            _after_the_end,
        ),
        Check(
            "other-call-of-that-id",
            "another call under a callid that was used is not connected",
            "compare who calls whom with what the callid stood for, and answer `hangup` where it differs",
            _other_call,
        ),
    ]


def _twice(sender: Sender, kind: str) -> Finding:
    call_id = sender.new_call()
    if kind != "ice":
        sender.send(sender.event("ice", call_id))
    event = sender.event(kind, call_id)
    return same(sender.send(event), sender.send(event))


def _at_once(sender: Sender) -> Finding:
    event = sender.event("ice", sender.new_call())
    outcomes = _together(sender, [event] * AT_ONCE)
    first = outcomes[0]
    if any(not outcome.is_taken for outcome in outcomes):
        return worst([taken(outcome) for outcome in outcomes])
    other = next((outcome for outcome in outcomes if not is_same(first, outcome)), None)
    if other is None:
        return Finding(Mark.PASS, first.shown)
    return Finding(Mark.FAIL, f"one {first.shown}, another {other.shown}")


def _many(sender: Sender) -> Finding:
    outcomes = _together(sender, [sender.event("ice", sender.new_call()) for _ in range(MANY)])
    finding = worst([legal(outcome, "ice") for outcome in outcomes])
    slowest_ms = max(outcome.seconds for outcome in outcomes) * 1_000
    return Finding(
        finding.mark, f"the slowest within {slowest_ms:.0f} ms" if finding.mark is Mark.PASS else finding.found
    )


def _together(sender: Sender, events: list[dict[str, Any]]) -> list[Outcome]:
    with ThreadPoolExecutor(len(events)) as senders:
        return list(senders.map(sender.send, events))


def _end_before_answer(sender: Sender) -> Finding:
    call_id = sender.new_call()
    sender.send(sender.event("ice", call_id))
    end = taken(sender.send(sender.event("dice", call_id)))
    return worst([end, legal(sender.send(sender.event("ace", call_id)), "ace")])


def _after_the_end(sender: Sender) -> Finding:
    call_id = sender.new_call()
    event = sender.event("ice", call_id)
    sender.send(event)
    sender.send(sender.event("dice", call_id))
    return _not_connected(sender.send(event))


def _other_call(sender: Sender) -> Finding:
    call_id = sender.new_call()
    sender.send(sender.event("ice", call_id))
    other = {"type": "number", "endpoint": "+12025550188"}
    return _not_connected(sender.send(sender.event("ice", call_id, to=other)))


def _not_connected(outcome: Outcome) -> Finding:
    finding = legal(outcome, "ice")
    if finding.mark is Mark.PASS and action_of(outcome, "ice") != "hangup":
        return Finding(Mark.ADVICE, outcome.shown)
    return finding
