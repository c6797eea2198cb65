"""What calls that we place need beside their callbacks: the second side of a bridge is dialled when the first has answered, and
the end of one side ends the other.

What is to be done is found in the rows of both sides, so that whoever restarts goes on from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

import msgspec

from callgate.protocol.call import CallKey
from callgate.protocol.life import LIVE, CallState
from callgate.service.books import Books, Keys
from callgate.service.endpoint import Endpoint
from callgate.service.extend import HANG_UP_AGAIN
from callgate.service.place_callout import dial, give_up
from callgate.service.records import Call, is_unplaced


class Tending(Enum):
    """What is to be done beside the books."""

    NOTHING = auto()  # or nothing any more
    DIAL = auto()
    HANG_UP = auto()


@dataclass(frozen=True, kw_only=True)
class TendBridge:
    """Look at one side of a bridge beside the other. Done twice, it dials once."""

    call: CallKey
    peer: CallKey
    now: datetime
    endpoints: Sequence[Endpoint] = ()

    def keys(self) -> Keys:
        return Keys(calls=(self.call, self.peer))

    def run(self, books: Books) -> tuple[Tending, Call | None]:
        """Return what is to be done, and the call that it is to be done to."""
        call, peer = books.calls.get(self.call), books.calls.get(self.peer)
        if call is None or peer is None or call.state not in LIVE or call.callout is None:
            return Tending.NOTHING, None  # it has ended, or has taken its id meanwhile: it is looked at again
        if peer.state not in LIVE:
            return self._end(books, call)
        if peer.state is CallState.ANSWERED and is_unplaced(call) and not call.callout.is_asked:
            dialled = dial(call, self.now)
            books.calls.put(call.key, dialled)
            return Tending.DIAL, dialled
        return Tending.NOTHING, None

    def _end(self, books: Books, call: Call) -> tuple[Tending, Call | None]:
        """The other side has gone."""
        assert call.callout is not None, "asked before"
        if is_unplaced(call) and not call.callout.is_asked:
            give_up(books, call, "the other side has gone", self.now, self.endpoints)
            return Tending.NOTHING, None
        if call.callout.is_over:
            return Tending.NOTHING, None  # its timer, or its own first event, does the rest
        look_at = None if is_unplaced(call) else self.now + HANG_UP_AGAIN
        callout = msgspec.structs.replace(call.callout, is_over=True, look_at=look_at)
        over = msgspec.structs.replace(call, callout=callout)
        books.calls.put(call.key, over)
        return (Tending.NOTHING, None) if is_unplaced(call) else (Tending.HANG_UP, over)
