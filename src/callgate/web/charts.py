"""Charts, drawn on the server as shapes of SVG in a box of `WIDTH` by `HEIGHT` that stretches to its place.

Letters would stretch with the box, so that they stand beside it, at even distances: labels of both axes are chosen to fall
there. Every chart carries its figures as a table too, which is what a screen reader is given. Plain functions.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from callgate.service.statement import StatementLine
from callgate.web.formats import Money, money

WIDTH = 1_000
HEIGHT = 240
INTERVALS = 4
"""Between the labels of an axis."""

_STEPS = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))


class Label(NamedTuple):
    """A label of the vertical axis, at its even place from the top."""

    text: str


class Shape(NamedTuple):
    """A path, and the class that gives it its colour."""

    kind: str
    path: str


class Chart(NamedTuple):
    """What a template needs to show one. `summary` says in a sentence what a reader would see; `table` has its figures:
    a time each, then its cells.
    """

    title: str
    unit: str
    summary: str
    shapes: Sequence[Shape]
    legend: Sequence[tuple[str, str]]
    up: Sequence[str]
    along: Sequence[str]
    heads: Sequence[str]
    table: Sequence[tuple[str, Sequence[str]]]


class Scale(NamedTuple):
    """From `low` to `high`, both whole steps, in `INTERVALS` even parts."""

    low: Decimal
    high: Decimal

    def y(self, value: Decimal) -> Decimal:
        """How far from the top of the box a value is."""
        return _rounded((self.high - value) / (self.high - self.low) * HEIGHT)

    def labels(self) -> list[Decimal]:
        """From the top down."""
        step = (self.high - self.low) / INTERVALS
        return [self.high - step * index for index in range(INTERVALS + 1)]


def scale_for(values: Sequence[Decimal]) -> Scale:
    """A scale with round labels that holds all values, and 0."""
    low, high = min([Decimal(0), *values]), max([Decimal(0), *values])
    if low == high:
        return Scale(Decimal(0), Decimal(1))
    rough = (high - low) / INTERVALS
    unit = Decimal(10) ** rough.adjusted()
    for step in (*(unit * each for each in _STEPS), unit * 20, unit * 50):
        bottom = (low / step).to_integral_value(rounding="ROUND_FLOOR") * step
        if bottom + step * INTERVALS >= high:
            return Scale(bottom, bottom + step * INTERVALS)
    raise AssertionError("five times the rough step holds any range")


def balance_chart(lines: Sequence[StatementLine], currency: str, now: datetime) -> Chart | None:
    """What an account had over time, by its statement, newest line first; None where nothing ever moved."""
    if not lines:
        return None
    moments = [(datetime.fromisoformat(line.at), Decimal(line.posted)) for line in reversed(lines)]
    start, end = moments[0][0], max(now, moments[-1][0])
    span = max(end - start, timedelta(seconds=1))
    scale = scale_for([value for _, value in moments])

    def x(at: datetime) -> Decimal:
        return _rounded(Decimal((at - start) / span) * WIDTH)

    steps = [f"M0 {scale.y(moments[0][1])}"]
    for at, value in moments[1:]:
        steps.append(f"H{x(at)}V{scale.y(value)}")
    steps.append(f"H{WIDTH}")
    line = "".join(steps)
    zero = scale.y(Decimal(0))
    lowest, highest = min(value for _, value in moments), max(value for _, value in moments)
    return Chart(
        title="Balance over time",
        unit=currency,
        summary=f"From {_said(moments[0][1], currency)} to {_said(moments[-1][1], currency)} {currency}, "
        f"lowest {_said(lowest, currency)}, highest {_said(highest, currency)}.",
        shapes=(Shape("area", f"{line}V{zero}H0Z"), Shape("line", line)),
        legend=(),
        up=[_said(value, currency) for value in scale.labels()],
        along=[(start + span * index / INTERVALS).isoformat() for index in range(INTERVALS + 1)],
        heads=("Posted",),
        table=[(line.at, (_said(Decimal(line.posted), currency),)) for line in lines[:50]],
    )


def _said(value: Decimal, currency: str) -> str:
    split: Money = money(f"{value:f}", currency)
    return f"{split.whole}{split.below}"


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.1")).normalize() + 0
