"""A call was answered: let it go on when we let it through, hang it up when we did not."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from callgate.protocol import Provider
from callgate.protocol.call import CallAnswered, CallKey, Decision, GoOn, HangUp, JoinConference
from callgate.protocol.life import LIVE, CallState
from callgate.service.books import Books, Keys
from callgate.service.callout import timed
from callgate.service.due import due_after
from callgate.service.elastic import talks_since
from callgate.service.name_callout import both, find
from callgate.service.outcome import Outcome
from callgate.service.records import Call, Callback, Flag


@dataclass(frozen=True, kw_only=True)
class GoAhead:
    """The callee answered. Delivered twice, it answers the same and keeps the first time of answer."""

    answered: CallAnswered
    body: bytes
    provider: Provider
    now: datetime
    reference: CallKey | None = None  # of a call that we place, where the event carries one

    def keys(self) -> Keys:
        return Keys(calls=both(self.answered.key, self.reference))

    def run(self, books: Books) -> Outcome:
        call = find(books, self.answered.key, self.reference, self.now)
        is_up = call is not None and call.state in LIVE
        if call is not None:
            books.calls.put(call.key, self._applied(call))
        note = "" if is_up else Flag.STRAY_ANSWER
        answer = self.provider.answer(self.answered, self._decision(call) if is_up else HangUp()).body
        books.callbacks.add(
            Callback(
                key=self.answered.key,
                at=self.now,
                name=self.answered.name,
                body=self.body,
                answer=answer,
                note=note,
                covered=self.answered.covered,
            )
        )
        return Outcome(answer=answer, note=note)

    def _decision(self, call: Call | None) -> Decision:
        """Of a call that is up: one that we place may have a conference to join, or nobody to talk to any more."""
        if call is None or call.callout is None:
            return GoOn()
        if call.callout.is_over:
            return HangUp()
        conference = call.callout.place.conference
        return JoinConference(conference=conference) if conference else GoOn()

    def _applied(self, call: Call) -> Call:
        if call.state is CallState.ARRIVED:
            is_over = Flag.END_UNCLEAR in call.flags  # its end came before, and is being asked about
            return msgspec.structs.replace(
                call,
                state=CallState.ANSWERED,
                answered_at=self.now,
                ask_at=call.ask_at if is_over else due_after(self.now, call.granted_s),
                elastic=talks_since(call.elastic, self.now),
                callout=timed(call.callout, call.granted_s, self.now),
            )
        return call if call.state in LIVE else call.flagged(Flag.STRAY_ANSWER)
