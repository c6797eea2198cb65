"""A parked call waits until the backend says more over the REST interface, or for as long as it may."""

from collections.abc import Generator
from datetime import timedelta

from callgate.emulator.sinch.ends import over
from callgate.emulator.sinch.ongoing import OngoingCall, State
from callgate.emulator.sinch.steps import Answer, Over, Step, Verdict
from callgate.emulator.sinch.wait import pause
from callgate.emulator.svaml import Action


def park(call: OngoingCall, action: Action) -> Generator[Step, Answer, Over]:
    """Wait. An update takes the call elsewhere; else it ends when its time is over."""
    call.take()
    call.state = State.PARKED
    until = call.at + timedelta(
        seconds=min(action.max_duration_s or call.habits.longest_park_s, call.habits.longest_park_s)
    )
    yield from pause(call, (until - call.at) / timedelta(seconds=1))
    return over(call, Verdict.ANSWERED, call.habits.pair("parked_too_long"), "parked for too long")
