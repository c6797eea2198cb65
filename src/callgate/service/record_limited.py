"""A call was let through while the store was down: write it down, so that its end is charged, as an unheld debit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from callgate.ledger.hold import Hold
from callgate.ledger.wallet import place_hold, void_hold
from callgate.policy.account import Account
from callgate.policy.refusal import Refusal
from callgate.protocol.call import CallArrived, CallEnded, Origin
from callgate.protocol.life import LIVE, CallState
from callgate.rating.deck import Deck
from callgate.rating.rate import Rate
from callgate.service.application import NUMBER, ApplicationRow
from callgate.service.books import AccountKey, Books, IdentityKey, Keys
from callgate.service.decide import Step, find_rate
from callgate.service.due import RINGING, due_after
from callgate.service.endpoint import Endpoint
from callgate.service.limited import LIMITED_S
from callgate.service.records import Call, Callback, Flag
from callgate.service.settle import Ending, read_ending, settle

STEP = "limited"
"""What the trace calls it."""


@dataclass(frozen=True, kw_only=True)
class RecordLimited:
    """Queued behind the decision that it takes the place of, whether that ran, was skipped or failed. Safe to repeat.

    `decided_at` is the time of that decision: an earlier one of the same call that is live was answered in time, and stands.
    The answer that was sent is the decision, so that whatever else was decided late gives way to it: a hold is given back, and
    the call goes on with nothing held. Its end then takes what is available, and the rest is owed.
    """

    call: CallArrived
    decided_at: datetime
    body: bytes
    answer: bytes
    application: ApplicationRow
    decks: Mapping[str, Deck]
    endpoints: Sequence[Endpoint] = ()  # who may want its record, where its end came first

    def keys(self) -> Keys:
        return Keys(calls=(self.call.key,), identities=tuple(self._identities()))

    def run(self, books: Books) -> None:
        known = books.calls.get(self.call.key)
        if known is not None and Flag.LIMITED in known.flags:
            return
        if known is None or self._gives_way(known):
            self._record(books, known)
        else:
            books.calls.put(known.key, known.flagged(Flag.CONFLICT))
        books.callbacks.add(
            Callback(
                key=self.call.key,
                at=self.decided_at,
                name=self.call.name,
                body=self.body,
                answer=self.answer,
                note=Flag.LIMITED,
            )
        )

    def _gives_way(self, known: Call) -> bool:
        if known.state in LIVE:
            return known.decided_at == self.decided_at
        return known.state in (CallState.PARKED, CallState.REFUSED)

    def _record(self, books: Books, known: Call | None) -> None:
        if known is not None and known.hold is not None and known.state in LIVE:
            wallet = books.wallet(known.key.application, known.account or "")
            books.wallets.put(
                AccountKey(wallet.application, wallet.account), void_hold(wallet, known.hold.amount_micros)
            )
        ended = None if known is None else known.parked
        account = self._payer(books)
        rate = self._rate(account)
        if account is None or rate is None:
            books.calls.put(self.call.key, self._unpaid(account, ended))
            return
        key = AccountKey(account.application, account.id)
        books.wallets.put(key, place_hold(books.wallet(*key), 0))
        call = self._live(account, rate)
        if ended is not None and known is not None:
            call = settle(books, call, ended, ended_at=known.decided_at, endpoints=self.endpoints)
        books.calls.put(call.key, call)

    def _live(self, account: Account, rate: Rate) -> Call:
        """Nothing is held for it; who pays and by which rate is known."""
        return self._call(
            account,
            state=CallState.ARRIVED,
            granted_s=LIMITED_S,
            rate=rate,
            hold=Hold(amount_micros=0, placed_at=self.decided_at),
            connected=f"{self.call.destination.kind}:{self.call.destination.address}",
            ask_at=due_after(self.decided_at + RINGING, LIMITED_S),
        )

    def _unpaid(self, account: Account | None, ended: CallEnded | None) -> Call:
        """Nobody can be charged. It counts as refused, so that it is hung up as soon as it is answered."""
        refusal = Refusal.CALLER_UNKNOWN if account is None else Refusal.NO_RATE
        call = self._call(account, state=CallState.REFUSED, refusal=refusal).flagged(Flag.PAYER_UNKNOWN)
        if ended is None or read_ending(ended) is Ending.UNANSWERED:
            return call
        return call.flagged(Flag.REFUSED_YET_ANSWERED)

    def _call(self, account: Account | None, *, state: CallState, **fields: Any) -> Call:
        trace = (Step(STEP, {"allowed": self.call.destination.address, "seconds": LIMITED_S}, fields.get("refusal")),)
        return Call(
            key=self.call.key,
            state=state,
            account=None if account is None else account.id,
            currency=None if account is None else account.currency,
            caller=self.call.user or self.call.cli or "",
            destination=self.call.destination.address,
            fingerprint=self.call.fingerprint,
            trace=msgspec.json.encode(trace),
            answer=self.answer,
            flags=(Flag.LIMITED,),
            decided_at=self.decided_at,
            resource=self.call.resource,
            **fields,
        )

    def _rate(self, account: Account | None) -> Rate | None:
        """By the deck that was in force when the call came; a callee that is shown no number has the price for those."""
        if account is None:
            return None
        return find_rate(self.decks.get(account.deck), account, self.call.destination, self.decided_at)

    def _payer(self, books: Books) -> Account | None:
        for identity in self._identities():
            if (account := books.identities.get(identity)) is not None:
                return books.accounts.get(AccountKey(identity.application, account))
        return None

    def _identities(self) -> list[IdentityKey]:
        """Whom the caller may be, the surest first: proven by the platform, else by a number that the operator trusts."""
        application, found = self.call.key.application, []
        if self.call.user and self.call.origin is Origin.IN_APP:
            found.append(IdentityKey(application, f"user:{self.call.user}"))
        if self.call.cli and NUMBER in self.application.settings.trust:
            found.append(IdentityKey(application, f"number:{self.call.cli}"))
        return found
