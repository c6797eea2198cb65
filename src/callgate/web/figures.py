"""Figures: calls, refusals by reason, revenue, cost and margin, over a day, a week or a month."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from litestar import Response, get

from callgate.service.figures import HOUR, Hour
from callgate.service.reports import rfc3339
from callgate.web.charts import Chart, Series, line_chart, stacked_chart
from callgate.web.desk import AnyRequest, AtDesk
from callgate.web.lists import Listed, as_file, form_of, given, paths, query

WAITED_S = 0.05
"""How long the page waits for hours that are being counted, before it shows what there is and fills by itself."""

KINDS = ("one", "two", "three", "four")
REASONS_SHOWN = 4


class Span(NamedTuple):
    """How far back, and how many hours one bar has."""

    name: str
    hours: int
    bar: int


SPANS = {"24h": Span("a day", 24, 1), "7d": Span("a week", 168, 6), "30d": Span("a month", 720, 24)}


class FigureLine(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one bar, as other programs are given them."""

    start: str
    passed: int
    refused: int
    refusals: dict[str, int]
    connected: int
    talked_s: int
    revenue: dict[str, str]
    cost: dict[str, str]
    margin: dict[str, str]


@get(paths("/figures"))
async def show_figures(desk: AtDesk, request: AnyRequest) -> Response[Any]:
    """The figures of a `span`, `24h`, `7d` or `30d`, and of one `app` or all."""
    desk.who()
    filters = given(request, ("span", "app"))
    span = SPANS.get(filters["span"], SPANS["24h"])
    now = desk.clock()
    first = now.replace(minute=0, second=0, microsecond=0) - HOUR * (span.hours - 1)
    application = desk.bound or (filters["app"] if filters["app"] in desk.applications else None)
    hours, missing = desk.figures.since(first, application)
    if missing:
        await desk.figures.counted(WAITED_S)
        hours, missing = desk.figures.since(first, application)
    bars = bars_of(hours, first, span)
    if form := form_of(request):
        return as_file(form, [_line(bar) for bar in bars], None, "figures")
    end = first + HOUR * span.bar * len(bars)
    return await desk.page(
        "figures.html",
        request,
        charts=charts_of(bars, end),
        missing=missing,
        spans=[(name, each.name) for name, each in SPANS.items()],
        span=filters["span"] if filters["span"] in SPANS else "24h",
        app=application or "",
        applications=tuple(desk.applications),
        total=_total(bars),
        listed=Listed(bars, None, {}),
        same=query(request),
    )


def bars_of(hours: Sequence[Hour], first: datetime, span: Span) -> list[Hour]:
    """Hours put together to bars; hours that are not counted yet are nothing."""
    bars = [Hour(first + HOUR * span.bar * number) for number in range(-(-span.hours // span.bar))]
    for hour in hours:
        place = int((hour.start - first) // timedelta(hours=span.bar))
        if 0 <= place < len(bars):
            bars[place].add(hour)
    return bars


def charts_of(bars: Sequence[Hour], end: datetime) -> list[Chart]:
    """Calls, refusals by reason, and for each currency revenue, cost and margin."""
    starts = [bar.start for bar in bars]
    passed = Series("one", "let through", [Decimal(bar.passed) for bar in bars])
    refused = Series("two", "refused", [Decimal(bar.refused.total()) for bar in bars])
    charts = [stacked_chart("Calls", "", starts, end, [passed, refused])]
    if reasons := _reasons(bars):
        charts.append(stacked_chart("Refusals by reason", "", starts, end, reasons))
    for currency in sorted({currency for bar in bars for currency in (*bar.revenue, *bar.cost)}):
        sums = (("one", "revenue"), ("two", "cost"), ("three", "margin"))
        lines = [
            Series(kind, name, [getattr(bar, name).get(currency, Decimal(0)) for bar in bars])
            for kind, name in sums
            if any(getattr(bar, name).get(currency) for bar in bars)
        ]
        if lines:
            charts.append(line_chart("Revenue, cost and margin", currency, starts, end, lines))
    return charts


def _reasons(bars: Sequence[Hour]) -> list[Series]:
    """The most frequent reasons, each a series, and the rest as one."""
    total = _total(bars).refused
    names = [name for name, _ in total.most_common(REASONS_SHOWN)]
    series = [
        Series(kind, name.replace("_", " "), [Decimal(bar.refused[name]) for bar in bars])
        for kind, name in zip(KINDS, names, strict=False)
    ]
    rest = [Decimal(sum(calls for name, calls in bar.refused.items() if name not in names)) for bar in bars]
    return [*series, Series("rest", "other", rest)] if any(rest) else series


def _total(bars: Sequence[Hour]) -> Hour:
    total = Hour(bars[0].start)
    for bar in bars:
        total.add(bar)
    return total


def _line(bar: Hour) -> FigureLine:
    return FigureLine(
        start=rfc3339(bar.start),
        passed=bar.passed,
        refused=bar.refused.total(),
        refusals=dict(bar.refused),
        connected=bar.connected,
        talked_s=bar.talked_s,
        revenue=_amounts(bar.revenue),
        cost=_amounts(bar.cost),
        margin=_amounts(bar.margin),
    )


def _amounts(sums: Mapping[str, Decimal]) -> dict[str, str]:
    return {currency: f"{amount:f}" for currency, amount in sorted(sums.items())}
