"""A decision came too late: the fallback was answered, so the fallback is the decision, and nothing stays held for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from callgate.ledger.hold import HoldState
from callgate.ledger.wallet import void_hold
from callgate.policy.refusal import Refusal
from callgate.protocol.call import CallArrived, CallEnded
from callgate.protocol.life import LIVE, CallState
from callgate.service.account_events import tell_refused
from callgate.service.books import AccountKey, Books, Keys
from callgate.service.emergency import connected, ended, tell_emergency
from callgate.service.endpoint import Endpoint
from callgate.service.records import Call, Callback, Flag, SettledBy
from callgate.service.settle import Ending, read_ending


@dataclass(frozen=True, kw_only=True)
class Overrule:
    """Queued behind the decision that it overrules, whether that ran, was skipped or failed. Safe to repeat.

    `decided_at` is the time of that decision: an earlier one of the same call was answered in time, and stands.
    """

    call: CallArrived
    decided_at: datetime
    body: bytes
    answer: bytes
    now: datetime
    endpoints: Sequence[Endpoint] = ()  # who may want to hear that it is refused
    is_emergency: bool = False  # then the fallback connects

    def keys(self) -> Keys:
        return Keys(calls=(self.call.key,))

    def run(self, books: Books) -> None:
        known = books.calls.get(self.call.key)
        if self.is_emergency:
            self._connect(books, known)
        elif known is None:
            books.calls.put(self.call.key, self._refused(self._undecided()))
        elif known.state is CallState.PARKED:
            assert known.parked is not None, "a parked call keeps its end"
            books.calls.put(self.call.key, self._refused_after_its_end(known.parked))
        elif known.state in LIVE and known.decided_at == self.decided_at:
            assert known.hold is not None and known.account is not None, "a live call has both"
            wallet = books.wallet(known.key.application, known.account)
            books.wallets.put(
                AccountKey(wallet.application, wallet.account), void_hold(wallet, known.hold.amount_micros)
            )
            voided = self._refused(msgspec.structs.replace(known, hold=known.hold.end(HoldState.VOIDED)))
            books.calls.put(known.key, voided)
            account = books.accounts.get(AccountKey(wallet.application, wallet.account))
            assert account is not None, "a wallet is an account's"
            tell_refused(books, account, wallet, voided, self.endpoints, self.now)
        elif known.state is CallState.REFUSED and known.decided_at == self.decided_at:
            books.calls.put(known.key, self._refused(known))  # its own reason may be another late call's hold
        books.callbacks.add(
            Callback(
                key=self.call.key,
                at=self.now,
                name=self.call.name,
                body=self.body,
                answer=self.answer,
                note=Refusal.NOT_DECIDED_IN_TIME,
                covered=self.call.covered,
            )
        )

    def _connect(self, books: Books, known: Call | None) -> None:
        """Whatever the late job came to, the caller of an emergency number was put through."""
        if known is not None and known.state is not CallState.PARKED and known.decided_at != self.decided_at:
            return  # decided before, in time
        if known is None or known.state is CallState.PARKED:
            call = connected(self._undecided(), self.now)
            tell_emergency(books, None, call, self.endpoints, self.now)
        else:
            call = known if known.state in LIVE else connected(known, self.now)
        if known is not None and known.parked is not None:
            call = msgspec.structs.replace(
                ended(call, known.parked, self.now), parked=known.parked, settled_by=SettledBy.DISCONNECT
            )
        books.calls.put(call.key, msgspec.structs.replace(call.flagged(Flag.LATE), answer=self.answer))

    def _undecided(self) -> Call:
        return Call(
            key=self.call.key,
            state=CallState.REFUSED,
            caller=self.call.user or self.call.cli or "",
            destination=self.call.destination.address,
            fingerprint=self.call.fingerprint,
            decided_at=self.now,
        )

    def _refused_after_its_end(self, ended: CallEnded) -> Call:
        """As if the end had come after the fallback, which it may well have."""
        refused = self._refused(self._undecided())
        return refused if read_ending(ended) is Ending.UNANSWERED else refused.flagged(Flag.REFUSED_YET_ANSWERED)

    def _refused(self, call: Call) -> Call:
        return msgspec.structs.replace(
            call.flagged(Flag.LATE),
            state=CallState.REFUSED,
            refusal=Refusal.NOT_DECIDED_IN_TIME,
            granted_s=0,
            ask_at=None,
            elastic=None,
            answer=self.answer,
        )
