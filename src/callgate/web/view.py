"""What pages show of calls, from what the books and the reports say. Plain functions; two equal values look the same.

No row changes by itself as seconds pass, so that those who watch are sent what happened to calls and no more: what counts
down, counts down in the browser.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from callgate.money import NANOS_PER_MICRO, format_micros
from callgate.policy.refusal import SENTENCES, Refusal
from callgate.protocol.life import LIVE, CallState
from callgate.service.reports import CallReport, rfc3339
from callgate.service.watch import LiveCall, Tally
from callgate.web.formats import Money, money

SHOWN_LIVE = 2_500
SHOWN_RECENT = 50
SHOWN_REFUSALS = 4

WINDOW = timedelta(minutes=1)
SECONDS = 60
"""Of `WINDOW`."""

PULSE_HEIGHT = 24


class Outcome(msgspec.Struct, frozen=True):
    """How a call went, in a word or two. `tone` is good, bad, odd or plain; `sentence` explains where the words need it."""

    words: str
    tone: str
    sentence: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One call in a table. `at` is when it ended, or was decided where it has not."""

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
    talked_s: int | None = None
    billed_s: int | None = None
    held: Money | None = None
    charge: Money | None = None
    flags: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.application}/{self.call_id}"


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """The figures at the top. `is_more_live`: there are more calls than were looked at, so that figures of them are a floor.
    `burn` is what answered calls cost together a minute. `pulse` are paths of bars, one a second: let through, refused.
    """

    live: int
    is_more_live: bool
    held: tuple[Money, ...]
    burn: tuple[Money, ...]
    decided: int
    per_second: str
    refused: int
    refusals: tuple[tuple[Outcome, int], ...]
    pulse: tuple[str, str]


def counters_of(live: Sequence[LiveCall], tallies: Iterable[Tally], now: datetime) -> Counters:
    """Count the calls that are up, and what was decided within the last minute."""
    last = int(now.timestamp())
    passed, refused = [0] * SECONDS, [0] * SECONDS
    reasons: Counter[Refusal] = Counter()
    for tally in tallies:
        place = tally.second - last + SECONDS - 1
        if not 0 <= place < SECONDS:
            continue
        (passed if tally.refusal is None else refused)[place] += tally.calls
        if tally.refusal is not None:
            reasons[tally.refusal] += tally.calls
    decided = sum(passed) + sum(refused)
    return Counters(
        live=len(live),
        is_more_live=len(live) == SHOWN_LIVE,
        held=_sums((call.currency, call.held_micros) for call in live),
        burn=_sums(
            (call.currency, call.rate_nanos_per_min // NANOS_PER_MICRO) for call in live if call.answered_at is not None
        ),
        decided=decided,
        per_second=f"{sum((passed[place] + refused[place]) for place in range(SECONDS - 11, SECONDS - 1)) / 10:.1f}",
        refused=sum(refused),
        refusals=tuple((refusal_outcome(reason), calls) for reason, calls in reasons.most_common(SHOWN_REFUSALS)),
        pulse=_bars(passed, refused),
    )


def _bars(passed: Sequence[int], refused: Sequence[int]) -> tuple[str, str]:
    """A bar a second: what was let through stands on what was refused."""
    most = max(1, *(through + no for through, no in zip(passed, refused, strict=True)))

    def path(values: Sequence[int], grounds: Sequence[int]) -> str:
        parts = []
        for place, (value, ground) in enumerate(zip(values, grounds, strict=True)):
            if value:
                low, high = PULSE_HEIGHT * ground / most, PULSE_HEIGHT * value / most
                parts.append(f"M{place * 2} {PULSE_HEIGHT - low:.1f}v-{high:.1f}h1.5v{high:.1f}z")
        return "".join(parts)

    return path(passed, refused), path(refused, [0] * len(refused))


def live_line(call: LiveCall) -> Line:
    """A call that is up, as a row."""
    return Line(
        call_id=call.key.call_id,
        application=call.key.application,
        account=call.account,
        caller=call.caller,
        destination=call.destination,
        decided_at=rfc3339(call.decided_at),
        at=rfc3339(call.decided_at),
        granted_s=call.granted_s,
        answered_at=None if call.answered_at is None else rfc3339(call.answered_at),
        outcome=TALKING if call.state is CallState.ANSWERED else RINGING,
        held=money(format_micros(call.held_micros), call.currency),
    )


def recent_lines(calls: Iterable[CallReport]) -> list[Line]:
    """The calls that are over, the one that ended last first."""
    over = [call for call in calls if call.state not in LIVE]
    over.sort(key=lambda call: call.ended_at or call.decided_at, reverse=True)
    return [view_line(call) for call in over[:SHOWN_RECENT]]


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


TALKING = Outcome("talking", "good")
RINGING = Outcome("ringing", "plain")


def refusal_outcome(refusal: str) -> Outcome:
    """A refusal by its name, with the sentence that explains it."""
    return Outcome(refusal.replace("_", " "), "bad", SENTENCES.get(Refusal(refusal), ""))


def outcome_of(call: CallReport) -> Outcome:
    """Say how it went: a refusal by its name, a call that was let through by what became of it."""
    if call.decision is not None and call.decision.refusal is not None:
        return Outcome(call.decision.refusal.replace("_", " "), "bad", call.decision.reason or "")
    match call.state, call.result:
        case CallState.PARKED, _:
            return Outcome("end without a start", "odd", "Its end came before its start, which is waited for.")
        case CallState.ARRIVED, _:
            return RINGING
        case CallState.ANSWERED, _:
            return TALKING
        case _, "answered":
            return Outcome("connected", "good")
        case _, result:
            words = (result or "ended").replace("_", " ")
            return Outcome(words, "plain", "It was let through, and nobody talked.")


class Change(NamedTuple):
    """How one list of rows becomes another: keys of rows that leave; rows that come or changed, each with the key of the row
    that it stands before, in an order in which that one is there already.
    """

    gone: list[str]
    put: list[tuple[str, str, str | None]]


def change_of(before: dict[str, str], after: dict[str, str]) -> Change:
    """Compare rows by key, in their order. A row that is another by now, or follows another, is put anew."""
    gone = [key for key in before if key not in after]
    kept = iter([key for key in before if key in after])
    place = {key: number for number, key in enumerate(kept)}
    put: list[tuple[str, str, str | None]] = []
    following: str | None = None
    lowest = len(place)
    for key in reversed(after):
        was = place.get(key, -1)
        is_in_order = 0 <= was < lowest
        if is_in_order:
            lowest = was
        if not is_in_order or before[key] != after[key]:
            put.append((key, after[key], following))
        following = key
    return Change(gone, put)


def _sums(amounts: Iterable[tuple[str, int]]) -> tuple[Money, ...]:
    """Amounts in micros by currency, never across them."""
    sums: dict[str, int] = defaultdict(int)
    for currency, micros in amounts:
        sums[currency] += micros
    return tuple(money(format_micros(micros), currency) for currency, micros in sorted(sums.items()))
