"""A call ended: post its hold and give back the rest, or void it, and write its record, all in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

import msgspec

from callgate.ledger import accounts
from callgate.ledger.hold import HoldState
from callgate.ledger.transfer import Occasion
from callgate.ledger.wallet import Movement, Wallet, correct, debit_unheld, post_hold, void_hold
from callgate.policy.usage import with_spending
from callgate.protocol import Provider
from callgate.protocol.call import Acknowledge, CallEnded, CallKey, CallResult
from callgate.protocol.life import LIVE, CallState
from callgate.rating.charge import billed_duration_s, charge_micros
from callgate.service import emergency
from callgate.service.account_events import tell_balance
from callgate.service.books import AccountKey, Books, Keys
from callgate.service.callout import stopped
from callgate.service.elastic import over
from callgate.service.emergency import is_emergency_call
from callgate.service.endpoint import Endpoint, RecordType
from callgate.service.name_callout import both, find
from callgate.service.outcome import Outcome
from callgate.service.queue_record import queue_record
from callgate.service.records import Call, Callback, CallRecord, Flag, SettledBy

CUT_TOLERANCE_S = 2
"""A call that its time limit cut may be reported this much longer than was granted; it is billed as granted."""


CORRECTION_PREFIX = "correction:"
"""What the id of a record that corrects has before that of the record which it corrects."""


class Ending(Enum):
    """What the facts of an end amount to."""

    BILLABLE = auto()
    UNANSWERED = auto()
    UNCLEAR = auto()


@dataclass(frozen=True, kw_only=True)
class Settle:
    """A call has ended. Delivered twice, in any order, money moves once."""

    ended: CallEnded
    body: bytes
    provider: Provider
    now: datetime
    endpoints: Sequence[Endpoint] = ()  # who may want the record; looked up outside the lock
    reference: CallKey | None = None  # of a call that we place, where the event carries one

    def keys(self) -> Keys:
        return Keys(calls=both(self.ended.key, self.reference))

    def run(self, books: Books) -> Outcome:
        call, note = self._apply(books, find(books, self.ended.key, self.reference, self.now))
        books.calls.put(call.key, call)
        answer = self.provider.answer(self.ended, Acknowledge()).body
        books.callbacks.add(
            Callback(
                key=call.key,
                at=self.now,
                name=self.ended.name,
                body=self.body,
                answer=answer,
                note=note,
                covered=self.ended.covered,
            )
        )
        return Outcome(answer=answer, note=note)

    def _apply(self, books: Books, call: Call | None) -> tuple[Call, str]:
        """Return the call as it now stands, and what was odd."""
        if call is None:
            return self._park(), "came before its start"
        if call.state in LIVE and read_ending(self.ended) is Ending.UNCLEAR:
            return unclear(call, self.now), Flag.END_UNCLEAR
        if call.state in LIVE:
            settled = settle(books, call, self.ended, ended_at=self.now, endpoints=self.endpoints)
            return settled, Flag.OVERRUN if Flag.OVERRUN in settled.flags else ""
        if call.state is CallState.REFUSED and read_ending(self.ended) is not Ending.UNANSWERED:
            return call.flagged(Flag.REFUSED_YET_ANSWERED), Flag.REFUSED_YET_ANSWERED
        if call.settled_by is SettledBy.ESTIMATE and read_ending(self.ended) is Ending.UNCLEAR:
            return call.flagged(Flag.END_UNCLEAR), Flag.END_UNCLEAR
        if call.settled_by is SettledBy.ESTIMATE:
            return correct_estimate(books, call, self.ended, now=self.now, endpoints=self.endpoints), "corrects"
        if call.state is CallState.ENDED and self.ended.duration_s != call.duration_s:
            return call.flagged(Flag.END_DIFFERS), Flag.END_DIFFERS
        return call, "repeat" if call.state in (CallState.ENDED, CallState.PARKED) else ""

    def _park(self) -> Call:
        destination = self.ended.destination.address if self.ended.destination is not None else ""
        return Call(
            key=self.ended.key,
            state=CallState.PARKED,
            caller=self.ended.user or "",
            destination=destination,
            parked=self.ended,
            decided_at=self.now,
        )


def read_ending(ended: CallEnded) -> Ending:
    """Say what the end amounts to: answered for a time, never answered, or facts that contradict each other."""
    if ended.result is CallResult.ANSWERED and ended.duration_s is not None:
        return Ending.BILLABLE
    is_costly = ended.debit is not None and ended.debit.amount > 0
    if ended.result in _UNANSWERED and ended.duration_s is None and not is_costly:
        return Ending.UNANSWERED
    return Ending.UNCLEAR


_UNANSWERED = frozenset({CallResult.BUSY, CallResult.NO_ANSWER, CallResult.FAILED, CallResult.NONE})


def unclear(call: Call, now: datetime) -> Call:
    """The facts of a live call's end contradict each other: it keeps its hold, and the platform is asked now.

    An end that says the same again does not hurry us: by then the platform has been asked.
    """
    if Flag.END_UNCLEAR in call.flags:
        return call
    return msgspec.structs.replace(
        call.flagged(Flag.END_UNCLEAR), ask_at=now, elastic=over(call.elastic), callout=stopped(call.callout)
    )


def settle(  # noqa: PLR0913 - what a settlement rests on
    books: Books,
    call: Call,
    ended: CallEnded,
    *,
    ended_at: datetime,
    endpoints: Sequence[Endpoint] = (),
    settled_by: SettledBy = SettledBy.DISCONNECT,
) -> Call:
    """End a live call's hold, write its record and queue it for `endpoints`; return the call as it then stands.

    An end whose facts are unclear settles nothing: the call keeps its hold, is flagged, and is asked about.
    """
    if read_ending(ended) is Ending.UNCLEAR:
        return unclear(call, ended_at)
    if is_emergency_call(call):
        return _end_emergency(books, call, ended, ended_at, settled_by, endpoints)
    assert call.account is not None and call.hold is not None and call.rate is not None, "a live call has all three"
    wallet = books.wallet(call.key.application, call.account)
    held_micros = call.hold.amount_micros
    if read_ending(ended) is Ending.UNANSWERED:
        movement, billed_s, charged_micros = Movement(void_hold(wallet, held_micros), ()), 0, 0
        hold = call.hold.end(HoldState.EXPIRED if settled_by is SettledBy.ESTIMATE else HoldState.VOIDED)
    else:
        duration_s = billable_duration_s(call, ended)
        billed_s, charged_micros = billed_duration_s(call.rate, duration_s), charge_micros(call.rate, duration_s)
        movement = post_hold(wallet, held_micros, charged_micros, occasion(call, ended_at))
        hold = call.hold.end(HoldState.POSTED)
    kinds = [RecordType.CALL_ENDED]
    if settled_by is SettledBy.ESTIMATE:
        kinds.append(RecordType.CALL_SETTLED_BY_ESTIMATE)
    if charged_micros > held_micros and Flag.LIMITED not in call.flags:  # nothing was to be held for that
        call = call.flagged(Flag.OVERRUN)
        kinds.append(RecordType.OVERRUN)
    call = msgspec.structs.replace(
        call, hold=hold, ask_at=None, elastic=over(call.elastic), callout=stopped(call.callout)
    )
    return close(books, call, movement, ended, ended_at, billed_s, charged_micros, settled_by, endpoints, kinds)


def _end_emergency(  # noqa: PLR0913, PLR0917 - as of any other call
    books: Books,
    call: Call,
    ended: CallEnded,
    ended_at: datetime,
    settled_by: SettledBy,
    endpoints: Sequence[Endpoint],
    corrects: str | None = None,
) -> Call:
    """Nothing was held and nothing is charged. There is a record where there is an account to number it."""
    over_now = emergency.ended(call, ended, ended_at)
    if call.account is None:
        return msgspec.structs.replace(over_now, settled_by=settled_by)
    kinds = [RecordType.CALL_ENDED if corrects is None else RecordType.CALL_CORRECTED]
    if settled_by is SettledBy.ESTIMATE:
        kinds.append(RecordType.CALL_SETTLED_BY_ESTIMATE)
    nothing = emergency.nothing_moves(books, call)
    return close(books, over_now, nothing, ended, ended_at, 0, 0, settled_by, endpoints, kinds, corrects)


def correct_estimate(
    books: Books, call: Call, ended: CallEnded, *, now: datetime, endpoints: Sequence[Endpoint] = ()
) -> Call:
    """The true end of a call that was settled by estimate: move the difference, and write a record that corrects.

    It happens once: from then on the call is settled by its end like any other.
    """
    if is_emergency_call(call):
        when, corrected = when_ended(call, ended, now), record_id(call.key)
        return _end_emergency(books, call, ended, when, SettledBy.DISCONNECT, endpoints, corrected)
    assert call.account is not None and call.rate is not None, "an estimate was charged to somebody"
    assert call.charge_micros is not None and call.ended_at is not None, "an estimate is a settlement"
    wallet = books.wallet(call.key.application, call.account)
    billed_s, charged_micros = 0, 0
    if read_ending(ended) is Ending.BILLABLE:
        duration_s = billable_duration_s(call, ended)
        billed_s, charged_micros = billed_duration_s(call.rate, duration_s), charge_micros(call.rate, duration_s)
    movement = correct(wallet, charged_micros - call.charge_micros, occasion(call, now))
    kinds = [RecordType.CALL_CORRECTED]
    if call.hold is not None and charged_micros > call.hold.amount_micros and Flag.LIMITED not in call.flags:
        call = call.flagged(Flag.OVERRUN)
        kinds.append(RecordType.OVERRUN)
    ended_at, corrects = when_ended(call, ended, now), record_id(call.key)
    return close(
        books,
        call,
        movement,
        ended,
        ended_at,
        billed_s,
        charged_micros,
        SettledBy.DISCONNECT,
        endpoints,
        kinds,
        corrects,
    )


def when_ended(call: Call, ended: CallEnded, now: datetime) -> datetime:
    """When a call ended whose end we learn of long afterwards: by its duration where its answer was heard, else now."""
    if call.answered_at is None or ended.duration_s is None:
        return now
    return min(now, call.answered_at + timedelta(seconds=ended.duration_s))


def record_id(key: CallKey) -> str:
    """Name the record of a call. An application's key has no colon, so that no call's record is named like a correction."""
    return f"{key.application}/{key.call_id}"


def billable_duration_s(call: Call, ended: CallEnded) -> int:
    """Seconds to bill: as reported, but as granted when our own time limit cut the call a moment late."""
    assert ended.duration_s is not None, "only an answered end is billed"
    if ended.is_cut and call.granted_s < ended.duration_s <= call.granted_s + CUT_TOLERANCE_S:
        return call.granted_s
    return ended.duration_s


def settle_unheld(  # noqa: PLR0913 - what an unheld debit rests on
    books: Books,
    call: Call,
    ended: CallEnded,
    wallet: Wallet,
    *,
    ended_at: datetime,
    endpoints: Sequence[Endpoint] = (),
) -> Call:
    """Charge a call that nothing was held for, because its start never came; `call` names who pays and at what rate."""
    assert call.rate is not None and ended.duration_s is not None, "the caller has asked"
    charged_micros = charge_micros(call.rate, ended.duration_s)
    movement = debit_unheld(wallet, charged_micros, occasion(call, ended_at))
    billed_s = billed_duration_s(call.rate, ended.duration_s)
    return close(books, call, movement, ended, ended_at, billed_s, charged_micros, SettledBy.ORPHAN, endpoints)


def occasion(call: Call, at: datetime) -> Occasion:
    """What transfers of this call's settlement say about their cause."""
    return Occasion(subject=call.key.call_id, at=at, call_id=call.key.call_id)


def close(  # noqa: PLR0913, PLR0917 - everything that a record says
    books: Books,
    call: Call,
    movement: Movement,
    ended: CallEnded,
    ended_at: datetime,
    billed_s: int,
    charged_micros: int,
    settled_by: SettledBy,
    endpoints: Sequence[Endpoint],
    kinds: Sequence[RecordType] = (RecordType.CALL_ENDED,),
    corrects: str | None = None,
) -> Call:
    """Move the money, write the record and queue it, and return the ended call."""
    sequence = movement.wallet.record_count + 1
    wallet = msgspec.structs.replace(movement.wallet, record_count=sequence)
    before = books.wallet(wallet.application, wallet.account)
    books.move(Movement(wallet, movement.transfers))
    _note_spending(books, movement, ended_at)
    tell_balance(books, before, wallet, call.key.call_id, endpoints, ended_at)
    call = msgspec.structs.replace(
        call,
        state=CallState.ENDED,
        ended_at=ended_at,
        result=ended.result,
        reason=ended.reason,
        duration_s=ended.duration_s,
        billed_s=billed_s,
        charge_micros=charged_micros,
        settled_by=settled_by,
    )
    record = CallRecord(
        record_id=record_id(call.key) if corrects is None else f"{CORRECTION_PREFIX}{corrects}",
        key=call.key,
        account=wallet.account,
        caller=call.caller,
        destination=call.destination,
        started_at=min(call.decided_at, ended_at),
        answered_at=call.answered_at,
        ended_at=ended_at,
        duration_s=ended.duration_s or 0,
        billed_s=billed_s,
        charge_micros=charged_micros,
        currency=wallet.currency,
        cost=f"{ended.debit.amount:f}" if ended.debit is not None else None,
        cost_currency=ended.debit.currency if ended.debit is not None else None,
        result=ended.result,
        reason=ended.reason,
        settled_by=settled_by,
        sequence=sequence,
        corrects=corrects,
    )
    queue_record(books, record, endpoints, kinds)
    return call


def _note_spending(books: Books, movement: Movement, at: datetime) -> None:
    """What was charged counts in the hour, where the payer is limited by it. What is given back frees nothing."""
    wallet = movement.wallet
    usage = books.usage(wallet.application, wallet.account)
    revenue = accounts.revenue(wallet.currency)
    spent_micros = sum(transfer.amount_micros for transfer in movement.transfers if transfer.credit == revenue)
    noted = with_spending(usage, spent_micros, at)
    if noted is not usage:
        books.usages.put(AccountKey(wallet.application, wallet.account), noted)
