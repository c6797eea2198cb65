"""Endpoints that are connectors to CRMs; what an endpoint is limited to; since when one is failing.

Revision 0008, after 0006.
"""

from callgate.storage.dialect import apply

revision = "0008"
down_revision = "0006"

STATEMENTS = (
    "ALTER TABLE endpoints ADD COLUMN kind TEXT NOT NULL DEFAULT 'webhook'",
    "ALTER TABLE endpoints ADD COLUMN options TEXT NOT NULL DEFAULT '{}'",  # JSON: names and values
    "ALTER TABLE endpoints ADD COLUMN applications TEXT NOT NULL DEFAULT '[]'",  # JSON list of keys, empty for all
    "ALTER TABLE endpoints ADD COLUMN accounts TEXT NOT NULL DEFAULT '[]'",  # JSON list of ids, empty for all
    "ALTER TABLE endpoints ADD COLUMN failing_since INTEGER",
    # Records are read in the order in which calls ended, each portion from where the last one stopped.
    "CREATE INDEX records_by_time ON records (ended_at, record_id)",
)


def upgrade() -> None:
    apply(STATEMENTS)
