"""What the page shows of the reports."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from callgate.policy.refusal import SENTENCES, Refusal
from callgate.service.records import Flag
from callgate.service.reports import CallReport, DecisionReport
from callgate.web.formats import facts, money
from callgate.web.view import SHOWN_LIVE, SHOWN_RECENT, outcome_of, seconds_left, view_calls, view_line

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(seconds_ago: float) -> str:
    return (NOW - timedelta(seconds=seconds_ago)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def decision(refusal: Refusal | None = None) -> DecisionReport:
    return DecisionReport(
        outcome="connect" if refusal is None else "refuse",
        refusal=refusal,
        reason=None if refusal is None else SENTENCES[refusal],
        granted_s=60 if refusal is None else 0,
        trace=[],
    )


def report(call_id: str = "c1", **fields: Any) -> CallReport:
    """A call that talks, or whatever `fields` make of it."""
    plain: dict[str, Any] = dict.fromkeys(CallReport.__struct_fields__)
    words: dict[str, Any] = {"application": "app", "state": "answered", "account": "alice", "caller": "alice"}
    more: dict[str, Any] = {"destination": "+46701740605", "decision": decision(), "decided_at": at(30)}
    return CallReport(**plain | words | more | {"call_id": call_id, "flags": (), "events": []} | fields)


def view(live: list[CallReport], newest: list[CallReport], limit: int = 1_000) -> Any:
    return view_calls(live, newest, NOW, live_limit=limit)


def test_calls_that_are_up_are_not_among_the_recent() -> None:
    """Each call is on one list."""
    up, over = report("up"), report("over", state="ended", result="answered", ended_at=at(1))
    shown = view([up], [up, over])
    assert [line.call_id for line in shown.live] == ["up"]
    assert [line.call_id for line in shown.recent] == ["over"]


def test_the_call_that_ended_last_comes_first() -> None:
    """Though it may have begun before the others."""
    long = report("long", state="ended", decided_at=at(500), ended_at=at(1))
    short = report("short", state="ended", decided_at=at(20), ended_at=at(10))
    refused = report("refused", state="refused", decided_at=at(5))
    assert [line.call_id for line in view([], [refused, short, long]).recent] == ["long", "refused", "short"]


def test_the_last_minute_is_counted() -> None:
    """Decisions only: an end without a start is none."""
    newest = [
        report("a", decided_at=at(1)),
        report("b", state="refused", decided_at=at(59), decision=decision(Refusal.NO_RATE)),
        report("c", state="refused", decided_at=at(60), decision=decision(Refusal.NO_RATE)),
        report("d", state="parked", decided_at=at(2), decision=None),
    ]
    counters = view([], newest).counters
    assert (counters.decided, counters.refused) == (2, 1)


def test_money_held_is_added_up_by_currency() -> None:
    """Exactly, and never across currencies."""
    live = [report("a", hold="0.10", currency="USD"), report("b", hold="0.20", currency="USD")]
    live.append(report("c", hold="1234.009659", currency="EUR"))
    assert view(live, []).counters.held == (money("1234.009659", "EUR"), money("0.30", "USD"))


def test_lists_are_bounded_and_say_so() -> None:
    """A count that met its bound is a floor."""
    live = [report(f"up {number}") for number in range(SHOWN_LIVE + 1)]
    newest = [report(f"over {number}", state="ended", ended_at=at(1)) for number in range(SHOWN_RECENT + 1)]
    shown = view(live, newest, limit=SHOWN_LIVE + 1)
    assert (len(shown.live), len(shown.recent)) == (SHOWN_LIVE, SHOWN_RECENT)
    assert shown.counters.is_more_live
    assert not view(live, newest, limit=SHOWN_LIVE + 2).counters.is_more_live


def test_a_refusal_is_said_by_its_name_and_sentence() -> None:
    """As they stand in the records."""
    outcome = outcome_of(report(state="refused", decision=decision(Refusal.INSUFFICIENT_CREDIT)))
    assert (outcome.words, outcome.tone) == ("insufficient credit", "bad")
    assert outcome.sentence == SENTENCES[Refusal.INSUFFICIENT_CREDIT]


@pytest.mark.parametrize(
    ("fields", "words", "tone"),
    [
        ({"state": "arrived"}, "ringing", "plain"),
        ({"state": "answered"}, "talking", "good"),
        ({"state": "ended", "result": "answered"}, "connected", "good"),
        ({"state": "ended", "result": "no_answer"}, "no answer", "plain"),
        ({"state": "parked", "decision": None}, "end without a start", "odd"),
        ({"state": "ended", "result": "answered", "decision": None}, "connected", "good"),
    ],
)
def test_what_became_of_a_call_is_said_in_a_word_or_two(fields: dict[str, Any], words: str, tone: str) -> None:
    """Where it was not refused."""
    outcome = outcome_of(report(**fields))
    assert (outcome.words, outcome.tone) == (words, tone)


def test_flags_read_as_words() -> None:
    """Without underscores."""
    assert view_line(report(flags=(Flag.END_UNCLEAR,))).flags == ("end unclear",)


def test_seconds_left_run_from_the_answer() -> None:
    """Never below 0, and never above the grant when clocks differ."""
    assert seconds_left(view_line(report(answered_at=None)), NOW) == 60
    assert seconds_left(view_line(report(answered_at=at(10.5))), NOW) == 50
    assert seconds_left(view_line(report(answered_at=at(100))), NOW) == 0
    assert seconds_left(view_line(report(answered_at=at(-5))), NOW) == 60


def test_what_a_step_saw_reads_with_its_unit() -> None:
    """Names that end in a unit give it to the value."""
    saw = {"affordable_s": 14_400, "available": "2.00", "prefix": None}
    assert facts(saw) == [("affordable", "14,400 s"), ("available", "2.00"), ("prefix", "none")]
