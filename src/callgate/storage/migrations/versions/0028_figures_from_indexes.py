"""Figures are summed from indexes alone: these have what is counted and summed beside what they are ordered by.

It takes long on a large database, and SQLite keeps each step by itself: broken off, it is run again from where it was.

Revision 0028, after 0027.
"""

from callgate.storage.dialect import apply

revision = "0028"
down_revision = "0027"

STATEMENTS = (
    "DROP INDEX IF EXISTS records_by_time",
    """
    CREATE INDEX IF NOT EXISTS records_by_time ON records
        (ended_at, record_id, corrects, application, currency, cost_currency, duration_s, charge_micros, cost_nanos)
    """,
    "DROP INDEX IF EXISTS calls_refused",
    "CREATE INDEX IF NOT EXISTS calls_refused ON calls (decided_at, refusal, application) WHERE refusal IS NOT NULL",
)


def upgrade() -> None:
    apply(STATEMENTS)
