"""What pages show of calls."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.policy.refusal import SENTENCES, Refusal
from callgate.protocol.call import CallKey
from callgate.protocol.life import CallState
from callgate.service.records import Flag
from callgate.service.reports import CallReport, DecisionReport
from callgate.service.watch import LiveCall, Tally
from callgate.web.formats import facts, money
from callgate.web.view import (
    SHOWN_LIVE,
    SHOWN_RECENT,
    change_of,
    counters_of,
    outcome_of,
    recent_lines,
    seconds_left,
    view_line,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(seconds_ago: float) -> str:
    return (NOW - timedelta(seconds=seconds_ago)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def decision(refusal: Refusal | None = None) -> DecisionReport:
    return DecisionReport(
        outcome="connect" if refusal is None else "refuse",
        refusal=refusal,
        reason=None if refusal is None else SENTENCES[refusal],
        granted_s=60 if refusal is None else 0,
        rule=None,
        trace=[],
    )


def report(call_id: str = "c1", **fields: Any) -> CallReport:
    """A call that talks, or whatever `fields` make of it."""
    plain: dict[str, Any] = dict.fromkeys(CallReport.__struct_fields__)
    words: dict[str, Any] = {"application": "app", "state": "answered", "account": "alice", "caller": "alice"}
    more: dict[str, Any] = {"destination": "+46701740605", "decision": decision(), "decided_at": at(30)}
    return CallReport(**plain | words | more | {"call_id": call_id, "flags": (), "events": []} | fields)


def live_call(call_id: str = "c1", **fields: Any) -> LiveCall:
    words: dict[str, Any] = {"state": CallState.ANSWERED, "account": "alice", "caller": "alice", "granted_s": 60}
    money = {"held_micros": 100_000, "rate_nanos_per_min": 20_000_000, "currency": "USD", "destination": "+46701740605"}
    times = {"decided_at": NOW, "answered_at": NOW}
    return LiveCall(key=CallKey("app", call_id), **words | money | times | fields)


def tally(seconds_ago: int, refusal: Refusal | None = None, calls: int = 1) -> Tally:
    return Tally(int(NOW.timestamp()) - seconds_ago, refusal, calls)


def test_calls_that_are_up_are_not_among_the_recent() -> None:
    """Each call is on one list."""
    up, over = report("up"), report("over", state="ended", result="answered", ended_at=at(1))
    assert [line.call_id for line in recent_lines([up, over])] == ["over"]


def test_the_call_that_ended_last_comes_first() -> None:
    """Though it may have begun before the others."""
    long = report("long", state="ended", decided_at=at(500), ended_at=at(1))
    short = report("short", state="ended", decided_at=at(20), ended_at=at(10))
    refused = report("refused", state="refused", decided_at=at(5))
    assert [line.call_id for line in recent_lines([refused, short, long])] == ["long", "refused", "short"]


def test_recent_calls_are_bounded() -> None:
    """The page has room for so many."""
    over = [report(f"over {number}", state="ended", ended_at=at(1)) for number in range(SHOWN_RECENT + 1)]
    assert len(recent_lines(over)) == SHOWN_RECENT


def test_the_last_minute_is_counted() -> None:
    """What was refused, and why, the most frequent reason first; what is older is not counted."""
    tallies = [
        tally(0, calls=3),
        tally(59, Refusal.NO_RATE),
        tally(1, Refusal.INSUFFICIENT_CREDIT, 2),
        tally(60, Refusal.NO_RATE, 7),
    ]
    counters = counters_of([], tallies, NOW)
    assert (counters.decided, counters.refused) == (6, 3)
    assert [(outcome.words, calls) for outcome, calls in counters.refusals] == [
        ("insufficient credit", 2),
        ("no rate", 1),
    ]


def test_a_second_that_is_not_over_is_not_in_the_average() -> None:
    """Ten whole seconds are."""
    tallies = [tally(0, calls=100), *(tally(ago, calls=2) for ago in range(1, 12))]
    assert counters_of([], tallies, NOW).per_second == "2.0"


def test_the_pulse_has_a_bar_a_second() -> None:
    """Calls let through stand on those refused; the highest bar fills the box."""
    passed, refused = counters_of([], [tally(0, calls=3), tally(0, Refusal.NO_RATE)], NOW).pulse
    assert refused == "M118 24.0v-6.0h1.5v6.0z"
    assert passed == "M118 18.0v-18.0h1.5v18.0z"


def test_money_is_added_up_by_currency() -> None:
    """Exactly, and never across currencies; what rings burns nothing yet."""
    live = [
        live_call("a", held_micros=100_000),
        live_call("b", held_micros=200_000, answered_at=None, state=CallState.ARRIVED),
        live_call("c", held_micros=1_234_009_659, currency="EUR", rate_nanos_per_min=9_500_000),
    ]
    counters = counters_of(live, [], NOW)
    assert counters.held == (money("1234.009659", "EUR"), money("0.30", "USD"))
    assert counters.burn == (money("0.0095", "EUR"), money("0.02", "USD"))


def test_a_count_that_met_its_bound_says_so() -> None:
    """It is a floor then."""
    assert counters_of([live_call()] * SHOWN_LIVE, [], NOW).is_more_live
    assert not counters_of([live_call()] * (SHOWN_LIVE - 1), [], NOW).is_more_live


rows = st.dictionaries(st.sampled_from("abcdefg"), st.sampled_from(["one", "two"]))
shuffled = rows.flatmap(lambda given: st.permutations(list(given.items())).map(dict))


@given(shuffled, shuffled)
def test_changes_bring_one_list_to_the_other(before: dict[str, str], after: dict[str, str]) -> None:
    """As a browser applies them: each row is put before one that is there already."""
    change = change_of(before, after)
    held = [(key, html) for key, html in before.items() if key not in change.gone]
    for key, html, following in change.put:
        held = [row for row in held if row[0] != key]
        place = len(held) if following is None else [name for name, _ in held].index(following)
        held.insert(place, (key, html))
    assert held == list(after.items())


def test_what_has_not_changed_is_not_sent() -> None:
    """A row that comes first moves none of the others."""
    assert change_of({"b": "1", "c": "1"}, {"a": "1", "b": "1", "c": "2"}) == ([], [("c", "2", None), ("a", "1", "b")])


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
