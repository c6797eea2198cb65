"""Many servers on one database: work that one does at a time; and for PostgreSQL, what SQLite's one writer makes plain.

Revision 0005, after 0004.
"""

from callgate.storage.dialect import Apart, apply

revision = "0005"
down_revision = "0004"

STATEMENTS = (
    """
    CREATE TABLE leases (
        name TEXT NOT NULL PRIMARY KEY,
        holder TEXT NOT NULL,
        until INTEGER NOT NULL
    ) STRICT
    """,
    # Rises when somebody asks whether the books can be written: SQLite does not write what is as it was.
    "ALTER TABLE configuration ADD COLUMN probes INTEGER NOT NULL DEFAULT 0",
    # The last batch of each writer. One that lost its connection while it committed finds here whether it did.
    Apart(
        postgres="""
        CREATE TABLE commits (
            writer TEXT NOT NULL PRIMARY KEY,
            batch BIGINT NOT NULL,
            at TIMESTAMPTZ NOT NULL DEFAULT now()
        )
        """
    ),
    # Callbacks are numbered from here, not from a sequence, whose numbers become visible out of order. Every batch that adds
    # callbacks locks this row last of all, so that numbers rise in the order of commits and a follower misses none.
    Apart(postgres="CREATE TABLE feed (one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1), last BIGINT NOT NULL)"),
    Apart(postgres="INSERT INTO feed VALUES (1, 0)"),
)


def upgrade() -> None:
    apply(STATEMENTS)
