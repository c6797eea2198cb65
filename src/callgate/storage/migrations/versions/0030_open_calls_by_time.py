"""Open calls stand in the order in which they were decided.

By their accounts each new one stood somewhere else in the index: a page more to write for every decision. Few calls are open,
so that those of one account are found by looking through all of them, in the index alone; and the due ones of accounts at their
limit by looking through all that are due, so that nothing finds such accounts by an index any more.

Revision 0030, after 0029.
"""

from callgate.storage.dialect import apply

revision = "0030"
down_revision = "0029"

STATEMENTS = (
    "DROP INDEX IF EXISTS calls_open",
    "CREATE INDEX IF NOT EXISTS calls_open ON calls (hold_state, decided_at, application, account) WHERE hold_state = 'open'",
    "DROP INDEX IF EXISTS usages_at_limit",
)


def upgrade() -> None:
    apply(STATEMENTS)
