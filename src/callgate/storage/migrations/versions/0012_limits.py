"""What accounts have used of their limits; whether the operator has verified them; what calls were charged in a day.

Revision 0012, after 0011. Applications and accounts of before go on without the limits that new ones have.
"""

from callgate.storage.dialect import Apart, Steps, apply

revision = "0012"
down_revision = "0011"

LIFTED = ",".join(
    f'"{name}":null'
    for name in (
        "countries", "number_types", "ceiling_price", "concurrent_calls", "calls_per_minute", "calls_per_minute_warn",
        "destinations_per_hour", "repeats_per_hour", "spend_per_call", "spend_per_hour", "spend_per_day",
        "spend_per_month", "min_seconds", "block_after", "block_minutes",
    )
)  # fmt: skip

WITH_LIFTED = f"""CASE WHEN limits = '{{}}' THEN '{{{LIFTED}}}' ELSE '{{{LIFTED},' || substr(limits, 2) END"""

NO_WINDOWS = "949090C090"
"""Windows in which nothing has happened, as `storage.usage_rows` packs them."""

STATEMENTS: Steps = (
    """
    CREATE TABLE usages (
        application TEXT NOT NULL,
        account TEXT NOT NULL,
        blocked_until INTEGER,             -- when a block ends, or ended
        at_limit_at INTEGER,               -- when a call was last refused for too many at once
        windows BLOB NOT NULL,             -- attempts and charges that limits still count
        PRIMARY KEY (application, account),
        FOREIGN KEY (application, account) REFERENCES accounts (application, id)
    ) STRICT
    """,
    "CREATE INDEX usages_blocked ON usages (blocked_until) WHERE blocked_until IS NOT NULL",
    "CREATE INDEX usages_at_limit ON usages (at_limit_at) WHERE at_limit_at IS NOT NULL",
    Apart(
        sqlite=f"INSERT INTO usages SELECT application, id, NULL, NULL, x'{NO_WINDOWS}' FROM accounts",  # noqa: S608 - ours
        postgres=f"""INSERT INTO usages SELECT application, id, NULL, NULL, decode('{NO_WINDOWS}', 'hex')
            FROM accounts""",  # noqa: S608 - ours
    ),
    "ALTER TABLE accounts ADD COLUMN is_verified INTEGER NOT NULL DEFAULT 0",
    f"UPDATE accounts SET limits = {WITH_LIFTED}",  # noqa: S608 - ours
    f"UPDATE applications SET limits = {WITH_LIFTED}",  # noqa: S608 - ours
    "ALTER TABLE wallets ADD COLUMN hold_count INTEGER NOT NULL DEFAULT 0 CHECK (hold_count >= 0)",
    "ALTER TABLE wallets ADD COLUMN day INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE wallets ADD COLUMN day_funds_micros INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE wallets ADD COLUMN day_spent_micros INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE wallets ADD COLUMN month INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE wallets ADD COLUMN month_spent_micros INTEGER NOT NULL DEFAULT 0",
    """UPDATE wallets SET hold_count = (SELECT count(*) FROM calls AS c WHERE c.application = wallets.application
        AND c.account = wallets.account AND c.hold_state = 'open')""",
)


def upgrade() -> None:
    apply(STATEMENTS)
