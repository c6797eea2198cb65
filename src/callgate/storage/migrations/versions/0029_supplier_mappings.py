"""How suppliers' files were read, for the next ones with the same header.

Revision 0029, after 0028.
"""

from callgate.storage.dialect import apply

revision = "0029"
down_revision = "0028"

STATEMENTS = (
    """
    CREATE TABLE supplier_mappings (
        id TEXT NOT NULL PRIMARY KEY,
        supplier TEXT NOT NULL,
        header TEXT NOT NULL,
        said TEXT NOT NULL,
        file TEXT NOT NULL,
        remembered_at INTEGER NOT NULL,
        remembered_by TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
)


def upgrade() -> None:
    apply(STATEMENTS)
