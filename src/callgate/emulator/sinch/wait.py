"""Letting time pass, and minding what is done to the call meanwhile: hanging up, updates by the backend, prompts."""

from collections.abc import Generator
from datetime import timedelta

from callgate.emulator.sinch.ends import hung_up, over
from callgate.emulator.sinch.ongoing import OngoingCall, State
from callgate.emulator.sinch.prompts import TONE_S, prompt_s, speech_s
from callgate.emulator.sinch.recording import stop_recording
from callgate.emulator.sinch.steps import (
    Answer,
    Diverted,
    Do,
    Elapse,
    Happened,
    HungUp,
    Input,
    Kicked,
    LostNetwork,
    Patched,
    Step,
    Verdict,
)
from callgate.emulator.sinch.tell import take_cookies
from callgate.emulator.svaml import IllegalSvaml, Instruction, Svaml

PROMPTS = ("say", "playFiles", "sendDtmf")

Waiting = Generator[Step, Answer, None]


def elapse(call: OngoingCall, seconds: float) -> Generator[Step, Answer, Happened | None]:
    """Let time pass; return what cut it short, if anything did."""
    came = yield Elapse(seconds)
    passed_s = came.after_s if isinstance(came, Happened) else seconds
    call.at += timedelta(seconds=passed_s)
    return came if isinstance(came, Happened) else None


def pause(call: OngoingCall, seconds: float) -> Waiting:
    """Let time pass while nothing is expected of anybody. Raises `Diverted` when something takes the call elsewhere."""
    until = call.at + timedelta(seconds=seconds)
    while call.at < until:
        happened = yield from elapse(call, (until - call.at) / timedelta(seconds=1))
        if happened is not None:
            yield from mind(call, happened.what)


def mind(call: OngoingCall, what: Input) -> Waiting:
    """Act upon what is done to a call that expects nothing. Raises `Diverted` when that takes it elsewhere."""
    match what:
        case HungUp():
            raise Diverted(hung_up(call, what.side))
        case LostNetwork():
            raise Diverted(over(call, Verdict.ANSWERED, call.habits.pair("network_lost")))
        case Kicked():
            why = "put out of the conference by the backend"
            raise Diverted(over(call, Verdict.ANSWERED, call.habits.pair("ended_by_backend"), why))
        case Patched():
            yield from _obey(call, what.svaml)
        case _:  # a key that nobody listens to
            return


def _obey(call: OngoingCall, svaml: Svaml) -> Waiting:
    """Perform an update by the backend. Raises `Diverted` unless the call goes on as it did."""
    try:
        take_cookies(call, svaml)
    except IllegalSvaml:  # the update itself was well; cookies that are too many in all are not kept
        return
    match svaml.action.name:
        case "startRecording" | "stopRecording" as name:  # actions in older updates
            yield from _perform(call, Instruction(name=name, details=svaml.action.details))
        case "continue" if call.state is not State.PARKED:
            for instruction in svaml.instructions:
                if instruction.name not in PROMPTS:  # prompts are heard while the call goes on
                    yield from _perform(call, instruction)
        case _:
            raise Diverted(Do(svaml, "patch"))


def perform_instructions(call: OngoingCall, svaml: Svaml) -> Waiting:
    """Perform what comes before the action, in its order."""
    for instruction in svaml.instructions:
        yield from _perform(call, instruction)


def _perform(call: OngoingCall, instruction: Instruction) -> Waiting:
    match instruction.name:
        case "answer":
            call.take()
        case "say":
            yield from pause(call, speech_s(call, instruction.details["text"]))
        case "playFiles":
            yield from pause(call, sum(prompt_s(call, each) for each in instruction.details["ids"]))
        case "sendDtmf":
            yield from pause(call, len(instruction.details["value"]) * TONE_S)
        case "startRecording":
            call.recording = instruction.details.get("options") or {}
        case "stopRecording":
            yield from stop_recording(call)
        case _:  # cookies are taken already
            return
