"""A call in a conference: who joins stays until they leave, are put out, or their talk is over."""

from collections.abc import Generator, Mapping
from datetime import timedelta
from typing import Any

from callgate.emulator.scenario import Party, PartyKind
from callgate.emulator.sinch.ends import over
from callgate.emulator.sinch.events import compose_pie
from callgate.emulator.sinch.fingers import KEY_S, listen, reach_out
from callgate.emulator.sinch.ongoing import OngoingCall, State
from callgate.emulator.sinch.rooms import Participant
from callgate.emulator.sinch.steps import Answer, Pressed, Step, Turn, Verdict
from callgate.emulator.sinch.talk import how_long
from callgate.emulator.sinch.tell import tell
from callgate.emulator.sinch.wait import mind
from callgate.emulator.svaml import Action

DIGITS, DIGITS_TIMEOUT_MS = 1, 3_000
"""How many digits `detect` collects, and for how long, unless it is told otherwise."""


def join(call: OngoingCall, action: Action) -> Generator[Step, Answer, Turn]:
    """Join, stay, and leave again, whatever ends it."""
    call.take()
    conference = action.details["conferenceId"]
    call.conference_id, call.state = conference, State.IN_CONFERENCE
    if call.callout is None:
        call.connected_to = Party(PartyKind.CONFERENCE, conference)
    if action.is_silent:
        call.wants -= {"dice"}
    shown = call.connected_to if call.callout is not None else call.scenario.caller
    call.rooms.join(conference, Participant(call.call_id, call.scenario.cli or shown.address, call.at))
    try:
        return (yield from _stay(call, action.details.get("conferenceDtmfOptions") or {}))
    finally:
        call.rooms.leave(conference, call.call_id)


def _stay(call: OngoingCall, options: Mapping[str, Any]) -> Generator[Step, Answer, Turn]:
    seconds, name = how_long(call)
    until = call.at + timedelta(seconds=seconds)
    is_detecting = str(options.get("mode", "")).lower() == "detect" and "pie" in call.wants
    reach_out(call)
    while call.at < until:
        what, _ = yield from listen(call, (until - call.at) / timedelta(seconds=1))
        if isinstance(what, Pressed):
            if is_detecting:
                yield from _collect(call, options, what.key)
                reach_out(call)
        elif what is not None:
            yield from mind(call, what)
    return over(call, Verdict.ANSWERED, call.habits.pair(name))


def _collect(call: OngoingCall, options: Mapping[str, Any], first: str) -> Generator[Step, Answer, None]:
    """Take digits out of the mix and tell them; whatever is answered changes nothing."""
    digits = first
    patience_s = (options.get("timeoutMills") or DIGITS_TIMEOUT_MS) / 1000
    while len(digits) < (options.get("maxDigits") or DIGITS):
        what, _ = yield from listen(call, max(patience_s, KEY_S))
        if what is None:
            break
        if isinstance(what, Pressed):
            digits += what.key
        else:
            yield from mind(call, what)
    yield from tell(call, compose_pie(call, call.conference_id, "sequence", digits))
