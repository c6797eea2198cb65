"""What an account had available over time: what was posted, less what its calls held. Plain functions."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from callgate.ledger.transfer import TransferKind
from callgate.money import format_micros
from callgate.service.records import Call
from callgate.service.reports import AccountReport
from callgate.service.statement import StatementLine
from callgate.web.charts import HEIGHT, INTERVALS, WIDTH, Chart, Shape, said, scale_for

TABLED = 60
"""Newest moments that stand in the table of figures."""


class Moment(NamedTuple):
    """What there was from this time on. Amounts in the account's currency."""

    at: datetime
    available: Decimal
    posted: Decimal


def available_chart(
    account: AccountReport, lines: Sequence[StatementLine], calls: Sequence[Call], now: datetime, *, is_cut: bool
) -> Chart | None:
    """Lines and calls, the newest first; `is_cut`: there are older calls than these, so that the chart begins with them.

    None where nothing ever moved.
    """
    moments = list(_moments(account, lines, calls))
    if is_cut and calls:
        first = min(call.decided_at for call in calls)
        moments = [each for each in moments if each.at >= first] or moments[-1:]
    if not moments:
        return None
    start, end = moments[0].at, max(now, moments[-1].at)
    moments.append(Moment(end, Decimal(account.available), Decimal(account.posted)))
    span = max(end - start, timedelta(seconds=1))
    scale = scale_for([value for each in moments for value in (each.available, each.posted)])

    x = [WIDTH * ((moment.at - start) / span) for moment in moments]

    def stairs(values: Sequence[Decimal]) -> str:
        """Steps a pixel apart or more: what happens within one is drawn as it ends."""
        y = [HEIGHT * float((scale.high - value) / (scale.high - scale.low)) for value in values]
        path, drawn_at = [f"M0 {y[0]:.4g}"], 0.0
        for place in range(1, len(values)):
            if place + 1 < len(values) and x[place + 1] - drawn_at < 1:
                continue
            drawn_at = x[place]
            path.append(f"H{drawn_at:.5g}V{y[place]:.4g}")
        return "".join([*path, f"H{WIDTH}"])

    available, posted = [each.available for each in moments], [each.posted for each in moments]
    line, currency = stairs(available), account.currency
    return Chart(
        title="Available over time",
        unit=currency,
        summary=f"From {said(available[0], currency)} to {said(available[-1], currency)} {currency}, "
        f"lowest {said(min(available), currency)}, highest {said(max(available), currency)}.",
        shapes=(
            Shape("area", f"{line}V{scale.y(Decimal(0))}H0Z"),
            Shape("line two", stairs(posted)),
            Shape("line", line),
        ),
        legend=(("one", "available"), ("two", "posted")),
        up=[said(value, currency) for value in scale.labels()],
        along=[(start + span * index / INTERVALS).isoformat() for index in range(INTERVALS + 1)],
        heads=("Available", "Posted"),
        table=[
            (each.at.isoformat(), (said(each.available, currency), said(each.posted, currency)))
            for each in reversed(moments[-TABLED:])
        ],
    )


def _moments(account: AccountReport, lines: Sequence[StatementLine], calls: Sequence[Call]) -> Iterator[Moment]:
    """Whenever money moved or was held, oldest first. What moved in the same moment is one."""
    credit = Decimal(account.credit_limit)
    settled = {line.call_id: datetime.fromisoformat(line.at) for line in lines if line.kind in _ENDS and line.call_id}
    news: list[tuple[datetime, int, Decimal]] = []  # when, 0 for what is posted then and 1 for how much more is held
    news += [(datetime.fromisoformat(line.at), 0, Decimal(line.posted)) for line in reversed(lines)]
    for call in calls:
        if call.hold is None:
            continue
        held = Decimal(format_micros(call.hold.amount_micros))
        news.append((call.hold.placed_at, 1, held))
        if call.ended_at is not None:
            news.append((max(settled.get(call.key.call_id, call.ended_at), call.hold.placed_at), 1, -held))
    news.sort(key=lambda each: each[0])
    posted = Decimal(lines[-1].posted) - Decimal(lines[-1].amount) if lines else Decimal(account.posted)
    held = Decimal(0)
    for place, (at, is_held, amount) in enumerate(news):
        if is_held:
            held += amount
        else:
            posted = amount
        if place + 1 == len(news) or news[place + 1][0] != at:
            yield Moment(at, posted + credit - held, posted)


_ENDS = frozenset({TransferKind.CHARGE.value, TransferKind.OVERRUN.value})
