"""A callback that moves nothing: a report, a menu's input, or something genuine that cannot be used. It is recorded."""

from dataclasses import dataclass
from datetime import datetime

from callgate.protocol import Provider
from callgate.protocol.call import Acknowledge, CallEvent, CallInput, CallUnusable, Decision, GoOn, HangUp
from callgate.service.books import Books, Keys
from callgate.service.outcome import Outcome
from callgate.service.records import Callback


@dataclass(frozen=True, kw_only=True)
class Note:
    """Record it and answer what needs no decision."""

    event: CallEvent
    body: bytes
    provider: Provider
    now: datetime

    def keys(self) -> Keys:
        return Keys()

    def run(self, books: Books) -> Outcome:
        note = self.event.why if isinstance(self.event, CallUnusable) else ""
        answer = self.provider.answer(self.event, self._decision()).body
        books.callbacks.add(
            Callback(
                key=self.event.key,
                at=self.now,
                name=self.event.name,
                body=self.body,
                answer=answer,
                note=note,
                covered=self.event.covered,
            )
        )
        return Outcome(answer=answer, note=note)

    def _decision(self) -> Decision:
        match self.event:
            case CallUnusable(wants_decision=True):
                return HangUp()
            case CallInput():
                return GoOn()  # no menu is ours: whatever asked, goes on
            case _:
                return Acknowledge()
