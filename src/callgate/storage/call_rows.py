"""Calls, the callbacks that were heard of them, and their records, as rows of tables and back."""

from operator import attrgetter

import msgspec

from callgate.ledger.hold import Hold, HoldState
from callgate.policy.refusal import Refusal
from callgate.protocol.call import CallEnded, CallKey
from callgate.protocol.life import CallState
from callgate.rating.rate import Rate
from callgate.service.callout import Callout
from callgate.service.elastic import Elastic
from callgate.service.records import Call, Callback, CallRecord, Flag, SettledBy
from callgate.storage.rows import EPOCH, Row, from_us, from_us_or_none, to_us, to_us_or_none
from callgate.storage.summed_rows import SUMMED, summed

_encode = msgspec.json.Encoder().encode
_decode_rate = msgspec.json.Decoder(Rate).decode
_decode_elastic = msgspec.json.Decoder(Elastic).decode
_decode_callout = msgspec.json.Decoder(Callout).decode
_decode_ended = msgspec.json.Decoder(CallEnded).decode
_decode_record = msgspec.json.Decoder(CallRecord).decode


CALL_KEY = ("application", "call_id")
CALL = (
    "application", "call_id", "state", "account", "caller", "destination", "fingerprint", "refusal", "granted_s", "trace",
    "answer", "rate", "hold_micros", "hold_placed_at", "hold_state", "parked", "decided_at", "answered_at", "ended_at",
    "result", "reason", "duration_s", "billed_s", "charge_micros", "currency", "settled_by", "flags", "resource",
    "ask_at", "ask_count", "elastic", "extend_at", "callout", "reference", "peer", "connected",
)  # fmt: skip


DECIDED = (
    *CALL_KEY, "state", "account", "caller", "destination", "fingerprint", "refusal", "granted_s", "trace", "answer", "rate",
    "hold_micros", "hold_placed_at", "hold_state", "decided_at", "currency", "flags", "resource", "ask_at", "ask_count",
    "elastic", "extend_at", "connected",
)  # fmt: skip
"""What a decision writes: the columns of a new call that may be other than null."""


_UNDECIDED = tuple(name for name in Call.__struct_fields__ if name not in {*DECIDED, "key", "hold"})
_undecided = attrgetter(*_UNDECIDED)
_NOTHING = _undecided(Call(key=CallKey("", ""), state=CallState.REFUSED, decided_at=EPOCH))


def is_just_decided(call: Call) -> bool:
    """Whether nothing is known of a call but what was decided, so that `DECIDED` holds all of it."""
    return _undecided(call) == _NOTHING


def from_decided(call: Call) -> Row:
    """The values of `DECIDED`. Every new call is written from it, so that it is written to cost little."""
    hold = call.hold
    held = (None, None, None) if hold is None else (hold.amount_micros, to_us(hold.placed_at), str(hold.state))
    return (
        *call.key,
        str(call.state),
        call.account,
        call.caller,
        call.destination,
        call.fingerprint,
        call.refusal,
        call.granted_s,
        bytearray(call.trace),  # `sqlite3` binds these at a third of what it asks for bytes
        bytearray(call.answer),
        None if call.rate is None else bytearray(_encode(call.rate)),
        *held,
        to_us(call.decided_at),
        call.currency,
        " ".join(call.flags),
        call.resource,
        to_us_or_none(call.ask_at),
        call.ask_count,
        *_from_elastic(call.elastic),
        call.connected,
    )


def from_call(call: Call) -> Row:
    hold = call.hold
    return (
        *call.key,
        call.state,
        call.account,
        call.caller,
        call.destination,
        call.fingerprint,
        call.refusal,
        call.granted_s,
        call.trace,
        call.answer,
        None if call.rate is None else _encode(call.rate),
        None if hold is None else hold.amount_micros,
        None if hold is None else to_us(hold.placed_at),
        None if hold is None else hold.state,
        None if call.parked is None else _encode(call.parked),
        to_us(call.decided_at),
        to_us_or_none(call.answered_at),
        to_us_or_none(call.ended_at),
        call.result,
        call.reason,
        call.duration_s,
        call.billed_s,
        call.charge_micros,
        call.currency,
        call.settled_by,
        " ".join(call.flags),
        call.resource,
        to_us_or_none(call.ask_at),
        call.ask_count,
        *_from_timed(call),
        call.connected,
    )


def _from_timed(call: Call) -> Row:
    """What may have a timer: the time goes into one column, for the index alone, as do the references of a callout."""
    elastic, callout = call.elastic, call.callout
    if callout is None:
        return (*_from_elastic(elastic), None, None, None)
    timers = [each.look_at for each in (elastic, callout) if each is not None and each.look_at is not None]
    look_at = to_us(min(timers)) if timers else None
    return (elastic and _encode(elastic), look_at, _encode(callout), callout.ref, callout.peer or None)


def _from_elastic(elastic: Elastic | None) -> Row:
    """The struct, and for the index alone the time that it has too."""
    return (None, None) if elastic is None else (_encode(elastic), to_us_or_none(elastic.look_at))


def to_call(row: Row) -> Call:
    named = dict(zip(CALL, row, strict=True))
    key = CallKey(named.pop("application"), named.pop("call_id"))
    del named["extend_at"], named["reference"], named["peer"]
    amount_micros, placed_at, state = named.pop("hold_micros"), named.pop("hold_placed_at"), named.pop("hold_state")
    named |= {
        "state": CallState(named["state"]),
        "refusal": named["refusal"] and Refusal(named["refusal"]),
        "rate": named["rate"] and _decode_rate(named["rate"]),
        "parked": named["parked"] and _decode_ended(named["parked"]),
        "decided_at": from_us(named["decided_at"]),
        "answered_at": from_us_or_none(named["answered_at"]),
        "ended_at": from_us_or_none(named["ended_at"]),
        "settled_by": named["settled_by"] and SettledBy(named["settled_by"]),
        "flags": tuple(Flag(flag) for flag in named["flags"].split()),
        "ask_at": from_us_or_none(named["ask_at"]),
        "elastic": named["elastic"] and _decode_elastic(named["elastic"]),
        "callout": named["callout"] and _decode_callout(named["callout"]),
    }
    hold = state and Hold(amount_micros=amount_micros, placed_at=from_us(placed_at), state=HoldState(state))
    return Call(key=key, hold=hold, **named)


CALLBACK = (*CALL_KEY, "at", "name", "body", "answer", "note", "covered")


def from_callback(callback: Callback) -> Row:
    at, body, answer = to_us(callback.at), bytearray(callback.body), bytearray(callback.answer)  # see `from_decided`
    return (*callback.key, at, callback.name, body, answer, str(callback.note), callback.covered)


def to_callback(row: Row) -> Callback:
    application, call_id, at, name, body, answer, note, covered = row
    return Callback(
        key=CallKey(application, call_id),
        at=from_us(at),
        name=name,
        body=body,
        answer=answer,
        note=note,
        covered=covered,
    )


RECORD = ("record_id", *CALL_KEY, "account", "sequence", "ended_at", "corrects", "record", *SUMMED)


def from_record(record: CallRecord) -> Row:
    return (
        record.record_id,
        *record.key,
        record.account,
        record.sequence,
        to_us(record.ended_at),
        record.corrects,
        _encode(record),
        *summed(record),
    )


def to_record(row: Row) -> CallRecord:
    """From the column `record` alone, which has all of it."""
    return _decode_record(row[0])
