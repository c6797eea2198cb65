"""Emergency calls: what makes a call one, what is written of it, and who is told. They connect before anybody asks who pays.

Nothing is held and nothing is charged for one. Where its caller has an account, its row and its record name it, whatever
became of that account.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime

import msgspec

from callgate.ledger.hold import Hold, HoldState
from callgate.ledger.wallet import Movement
from callgate.policy.account import Account
from callgate.policy.emergency import MAX_GRANT_S, is_emergency
from callgate.protocol.call import CallArrived, CallEnded, Connect, EndpointKind
from callgate.protocol.life import LIVE, CallState
from callgate.service.account_events import EmergencyReport, tell
from callgate.service.application import ApplicationSettings
from callgate.service.books import Books, CallerKey
from callgate.service.delivery import Lane
from callgate.service.due import RINGING, due_after
from callgate.service.endpoint import Endpoint, RecordType
from callgate.service.queue_record import queue_message
from callgate.service.records import Call, Flag


def dials_emergency(call: CallArrived, settings: ApplicationSettings) -> bool:
    """Whether a call dials an emergency number of its application."""
    to = call.destination
    return to.kind is EndpointKind.NUMBER and is_emergency(
        to.address, settings.home_country, settings.emergency_numbers
    )


def caller_of(call: CallArrived) -> CallerKey:
    """Who is counted as the caller of an emergency call."""
    return CallerKey(call.key.application, call.user or call.cli or "")


def calls_up(books: Books, caller: CallerKey, now: datetime) -> int:
    """How many emergency calls of this caller may be up. One that nobody answered while a phone rings is not: should its end
    be lost, the caller must not wait for that.

    Callers who show nothing cannot be told apart, and none is refused for what another does.
    """
    if not caller.caller:
        return 0
    return sum(
        call.state is CallState.ANSWERED or now - call.decided_at < RINGING for call in books.emergencies_of(caller)
    )


def say_emergency(call: CallArrived, shown: str | None) -> Connect:
    """Put it through, for as long as the platform knows."""
    return Connect(number=call.destination.address, max_duration_s=MAX_GRANT_S, cli=shown)


def connected(call: Call, now: datetime) -> Call:
    """The row of a call that is put through. Its hold is of nothing: whatever is up has one, which its end closes."""
    return msgspec.structs.replace(
        call.flagged(Flag.EMERGENCY),
        state=CallState.ARRIVED,
        refusal=None,
        granted_s=MAX_GRANT_S,
        hold=Hold(amount_micros=0, placed_at=now),
        connected=f"{EndpointKind.NUMBER}:{call.destination}",
        ask_at=due_after(now + RINGING, MAX_GRANT_S),
    )


def is_emergency_call(call: Call) -> bool:
    """Whether it was put through as one."""
    return Flag.EMERGENCY in call.flags and call.hold is not None


def tell_emergency(
    books: Books, account: Account | None, call: Call, endpoints: Sequence[Endpoint], now: datetime
) -> None:
    """Tell endpoints that somebody dials an emergency number: in some countries an operator must notify. A caller whom nobody
    knows has no account whose endpoints could be told, so that those are which are limited to none.
    """
    said = {
        "call_id": call.key.call_id, "caller": call.caller, "destination": call.destination,
        "outcome": "refuse" if call.refusal is not None else "connect",
    }  # fmt: skip
    kind = RecordType.CALL_EMERGENCY
    if account is not None:
        tell(books, account, kind, said, endpoints, now)
        return
    application = call.key.application
    lane = f"{application}/{call.key.call_id}"  # of its own: it has no order with others
    lanes = [Lane(each.id, "", lane) for each in endpoints if each.wants(kind, application, "")]
    if lanes:
        event_id = f"evt_{hashlib.sha256(f'emergency {lane}'.encode()).hexdigest()[:32]}"
        report = EmergencyReport(
            event_id=event_id, sequence=0, application=application, account="", currency="", **said
        )
        queue_message(books, lanes, kind, event_id, 0, report, now)


def ended(call: Call, end: CallEnded, ended_at: datetime) -> Call:
    """The row of one that is over, of a caller without an account: nobody pays, and there is no record."""
    assert call.hold is not None, "it was put through"
    hold = call.hold.end(HoldState.VOIDED) if call.state in LIVE else call.hold
    return msgspec.structs.replace(
        call,
        hold=hold,
        ask_at=None,
        state=CallState.ENDED,
        ended_at=ended_at,
        result=end.result,
        reason=end.reason,
        duration_s=end.duration_s,
    )


def nothing_moves(books: Books, call: Call) -> Movement:
    """What its end does to the wallet of its caller."""
    assert call.account is not None, "the caller has asked"
    return Movement(books.wallet(call.key.application, call.account), ())
