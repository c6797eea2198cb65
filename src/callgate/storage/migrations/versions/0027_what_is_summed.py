"""What figures sum stands in columns of its own, beside the record; of records that are there already it stays null.

Revision 0027, after 0026.
"""

from callgate.storage.dialect import apply

revision = "0027"
down_revision = "0026"

STATEMENTS = (
    "ALTER TABLE records ADD COLUMN duration_s INTEGER",
    "ALTER TABLE records ADD COLUMN charge_micros INTEGER",
    "ALTER TABLE records ADD COLUMN currency TEXT",
    "ALTER TABLE records ADD COLUMN cost_nanos INTEGER",
    "ALTER TABLE records ADD COLUMN cost_currency TEXT",
)


def upgrade() -> None:
    apply(STATEMENTS)
