"""When an account's calls may be placed, and which number they may show.

Revision 0020, after 0019.
"""

from callgate.storage.dialect import apply

revision = "0020"
down_revision = "0019"

STATEMENTS = ("ALTER TABLE accounts ADD COLUMN permissions TEXT NOT NULL DEFAULT '{}'",)  # JSON, see policy.permissions


def upgrade() -> None:
    apply(STATEMENTS)
