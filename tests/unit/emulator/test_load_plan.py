"""What a load is made of: the calls that are drawn, the figures that are kept, the answers that are judged."""

import random
from collections import Counter
from itertools import islice

import pytest

from callgate.emulator.load.drive import LAGGING_MS, verdict_on
from callgate.emulator.load.figures import Histogram
from callgate.emulator.load.judge import Judge
from callgate.emulator.load.mix import DrawnCall, Fate, Mix, draw_calls, parse_callers, parse_fates, parse_numbers
from callgate.emulator.load.talk_log import TalkLog
from callgate.errors import Invalid


def test_the_same_seed_draws_the_same_calls() -> None:
    """And another seed others."""
    first, again, other = (list(islice(draw_calls(seed, Mix()), 1_000)) for seed in (1, 1, 2))
    assert first == again != other


def test_calls_come_as_often_as_the_mix_says() -> None:
    """Within what chance allows, with few weights and with weights too large for a table."""
    for scale in (1, 1_000):
        mix = Mix(fates={Fate.ANSWERED: 70 * scale, Fate.BUSY: 20 * scale, Fate.REFUSED: 10 * scale}, repeat_percent=5)
        calls = list(islice(draw_calls(1, mix), 20_000))
        fates = Counter(call.fate for call in calls)
        assert abs(fates[Fate.ANSWERED] - 14_000) < 400
        assert abs(fates[Fate.REFUSED] - 2_000) < 200
        assert abs(sum(call.is_repeated for call in calls) - 1_000) < 150
        assert all(call.number < len(mix.unassigned) for call in calls if call.fate is Fate.REFUSED)


def test_a_mix_is_read() -> None:
    """Weights of nought are left out."""
    assert parse_fates("answered=3, busy=1,failed=0") == {Fate.ANSWERED: 3, Fate.BUSY: 1}
    assert parse_callers("user:alice, bob") == ("alice", "bob")
    assert parse_numbers("+46 70 174 06 05,12025550143") == ("+46701740605", "+12025550143")


@pytest.mark.parametrize("text", ["", "answered", "answered=", "answered=-1", "answered=0", "eaten=1", "busy=1,busy=2"])
def test_a_mix_that_cannot_be_read_is_told(text: str) -> None:
    """With the names that there are."""
    with pytest.raises(Invalid, match="--mix"):
        parse_fates(text)


def test_percentiles_are_exact_to_a_percent() -> None:
    """Of whatever sizes, in room that does not grow."""
    dice = random.Random(1)  # noqa: S311 - repeatable on purpose
    latencies = sorted(dice.lognormvariate(-6, 2) for _ in range(20_000))
    histogram = Histogram()
    for latency in latencies:
        histogram.add(latency)
    for percent in (50, 90, 99, 99.9):
        exact_ms = latencies[int(len(latencies) * percent / 100) - 1] * 1_000
        assert histogram.percentile_ms(percent) == pytest.approx(exact_ms, rel=0.011)
    assert histogram.summary().worst_ms == pytest.approx(latencies[-1] * 1_000, abs=0.01)


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 1e9])
def test_no_latency_is_too_small_or_too_large(seconds: float) -> None:
    """It is counted at the edge."""
    histogram = Histogram()
    histogram.add(seconds)
    assert histogram.count == 1
    assert histogram.percentile_ms(50) <= max(0.002, seconds * 1_000)


@pytest.mark.parametrize(
    ("event", "status", "body", "kind", "action"),
    [
        ("ice", 200, b'{"action":{"name":"connectPstn","maxDuration":9}}', "", "connectPstn"),
        ("ice", 200, b'{"action":{"name":"continue"}}', "illegal SVAML", ""),
        ("ice", 200, b"<html>", "no JSON", ""),
        ("ice", 200, b"", "no JSON", ""),
        ("ice", 503, b'{"action":{"name":"hangup"}}', "status 503", ""),
        ("ace", 200, b'{"action":{"name":"continue"}}', "", "continue"),
        ("ace", 200, b'{"action":{"name":"connectPstn"}}', "illegal SVAML", ""),
        ("dice", 200, b"", "", ""),
        ("dice", 204, b"", "", ""),
        ("dice", 200, b"{}", "", ""),
        ("dice", 200, b"OK", "no JSON", ""),
        ("dice", 200, b"[]", "no object", ""),
    ],
)
def test_every_answer_is_judged(event: str, status: int, body: bytes, kind: str, action: str) -> None:
    """By its status, its JSON, and what may answer this event; the same the second time."""
    judge = Judge()
    for _ in range(2):
        judged = judge.judge(event, status, body)
        assert (judged.kind, judged.action) == (kind, action)


def test_the_log_knows_who_talked_how_long() -> None:
    """By call id; of a call that was refused, or whose end is not known, it claims nothing."""
    talk_log = TalkLog(Mix(callers=("alice", "bob"), numbers=("+1", "+2")))
    drawn = DrawnCall(1, 0, Fate.ANSWERED, 9, 3, is_repeated=False)
    talked, refused, unknown, elsewhere = (talk_log.open(drawn) for _ in range(4))
    talk_log.close(talked, 9)
    talk_log.close(refused, -1)
    talk_log.close(elsewhere, 5, "+3")
    assert talk_log.index_of(talk_log.call_id(talked)) == talked
    assert talk_log.index_of("0" * 32) is None
    assert talk_log.talk(talked) == ("bob", "+1", 9)
    assert talk_log.talk(elsewhere) == ("bob", "+3", 5)
    assert talk_log.talk(refused) is talk_log.talk(unknown) is None
    assert [talk_log.is_known(index) for index in (talked, refused, unknown)] == [True, True, False]
    assert [index for index, _ in talk_log.talks()] == [talked, elsewhere]


def test_a_generator_says_when_it_was_the_bottleneck() -> None:
    """When its core was full, when it was kept waiting for one; and nothing when it had time to spare."""
    assert verdict_on(lag_p99_ms=1.5, cpu_share=0.5) == ""
    assert "97% of its core" in verdict_on(lag_p99_ms=1.5, cpu_share=0.97)
    assert "kept waiting" in verdict_on(lag_p99_ms=2 * LAGGING_MS, cpu_share=0.3)
