"""What an account says of prices beside its deck. After 0014."""

from callgate.storage.dialect import apply

revision = "0015"
down_revision = "0014"

STATEMENTS = ("ALTER TABLE accounts ADD COLUMN pricing TEXT NOT NULL DEFAULT '{}'",)  # JSON, see policy.pricing


def upgrade() -> None:
    apply(STATEMENTS)
