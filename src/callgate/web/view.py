"""What the page shows, from what the reports say. Plain functions; two equal values look the same on the screen.

No row changes by itself as seconds pass, so that those who watch are sent what happened to calls and no more: what counts
down, counts down in the browser.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from callgate.protocol.life import LIVE, CallState
from callgate.service.reports import CallReport
from callgate.web.formats import Money, money

COUNTED = 240
"""Newest calls that are looked at for the counters of the last minute and the list of recent calls."""

SHOWN_LIVE = 100
SHOWN_RECENT = 50

WINDOW = timedelta(minutes=1)


class Outcome(msgspec.Struct, frozen=True):
    """How a call went, in a word or two. `tone` is good, bad, odd or plain; `sentence` explains where the words need it."""

    words: str
    tone: str
    sentence: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One call in a table. `ends_at` is when the grant of an answered call is used up."""

    call_id: str
    application: str
    account: str
    caller: str
    destination: str
    decided_at: str
    at: str
    granted_s: int
    answered_at: str | None
    outcome: Outcome
    talked_s: int | None
    billed_s: int | None
    held: Money | None
    charge: Money | None
    flags: tuple[str, ...]


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """The figures at the top. `is_more`: there are more calls than were looked at, so that counts of them are a floor."""

    live: int
    is_more_live: bool
    held: tuple[Money, ...]
    decided: int
    refused: int
    is_more_decided: bool


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that moves on the page."""

    counters: Counters
    live: tuple[Line, ...]
    recent: tuple[Line, ...]


def view_calls(live: Sequence[CallReport], newest: Sequence[CallReport], now: datetime, *, live_limit: int) -> View:
    """Arrange the calls that are up and the newest of all; `live_limit` is how many of those that are up were asked for."""
    recent = [call for call in newest if call.state not in LIVE]
    recent.sort(key=lambda call: call.ended_at or call.decided_at, reverse=True)
    fresh = [call for call in newest if datetime.fromisoformat(call.decided_at) > now - WINDOW]
    counters = Counters(
        live=len(live),
        is_more_live=len(live) == live_limit,
        held=_sum_by_currency(live),
        decided=sum(1 for call in fresh if call.decision is not None),
        refused=sum(1 for call in fresh if is_refused(call)),
        is_more_decided=len(fresh) == COUNTED,
    )
    return View(
        counters=counters,
        live=tuple(view_line(call) for call in live[:SHOWN_LIVE]),
        recent=tuple(view_line(call) for call in recent[:SHOWN_RECENT]),
    )


def view_line(call: CallReport) -> Line:
    """One call as a row."""
    return Line(
        call_id=call.call_id,
        application=call.application,
        account=call.account or "",
        caller=call.caller,
        destination=call.destination,
        decided_at=call.decided_at,
        at=call.decided_at if call.state in LIVE else call.ended_at or call.decided_at,
        granted_s=0 if call.decision is None else call.decision.granted_s,
        answered_at=call.answered_at,
        outcome=outcome_of(call),
        talked_s=call.duration_s,
        billed_s=call.billed_s,
        held=None if call.hold is None else money(call.hold, call.currency),
        charge=None if call.charge is None else money(call.charge, call.currency),
        flags=tuple(flag.replace("_", " ") for flag in call.flags),
    )


def seconds_left(line: Line, now: datetime | None) -> int:
    """Seconds of the grant that are left at this time; all of them before the answer, or when no time is given."""
    if line.answered_at is None or now is None:
        return line.granted_s
    talked_s = int((now - datetime.fromisoformat(line.answered_at)).total_seconds())
    return min(line.granted_s, max(0, line.granted_s - talked_s))


def is_refused(call: CallReport) -> bool:
    return call.decision is not None and call.decision.refusal is not None


def outcome_of(call: CallReport) -> Outcome:
    """Say how it went: a refusal by its name, a call that was let through by what became of it."""
    if call.decision is not None and call.decision.refusal is not None:
        return Outcome(call.decision.refusal.replace("_", " "), "bad", call.decision.reason or "")
    match call.state, call.result:
        case CallState.PARKED, _:
            return Outcome("end without a start", "odd", "Its end came before its start, which is waited for.")
        case CallState.ARRIVED, _:
            return Outcome("ringing", "plain")
        case CallState.ANSWERED, _:
            return Outcome("talking", "good")
        case _, "answered":
            return Outcome("connected", "good")
        case _, result:
            words = (result or "ended").replace("_", " ")
            return Outcome(words, "plain", "It was let through, and nobody talked.")


def _sum_by_currency(calls: Sequence[CallReport]) -> tuple[Money, ...]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for call in calls:
        if call.hold is not None:
            sums[call.currency or ""] += Decimal(call.hold)
    return tuple(money(f"{amount:f}", currency) for currency, amount in sorted(sums.items()))
