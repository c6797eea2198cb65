"""Plays a scenario as Sinch Voice would: composes the events, reads the answers, decides what comes next.

A call is a generator: it yields what to do (`Tell` the callback server an event, let time `Elapse`), is sent what came
of it, and returns the `Ending`. It does no I/O and reads no clock, so that the same call can be played by a test,
warped in a blink or in real time. Source: Sinch Voice API reference, callbacks; where that is silent, the choice stands
in `habits`.
"""

from collections.abc import Generator
from datetime import datetime

from callgate.emulator.scenario import PartyKind, Scenario
from callgate.emulator.sinch.callout import arrive_by_callout, conference_of, speak
from callgate.emulator.sinch.conference import join
from callgate.emulator.sinch.connect import connect
from callgate.emulator.sinch.ends import over
from callgate.emulator.sinch.events import compose_dice, compose_ice
from callgate.emulator.sinch.menu import run_menu
from callgate.emulator.sinch.ongoing import OnContinue, OngoingCall, State
from callgate.emulator.sinch.park import park
from callgate.emulator.sinch.recording import stop_recording
from callgate.emulator.sinch.steps import Answer, Diverted, Do, Ending, Over, Script, Step, Turn, Verdict
from callgate.emulator.sinch.talk import talk
from callgate.emulator.sinch.tell import ask, tell
from callgate.emulator.sinch.wait import pause, perform_instructions
from callgate.emulator.svaml import Action, Svaml

CUT_AT_ANSWER_S = 1
"""Duration of a call that the ACE's answer ends: the callee has picked up, so that the first second has begun."""

Playing = Generator[Step, Answer, Turn]


def play(scenario: Scenario, *, call_id: str, application_key: str, started_at: datetime) -> Script:
    """Play one call from its ICE to its DiCE."""
    return run(OngoingCall(scenario, call_id, application_key, started_at, connected_to=scenario.callee))


def run(call: OngoingCall) -> Script:
    """Play a call, whatever it is, to its end."""
    turn: Turn | None = None
    while not isinstance(turn, Over):
        try:
            turn = yield from (_arrive(call) if turn is None else _perform(call, turn))
        except Diverted as diverted:
            turn = diverted.turn
    return (yield from _end(call, turn))


def _arrive(call: OngoingCall) -> Playing:
    """How a call begins: by asking the backend, or as the callout that it is says."""
    if call.callout is not None:
        return (yield from arrive_by_callout(call))
    call.on_continue = OnContinue.DIAL
    if "ice" not in call.wants:
        return _without_backend(call)
    turn = yield from ask(call, compose_ice(call))
    if turn is None:
        return Over(Verdict.ERROR, call.habits.pair("callback_failed"), "ended by the platform")
    return turn


def _without_backend(call: OngoingCall) -> Turn:
    """What becomes of a call to an application without a callback URL."""
    dialled = call.scenario.callee
    match dialled.kind:
        case PartyKind.CONFERENCE:
            action = Action(name="connectConf", details={"conferenceId": dialled.address})
        case PartyKind.USER:
            action = Action(name="connectMxp")
        case PartyKind.NUMBER if call.scenario.caller.kind is PartyKind.SIP:
            action = Action(name="connectPstn")
        case _:
            why = "no route: the application has no callback URL"
            return over(call, Verdict.ERROR, call.habits.pair("callback_failed"), why)
    return Do(Svaml(action=action), "ice")


def _perform(call: OngoingCall, turn: Do) -> Playing:
    """Perform one answer: its instructions, then its action."""
    yield from perform_instructions(call, turn.svaml)
    action = turn.svaml.action
    match action.name:
        case "hangup":
            return (yield from _hang_up(call, turn.event))
        case "continue":
            return (yield from _go_on(call))
        case "connectConf":
            return (yield from join(call, action))
        case "runMenu":
            return (yield from run_menu(call, action))
        case "park":
            return (yield from park(call, action))
        case _:
            return (yield from connect(call, action))


def _hang_up(call: OngoingCall, event: str) -> Playing:
    """The backend ends the call."""
    habits = call.habits
    if event == "ace":
        yield from pause(call, CUT_AT_ANSWER_S)
        pair = habits.pair("ended_by_backend")
        return Over(Verdict.REFUSED, pair, "hung up by the gate when it was answered")
    if not call.is_taken:
        return Over(Verdict.REFUSED, habits.pair("refused"), "hung up by the gate before it connected")
    how = {"pie": "after its menu", "patch": "over the REST interface"}.get(event, "before it connected")
    outcome = Verdict.REFUSED if event == "ice" else Verdict.ANSWERED
    return over(call, outcome, habits.pair("ended_by_backend"), f"hung up by the gate {how}")


def _go_on(call: OngoingCall) -> Playing:
    """`continue`: with what was under way; where nothing was, that is the end."""
    match call.on_continue:
        case OnContinue.TALK if call.answered_at is not None:
            return (yield from talk(call))
        case OnContinue.SPEAK:
            return (yield from speak(call))
        case OnContinue.JOIN if call.callout is not None:
            return (yield from join(call, conference_of(call.callout)))
        case OnContinue.DIAL if call.state is State.PARKED:
            name = "connectMxp" if call.scenario.callee.kind is PartyKind.USER else "connectPstn"
            return (yield from connect(call, Action(name=name)))
        case _:
            pair = call.habits.pair("ended_by_backend")
            return over(call, Verdict.ANSWERED, pair, "nothing to go on with")


def _end(call: OngoingCall, turn: Over) -> Script:
    """Report the end, unless nobody wants to know. A call of which any event failed to arrive is an error."""
    yield from stop_recording(call)
    call.state = State.ENDED
    reason, result = turn.pair
    duration_s = call.seconds_of(result)
    if "dice" in call.wants:
        yield from tell(call, compose_dice(call, reason, result, duration_s))
    return Ending(
        outcome=Verdict.ERROR if call.failures else turn.outcome,
        reason=reason,
        result=result,
        summary="; ".join([turn.why, *call.failures]),
        duration_s=duration_s,
        granted_s=call.granted_s,
    )
