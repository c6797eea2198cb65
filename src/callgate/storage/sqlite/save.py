"""Write what a batch changed, as sets: a fixed number of statements, whatever its size."""

import sqlite3
from itertools import chain

from callgate.service.books import Books
from callgate.storage.changes import Change, Verb, changes_configuration, changes_of, lanes_of
from callgate.storage.sql import add_up, delete, insert, touch, upsert
from callgate.storage.sqlite.load import portions


def save(db: sqlite3.Connection, books: Books) -> None:
    for change in changes_of(books):
        _write(db, change)
    if lanes := lanes_of(books):
        db.executemany(_STEP_FORWARD, lanes)
    if changes_configuration(books):
        db.execute("UPDATE configuration SET version = version + 1")
    elif books.is_probed:
        db.execute("UPDATE configuration SET probes = probes + 1")


def _write(db: sqlite3.Connection, change: Change) -> None:
    _, table, columns, key, rows = change
    if change.verb is Verb.TOUCH:
        db.executemany(touch(table, columns, key), rows)
        return
    for portion in portions(rows):
        values = tuple(chain.from_iterable(portion))
        match change.verb:
            case Verb.ADD:
                db.execute(insert(table, columns, len(portion)), values)
            case Verb.CHANGE:
                db.execute(upsert(table, columns, key, len(portion)), values)
            case Verb.ADD_UP:
                db.execute(add_up(table, columns, key, len(portion)), values)
            case Verb.REMOVE:
                db.execute(delete(table, key, len(portion)), values)


_STEP_FORWARD = """UPDATE deliveries SET state = 'next'
    WHERE number = (SELECT min(number) FROM deliveries
                    WHERE state = 'waiting' AND endpoint = ?1 AND application = ?2 AND account = ?3)
    AND NOT EXISTS (SELECT 1 FROM deliveries
                    WHERE state = 'next' AND endpoint = ?1 AND application = ?2 AND account = ?3)"""
"""The first that waits in a lane is next, where nobody stands there."""
