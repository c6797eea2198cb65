"""How much of a server's time goes into deliveries while it decides calls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.outbox.pace import LONGEST_PAUSE_S, SHARE, pause_s


@pytest.mark.parametrize(
    ("used_ms", "passed_ms", "expected_ms"),
    [
        (0.30, 0.30, 1.7),  # we did nothing but deliver
        (0.30, 1.00, 1.0),  # we waited as well
        (0.30, 2.00, 0.0),
        (0.30, 100.0, 0.0),  # few records, or a slow receiver: nobody waits for us
        (5.00, 5.00, 3.0),  # the server is busy: some go out all the same
    ],
)
def test_attempts_begin_with_time_between_them(used_ms: float, passed_ms: float, expected_ms: float) -> None:
    """The more, the more of the time is used."""
    assert pause_s(used_ms / 1_000, passed_ms / 1_000) == pytest.approx(expected_ms / 1_000)


seconds = st.floats(0, 10)


@given(seconds, seconds)
def test_calls_have_the_rest_of_the_time(used_s: float, passed_s: float) -> None:
    """Unless the pause would be so long that a backlog stood still."""
    paused_s = pause_s(used_s, passed_s)
    assert 0 <= paused_s <= LONGEST_PAUSE_S
    assert paused_s == LONGEST_PAUSE_S or used_s <= SHARE * (passed_s + paused_s) * 1.001
