"""Demonstration traffic is believable, and the same for the same seed."""

from itertools import islice

import pytest

from callgate.emulator.scenario import Outcome
from callgate.emulator.traffic import DEMO, Mix, dream_up
from callgate.errors import Invalid


def test_a_seed_gives_the_same_calls() -> None:
    """And another seed gives others."""
    first = list(islice(dream_up(7), 50))
    assert first == list(islice(dream_up(7), 50))
    assert first != list(islice(dream_up(8), 50))


def test_a_thousand_calls_show_everything() -> None:
    """Every user, every group of destinations, every outcome; most calls are answered and priced."""
    calls = list(islice(dream_up(1), 1000))
    dialled = [call.callee.address for call in calls]
    assert {call.caller.address for call in calls} == set(DEMO.users)
    assert set(dialled) == {*DEMO.priced, *DEMO.unpriced, *DEMO.invalid}
    assert {call.outcome for call in calls} == {
        Outcome(word) for word in ("answered", "busy", "noanswer", "cancel", "failed")
    }
    assert sum(number in DEMO.priced for number in dialled) > 800
    assert sum(call.outcome is Outcome.ANSWERED for call in calls) > 700


def test_groups_may_be_empty_but_not_all() -> None:
    """Somebody must call, and somebody must be called."""
    calls = islice(dream_up(1, Mix(users=["zoe"], priced=["+46846500400"], unpriced=[], invalid=[])), 20)
    assert {str(call.callee) for call in calls} == {"+46846500400"}
    with pytest.raises(Invalid):
        Mix(users=[])
