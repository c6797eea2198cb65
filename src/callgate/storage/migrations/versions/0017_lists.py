"""Deny and allow lists: their heads, their entries as integers, and what was changed since those were written.

Revision 0017, after 0016.
"""

from callgate.storage.dialect import apply

revision = "0017"
down_revision = "0016"

STATEMENTS = (
    """
    CREATE TABLE lists (
        application TEXT NOT NULL REFERENCES applications (key),
        name TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('deny', 'allow')),
        account TEXT,
        version INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        change_count INTEGER NOT NULL,
        entry_count INTEGER NOT NULL,
        PRIMARY KEY (application, name)
    ) STRICT, WITHOUT ROWID
    """,
    # An entry is the integer of `policy.number_list.parse_entry`; a version belongs to one list.
    """
    CREATE TABLE list_entries (
        version INTEGER NOT NULL,
        entry INTEGER NOT NULL,
        PRIMARY KEY (version, entry)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE list_changes (
        version INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        entry INTEGER NOT NULL,
        is_added INTEGER NOT NULL,
        PRIMARY KEY (version, revision, entry)
    ) STRICT, WITHOUT ROWID
    """,
)


def upgrade() -> None:
    apply(STATEMENTS)
