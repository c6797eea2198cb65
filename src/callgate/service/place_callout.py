"""Place a call: hold its money, then have the platform dial, and keep what came of that. Both sides of a bridge are held for
before the first is rung.

The platform is asked at most once. That it is about to be asked is written down together with the hold, so that whoever finds
the row after a crash knows that somebody's phone may be ringing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from callgate.ledger.wallet import void_hold
from callgate.policy.limits import MAX_GRANT_S
from callgate.policy.number_list import NumberList
from callgate.policy.refusal import Refusal
from callgate.policy.rules.judge import RuleSet
from callgate.protocol import Provider
from callgate.protocol.call import CallArrived, CallEnded, CallKey, CallResult, Endpoint, Origin, PlaceCall
from callgate.protocol.life import LIVE, CallState
from callgate.rating.deck import Deck
from callgate.service.application import ApplicationRow
from callgate.service.authorize import Authorize
from callgate.service.books import AccountKey, Books, Keys
from callgate.service.callout import Callout, CalloutKind
from callgate.service.due import RINGING, due_after
from callgate.service.elastic import ElasticTerms
from callgate.service.endpoint import Endpoint as Receiver
from callgate.service.idempotent import KEPT_FOR
from callgate.service.name_callout import NAME, named
from callgate.service.records import Call, Callback, SettledBy, is_unplaced
from callgate.service.settle import settle

_WHOLE = ElasticTerms(slice_s=MAX_GRANT_S, max_s=MAX_GRANT_S)
"""A call that we place holds all of its grant at once: nobody is there to hear a warning."""


class Leg(NamedTuple):
    """One phone to ring. `shown` is the number that its owner sees, None for none."""

    ref: str
    to: Endpoint
    place: PlaceCall


class Placing(NamedTuple):
    """What was decided: the legs as they are in the books, held for; or refused, all of them, for this reason."""

    calls: tuple[Call, ...]
    refusal: Refusal | None

    @property
    def granted_s(self) -> int:
        return min(call.granted_s for call in self.calls)


@dataclass(frozen=True, kw_only=True)
class PlaceCallout:
    """Decide about a call that we are to place, and hold for every leg of it. The first is to be dialled at once.

    Two legs get the same time: as much as pays for both of them.
    """

    kind: CalloutKind
    legs: tuple[Leg, ...]
    payer: AccountKey
    provider: Provider
    application: ApplicationRow
    decks: Mapping[str, Deck]
    now: datetime
    longest_s: int = MAX_GRANT_S
    endpoints: Sequence[Receiver] = ()
    lists: Sequence[NumberList] = ()
    rules: RuleSet | None = None
    rented: Mapping[str, Collection[AccountKey]] = field(default_factory=dict)

    def keys(self) -> Keys:
        named = [leg.keys() for leg in self._decisions(self.longest_s)]
        joined = {
            name: tuple(dict.fromkeys(key for keys in named for key in getattr(keys, name)))
            for name in Keys.__struct_fields__
        }
        return Keys(**joined)

    def run(self, books: Books) -> Placing:
        """Raises nothing that a person would have to read: what cannot be is a refusal."""
        calls, refusal = self._decide(books, self.longest_s) if len(self.legs) == 1 else self._decide_evenly(books)
        if refusal is not None:
            calls = [self._refuse(books, call, refusal) for call in calls]
        for call in calls:
            books.calls.put(call.key, call)
            note = "" if refusal is None else str(refusal)
            said = msgspec.json.encode({"kind": self.kind, "granted_s": call.granted_s})
            books.callbacks.add(Callback(key=call.key, at=self.now, name=NAME, body=said, answer=b"", note=note))
        return Placing(tuple(calls), refusal)

    def _decide_evenly(self, books: Books) -> tuple[list[Call], Refusal | None]:
        """Find the longest time that all legs can be granted together: longer ones hold more, so that it can be searched for.

        Every try begins from the books as they were; the last one counts.
        """
        calls, refusal = self._decide(books, 1)
        if refusal is not None:
            return calls, refusal
        low_s, high_s = 1, self.longest_s
        while low_s < high_s:
            middle_s = (low_s + high_s + 1) // 2
            if self._is_covered(books, middle_s):
                low_s = middle_s
            else:
                high_s = middle_s - 1
        books.undo()
        return self._decide(books, low_s)

    def _is_covered(self, books: Books, longest_s: int) -> bool:
        books.undo()
        calls, refusal = self._decide(books, longest_s)
        return refusal is None and min(call.granted_s for call in calls) >= longest_s

    def _decide(self, books: Books, longest_s: int) -> tuple[list[Call], Refusal | None]:
        """Decide leg by leg, each on the books as the one before leaves them, until one is refused."""
        calls: list[Call] = []
        for leg, decision in zip(self.legs, self._decisions(longest_s), strict=True):
            call = decision.authorized(books, _WHOLE)
            calls.append(self._to_place(leg, call))
            if call.refusal is not None:
                return calls, call.refusal
            books.calls.put(call.key, call)
        return calls, None

    def _to_place(self, leg: Leg, call: Call) -> Call:
        if call.refusal is not None:
            return call
        place = msgspec.structs.replace(leg.place, number=call.destination, max_duration_s=call.granted_s)
        is_first = leg is self.legs[0]
        callout = Callout(
            ref=leg.ref,
            kind=self.kind,
            place=place,
            peer=next((other.ref for other in self.legs if other is not leg), ""),
            is_asked=is_first,
            look_at=None if place.is_limited else self.now + RINGING + timedelta(seconds=call.granted_s),
        )
        return msgspec.structs.replace(call, callout=callout, answer=msgspec.json.encode(place))

    def _refuse(self, books: Books, call: Call, refusal: Refusal) -> Call:
        """Nothing stays held for a leg that was let through beside one that was not."""
        if call.hold is None:
            return call
        wallet = books.wallet(self.payer.application, self.payer.account)
        books.wallets.put(self.payer, void_hold(wallet, call.hold.amount_micros))
        return msgspec.structs.replace(
            call, state=CallState.REFUSED, refusal=refusal, granted_s=0, rate=None, hold=None, ask_at=None, callout=None
        )

    def _decisions(self, longest_s: int) -> list[Authorize]:
        return [
            Authorize(
                call=CallArrived(
                    key=CallKey(self.application.key, leg.ref),
                    name=NAME,
                    destination=leg.to,
                    fingerprint=leg.ref,
                    cli=leg.place.cli,
                    origin=Origin.SERVER,
                ),
                body=b"",
                provider=self.provider,
                application=self.application,
                decks=self.decks,
                now=self.now,
                orphan_after=timedelta(0),
                endpoints=self.endpoints,
                payer=self.payer,
                longest_s=longest_s,
                lists=self.lists,
                rules=self.rules,
                rented=self.rented,
            )
            for leg in self.legs
        ]


@dataclass(frozen=True, kw_only=True)
class KeepPlaced:
    """The platform says by which id the call goes. An event of the call may have said so before."""

    call: CallKey  # by its reference
    call_id: str
    now: datetime

    def keys(self) -> Keys:
        return Keys(calls=(self.call, CallKey(self.call.application, self.call_id)))

    def run(self, books: Books) -> Call | None:
        """Return the call as it stands; None where it goes by another id."""
        return named(books, CallKey(self.call.application, self.call_id), self.call, self.now)


@dataclass(frozen=True, kw_only=True)
class KeepNotPlaced:
    """The platform was not asked, or refused, so that no phone rings: nothing stays held for any of these legs."""

    calls: tuple[CallKey, ...]
    why: str
    now: datetime
    endpoints: Sequence[Receiver] = ()
    forget: str | None = None  # the scope of a kept reply

    def keys(self) -> Keys:
        return Keys(calls=self.calls, replies=() if self.forget is None else (self.forget,))

    def run(self, books: Books) -> None:
        if self.forget is not None and (kept := books.replies.get(self.forget)) is not None:
            books.replies.put(self.forget, msgspec.structs.replace(kept, at=self.now - KEPT_FOR))
        for key in self.calls:
            call = books.calls.get(key)
            if call is not None and call.state in LIVE and is_unplaced(call):
                give_up(books, call, self.why, self.now, self.endpoints)


def give_up(books: Books, call: Call, why: str, now: datetime, endpoints: Sequence[Receiver]) -> None:
    """End a call that was never dialled."""
    assert call.callout is not None, "only calls that we place are given up"
    never = CallEnded(key=call.key, name=NAME, result=CallResult.FAILED, reason=why)
    ended = settle(books, call, never, ended_at=now, endpoints=endpoints, settled_by=SettledBy.NOT_PLACED)
    books.calls.put(call.key, ended)
    said = msgspec.json.encode({"why": why})
    books.callbacks.add(Callback(key=call.key, at=now, name=NAME, body=said, answer=b"", note="not placed"))


def dial(call: Call, now: datetime) -> Call:
    """The platform is about to be asked to dial this leg; its time to be answered counts from now."""
    assert call.callout is not None, "only calls that we place are dialled"
    callout = msgspec.structs.replace(call.callout, is_asked=True)
    return msgspec.structs.replace(call, callout=callout, ask_at=due_after(now + RINGING, call.granted_s))
