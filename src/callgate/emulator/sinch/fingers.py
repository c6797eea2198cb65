"""The hands at the phone: what a scenario says they press, in its time, and what others press meanwhile.

`Scenario.keys` is one text for each time that somebody is asked for input: digits, `*` and `#` are keys, an empty text is
silence, `say:WORDS` is spoken, `hangup` puts the phone down.
"""

from collections.abc import Generator

from callgate.emulator.sinch.ongoing import OngoingCall
from callgate.emulator.sinch.steps import Answer, HungUp, Input, Pressed, Spoke, Step
from callgate.emulator.sinch.wait import elapse

KEY_S = 1
"""How long hands take for a key."""

HANG_UP, SAY = "hangup", "say:"


def reach_out(call: OngoingCall) -> None:
    """Somebody is asked for input: get the hands ready for what the scenario says next."""
    call.fingers.clear()
    if call.keys_used < len(call.scenario.keys):
        text = call.scenario.keys[call.keys_used]
        call.keys_used += 1
        call.fingers.extend(_inputs(call, text))


def listen(call: OngoingCall, seconds: float) -> Generator[Step, Answer, tuple[Input | None, float]]:
    """Wait for what somebody does, at most so long. Returns that, or None, and how long it took."""
    if not call.fingers or seconds < KEY_S:
        happened = yield from elapse(call, seconds)
        return (None, seconds) if happened is None else (happened.what, happened.after_s)
    happened = yield from elapse(call, KEY_S)
    if happened is not None:
        return happened.what, happened.after_s
    return call.fingers.popleft(), KEY_S


def _inputs(call: OngoingCall, text: str) -> list[Input]:
    if text == HANG_UP:
        return [HungUp(call.person)]
    if text.startswith(SAY):
        return [Spoke(text.removeprefix(SAY))]
    return [Pressed(key) for key in text]
