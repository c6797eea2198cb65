"""What people look at, see `service.watch.Watched`: every look is bounded in what it reads, however large the database is."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

import msgspec

from callgate.ledger.transfer import Transfer
from callgate.policy.refusal import Refusal
from callgate.protocol.call import CallKey
from callgate.protocol.life import CallState
from callgate.rating.rate import Rate
from callgate.service.delivery import Delivery, DeliveryState
from callgate.service.records import Call, CallRecord
from callgate.service.watch import CallFilter, Found, LiveCall, Tally
from callgate.storage import rows
from callgate.storage.rows import Row
from callgate.storage.sql import select

LOOKED_THROUGH = 20_000
"""Calls that one search looks through at most: some 50 ms."""

REFUSED_AMONG = 4
"""Times as many calls are looked through for refused ones as are wanted of them."""

_LIVE = (
    "application", "call_id", "state", "account", "caller", "destination", "granted_s", "decided_at", "answered_at",
    "hold_micros", "rate", "currency",
)  # fmt: skip

_decode_rate = msgspec.json.Decoder(Rate).decode


class WatchReads(ABC):
    """Part of `storage.reads.Reads`."""

    order_written: str

    @abstractmethod
    async def fetch(self, statement: str, *values: object) -> Sequence[Row]: ...

    async def live_calls(self, application: str | None, limit: int) -> Sequence[LiveCall]:
        mine, named = _of(application)
        statement = f"{select('calls', _LIVE)} WHERE hold_state = 'open'{mine} ORDER BY decided_at DESC LIMIT ?"
        return [_to_live(tuple(row)) for row in await self.fetch(statement, *named, limit)]

    async def recent_calls(self, application: str | None, limit: int) -> Sequence[Call]:
        mine, named = _of(application)
        columns = ", ".join(rows.CALL)
        ended = f"""SELECT {", ".join(f"c.{name}" for name in rows.CALL)} FROM
            (SELECT DISTINCT application, call_id FROM
                (SELECT application, call_id FROM records ORDER BY ended_at DESC, record_id DESC LIMIT ?) AS newest) AS r
            JOIN calls AS c ON c.application = r.application AND c.call_id = r.call_id
            WHERE TRUE{mine.replace("application", "c.application")}"""  # noqa: S608 - names are ours
        refused = f"""SELECT {columns} FROM (SELECT {columns} FROM calls ORDER BY decided_at DESC LIMIT ?) AS newest
            WHERE state IN ('refused', 'parked'){mine} LIMIT ?"""  # noqa: S608 - names are ours
        found = [
            *await self.fetch(ended, limit, *named),
            *await self.fetch(refused, REFUSED_AMONG * limit, *named, limit),
        ]
        return [rows.to_call(row) for row in found]

    async def tallies(self, application: str | None, since: datetime) -> Sequence[Tally]:
        mine, named = _of(application)
        statement = f"""SELECT decided_at / 1000000, refusal, count(*) FROM calls
            WHERE decided_at >= ? AND state <> 'parked'{mine} GROUP BY decided_at / 1000000, refusal"""  # noqa: S608 - ours
        found = await self.fetch(statement, rows.to_us(since), *named)
        return [Tally(second, refusal and Refusal(refusal), count) for second, refusal, count in found]

    async def decided(self, since: datetime, until: datetime) -> Sequence[tuple[str, str | None, int]]:
        statement = """SELECT application, refusal, count(*) FROM calls
            WHERE decided_at >= ? AND decided_at < ? AND state <> 'parked' GROUP BY application, refusal"""
        return [tuple(row) for row in await self.fetch(statement, rows.to_us(since), rows.to_us(until))]

    async def search_calls(self, wanted: CallFilter, *, before: datetime | None, limit: int) -> Found:
        conditions, values = _conditions(wanted)
        if (until := min((at for at in (before, wanted.until) if at is not None), default=None)) is not None:
            conditions.append("decided_at < ?")
            values.append(rows.to_us(until))
        since = await self._look_back(wanted, until)
        if since is not None:
            conditions.append("decided_at >= ?")
            values.append(since)
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        statement = (
            f"{select('calls', rows.CALL)} {where} ORDER BY decided_at DESC, application DESC, call_id DESC LIMIT ?"
        )
        calls = [rows.to_call(row) for row in await self.fetch(statement, *values, limit)]
        if len(calls) == limit:
            return Found(calls, calls[-1].decided_at)
        is_all = since is None or (wanted.since is not None and since <= rows.to_us(wanted.since))
        return Found(calls, None if is_all or since is None else rows.from_us(since))

    async def _look_back(self, wanted: CallFilter, until: datetime | None) -> int | None:
        """The time until which a search looks, in microseconds; None for all the way."""
        asked = None if wanted.since is None else rows.to_us(wanted.since)
        if not wanted.is_sieve:
            return asked
        before = "WHERE decided_at < ?" if until is not None else ""
        statement = f"SELECT decided_at FROM calls {before} ORDER BY decided_at DESC LIMIT 1 OFFSET ?"  # noqa: S608 - ours
        bound = [rows.to_us(until)] if until is not None else []
        found = await self.fetch(statement, *bound, LOOKED_THROUGH)
        if not found:
            return asked
        horizon = int(found[0][0])
        return horizon if asked is None else max(horizon, asked)

    async def delivery_page(self, state: DeliveryState | None, *, before: str, limit: int) -> Sequence[Delivery]:
        conditions = (
            [f"state = '{state.value}'"] if state is not None else []
        )  # as a constant: indexes are over one state
        if before:
            conditions.append("number < (SELECT number FROM deliveries WHERE id = ?)")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        statement = f"{select('deliveries', rows.DELIVERY)}{where} ORDER BY number DESC LIMIT ?"
        values = [before] if before else []
        return [rows.to_delivery(row) for row in await self.fetch(statement, *values, limit)]

    async def transfers_of_call(self, key: CallKey) -> Sequence[Transfer]:
        statement = (
            f"{select('transfers', rows.TRANSFER)} WHERE application = ? AND call_id = ? ORDER BY {self.order_written}"
        )
        return [rows.to_transfer(row) for row in await self.fetch(statement, *key)]

    async def records_of_call(self, key: CallKey) -> Sequence[CallRecord]:
        statement = "SELECT record FROM records WHERE application = ? AND call_id = ? ORDER BY sequence"
        return [rows.to_record(row) for row in await self.fetch(statement, *key)]


def _of(application: str | None) -> tuple[str, tuple[str, ...]]:
    """A condition more, and its value, where only one application is looked at."""
    return ("", ()) if application is None else (" AND application = ?", (application,))


def _conditions(wanted: CallFilter) -> tuple[list[str], list[object]]:
    conditions: list[str] = []
    values: list[object] = []
    for name, value in (("application", wanted.application), ("account", wanted.account)):
        if value is not None:
            conditions.append(f"{name} = ?")
            values.append(value)
    if wanted.fragment:
        pattern = "".join(f"\\{letter}" if letter in "\\%_" else letter for letter in wanted.fragment)
        conditions.append(r"(destination LIKE ? ESCAPE '\' OR caller LIKE ? ESCAPE '\')")
        values += [f"%{pattern}%"] * 2
    match wanted.outcome:
        case "":
            pass
        case "live":
            conditions.append("hold_state = 'open'")
        case "connected":
            conditions.append("result = 'answered'")
        case "refused":
            conditions.append("refusal IS NOT NULL")
        case "flagged":
            conditions.append("flags <> ''")
        case refusal:
            conditions.append("refusal = ?")
            values.append(refusal)
    return conditions, values


@lru_cache(maxsize=8_192)
def _to_live(row: Row) -> LiveCall:
    """Who watches looks again and again: a call that has not changed is the same object as before."""
    application, call_id, state, account, caller, destination, granted_s, decided_at, answered_at, held, rate, money = (
        row
    )
    return LiveCall(
        key=CallKey(application, call_id),
        state=CallState(state),
        account=account or "",
        caller=caller,
        destination=destination,
        granted_s=granted_s,
        decided_at=rows.from_us(decided_at),
        answered_at=None if answered_at is None else rows.from_us(answered_at),
        held_micros=held,
        rate_nanos_per_min=0 if rate is None else _decode_rate(rate).rate_nanos_per_min,
        currency=money or "",
    )
