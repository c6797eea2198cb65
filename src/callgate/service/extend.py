"""The timer of a call goes off: hold the next slice of an elastic one, or warn its caller, or end the call."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

import msgspec

from callgate.ledger.hold import Hold
from callgate.ledger.wallet import Wallet, grow_hold
from callgate.policy.limits import UNLIMITED, Limits, bounds_of
from callgate.protocol.call import CallKey
from callgate.protocol.life import LIVE
from callgate.rating.charge import affordable_duration_s, charge_micros
from callgate.service.books import AccountKey, Books, Keys
from callgate.service.callout import stopped
from callgate.service.decide import room_of
from callgate.service.elastic import Elastic, extend_at, hang_up_at, over, wanted_s
from callgate.service.records import Call, Callback, Flag, is_unplaced

NAME = "extension"
"""What the log of a call calls what was done about its hold."""

HANG_UP_AGAIN = timedelta(seconds=5)
"""How soon a call is ended again that the platform did not end when it was asked to."""

ASK_AFTER = timedelta(seconds=30)
"""How long after we ended a call its end should have come."""


class Extension(Enum):
    """What came of it, and what is to be done beside the books."""

    NOTHING = auto()  # the call has ended, or somebody else was here
    HELD = auto()
    WARN = auto()
    HANG_UP = auto()


@dataclass(frozen=True, kw_only=True)
class ExtendHold:
    """Delivered twice it holds once: the timer that it finds tells it that it was here before.

    An end that comes at the same time settles with whatever is held then; there is nothing to extend after it.
    """

    call: CallKey
    now: datetime
    limits: Limits = UNLIMITED  # of the application; looked up outside the lock

    def keys(self) -> Keys:
        return Keys(calls=(self.call,))

    def run(self, books: Books) -> Extension:
        call = books.calls.get(self.call)
        if call is None or call.state not in LIVE:
            return Extension.NOTHING
        if call.callout is not None and call.callout.look_at is not None and call.callout.look_at <= self.now:
            return keep_time(books, call, self.now)
        if call.elastic is None:
            return Extension.NOTHING
        elastic = call.elastic
        if elastic.look_at is None or elastic.look_at > self.now:
            return Extension.NOTHING
        assert call.account is not None and call.hold is not None and call.rate is not None, "a live call has all three"
        begins_at = call.answered_at if call.answered_at is not None else call.decided_at
        wallet = books.wallet(call.key.application, call.account)
        credit_micros = call.hold.amount_micros + self._more_micros(books, wallet, call.hold)
        held_s = affordable_duration_s(call.rate, credit_micros, wanted_s(elastic, call.granted_s, begins_at, self.now))
        if held_s <= elastic.held_s:
            return self._refuse(books, call, elastic, begins_at)
        hold = call.hold.grow(charge_micros(call.rate, held_s))
        wallet = grow_hold(wallet, hold.amount_micros - call.hold.amount_micros)
        books.wallets.put(AccountKey(wallet.application, wallet.account), wallet)
        look_at = None if held_s >= call.granted_s else extend_at(held_s, elastic.slice_s, begins_at)
        extended = msgspec.structs.replace(elastic, held_s=held_s, look_at=look_at, is_refused=False)
        books.calls.put(call.key, msgspec.structs.replace(call, hold=hold, elastic=extended))
        self._log(books, {"held_s": held_s, "hold_micros": hold.amount_micros}, "held")
        return Extension.HELD

    def _more_micros(self, books: Books, wallet: Wallet, hold: Hold) -> int:
        """What may be held beyond the hold: what is available, within the caps on spending."""
        account = books.accounts.get(AccountKey(wallet.application, wallet.account))
        assert account is not None, "a wallet is an account's"
        bounds = bounds_of(self.limits, account.limits, account.currency, is_verified=account.is_verified)
        usage = books.usage(wallet.application, wallet.account)
        room = room_of(bounds, usage, wallet, self.now, held_by_call=hold.amount_micros)
        return wallet.available_micros if room is None else min(wallet.available_micros, room.left_micros)

    def _refuse(self, books: Books, call: Call, elastic: Elastic, begins_at: datetime) -> Extension:
        """Nothing more can be held: warn first, and end the call when what is held is nearly used up."""
        ends_at = hang_up_at(elastic.held_s, elastic.slice_s, begins_at)
        is_over = self.now >= ends_at
        look_at = self.now + HANG_UP_AGAIN if is_over else ends_at
        refused = msgspec.structs.replace(elastic, look_at=look_at, is_refused=True)
        is_first = not is_over or Flag.CREDIT_ENDED not in call.flags
        call = call.flagged(Flag.CREDIT_ENDED) if is_over else call
        books.calls.put(call.key, msgspec.structs.replace(call, elastic=refused))
        if is_first:
            self._log(books, {"held_s": elastic.held_s}, "credit ended" if is_over else "refused")
        return Extension.HANG_UP if is_over else Extension.WARN

    def _log(self, books: Books, facts: Mapping[str, int], note: str) -> None:
        books.callbacks.add(
            Callback(key=self.call, at=self.now, name=NAME, body=msgspec.json.encode(facts), answer=b"", note=note)
        )


def keep_time(books: Books, call: Call, now: datetime) -> Extension:
    """The time of a call that we place is over, and no platform ends it. The timer goes off again until its end has come."""
    assert call.callout is not None, "asked before"
    callout = msgspec.structs.replace(call.callout, look_at=now + HANG_UP_AGAIN)
    books.calls.put(call.key, msgspec.structs.replace(call, callout=callout))
    return Extension.NOTHING if is_unplaced(call) else Extension.HANG_UP


@dataclass(frozen=True, kw_only=True)
class ConfirmHangUp:
    """The platform ended a call because we asked it to. Its end should come now; where it does not, it is asked about."""

    call: CallKey
    now: datetime

    def keys(self) -> Keys:
        return Keys(calls=(self.call,))

    def run(self, books: Books) -> None:
        call = books.calls.get(self.call)
        if call is None or call.state not in LIVE:
            return
        ask_at = self.now + ASK_AFTER
        earliest = ask_at if call.ask_at is None else min(call.ask_at, ask_at)
        books.calls.put(
            call.key,
            msgspec.structs.replace(call, elastic=over(call.elastic), callout=stopped(call.callout), ask_at=earliest),
        )
