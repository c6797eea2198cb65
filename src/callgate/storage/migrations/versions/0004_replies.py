"""Replies to requests with an Idempotency-Key, kept with the work that they tell of. After 0003."""

from callgate.storage.dialect import apply

revision = "0004"
down_revision = "0003"

STATEMENTS = (
    """
    CREATE TABLE replies (
        scope TEXT NOT NULL PRIMARY KEY,   -- token, method, path, key
        digest TEXT NOT NULL,              -- SHA-256 of the body that was sent
        status INTEGER NOT NULL,
        body BLOB NOT NULL,
        at INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE INDEX replies_by_time ON replies (at)",
)


def upgrade() -> None:
    apply(STATEMENTS)
