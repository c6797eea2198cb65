"""The outbox's part of the embedded engine: endpoints, and deliveries in their lanes. Functions of a connection."""

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime

from callgate.service.delivery import Delivery, DeliveryState
from callgate.service.endpoint import Endpoint
from callgate.storage import rows
from callgate.storage.sql import select, select_one, upsert

LOAD_ENDPOINT = select_one("endpoints", rows.ENDPOINT, rows.ENDPOINT_KEY)
LOAD_DELIVERY = select_one("deliveries", rows.DELIVERY, rows.DELIVERY_KEY)

_SAVE_ENDPOINT = upsert("endpoints", rows.ENDPOINT, rows.ENDPOINT_KEY)
_SAVE_DELIVERY = upsert("deliveries", rows.DELIVERY, rows.DELIVERY_KEY)
_STEP_FORWARD = """UPDATE deliveries SET state = 'next'
    WHERE number = (SELECT min(number) FROM deliveries
                    WHERE state = 'waiting' AND endpoint = ?1 AND application = ?2 AND account = ?3)
    AND NOT EXISTS (SELECT 1 FROM deliveries
                    WHERE state = 'next' AND endpoint = ?1 AND application = ?2 AND account = ?3)"""


def save_endpoints(db: sqlite3.Connection, endpoints: Iterable[Endpoint]) -> None:
    db.executemany(_SAVE_ENDPOINT, map(rows.from_endpoint, endpoints))


def save_deliveries(db: sqlite3.Connection, deliveries: Iterable[Delivery]) -> None:
    """Write them, then let the first that waits in each lane step forward where nobody stands there."""
    saved = list(deliveries)
    db.executemany(_SAVE_DELIVERY, map(rows.from_delivery, saved))
    db.executemany(_STEP_FORWARD, {delivery.lane for delivery in saved})


def endpoints(db: sqlite3.Connection) -> list[Endpoint]:
    statement = f"{select('endpoints', rows.ENDPOINT)} ORDER BY created_at, id"
    return [rows.to_endpoint(row) for row in db.execute(statement)]


def due_deliveries(db: sqlite3.Connection, endpoint: str, now: datetime, limit: int) -> list[str]:
    statement = """SELECT id FROM deliveries
        WHERE state = 'next' AND endpoint = ? AND due_at <= ? ORDER BY due_at LIMIT ?"""
    return [row[0] for row in db.execute(statement, (endpoint, rows.to_us(now), limit))]


def delivery(db: sqlite3.Connection, named: str) -> Delivery | None:
    row = db.execute(LOAD_DELIVERY, (named,)).fetchone()
    return None if row is None else rows.to_delivery(row)


def deliveries(db: sqlite3.Connection, state: DeliveryState | None, limit: int) -> list[Delivery]:
    where = f" WHERE {_in(state)}" if state is not None else ""
    statement = f"{select('deliveries', rows.DELIVERY)}{where} ORDER BY number DESC LIMIT ?"
    return [rows.to_delivery(row) for row in db.execute(statement, (limit,))]


def forget_delivered(db: sqlite3.Connection, before: datetime, limit: int) -> int:
    """Return how many were removed."""
    statement = f"""DELETE FROM deliveries WHERE number IN (SELECT number FROM deliveries
        WHERE {_in(DeliveryState.DELIVERED)} AND occurred_at < ? LIMIT ?)"""  # noqa: S608 - names are ours
    return db.execute(statement, (rows.to_us(before), limit)).rowcount


def deliveries_since(db: sqlite3.Connection, state: DeliveryState, since: datetime) -> Sequence[tuple[str, str]]:
    statement = f"""{select("deliveries", ("id", "endpoint"))}
        WHERE {_in(state)} AND occurred_at >= ? ORDER BY number"""
    return [(row[0], row[1]) for row in db.execute(statement, (rows.to_us(since),))]


def _in(state: DeliveryState) -> str:
    """As a constant: only then does SQLite see that an index over one state will do."""
    return f"state = '{state.value}'"
