"""What an account had available: what was posted, less what its calls held, and it ends at what there is."""

from datetime import UTC, datetime, timedelta
from typing import Any

from callgate.ledger.hold import Hold, HoldState
from callgate.protocol.call import CallKey
from callgate.protocol.life import CallState
from callgate.service.records import Call
from callgate.service.reports import AccountReport
from callgate.service.statement import StatementLine
from callgate.web.balance import available_chart

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def ago(seconds: int) -> datetime:
    return NOW - timedelta(seconds=seconds)


def line(
    seconds_ago: int, posted: str, amount: str = "0.00", kind: str = "topup", call: str | None = None
) -> StatementLine:
    plain = dict.fromkeys(StatementLine.__struct_fields__, "")
    said = {"at": ago(seconds_ago).isoformat(), "posted": posted, "amount": amount, "currency": "USD", "kind": kind}
    return StatementLine(**plain | said | {"call_id": call})


def held(name: str, placed: int, ended: int | None, units: int) -> Call:
    """A call that held so many units from then on, until then."""
    hold = Hold(amount_micros=units * 1_000_000, placed_at=ago(placed))
    return Call(
        key=CallKey("app", name),
        state=CallState.ARRIVED if ended is None else CallState.ENDED,
        caller="alice",
        destination="+46701740605",
        fingerprint="",
        decided_at=ago(placed),
        ended_at=None if ended is None else ago(ended),
        hold=hold if ended is None else hold.end(HoldState.POSTED),
    )


def account(posted: str, available: str, credit_limit: str = "0.00") -> AccountReport:
    plain: dict[str, Any] = dict.fromkeys(AccountReport.__struct_fields__, "")
    said = {"id": "alice", "currency": "USD", "posted": posted, "available": available, "credit_limit": credit_limit}
    return AccountReport(**plain | said)


def test_it_goes_in_steps_from_the_first_movement_to_now() -> None:
    """It stays where it is until something moves."""
    lines = [line(0, "5.00", "-5.00"), line(50, "10.00", "2.00"), line(100, "8.00", "8.00")]
    chart = available_chart(account("5.00", "5.00"), lines, [], NOW, is_cut=False)
    assert chart is not None
    assert chart.shapes[-1].path == "M0 48H500V0H1000V120H1000V120H1000"
    assert chart.summary == "From 8.00 to 5.00 USD, lowest 5.00, highest 10.00."


def test_what_a_call_holds_is_not_available_until_it_is_settled() -> None:
    """The hold and the charge end in the same moment: there is no dip between."""
    lines = [line(20, "9.00", "-1.00", "charge", "c1"), line(100, "10.00", "10.00")]
    chart = available_chart(account("9.00", "9.00"), lines, [held("c1", 50, 21, 4)], NOW, is_cut=False)
    assert chart is not None
    assert [cells for _, cells in chart.table] == [
        ("9.00", "9.00"),
        ("9.00", "9.00"),
        ("6.00", "10.00"),
        ("10.00", "10.00"),
    ]


def test_a_call_that_is_up_holds_to_the_end_and_credit_counts() -> None:
    """What may be owed is available too."""
    chart = available_chart(
        account("10.00", "11.00", "5.00"), [line(100, "10.00", "10.00")], [held("c1", 50, None, 4)], NOW, is_cut=False
    )
    assert chart is not None
    assert chart.summary == "From 15.00 to 11.00 USD, lowest 11.00, highest 15.00."


def test_it_begins_where_its_calls_do_when_there_are_more() -> None:
    """What older calls held is not known, so that nothing is said of then."""
    lines = [line(50, "9.00", "-1.00"), line(1000, "10.00", "10.00")]
    chart = available_chart(account("9.00", "9.00"), lines, [held("c1", 100, 50, 1)], NOW, is_cut=True)
    assert chart is not None
    assert chart.along[0] == ago(100).isoformat()


def test_no_movement_no_chart() -> None:
    """There is nothing to be drawn."""
    assert available_chart(account("0.00", "0.00"), [], [], NOW, is_cut=False) is None
