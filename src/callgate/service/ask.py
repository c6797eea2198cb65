"""The steps of asking about a call whose end has not come, as they are written down: take a turn, ask, settle.

A turn is taken before the platform is asked, and says when the next one is. So a crash in between costs one turn and nothing
else, and where several servers run, one of them asks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from callgate.protocol.call import CallEnded, CallKey, CallResult
from callgate.protocol.life import LIVE
from callgate.service.application import LostEnd
from callgate.service.books import Books, Keys
from callgate.service.callout import stopped
from callgate.service.due import is_too_old, next_ask_at
from callgate.service.elastic import over
from callgate.service.endpoint import Endpoint
from callgate.service.records import Call, Callback, Flag, SettledBy, held_s, is_unplaced
from callgate.service.settle import Ending, read_ending, settle, when_ended
from callgate.service.ticket import hide_tickets

NAME = "asked"
"""What the log of a call calls an answer of the platform's that we asked for."""


@dataclass(frozen=True, kw_only=True)
class TakeTurn:
    """It is time to ask about these calls. Who takes the turn asks."""

    calls: tuple[CallKey, ...]
    now: datetime

    def keys(self) -> Keys:
        return Keys(calls=self.calls)

    def run(self, books: Books) -> list[Call]:
        """Return the calls whose turn it still is, as they now stand."""
        taken = []
        for key in self.calls:
            call = books.calls.get(key)
            if call is not None and call.ask_at is not None and call.ask_at <= self.now:
                count = call.ask_count + 1
                asked = msgspec.structs.replace(call, ask_count=count, ask_at=next_ask_at(count, self.now))
                books.calls.put(key, asked)
                taken.append(asked)
        return taken


@dataclass(frozen=True, kw_only=True)
class SettleAsked:
    """The platform was asked and says how the call ended. Facts that contradict each other settle nothing: it is asked
    again, and in the end the call is settled by estimate.
    """

    ended: CallEnded
    now: datetime
    endpoints: Sequence[Endpoint] = ()

    def keys(self) -> Keys:
        return Keys(calls=(self.ended.key,))

    def run(self, books: Books) -> Call | None:
        """Return the call that was settled, None where its end came meanwhile or is unclear."""
        call = books.calls.get(self.ended.key)
        if call is None or call.state not in LIVE:
            return None
        is_unclear = read_ending(self.ended) is Ending.UNCLEAR
        if is_unclear and Flag.END_UNCLEAR in call.flags:
            return None  # it has been asked about before, and is asked about again at its time
        note = Flag.END_UNCLEAR if is_unclear else SettledBy.PROVIDER
        _log(books, call.key, self.now, hide_tickets(msgspec.json.encode(self.ended)), note)
        if is_unclear:
            ended = msgspec.structs.replace(
                call, elastic=over(call.elastic), callout=stopped(call.callout)
            )  # whatever it was, it is over
            books.calls.put(call.key, ended.flagged(Flag.END_UNCLEAR))
            return None
        settled = settle(
            books,
            call,
            self.ended,
            ended_at=when_ended(call, self.ended, self.now),
            endpoints=self.endpoints,
            settled_by=SettledBy.PROVIDER,
        )
        books.calls.put(call.key, settled)
        return settled


@dataclass(frozen=True, kw_only=True)
class SettleByEstimate:
    """Nobody can say how the call ended: settle it by the rule of its application. A true end that comes later corrects.

    `is_unknown`: the platform does not know the call. Otherwise it was asked for long enough, or the job does nothing.
    """

    call: CallKey
    is_unknown: bool
    now: datetime
    endpoints: Sequence[Endpoint] = ()

    def keys(self) -> Keys:
        return Keys(calls=(self.call,), applications=(self.call.application,))

    def run(self, books: Books) -> Call | None:
        """Return the call that was settled, None where its end came meanwhile, or there is time to ask again."""
        call = books.calls.get(self.call)
        if call is None or call.state not in LIVE or not (self.is_unknown or is_too_old(call, self.now)):
            return None
        application = books.applications.get(self.call.application)
        assert application is not None, "a call has an application"
        ended = estimate(call, application.settings.lost_dice)
        why = "the platform knows no such call" if self.is_unknown else "the platform did not say for a day"
        why = "the platform never named it" if is_unplaced(call) else why
        _log(books, call.key, self.now, b"", f"{SettledBy.ESTIMATE}: {why}")
        settled = settle(
            books,
            call,
            ended,
            ended_at=when_ended(call, ended, self.now),
            endpoints=self.endpoints,
            settled_by=SettledBy.ESTIMATE,
        )
        books.calls.put(call.key, settled)
        return settled


def estimate(call: Call, rule: LostEnd) -> CallEnded:
    """Make up an end: of a call that used all that is held for it, or of one that was never answered."""
    if is_unplaced(call):
        return CallEnded(key=call.key, name=NAME, result=CallResult.NONE)  # nothing was ever heard of it
    is_posted = rule is LostEnd.POST_FULL or (rule is LostEnd.AUTO and call.answered_at is not None)
    if not is_posted:
        return CallEnded(key=call.key, name=NAME, result=CallResult.NONE)
    return CallEnded(key=call.key, name=NAME, result=CallResult.ANSWERED, duration_s=held_s(call))


def _log(books: Books, key: CallKey, now: datetime, body: bytes, note: str) -> None:
    """What the platform said when we asked is part of what was heard of the call."""
    books.callbacks.add(Callback(key=key, at=now, name=NAME, body=body, answer=b"", note=note))
