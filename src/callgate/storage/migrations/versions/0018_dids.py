"""Rented numbers and where their calls go; what a call was connected to; what was answered to inputs in menus.

Revision 0018, after 0017.
"""

from callgate.storage.dialect import apply

revision = "0018"
down_revision = "0017"

STATEMENTS = (
    """
    CREATE TABLE dids (
        application TEXT NOT NULL REFERENCES applications (key),
        number TEXT NOT NULL,
        account TEXT NOT NULL,
        route TEXT,
        menu TEXT,
        receive TEXT,
        PRIMARY KEY (application, number),
        CHECK (route IS NOT NULL OR menu IS NOT NULL)
    ) STRICT, WITHOUT ROWID
    """,
    # Empty for a refused call, and for calls of earlier versions: they were connected to the number that was dialled.
    "ALTER TABLE calls ADD COLUMN connected TEXT NOT NULL DEFAULT ''",
    """
    CREATE TABLE inputs (
        application TEXT NOT NULL,
        call_id TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        answer BLOB NOT NULL,
        PRIMARY KEY (application, call_id, fingerprint)
    ) STRICT, WITHOUT ROWID
    """,
)


def upgrade() -> None:
    apply(STATEMENTS)
