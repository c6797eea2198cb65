"""The language of an account's callers.

Revision 0020, after 0019.
"""

from callgate.storage.dialect import apply

revision = "0020"
down_revision = "0019"

STATEMENTS = ("ALTER TABLE accounts ADD COLUMN locale TEXT NOT NULL DEFAULT ''",)


def upgrade() -> None:
    apply(STATEMENTS)
