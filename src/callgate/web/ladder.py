"""The ladder of a call: what was asked, what was answered, and what the gate did between, in the order of time."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from callgate.money import format_micros
from callgate.protocol import Provider
from callgate.service.records import Call, Callback
from callgate.service.ticket import HIDDEN

MAX_GIST = 90


class Rung(NamedTuple):
    """One step. `kind` is `said` for a callback with its answer, `done` for what the gate did. `signed` are the lines of its
    string to sign; `is_masked`: its body is kept without the ticket that it had, so that the line of the body is another.
    """

    kind: str
    at: str
    name: str
    gist: str
    tone: str = "plain"
    note: str = ""
    sent: str = ""
    answer: str = ""
    answer_gist: str = ""
    signed: Sequence[tuple[str, str]] = ()
    is_masked: bool = False


def ladder_of(call: Call, callbacks: Sequence[Callback], provider: Provider) -> list[Rung]:
    """Callbacks, and what the books say became of the call, oldest first."""
    rungs = [(heard.at, 0, _said(heard, provider)) for heard in callbacks]
    rungs += [(at, 1, rung) for at, rung in _done(call)]
    return [rung for _, _, rung in sorted(rungs, key=lambda each: each[:2])]


def _said(heard: Callback, provider: Provider) -> Rung:
    return Rung(
        "said",
        heard.at.isoformat(),
        heard.name,
        gist(heard.body),
        note=heard.note,
        sent=indented(heard.body),
        answer=indented(heard.answer),
        answer_gist=gist(heard.answer),
        signed=provider.signed_lines(heard.covered, heard.body),
        is_masked=HIDDEN.encode() in heard.body,
    )


def _done(call: Call) -> list[tuple[datetime, Rung]]:
    money = call.currency or ""
    done: list[tuple[datetime, Rung]] = []
    if call.refusal is not None:
        done.append((call.decided_at, _rung(call.decided_at, f"refused: {call.refusal.replace('_', ' ')}", "bad")))
    elif call.hold is not None and call.rate is None:
        done.append((call.hold.placed_at, _rung(call.hold.placed_at, "emergency number: nothing held", "good")))
    elif call.hold is not None:
        held = f"{format_micros(call.hold.amount_micros)} {money} held for {call.granted_s:,} s"
        done.append((call.hold.placed_at, _rung(call.hold.placed_at, held, "good")))
    if call.ended_at is not None and call.charge_micros is not None:
        billed = f", {call.billed_s:,} s billed" if call.billed_s else ""
        charged = f"settled: {format_micros(call.charge_micros)} {money}{billed}"
        at = max(call.ended_at, call.decided_at)
        done.append((at, _rung(at, charged, "good")))
    return done


def _rung(at: datetime, gist_: str, tone: str) -> Rung:
    return Rung("done", at.isoformat(), "", gist_, tone)


def gist(body: bytes) -> str:
    """The first words of a body, on one line."""
    try:
        text = msgspec.json.format(body, indent=-1).decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        text = body.decode(errors="replace")
    return text if len(text) <= MAX_GIST else f"{text[:MAX_GIST]}…"


def indented(body: bytes) -> str:
    """Lay JSON out to be read, its numbers digit by digit as they came; what is not JSON is shown as it is."""
    try:
        return msgspec.json.format(body, indent=2).decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return body.decode(errors="replace")
