"""Callbacks keep what their signature covered beside the body: the string to sign can be shown long after. After 0023."""

from callgate.storage.dialect import apply

revision = "0024"
down_revision = "0023"

STATEMENTS = ("ALTER TABLE callbacks ADD COLUMN covered TEXT NOT NULL DEFAULT ''",)  # empty: from before, or not signed


def upgrade() -> None:
    apply(STATEMENTS)
