"""Write what a batch changed, as sets: a fixed number of statements, whatever its size."""

import sqlite3
from functools import cache
from itertools import chain

from callgate.service.books import Books
from callgate.storage.changes import Change, Verb, changes_configuration, changes_of, lanes_of
from callgate.storage.sql import add_up, delete, insert, marks, touch, upsert
from callgate.storage.sqlite.load import portions


def save(db: sqlite3.Connection, books: Books) -> None:
    for change in changes_of(books):
        _write(db, change)
    for lanes in portions(lanes_of(books)):
        db.execute(_step_forward(len(lanes)), tuple(chain.from_iterable(lanes)))
    if changes_configuration(books):
        db.execute("UPDATE configuration SET version = version + 1")
    elif books.is_probed:
        db.execute("UPDATE configuration SET probes = probes + 1")


def _write(db: sqlite3.Connection, change: Change) -> None:
    _, table, columns, key, rows = change
    for portion in portions(rows):
        values = tuple(chain.from_iterable(portion))
        match change.verb:
            case Verb.ADD:
                db.execute(insert(table, columns, len(portion)), values)
            case Verb.CHANGE:
                db.execute(upsert(table, columns, key, len(portion)), values)
            case Verb.TOUCH:
                db.execute(touch(table, columns, key, len(portion)), values)
            case Verb.ADD_UP:
                db.execute(add_up(table, columns, key, len(portion)), values)
            case Verb.REMOVE:
                db.execute(delete(table, key, len(portion)), values)


@cache
def _step_forward(count: int) -> str:
    """In so many lanes the first that waits is next, where nobody stands there."""
    return f"""WITH lanes(endpoint, application, account) AS (VALUES {marks(3, count)})
        UPDATE deliveries SET state = 'next' WHERE number IN
            (SELECT (SELECT min(number) FROM deliveries AS w WHERE w.state = 'waiting' AND w.endpoint = l.endpoint
                     AND w.application = l.application AND w.account = l.account)
             FROM lanes AS l WHERE NOT EXISTS
                (SELECT 1 FROM deliveries AS n WHERE n.state = 'next' AND n.endpoint = l.endpoint
                 AND n.application = l.application AND n.account = l.account))"""  # noqa: S608 - marks alone
