"""What the books hold about a call: the call itself, the callbacks that told of it, and its record when it has ended."""

from datetime import datetime
from enum import StrEnum

import msgspec

from callgate.ledger.hold import Hold
from callgate.policy.refusal import Refusal
from callgate.protocol.call import CallEnded, CallKey
from callgate.protocol.life import CallState
from callgate.rating.rate import Rate
from callgate.service.callout import Callout
from callgate.service.elastic import Elastic


class Flag(StrEnum):
    """Something about a call that a person should look at."""

    CONFLICT = "conflict"  # the same call id was asked for another call, or again after its end
    STRAY_ANSWER = "stray_answer"  # answered, though we refused it or never heard of it
    REFUSED_YET_ANSWERED = "refused_yet_answered"  # the platform connected what we refused
    END_UNCLEAR = "end_unclear"  # the end's facts contradict each other: the hold is kept
    END_DIFFERS = "end_differs"  # a second end told another duration
    OVERRUN = "overrun"  # it cost more than was held
    PAYER_UNKNOWN = "payer_unknown"  # it ended without its start, and nobody can be charged
    LATE = "late"  # decided after the deadline and undone
    NEAR_LIMIT = "near_limit"  # more calls in a minute than the operator wants to go unnoticed
    RULE_FAILED = "rule_failed"  # a rule of the operator could not be judged, so that the call was refused
    EMERGENCY = "emergency"  # an emergency number was dialled: nothing else was asked
    LIMITED = "limited"  # let through while the store was down, with nothing held
    CREDIT_ENDED = "credit_ended"  # its hold could not be extended: we asked the platform to end it


class SettledBy(StrEnum):
    """What the settlement rests on."""

    DISCONNECT = "disconnect"  # the platform's report of the end
    ORPHAN = "orphan"  # that report alone: the call was never authorized
    PROVIDER = "provider"  # what the platform said when we asked: its report never came, or was unclear
    ESTIMATE = "estimate"  # the application's rule: the platform could not say either
    NOT_PLACED = "not_placed"  # what is known here: a call that we wanted to place was never dialled


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call from its decision to its settlement.

    `trace` and `answer` are JSON as it was written: the steps of the decision, and the bytes that were answered.
    `granted_s` is 0 for a refused call. `parked` is an end that came before the start. `resource` is the call's own
    address at the platform, as the platform gave it. `ask_at` is when the platform is asked what became of a call whose
    hold is open, None once it is not; `ask_count` how often it was. `callout` is there for a call that we place: its `answer`
    is then what the platform is asked for. `connected` is what the caller was led to, such as `number:+46700000001` or
    `menu:main`, empty where nowhere.
    """

    key: CallKey
    state: CallState
    account: str | None = None
    caller: str = ""
    destination: str = ""
    fingerprint: str = ""
    refusal: Refusal | None = None
    granted_s: int = 0
    trace: bytes = b"[]"
    answer: bytes = b""
    rate: Rate | None = None
    hold: Hold | None = None
    elastic: Elastic | None = None
    connected: str = ""
    parked: CallEnded | None = None
    decided_at: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    result: str | None = None
    reason: str | None = None
    duration_s: int | None = None
    billed_s: int | None = None
    charge_micros: int | None = None
    currency: str | None = None
    settled_by: SettledBy | None = None
    flags: tuple[Flag, ...] = ()
    resource: str = ""
    ask_at: datetime | None = None
    ask_count: int = 0
    callout: Callout | None = None

    def flagged(self, flag: Flag) -> "Call":
        """Return the call with this flag, once."""
        return self if flag in self.flags else msgspec.structs.replace(self, flags=(*self.flags, flag))


def is_unplaced(call: Call) -> bool:
    """Whether we place it, and the platform has not named it yet: it goes by our own reference."""
    return call.callout is not None and call.key.call_id == call.callout.ref


def held_s(call: Call) -> int:
    """How long a call may go on for what is held."""
    return call.granted_s if call.elastic is None else call.elastic.held_s


class Callback(msgspec.Struct, frozen=True, kw_only=True):
    """One callback as it came and what we answered: the event log. Append-only.

    `name` is the provider's word for the event, `note` ours for what was odd about it, empty when nothing was. `covered` is
    what its signature covered beside the body, see `CallEvent`.
    """

    key: CallKey
    at: datetime
    name: str
    body: bytes
    answer: bytes
    note: str = ""
    covered: str = ""


class CallRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The immutable record of one ended call (CDR). `sequence` counts the records of one account from 1."""

    record_id: str
    key: CallKey
    account: str
    caller: str
    destination: str
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime
    duration_s: int
    billed_s: int
    charge_micros: int
    currency: str
    cost: str | None
    cost_currency: str | None
    result: str
    reason: str
    settled_by: SettledBy
    sequence: int
    corrects: str | None = None
