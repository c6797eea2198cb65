"""Write what a batch changed: one statement, and one more where deliveries step forward in their lanes."""

from collections.abc import Sequence

from callgate.service.books import Books
from callgate.storage.changes import changes_configuration, changes_of, lanes_of
from callgate.storage.postgres.session import Connection
from callgate.storage.postgres.statements import STEP_FORWARD, Statements


async def save(connection: Connection, statements: Statements, books: Books, writer: str, batch: int) -> bool:
    """Write it, and that this batch of this writer is committed. False, and nothing is written, where nothing changed."""
    changes = list(changes_of(books))
    if not changes and not books.is_probed:
        return False
    values: list[object] = [writer, batch]
    for change in changes:
        values += _columns(change.rows)
    shapes = tuple(change[:4] for change in changes)
    await connection.fetch(statements.save(shapes, changes_configuration(books)), *values)
    if lanes := lanes_of(books):
        await connection.execute(STEP_FORWARD, *_columns(lanes))
    return True


def _columns(rows: Sequence[Sequence[object]]) -> list[Sequence[object]]:
    return list(zip(*rows, strict=True))
