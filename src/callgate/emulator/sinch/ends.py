"""How calls end, and in what words."""

from callgate.emulator.scenario import Side
from callgate.emulator.sinch.ongoing import OngoingCall
from callgate.emulator.sinch.steps import Over, Verdict


def hung_up(call: OngoingCall, side: Side) -> Over:
    """How a call ends in which this side puts the phone down."""
    habits = call.habits
    if side is Side.CALLEE or call.person is Side.CALLEE:  # of a callout there is but one who can
        if call.answered_at is None:
            return over(call, Verdict.REJECTED, habits.pair("rejected"))
        return over(call, Verdict.ANSWERED, habits.pair("callee_hangs_up"))
    if not call.is_taken:
        return over(call, Verdict.CANCEL, habits.pair("cancel"))
    return over(call, Verdict.ANSWERED, habits.pair("caller_hangs_up"))


def over(call: OngoingCall, outcome: Verdict, pair: tuple[str, str], why: str = "") -> Over:
    """The end of a call in the usual words: how long they talked if they did, reason and result if not."""
    duration_s = call.seconds_of(pair[1])
    if duration_s is None:
        return Over(outcome, pair, why or f"not connected: {pair[0]} / {pair[1]}")
    of_most = f" of at most {call.granted_s} s" if call.granted_s is not None and call.answered_at is not None else ""
    return Over(outcome, pair, f"connected for {duration_s} s{of_most}, {pair[0]}" + (f", {why}" if why else ""))
