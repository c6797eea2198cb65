"""Files of call records that are written on a schedule.

Revision 0016, after 0015.
"""

from callgate.storage.dialect import Apart, Steps, apply

revision = "0016"
down_revision = "0015"

STATEMENTS: Steps = (
    """
    CREATE TABLE exports (
        name TEXT NOT NULL PRIMARY KEY,
        since INTEGER NOT NULL,
        until INTEGER NOT NULL,
        after INTEGER NOT NULL,            -- numbers of records, as they were written
        up_to INTEGER NOT NULL,
        written_at INTEGER,
        count INTEGER NOT NULL,
        size INTEGER NOT NULL,
        digest TEXT NOT NULL,
        why TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX exports_by_time ON exports (until)",
    Apart(postgres="CREATE UNIQUE INDEX records_by_number ON records (number)"),  # SQLite has it: the rowid
)


def upgrade() -> None:
    apply(STATEMENTS)
