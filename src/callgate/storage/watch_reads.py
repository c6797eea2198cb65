"""What people look at, see `service.watch.Watched`: every look is bounded in what it reads, however large the database is."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain

import msgspec

from callgate.ledger.transfer import Transfer
from callgate.policy.refusal import Refusal
from callgate.protocol.call import CallKey
from callgate.protocol.life import CallState
from callgate.rating.rate import Rate
from callgate.service.records import Call, CallRecord
from callgate.service.watch import CallFilter, Found, LiveCall, Tally
from callgate.storage import call_rows, rows
from callgate.storage.rows import Row
from callgate.storage.sql import select, select_named

LOOKED_THROUGH = 20_000
"""Calls that one search looks through at most: some 20 ms."""

LOOKED_THROUGH_LIGHTLY = 40_000
"""As many where the index has all that is asked about, so that only calls that are found are read."""

NAMED_AT_ONCE = 500
"""Calls that one statement asks for by their keys."""

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
        conditions, values = owned_by(application, None, only_live=True)
        statement = f"{select('calls', _LIVE)}{_where(conditions)} ORDER BY decided_at DESC LIMIT ?"
        return [_to_live(tuple(row)) for row in await self.fetch(statement, *values, limit)]

    async def live_named(self, keys: Sequence[CallKey]) -> Sequence[LiveCall]:
        found: list[LiveCall] = []
        for start in range(0, len(keys), NAMED_AT_ONCE):
            asked = keys[start : start + NAMED_AT_ONCE]
            statement = (
                f"{select_named('calls', _LIVE, call_rows.CALL_KEY, len(asked))} AND named.hold_state || '' = 'open'"
            )
            found += [_to_live(tuple(row)) for row in await self.fetch(statement, *chain.from_iterable(asked))]
        return found

    async def recent_calls(self, application: str | None, limit: int) -> Sequence[Call]:
        mine, named = _of(application)
        columns = ", ".join(call_rows.CALL)
        ended = f"""SELECT {", ".join(f"c.{name}" for name in call_rows.CALL)} FROM
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
        return [call_rows.to_call(row) for row in found]

    async def tallies(self, application: str | None, since: datetime) -> Sequence[Tally]:
        mine, named = _of(application)
        statement = f"""SELECT decided_at / 1000000, refusal, count(*) FROM calls
            WHERE decided_at >= ? AND state <> 'parked'{mine} GROUP BY decided_at / 1000000, refusal"""  # noqa: S608 - ours
        found = await self.fetch(statement, rows.to_us(since), *named)
        return [Tally(second, refusal and Refusal(refusal), count) for second, refusal, count in found]

    async def search_calls(self, wanted: CallFilter, *, before: datetime | None, limit: int) -> Found:
        if wanted.account is None or wanted.application is not None:
            return await self._search(wanted, before, limit)
        # An index has the calls of an account in order, within one application.
        every = [
            await self._search(wanted._replace(application=key), before, limit) for key in await self.application_keys()
        ]
        looked_until = max((found.looked_until for found in every if found.looked_until is not None), default=None)
        calls = [
            call for found in every for call in found.calls if looked_until is None or call.decided_at >= looked_until
        ]
        calls.sort(key=lambda call: (call.decided_at, call.key), reverse=True)
        return Found(calls, looked_until) if len(calls) <= limit else Found(calls[:limit], calls[limit - 1].decided_at)

    async def _search(self, wanted: CallFilter, before: datetime | None, limit: int) -> Found:
        """The part of an index that has what is wanted, and within it a sieve, which looks through so many at most."""
        part, values = _part_of(wanted)
        sieve, sifted = _sieve_of(wanted)
        since = None if wanted.since is None else rows.to_us(wanted.since)
        if (until := min((at for at in (before, wanted.until) if at is not None), default=None)) is not None:
            part.append("decided_at < ?")
            values.append(rows.to_us(until))
        is_cut = False
        if sieve:
            most = LOOKED_THROUGH_LIGHTLY if _is_light(wanted) else LOOKED_THROUGH
            statement = f"SELECT decided_at FROM calls{_where(part)} ORDER BY decided_at DESC LIMIT 1 OFFSET ?"  # noqa: S608
            found = await self.fetch(statement, *values, most)
            is_cut = bool(found) and (since is None or found[0][0] > since)
            since = int(found[0][0]) if is_cut else since
        if since is not None:
            part.append("decided_at >= ?")
            values.append(since)
        statement = f"""{select("calls", call_rows.CALL)}{_where([*part, *sieve])}
            ORDER BY decided_at DESC, application DESC, call_id DESC LIMIT ?"""
        calls = [call_rows.to_call(row) for row in await self.fetch(statement, *values, *sifted, limit)]
        if len(calls) == limit:
            return Found(calls, calls[-1].decided_at)
        return Found(calls, rows.from_us(since) if is_cut and since is not None else None)

    @abstractmethod
    async def application_keys(self) -> Sequence[str]: ...

    async def transfers_of_call(self, key: CallKey) -> Sequence[Transfer]:
        statement = (
            f"{select('transfers', rows.TRANSFER)} WHERE application = ? AND call_id = ? ORDER BY {self.order_written}"
        )
        return [rows.to_transfer(row) for row in await self.fetch(statement, *key)]

    async def records_of_call(self, key: CallKey) -> Sequence[CallRecord]:
        statement = "SELECT record FROM records WHERE application = ? AND call_id = ? ORDER BY sequence"
        return [call_rows.to_record(row) for row in await self.fetch(statement, *key)]


def _of(application: str | None) -> tuple[str, tuple[str, ...]]:
    """A condition more, and its value, where only one application is looked at."""
    return ("", ()) if application is None else (" AND application = ?", (application,))


def owned_by(application: str | None, account: str | None, *, only_live: bool) -> tuple[list[str], list[object]]:
    """Whose calls are looked at: conditions and their values.

    A live call's hold is open, and an index has those alone, by time. Their owners are written so that no index of all calls
    has them: SQLite would take it, and look through all that ever were.
    """
    conditions, behind = (["hold_state = 'open'"], " || ''") if only_live else ([], "")
    asked = [(name, value) for name, value in (("application", application), ("account", account)) if value is not None]
    conditions += [f"{name}{behind} = ?" for name, _ in asked]
    return conditions, [value for _, value in asked]


def _where(conditions: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _part_of(wanted: CallFilter) -> tuple[list[str], list[object]]:
    """What an index has together, in the order of time: conditions and their values."""
    conditions, values = owned_by(wanted.application, wanted.account, only_live=wanted.outcome == "live")
    if not conditions and wanted.is_of_refused:
        conditions = ["refusal IS NOT NULL"]
    elif not conditions and wanted.outcome == "flagged":
        conditions = ["flags <> ''"]
    return conditions, values


def _is_light(wanted: CallFilter) -> bool:
    """Whether the index has what the sieve looks at: numbers, of all calls; refusals, of those that were refused."""
    if wanted.application is not None:
        return False
    return wanted.is_of_refused if not wanted.fragment else not wanted.outcome


def _sieve_of(wanted: CallFilter) -> tuple[list[str], list[object]]:
    """What calls are looked through for, one by one: conditions and their values."""
    conditions: list[str] = []
    values: list[object] = []
    if wanted.fragment:
        pattern = "".join(f"\\{letter}" if letter in "\\%_" else letter for letter in wanted.fragment)
        conditions.append(r"(destination LIKE ? ESCAPE '\' OR caller LIKE ? ESCAPE '\')")
        values += [f"%{pattern}%"] * 2
    is_of_all = wanted.application is None
    match wanted.outcome:
        case "" | "live":
            pass
        case "connected":
            conditions.append("result = 'answered'")
        case "refused":
            conditions += [] if is_of_all else ["refusal IS NOT NULL"]
        case "flagged":
            conditions += [] if is_of_all else ["flags <> ''"]
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
