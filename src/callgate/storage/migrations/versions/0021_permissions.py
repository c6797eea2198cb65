"""When an account's calls may be placed, and which number they may show.

Revision 0021, after 0020.
"""

from callgate.storage.dialect import apply

revision = "0021"
down_revision = "0020"

STATEMENTS = ("ALTER TABLE accounts ADD COLUMN permissions TEXT NOT NULL DEFAULT '{}'",)  # JSON, see policy.permissions


def upgrade() -> None:
    apply(STATEMENTS)
