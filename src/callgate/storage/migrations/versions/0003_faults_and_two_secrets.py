"""Signatures that failed lately; an application's old secret has a time at which it stops.

Revision 0003, after 0002.
"""

from callgate.storage.dialect import Apart, apply

revision = "0003"
down_revision = "0002"

STATEMENTS = (
    """
    CREATE TABLE signature_faults (
        id INTEGER NOT NULL PRIMARY KEY,
        at INTEGER NOT NULL,
        provider TEXT NOT NULL,
        application TEXT NOT NULL,         -- the key that was named, which may be nobody's
        is_known INTEGER NOT NULL,         -- whether it is the key of one of ours
        path TEXT NOT NULL,
        ingredient TEXT NOT NULL,
        explanation TEXT NOT NULL,
        more_count INTEGER NOT NULL
    ) STRICT
    """,
    # From a list of sealed secrets to one of objects, none with a time. On PostgreSQL there are none yet: no version before
    # this one worked on it.
    Apart(
        sqlite="""
        UPDATE applications SET sealed_secrets =
            (SELECT json_group_array(json_object('sealed', each.value)) FROM json_each(sealed_secrets) AS each)
        """
    ),
)


def upgrade() -> None:
    apply(STATEMENTS)
