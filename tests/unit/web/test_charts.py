"""Charts: scales with round labels, and lines that go where the figures do."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from callgate.service.statement import StatementLine
from callgate.web.charts import HEIGHT, balance_chart, scale_for

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


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


def line(seconds_ago: int, posted: str) -> StatementLine:
    at = (NOW - timedelta(seconds=seconds_ago)).isoformat()
    plain = dict.fromkeys(StatementLine.__struct_fields__, "")
    return StatementLine(**plain | {"at": at, "posted": posted, "currency": "USD", "call_id": None})


def test_a_balance_goes_in_steps_from_its_first_movement_to_now() -> None:
    """It stays where it is until something moves."""
    chart = balance_chart([line(0, "5.00"), line(50, "10.00"), line(100, "8.00")], "USD", NOW)
    assert chart is not None
    assert chart.shapes[-1].path == "M0 48H500V0H1000V120H1000"
    assert chart.summary == "From 8.00 to 5.00 USD, lowest 5.00, highest 10.00."
    assert len(chart.table) == 3


def test_no_movement_no_chart() -> None:
    """There is nothing to be drawn."""
    assert balance_chart([], "USD", NOW) is None
