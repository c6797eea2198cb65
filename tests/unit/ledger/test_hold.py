"""A hold meets exactly one end."""

from datetime import UTC, datetime

import pytest

from callgate.ledger.hold import Hold, HoldState

HOLD = Hold(amount_micros=60_000, placed_at=datetime(2026, 11, 23, tzinfo=UTC))


@pytest.mark.parametrize("end", [HoldState.POSTED, HoldState.VOIDED])
def test_an_open_hold_ends_and_keeps_what_it_was(end: HoldState) -> None:
    """Amount and time are those of its placing."""
    assert HOLD.state is HoldState.OPEN
    ended = HOLD.end(end)
    assert (ended.state, ended.amount_micros, ended.placed_at) == (end, 60_000, HOLD.placed_at)


@pytest.mark.parametrize("first", [HoldState.POSTED, HoldState.VOIDED])
@pytest.mark.parametrize("second", [HoldState.POSTED, HoldState.VOIDED])
def test_an_ended_hold_does_not_end_again(first: HoldState, second: HoldState) -> None:
    """That would be our own bug."""
    with pytest.raises(AssertionError, match=f"hold is {first} already"):
        HOLD.end(first).end(second)


def test_an_open_hold_grows() -> None:
    """To what is set aside now, as often as it is asked; it neither shrinks nor grows after its end."""
    assert HOLD.grow(70_000) == Hold(amount_micros=70_000, placed_at=HOLD.placed_at)
    assert HOLD.grow(60_000) == HOLD
    with pytest.raises(AssertionError, match=r"^a hold that shrinks"):
        HOLD.grow(59_999)
    with pytest.raises(AssertionError, match="hold is posted already"):
        HOLD.end(HoldState.POSTED).grow(70_000)
