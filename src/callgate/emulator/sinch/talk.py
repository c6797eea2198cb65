"""Two who talk, until one of them has said it all, the limit cuts them, or something is done to the call."""

from collections.abc import Generator
from datetime import timedelta

from callgate.emulator.scenario import Outcome, Side
from callgate.emulator.sinch.ends import over
from callgate.emulator.sinch.ongoing import OngoingCall, State
from callgate.emulator.sinch.steps import Answer, Over, Step, Verdict
from callgate.emulator.sinch.wait import pause


def talk(call: OngoingCall) -> Generator[Step, Answer, Over]:
    """Let them talk, from the answer on: what they have talked already counts."""
    call.state = State.TALKING
    assert call.answered_at is not None, "they talk because somebody answered"
    seconds, name = how_long(call)
    talked_s = (call.at - call.answered_at) / timedelta(seconds=1)
    yield from pause(call, max(0, seconds - talked_s))
    return over(call, Verdict.ANSWERED, call.habits.pair(name))


def how_long(call: OngoingCall) -> tuple[int, str]:
    """Return how long they talk and why they stop, as a name in `habits.PAIRS`: a longer talk is cut."""
    scenario, longest_s = call.scenario, call.habits.longest_call_s
    limit_s = min(call.granted_s or longest_s, longest_s)
    if scenario.talk_s is None or scenario.talk_s > limit_s:
        return limit_s, "cut"
    if scenario.outcome is Outcome.NETWORK_LOST:
        return scenario.talk_s, "network_lost"
    is_callers_end = scenario.ended_by is Side.CALLER and call.person is Side.CALLER
    return scenario.talk_s, "caller_hangs_up" if is_callers_end else "callee_hangs_up"
