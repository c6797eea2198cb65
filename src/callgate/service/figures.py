"""How business goes, hour by hour: calls by what became of them, revenue and cost. Summed by the database, kept in memory.

Counting goes back at most `DAYS`, begins when somebody asks, and goes on beside the callbacks, a portion at a time: whoever
looks meanwhile is shown the hours that are counted already. An hour that is over is counted once more while ends of its calls
may still come; the one that goes on, once a minute.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from callgate.errors import StorageUnavailable
from callgate.money import MICROS, NANOS_PER_MICRO, format_micros
from callgate.service.ports import RecordPosition, RecordRange, Store
from callgate.service.records import CallRecord
from callgate.service.watch import Sums

DAYS = 31

HOUR = timedelta(hours=1)

AGAIN_AFTER = timedelta(minutes=1)
"""How old the figures of the hour that goes on may be."""

SETTLED_AFTER = timedelta(hours=6)
"""Ends that come later than that after their hour are not looked for any more."""

PORTION = 250
"""Records that are added up before callbacks have a turn: a millisecond or two."""


@dataclass
class Hour:
    """One hour of one application. `refused` has calls by refusal; sums are in units of each currency.

    `cost` is what carriers asked, `margin` the revenue less the cost of those calls alone whose two currencies agree.
    """

    start: datetime
    passed: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    connected: int = 0
    talked_s: int = 0
    revenue: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    cost: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    margin: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def add_sums(self, sums: Sums) -> None:
        """Add what the database has summed."""
        charge, cost = Decimal(sums.charge_micros) / MICROS, Decimal(sums.cost_nanos) / MICROS / NANOS_PER_MICRO
        self.connected += sums.connected
        self.talked_s += sums.talked_s
        self.revenue[sums.currency] += charge
        if sums.cost_currency is None:
            return
        self.cost[sums.cost_currency] += cost
        if sums.cost_currency == sums.currency:
            self.margin[sums.currency] += charge - cost

    def add(self, other: "Hour") -> None:
        """Add another hour's figures to these."""
        self.passed += other.passed
        self.refused += other.refused
        self.connected += other.connected
        self.talked_s += other.talked_s
        for mine, theirs in ((self.revenue, other.revenue), (self.cost, other.cost), (self.margin, other.margin)):
            for currency, amount in theirs.items():
                mine[currency] += amount


@dataclass
class _Counted:
    """An hour of all applications, and when it was counted."""

    at: datetime
    hours: dict[str, Hour]


class Figures:
    """One for a server: everybody's looks share what was counted."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._counted: dict[datetime, _Counted] = {}
        self._counting: asyncio.Task[None] | None = None

    def since(self, start: datetime, application: str | None) -> tuple[list[Hour], int]:
        """The hours that are counted, oldest first, and how many are not yet. What is missing begins to be counted."""
        now = self._clock()
        wanted = _hours(max(start, now - timedelta(days=DAYS)), now)
        stale = [hour for hour in wanted if self._is_stale(hour, now)]
        if stale and (self._counting is None or self._counting.done()):
            self._counting = asyncio.create_task(self._count_all(list(reversed(stale))))
        missing = sum(1 for hour in wanted if hour not in self._counted)
        return [self._of(hour, application) for hour in wanted if hour in self._counted], missing

    async def counted(self, within_s: float | None = None) -> None:
        """Wait until what was asked for is counted, but no longer than that."""
        if self._counting is not None:
            await asyncio.wait([self._counting], timeout=within_s)

    def _of(self, hour: datetime, application: str | None) -> Hour:
        found = Hour(hour)
        for key, figures in self._counted[hour].hours.items():
            if application in (None, key):
                found.add(figures)
        return found

    def _is_stale(self, hour: datetime, now: datetime) -> bool:
        counted = self._counted.get(hour)
        if counted is None:
            return True
        if counted.at < hour + HOUR:
            return now - counted.at >= AGAIN_AFTER
        return counted.at < hour + HOUR + SETTLED_AFTER <= now

    async def _count_all(self, hours: Iterable[datetime]) -> None:
        try:
            for hour in hours:
                now = self._clock()
                self._counted[hour] = _Counted(now, await self._count(hour))
                await asyncio.sleep(0)
        except StorageUnavailable:
            return  # who looks next begins anew
        for old in [hour for hour in self._counted if hour < self._clock() - timedelta(days=DAYS + 1)]:
            del self._counted[old]

    async def _count(self, start: datetime) -> dict[str, Hour]:
        found: dict[str, Hour] = defaultdict(lambda: Hour(start))
        for application, refusal, calls in await self._store.decided(start, start + HOUR):
            if refusal is None:
                found[application].passed += calls
            else:
                found[application].refused[refusal] += calls
        if (sums := await self._store.sums(start, start + HOUR)) is not None:
            for each in sums:
                found[each.application].add_sums(each)
        else:
            await self._read(found, start)
        return dict(found)

    async def _read(self, found: dict[str, Hour], start: datetime) -> None:
        """Add up records of before the database could: one by one."""
        after: RecordPosition | None = None
        wanted = RecordRange(since=start, until=start + HOUR)
        while records := await self._store.records(wanted, after=after, limit=PORTION):
            for record in records:
                await self._add(found[record.key.application], record)
            after = RecordPosition(records[-1].ended_at, records[-1].record_id)
            if len(records) < PORTION:
                break
            await asyncio.sleep(0)

    async def _add(self, hour: Hour, record: CallRecord) -> None:
        charge = Decimal(format_micros(record.charge_micros))
        if record.corrects is not None:  # it stands in the place of one before it: only the difference is new
            charge -= await self._charged_before(record)
        else:
            hour.connected += record.duration_s > 0
            hour.talked_s += record.duration_s
        hour.revenue[record.currency] += charge
        if record.cost is None or record.cost_currency is None or record.corrects is not None:
            return
        hour.cost[record.cost_currency] += Decimal(record.cost)
        if record.cost_currency == record.currency:
            hour.margin[record.currency] += charge - Decimal(record.cost)

    async def _charged_before(self, record: CallRecord) -> Decimal:
        earlier: Sequence[CallRecord] = await self._store.records_of_call(record.key)
        charged = next((each.charge_micros for each in earlier if each.record_id == record.corrects), 0)
        return Decimal(format_micros(charged))


def _hours(start: datetime, end: datetime) -> list[datetime]:
    """The starts of all hours that lie in this time, in part or whole."""
    first = start.replace(minute=0, second=0, microsecond=0)
    return [first + HOUR * number for number in range(int((end - first) // HOUR) + 1)]
