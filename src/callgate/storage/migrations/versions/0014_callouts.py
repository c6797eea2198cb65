"""Calls that we place, users of applications' apps, and tickets that calls have presented. After 0013."""

from callgate.storage.dialect import apply

revision = "0014"
down_revision = "0013"

STATEMENTS = (
    "ALTER TABLE calls ADD COLUMN callout BLOB",  # JSON: what is kept of a call that we place
    "ALTER TABLE calls ADD COLUMN reference TEXT",  # our name for it, by which it goes until the platform has named it
    "ALTER TABLE calls ADD COLUMN peer TEXT",  # the reference of the other side of a bridge
    "CREATE INDEX calls_by_reference ON calls (reference) WHERE reference IS NOT NULL",
    "CREATE INDEX calls_in_bridges ON calls (peer) WHERE peer IS NOT NULL AND hold_state = 'open'",
    """
    CREATE TABLE users (
        application TEXT NOT NULL,
        name TEXT NOT NULL,
        account TEXT NOT NULL,
        password TEXT NOT NULL,            -- an Argon2id hash
        created_at INTEGER NOT NULL,
        PRIMARY KEY (application, name),
        FOREIGN KEY (application, account) REFERENCES accounts (application, id)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE tickets (
        application TEXT NOT NULL,
        id TEXT NOT NULL,
        call_id TEXT NOT NULL,             -- the one call that it was good for
        expires_at INTEGER NOT NULL,
        PRIMARY KEY (application, id)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX tickets_by_time ON tickets (expires_at)",
)


def upgrade() -> None:
    apply(STATEMENTS)
