"""Connecting to somebody: who is dialled, how it rings, and what is asked once it is answered."""

from collections.abc import Generator, Mapping
from typing import Any

from callgate.emulator.scenario import Outcome, Party, PartyKind, Scenario
from callgate.emulator.sinch.ends import over
from callgate.emulator.sinch.events import compose_ace, compose_notify
from callgate.emulator.sinch.habits import AT_ONCE, DEFAULT, Habits
from callgate.emulator.sinch.ongoing import OnContinue, OngoingCall, State
from callgate.emulator.sinch.prompts import TONE_S
from callgate.emulator.sinch.steps import Answer, Later, Over, Step, Turn, Verdict
from callgate.emulator.sinch.talk import talk
from callgate.emulator.sinch.tell import ask
from callgate.emulator.sinch.wait import pause
from callgate.emulator.svaml import Action

DETECTION_S = 5
"""Longest that the detection of answering machines listens before the ACE is sent."""

Connecting = Generator[Step, Answer, Turn]


def connect(call: OngoingCall, action: Action) -> Connecting:
    """Dial what the action names, else what was dialled; an in-app user's answer is not asked about."""
    party = party_of(call, action)
    if party is None:
        # A rented number cannot be dialled back to itself, and nothing else that was dialled is a phone number.
        why = f"no route: connectPstn names no number, and {call.scenario.callee} is none"
        return Over(Verdict.ERROR, call.habits.pair("no_route"), why)
    call.granted_s = action.max_duration_s
    if action.is_silent:
        call.wants -= {"ace", "dice"}
    if headers := action.details.get("callHeaders"):
        call.call_headers = {pair["key"]: pair["value"] for pair in headers}
    if (unanswered := (yield from ring_out(call, party, action))) is not None:
        return unanswered
    return (yield from _answered(call, action))


def party_of(call: OngoingCall, action: Action) -> Party | None:
    """Whom an action connects to; None where there is nobody of that kind."""
    dialled = call.scenario.callee
    endpoint = str((action.details.get("destination") or {}).get("endpoint") or "")
    match action.name:
        case "connectPstn":
            number = action.number or (dialled.address if dialled.kind is PartyKind.NUMBER else None)
            return Party(PartyKind.NUMBER, number) if number is not None else None
        case "connectMxp":
            return Party(PartyKind.USER, endpoint or dialled.address)
        case "connectSip":
            return Party(PartyKind.SIP, endpoint.removeprefix("sip:"))
        case _:  # a stream; it has no spelling of its own in the events
            return Party(PartyKind.SIP, endpoint)


def ring_out(call: OngoingCall, party: Party, action: Action) -> Generator[Step, Answer, Over | None]:
    """Ring; None where it was answered, else how the call ends."""
    call.connected_to, call.state = party, State.RINGING
    outcome, ringing_s = ring(call.scenario, action, call.habits)
    is_in_app = party.kind is PartyKind.USER
    if is_in_app:
        call.wants -= {"ace", "pie"}
        if not call.rooms.knows(party.address):
            outcome, ringing_s = Outcome.USER_NOT_FOUND, 0
    yield from pause(call, ringing_s)
    if outcome in (Outcome.ANSWERED, Outcome.NETWORK_LOST):
        call.answered_at = call.at
        return None
    name = "in_app_no_answer" if is_in_app and outcome is Outcome.NO_ANSWER else str(outcome)
    return over(call, Verdict(outcome), call.habits.pair(name))


def _answered(call: OngoingCall, action: Action) -> Connecting:
    """Detect machines where that is asked, ask on with an ACE, then let them talk.

    Of an ACE that fails the reference says that the call is connected, so that only an answer can change its course.
    """
    call.state = State.TALKING
    yield from pause(call, len(action.details.get("dtmf", "")) * TONE_S)
    amd = yield from _detect(call, action.details.get("amd") or {})
    call.on_continue = OnContinue.TALK
    if "ace" in call.wants:
        turn = yield from ask(call, compose_ace(call, amd))
        if turn is not None:
            return turn
    return (yield from talk(call))


def _detect(call: OngoingCall, options: Mapping[str, Any]) -> Generator[Step, Answer, Mapping[str, Any] | None]:
    """Return what the ACE says of the machine; asynchronous detection reports later."""
    if options.get("enabled") is not True:
        return None
    machine = call.scenario.machine
    found = {"status": machine.status, "reason": machine.reason, "duration": machine.after_s}
    if options.get("async") is not True:
        yield from pause(call, min(machine.after_s, DETECTION_S))
        return found
    yield Later(machine.after_s, compose_notify(call, "amd", amd=found))
    if machine.beep_after_s is not None:
        beep = {"status": "machine", "reason": "beep", "duration": machine.after_s + machine.beep_after_s}
        yield Later(machine.after_s + machine.beep_after_s, compose_notify(call, "amd_beep", amd=beep))
    return {"status": "inprogress"}


def ring(scenario: Scenario, action: Action, habits: Habits = DEFAULT) -> tuple[Outcome, int]:
    """Return how the far side takes the call and after how many seconds: `dialTimeout` ends any ringing."""
    limit_s = action.dial_timeout_s or habits.ring_limit_s
    match scenario.outcome:
        case outcome if outcome in AT_ONCE:
            return outcome, 0
        case Outcome.NO_ANSWER:
            return Outcome.NO_ANSWER, limit_s
        case outcome if scenario.ring_s >= limit_s and outcome is not Outcome.BUSY:
            return Outcome.NO_ANSWER, limit_s
        case outcome:
            return outcome, scenario.ring_s
