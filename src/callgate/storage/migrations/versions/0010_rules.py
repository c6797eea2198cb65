"""Operators' rules: every version of an application's document, and which one is in force. After 0009."""

from callgate.storage.dialect import apply

revision = "0010"
down_revision = "0009"

STATEMENTS = (
    """
    CREATE TABLE rules (
        application TEXT NOT NULL PRIMARY KEY REFERENCES applications (key),
        version INTEGER NOT NULL,
        digest TEXT NOT NULL               -- SHA-256 of the document
    ) STRICT
    """,
    """
    CREATE TABLE rules_versions (
        application TEXT NOT NULL REFERENCES applications (key),
        version INTEGER NOT NULL,
        document TEXT NOT NULL,            -- TOML, as it was written
        applied_at INTEGER NOT NULL,
        applied_by TEXT NOT NULL,
        PRIMARY KEY (application, version)
    ) STRICT
    """,
)


def upgrade() -> None:
    apply(STATEMENTS)
