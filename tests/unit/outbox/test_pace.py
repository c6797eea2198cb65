"""How much of a server's time goes into deliveries while it decides calls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.outbox.pace import LONGEST_GAP_S, SHARE, SHORTEST_GAP_S, pause_s


@pytest.mark.parametrize(
    ("used_ms", "passed_ms", "expected_ms"),
    [
        (0.20, 0.20, 1.4),  # a receiver that is near, and a server with time
        (0.50, 0.50, 1.5),  # calls took some of it
        (0.50, 1.50, 0.5),  # we waited as well
        (5.00, 1.00, 2.0),  # the server is busy: some go out all the same
        (0.20, 100.0, 0.0),  # few records, or a slow receiver: nobody waits for us
    ],
)
def test_attempts_begin_with_time_between_them(used_ms: float, passed_ms: float, expected_ms: float) -> None:
    """The more, the more of the time is used."""
    assert pause_s(used_ms / 1_000, passed_ms / 1_000) == pytest.approx(expected_ms / 1_000)


seconds = st.floats(0, 10)


@given(seconds, seconds)
def test_calls_have_the_rest_of_the_time(used_s: float, passed_s: float) -> None:
    """Never more often than that; less often where more was used, but so often that a backlog moves."""
    gap_s = passed_s + pause_s(used_s, passed_s)
    assert gap_s >= SHORTEST_GAP_S * 0.999
    assert gap_s >= LONGEST_GAP_S * 0.999 or used_s <= SHARE * gap_s * 1.001
    assert pause_s(used_s, passed_s) <= LONGEST_GAP_S
