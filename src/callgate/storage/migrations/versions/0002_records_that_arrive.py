"""Records that arrive: endpoints, and the deliveries that are on their way to them.

Revision 0002, after 0001.
"""

from callgate.storage.dialect import apply

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    """
    CREATE TABLE endpoints (
        id TEXT NOT NULL PRIMARY KEY,
        url TEXT NOT NULL,
        types TEXT NOT NULL,               -- words with blanks between, none for all
        allow_private INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        sealed_secrets TEXT NOT NULL,      -- JSON list, newest first, each encrypted
        old_secret_until INTEGER,
        state TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
        why TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE deliveries (
        number INTEGER NOT NULL PRIMARY KEY,   -- the order in which they were queued
        id TEXT NOT NULL UNIQUE,
        endpoint TEXT NOT NULL REFERENCES endpoints (id),
        application TEXT NOT NULL,
        account TEXT NOT NULL,
        type TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        body BLOB NOT NULL,
        occurred_at INTEGER NOT NULL,
        due_at INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'next', 'delivered', 'parked')),
        attempt_count INTEGER NOT NULL,
        attempted_at INTEGER,
        why TEXT NOT NULL
    ) STRICT
    """,
    # One lane, one record on its way: order cannot be lost even by a mistake of ours.
    "CREATE UNIQUE INDEX deliveries_next ON deliveries (endpoint, application, account) WHERE state = 'next'",
    "CREATE INDEX deliveries_due ON deliveries (endpoint, due_at) WHERE state = 'next'",
    "CREATE INDEX deliveries_waiting ON deliveries (endpoint, application, account, number) WHERE state = 'waiting'",
    "CREATE INDEX deliveries_parked ON deliveries (occurred_at) WHERE state = 'parked'",
)


def upgrade() -> None:
    apply(STATEMENTS)
