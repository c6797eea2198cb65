"""How business went within a time, see `service.figures`: counted and summed by the database, from indexes alone."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from callgate.service.watch import Sums
from callgate.storage.rows import Row, to_us


class FigureReads(ABC):
    """Part of `storage.reads.Reads`. Each look is one statement, and so has one consistent view."""

    @abstractmethod
    async def fetch(self, statement: str, *values: object) -> Sequence[Row]: ...

    async def decided(self, since: datetime, until: datetime) -> Sequence[tuple[str, str | None, int]]:
        span = (to_us(since), to_us(until))
        found = await self.fetch(_DECIDED, *span, *span, *span)
        passed: Counter[str] = Counter()
        refused: list[tuple[str, str | None, int]] = []
        for what, application, refusal, calls in found:
            passed[application] += calls if what == "all" else -calls
            if what == "refused":
                refused.append((application, refusal, calls))
        return [*((application, None, calls) for application, calls in passed.items() if calls), *refused]

    async def sums(self, since: datetime, until: datetime) -> Sequence[Sums] | None:
        span = (to_us(since), to_us(until))
        found = await self.fetch(_SUMS, *span, *span)
        if any(row[1] is None for row in found):
            return None
        return [Sums(*row[:3], *map(int, row[3:])) for row in found]


_DECIDED = """
    SELECT 'all', a.key, CAST(NULL AS TEXT),
        (SELECT count(*) FROM calls AS c WHERE c.application = a.key AND c.decided_at >= ? AND c.decided_at < ?)
    FROM applications AS a
    UNION ALL
    SELECT 'refused', application, refusal, count(*) FROM calls
    WHERE refusal IS NOT NULL AND decided_at >= ? AND decided_at < ? GROUP BY application, refusal
    UNION ALL
    SELECT 'parked', application, NULL, count(*) FROM calls
    WHERE state = 'parked' AND decided_at >= ? AND decided_at < ? GROUP BY application
"""
"""Calls that were let through are all but those that were refused, and ends that wait for their start."""

_SUMS = """
    SELECT application, currency, cost_currency, sum(CASE WHEN duration_s > 0 THEN 1 ELSE 0 END), coalesce(sum(duration_s), 0),
        coalesce(sum(charge_micros), 0), coalesce(sum(cost_nanos), 0)
    FROM records WHERE ended_at >= ? AND ended_at < ? AND corrects IS NULL GROUP BY application, currency, cost_currency
    UNION ALL
    SELECT r.application, CASE WHEN b.currency IS NOT NULL THEN r.currency END, NULL, 0, 0,
        coalesce(sum(r.charge_micros - b.charge_micros), 0), 0
    FROM records AS r JOIN records AS b ON b.record_id = r.corrects
    WHERE r.ended_at >= ? AND r.ended_at < ? AND r.corrects IS NOT NULL
    GROUP BY r.application, CASE WHEN b.currency IS NOT NULL THEN r.currency END
"""
"""A record that corrects stands in the place of one before it, of which only the charge can have changed: the difference counts.
Without a currency are records of before these columns were kept.
"""
