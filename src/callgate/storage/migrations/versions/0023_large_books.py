"""Lists of one application, of a state or an outcome, and searches for numbers: each by an index that has just those.

Without statistics SQLite takes the index of which most columns are given. So the index of open holds names their state as its
first column, or those of all calls that an account ever had would be looked through for the few that are up.

It takes long on a large database, and SQLite keeps each step by itself: broken off, it is run again from where it was.

Revision 0023, after 0022.
"""

from callgate.storage.dialect import apply

revision = "0023"
down_revision = "0022"

STATEMENTS = (
    "DROP INDEX IF EXISTS calls_open",
    "CREATE INDEX IF NOT EXISTS calls_open ON calls (hold_state, application, account, decided_at) WHERE hold_state = 'open'",
    # With the numbers in it, a search for part of one reads the index alone.
    "DROP INDEX IF EXISTS calls_by_time",
    "CREATE INDEX IF NOT EXISTS calls_by_time ON calls (decided_at, destination, caller)",
    "CREATE INDEX IF NOT EXISTS calls_of_application ON calls (application, decided_at)",
    "CREATE INDEX IF NOT EXISTS calls_refused ON calls (decided_at, refusal) WHERE refusal IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS calls_flagged ON calls (decided_at) WHERE flags <> ''",
    "CREATE INDEX IF NOT EXISTS records_of_application ON records (application, ended_at, record_id)",
    "DROP INDEX IF EXISTS identities_by_account",
    "CREATE INDEX IF NOT EXISTS identities_by_account ON identities (application, account, identity)",
    "CREATE INDEX IF NOT EXISTS deliveries_of_endpoint ON deliveries (endpoint, state, number)",
    "CREATE INDEX IF NOT EXISTS deliveries_of_application ON deliveries (application, state, number)",
    "CREATE INDEX IF NOT EXISTS audit_log_by_kind ON audit_log (kind, id)",
)


def upgrade() -> None:
    apply(STATEMENTS)
