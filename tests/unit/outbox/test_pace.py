"""How many deliveries go out while calls are being decided."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.outbox.pace import BACKLOG_PER_S, LOOKED_S, Pace, gap_s

CALLBACKS_OF_A_RECORD = 1.0
"""At least: a refused call arrives, and that was it."""


@pytest.mark.parametrize(
    ("callbacks_per_s", "endpoints", "per_s"),
    [
        (0, 1, 100),  # a backlog goes out beside few calls too
        (110, 1, 210),
        (110, 3, 430),  # three records of each call
        (5_000, 1, 5_100),
    ],
)
def test_attempts_go_with_calls(callbacks_per_s: float, endpoints: int, per_s: float) -> None:
    """As many as calls make, and some of what is left from before."""
    assert 1 / gap_s(callbacks_per_s, endpoints) == pytest.approx(per_s)


@given(st.floats(0, 10_000), st.integers(1, 100))
def test_a_backlog_never_grows(records_per_s: float, endpoints: int) -> None:
    """Whatever calls come, more goes out than they make."""
    assert (
        1 / gap_s(records_per_s * CALLBACKS_OF_A_RECORD, endpoints) >= records_per_s * endpoints + BACKLOG_PER_S * 0.999
    )


def test_attempts_begin_with_time_between_them() -> None:
    """The one after another begins no sooner than the pace says, and nobody waits who came late. The pace follows the calls."""
    heard = 0
    pace = Pace(lambda: heard)
    assert pace.pause_s(10.0, 1) == 0
    pace.begin(10.0)
    assert pace.pause_s(10.004, 1) == pytest.approx(0.006)
    assert pace.pause_s(10.02, 1) == 0
    heard = 300
    pace.begin(10.0 + LOOKED_S)
    assert pace.pause_s(10.0 + LOOKED_S, 1) == pytest.approx(1 / 400)
    assert pace.pause_s(10.0 + LOOKED_S, 3) == pytest.approx(1 / 1_000)
