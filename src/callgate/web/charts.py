"""Charts, drawn on the server as shapes of SVG in a box of `WIDTH` by `HEIGHT` that stretches to its place.

Letters would stretch with the box, so that they stand beside it, at even distances: labels of both axes are chosen to fall
there. Every chart carries its figures as a table too, which is what a screen reader is given. Plain functions.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

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
        return rounded((self.high - value) / (self.high - self.low) * HEIGHT)

    def labels(self) -> list[Decimal]:
        """From the top down."""
        step = (self.high - self.low) / INTERVALS
        return [self.high - step * index for index in range(INTERVALS + 1)]


def scale_for(values: Sequence[Decimal], least: Decimal = Decimal(0)) -> Scale:
    """A scale with round labels that holds all values, and 0. Each is a multiple of `least`: 1 where things are counted."""
    low, high = min([Decimal(0), *values]), max([Decimal(0), *values])
    if low == high:
        return Scale(Decimal(0), max(Decimal(1), least * INTERVALS))
    rough = (high - low) / INTERVALS
    unit = Decimal(10) ** rough.adjusted()
    for rough_step in (*(unit * each for each in _STEPS), unit * 20, unit * 50):
        step = rough_step.normalize() + 0  # 1, neither 1.0 nor 1E+1
        bottom = (low / step).to_integral_value(rounding="ROUND_FLOOR") * step
        is_whole = not least or not step % least
        if is_whole and bottom + step * INTERVALS >= high:
            return Scale(bottom, bottom + step * INTERVALS)
    raise AssertionError("five times the rough step holds any range")


class Series(NamedTuple):
    """One of the values that stand on each other: `kind` gives it its colour."""

    kind: str
    name: str
    values: Sequence[Decimal]


def stacked_chart(title: str, unit: str, starts: Sequence[datetime], end: datetime, series: Sequence[Series]) -> Chart:
    """Bars at even distances, each from one start to the next, its parts standing on each other; none is below 0."""
    totals = [sum(values, Decimal(0)) for values in zip(*(each.values for each in series), strict=True)]
    scale = scale_for(totals, Decimal(0) if unit else Decimal(1))
    width = Decimal(WIDTH) / max(1, len(starts))
    grounds = [Decimal(0)] * len(starts)
    shapes = []
    for each in series:
        path = []
        for place, value in enumerate(each.values):
            if value:
                x, low, high = rounded(width * place), scale.y(grounds[place]), scale.y(grounds[place] + value)
                path.append(f"M{x} {low}V{high}h{rounded(width * BAR)}V{low}z")
                grounds[place] += value
        shapes.append(Shape(f"bars {each.kind}", "".join(path)))
    whole = sum(totals, Decimal(0))
    parts = ", ".join(f"{said(sum(each.values, Decimal(0)), unit)} {each.name}" for each in series)
    return Chart(
        title=title,
        unit=unit,
        summary=f"{said(whole, unit)} in all: {parts}.",
        shapes=shapes,
        legend=[(each.kind, each.name) for each in series],
        up=[said(value, unit) for value in scale.labels()],
        along=_along(starts, end),
        heads=[each.name for each in series],
        table=[
            (at.isoformat(), [said(each.values[place], unit) for each in series]) for place, at in enumerate(starts)
        ],
    )


def line_chart(title: str, unit: str, starts: Sequence[datetime], end: datetime, series: Sequence[Series]) -> Chart:
    """Lines from the middle of each time to that of the next."""
    scale = scale_for([value for each in series for value in each.values])
    width = Decimal(WIDTH) / max(1, len(starts))
    shapes = [
        Shape(
            f"line {each.kind}",
            "M"
            + "L".join(
                f"{rounded(width * place + width / 2)} {scale.y(value)}" for place, value in enumerate(each.values)
            ),
        )
        for each in series
    ]
    parts = ", ".join(f"{each.name} {said(sum(each.values, Decimal(0)), unit)}" for each in series)
    return Chart(
        title=title,
        unit=unit,
        summary=f"In all: {parts}.",
        shapes=shapes,
        legend=[(each.kind, each.name) for each in series],
        up=[said(value, unit) for value in scale.labels()],
        along=_along(starts, end),
        heads=[each.name for each in series],
        table=[
            (at.isoformat(), [said(each.values[place], unit) for each in series]) for place, at in enumerate(starts)
        ],
    )


BAR = Decimal("0.8")
"""How much of its place a bar takes."""


def _along(starts: Sequence[datetime], end: datetime) -> list[str]:
    span = end - starts[0]
    return [(starts[0] + span * index / INTERVALS).isoformat() for index in range(INTERVALS + 1)]


def said(value: Decimal, currency: str) -> str:
    if not currency:
        return f"{value:,f}"
    split: Money = money(f"{value:f}", currency)
    return f"{split.whole}{split.below}"


def rounded(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.1")).normalize() + 0
