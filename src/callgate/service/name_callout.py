"""Which call an event belongs to, where we placed it: by the id that the platform has for it, else by our reference."""

from datetime import datetime

import msgspec

from callgate.errors import Error
from callgate.protocol.call import CallKey
from callgate.protocol.life import LIVE
from callgate.service.books import Books
from callgate.service.records import Call, Callback

NAME = "callout"
"""What the log of a call calls what was done about placing it."""


class NotNamedHere(Error):
    """An event carries our reference, and no row goes by it or by the event's id: another server has given the row its id
    since ours were read, or the platform has placed a second call for one reference. Looking again tells.
    """


def both(key: CallKey, reference: CallKey | None) -> tuple[CallKey, ...]:
    """What to load for an event."""
    return (key,) if reference is None else (key, reference)


def find(books: Books, key: CallKey, reference: CallKey | None, now: datetime) -> Call | None:
    """Return the call that an event belongs to, None for one that we never heard of. Raises `NotNamedHere`."""
    if reference is None:
        return books.calls.get(key)
    if (call := named(books, key, reference, now)) is None:
        raise NotNamedHere(f"no call goes by {reference.call_id}")
    return call


def named(books: Books, key: CallKey, reference: CallKey, now: datetime) -> Call | None:
    """Return a call that we place by the id that the platform has for it; whoever learns that id first names the call.

    One that ended without the platform's word keeps its reference, as its record does. None: it has another id, or has it
    since this job's rows were read.
    """
    if (call := books.calls.get(key)) is not None:
        return call
    call = books.calls.get(reference)
    if call is None or call.state not in LIVE:
        return call
    books.calls.remove(reference)
    call = msgspec.structs.replace(call, key=key)
    if call.callout is not None and call.callout.is_over:  # whom it was to talk to has gone: now it can be ended
        call = msgspec.structs.replace(call, callout=msgspec.structs.replace(call.callout, look_at=now))
    books.calls.put(key, call)
    said = msgspec.json.encode({"reference": reference.call_id})
    books.callbacks.add(Callback(key=key, at=now, name=NAME, body=said, answer=b"", note="placed"))
    return call
