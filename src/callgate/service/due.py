"""When a hold whose call has not ended is due to be asked about, and when again. Plain code."""

from datetime import datetime, timedelta

from callgate.service.records import Call

RINGING = timedelta(seconds=180)
"""A call that nobody answered by then was answered without our knowing, or is over."""

SLACK = timedelta(seconds=120)
"""How long after the end of its grant the end of a call may reach us."""

ASK_FOR = timedelta(hours=24)
"""How long the platform is asked; then the call is settled by estimate."""

_FIRST_WAIT = timedelta(seconds=30)
_LONGEST_WAIT = timedelta(hours=1)


def due_at(call: Call) -> datetime:
    """When the end of a live call should have come: its grant counts from the answer, else from the longest ringing."""
    return due_after(call.answered_at if call.answered_at is not None else call.decided_at + RINGING, call.granted_s)


def due_after(begins_at: datetime, granted_s: int) -> datetime:
    """When the end should have come of a call that was let talk for so long from then."""
    return begins_at + timedelta(seconds=granted_s) + SLACK


def next_ask_at(ask_count: int, now: datetime) -> datetime:
    """When to ask again, after this many times: soon at first, then once an hour."""
    return now + min(_FIRST_WAIT * (1 << min(ask_count - 1, 16)), _LONGEST_WAIT)


def is_too_old(call: Call, now: datetime) -> bool:
    """Whether the platform was asked for long enough."""
    return now - due_at(call) >= ASK_FOR
