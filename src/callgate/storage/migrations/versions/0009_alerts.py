"""What accounts are told of their balance and their limits: below which balance, and what they were told already.

Revision 0009, after 0008.
"""

from callgate.storage.dialect import apply

revision = "0009"
down_revision = "0008"

STATEMENTS = (
    "ALTER TABLE accounts ADD COLUMN low_balance_micros INTEGER",  # null for what the application says
    "ALTER TABLE accounts ADD COLUMN alerts TEXT NOT NULL DEFAULT '{}'",  # JSON: numbers the events, and which were told
)


def upgrade() -> None:
    apply(STATEMENTS)
