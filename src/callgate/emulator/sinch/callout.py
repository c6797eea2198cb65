"""Calls that the backend places over the REST interface: texts, conferences, and those that it leads by SVAML."""

from collections.abc import Generator

from callgate.emulator.scenario import PartyKind
from callgate.emulator.sinch.conference import join
from callgate.emulator.sinch.connect import connect, ring_out
from callgate.emulator.sinch.ends import over
from callgate.emulator.sinch.events import compose_ace, compose_ice
from callgate.emulator.sinch.ongoing import Callout, OnContinue, OngoingCall, State
from callgate.emulator.sinch.prompts import TONE_S, prompt_s
from callgate.emulator.sinch.steps import Answer, Do, Over, Step, Turn, Verdict
from callgate.emulator.sinch.tell import ask, refuse_answer
from callgate.emulator.sinch.wait import pause
from callgate.emulator.svaml import Action, IllegalSvaml

TTS, CONFERENCE, CUSTOM = "ttsCallout", "conferenceCallout", "customCallout"
METHODS = (TTS, CONFERENCE, CUSTOM)

Calling = Generator[Step, Answer, Turn]


def arrive_by_callout(call: OngoingCall) -> Calling:
    """Ring whom the callout calls; a custom one without a destination asks first."""
    callout = call.callout
    assert callout is not None, "called for callouts alone"
    call.granted_s = callout.max_duration_s
    if callout.method != CUSTOM:
        return (yield from _ring(call, callout))
    if "ice" not in call.wants:  # it has a destination
        name = {PartyKind.USER: "connectMxp", PartyKind.SIP: "connectSip"}.get(call.scenario.callee.kind, "connectPstn")
        details = {"dtmf": callout.dtmf, "destination": {"endpoint": call.scenario.callee.address}}
        return (yield from connect(call, Action(name=name, max_duration_s=callout.max_duration_s, details=details)))
    turn = yield from ask(call, compose_ice(call))
    if turn is None:
        return Over(Verdict.ERROR, call.habits.pair("callback_failed"), "ended by the platform")
    return turn


def _ring(call: OngoingCall, callout: Callout) -> Calling:
    """Ring; whoever answers hears the text or joins the conference, unless the backend has another idea."""
    call.on_continue = OnContinue.SPEAK if callout.method == TTS else OnContinue.JOIN
    party = call.scenario.callee
    if party.kind is PartyKind.USER:
        call.wants = frozenset()  # callouts to in-app users are told about in no way, whatever was asked for
    if (unanswered := (yield from ring_out(call, party, Action(name="connectPstn")))) is not None:
        return unanswered
    yield from pause(call, len(callout.dtmf) * TONE_S)
    if "ace" in call.wants:
        turn = yield from ask(call, compose_ace(call))
        if callout.method == CONFERENCE and isinstance(turn, Do) and turn.svaml.action.name == "continue":
            fault = IllegalSvaml("$.action.name", "a conference callout is answered with connectConf")
            return (yield from refuse_answer(call, "ACE", fault))
        if turn is not None:
            return turn
    if callout.method == TTS:
        return (yield from speak(call))
    return (yield from join(call, conference_of(callout)))


def speak(call: OngoingCall) -> Calling:
    """Say the text of the callout to whoever answered, and hang up."""
    assert call.callout is not None and call.answered_at is not None, "only an answered callout speaks"
    call.state = State.LISTENING
    seconds = prompt_s(call, call.callout.text)
    patience_s = call.scenario.talk_s
    yield from pause(call, seconds if patience_s is None else min(seconds, patience_s))
    if patience_s is not None and patience_s < seconds:
        return over(call, Verdict.ANSWERED, call.habits.pair("callee_hangs_up"))
    return over(call, Verdict.ANSWERED, call.habits.pair("ended_by_backend"), "the text was said")


def conference_of(callout: Callout) -> Action:
    """The action that joins the conference of a callout."""
    details = {"conferenceId": callout.conference_id, "conferenceDtmfOptions": callout.conference_options}
    return Action(name="connectConf", details=details)
