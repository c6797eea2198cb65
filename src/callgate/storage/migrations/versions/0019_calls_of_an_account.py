"""Calls and records of one account are listed without looking through everybody's, however many there are.

Revision 0019, after 0018.
"""

from callgate.storage.dialect import apply

revision = "0019"
down_revision = "0018"

STATEMENTS = (
    "CREATE INDEX calls_by_account ON calls (application, account, decided_at, call_id)",
    "CREATE INDEX records_by_account ON records (application, account, ended_at, record_id)",
)


def upgrade() -> None:
    apply(STATEMENTS)
