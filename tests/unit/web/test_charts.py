"""Charts: scales with round labels, and lines that go where the figures do."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.web.charts import HEIGHT, scale_for


@given(st.lists(st.decimals(-(10**9), 10**9, places=6), min_size=1))
def test_a_scale_holds_every_value_and_zero(values: list[Decimal]) -> None:
    """So that nothing is drawn outside of its box, and a bar stands on the ground."""
    scale = scale_for(values)
    for value in (*values, Decimal(0)):
        assert 0 <= scale.y(value) <= HEIGHT


def test_labels_are_round() -> None:
    """One, two, two and a half or five of something."""
    assert [str(each) for each in scale_for([Decimal(7)]).labels()] == ["8", "6", "4", "2", "0"]
    assert scale_for([Decimal("0.9")]).high == Decimal(1)
    assert (scale_for([Decimal(-3), Decimal(5)]).low, scale_for([Decimal(-3), Decimal(5)]).high) == (-5, 5)


@pytest.mark.parametrize(("most", "labels"), [(0, "43210"), (1, "43210"), (3, "43210"), (5, "86420"), (9, "20151050")])
def test_what_is_counted_has_whole_labels(most: int, labels: str) -> None:
    """There is no half of a call."""
    scale = scale_for([Decimal(most)], Decimal(1))
    assert "".join(f"{label:f}" for label in scale.labels()) == labels
