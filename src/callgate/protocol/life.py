"""The life of a call, as a table. A pair that is not here is a repeat or a stray: recorded, and nothing moves."""

from enum import StrEnum

from callgate.protocol.call import CallAnswered, CallArrived, CallEnded, CallEvent


class CallState(StrEnum):
    """Where a call stands. NEW is a call that we have not heard of; it is never stored."""

    NEW = "new"
    ARRIVED = "arrived"
    ANSWERED = "answered"
    REFUSED = "refused"
    PARKED = "parked"
    ENDED = "ended"


NEXT: dict[tuple[CallState, type[CallEvent]], CallState] = {
    (CallState.NEW, CallArrived): CallState.ARRIVED,  # or REFUSED: the decision says which
    (CallState.NEW, CallEnded): CallState.PARKED,  # the end overtook the start: wait for it, then apply both
    (CallState.PARKED, CallArrived): CallState.ENDED,  # or REFUSED
    (CallState.ARRIVED, CallAnswered): CallState.ANSWERED,
    (CallState.ARRIVED, CallEnded): CallState.ENDED,  # never answered, or we missed the answer
    (CallState.ANSWERED, CallEnded): CallState.ENDED,
}

LIVE = frozenset({CallState.ARRIVED, CallState.ANSWERED})
"""States in which a call may be up, and its hold open."""


def next_state(state: CallState, event: CallEvent) -> CallState | None:
    """Return the state that the event leads to, or None when it changes nothing."""
    return NEXT.get((state, type(event)))
