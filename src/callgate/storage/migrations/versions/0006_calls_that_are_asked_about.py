"""Calls that are asked about when their end does not come, and calls that hold their money in slices. After 0005.

SQLite cannot add conditions to a table that is there, so that it makes the table of calls anew.
"""

from callgate.storage.dialect import Apart, Steps, apply

revision = "0006"
down_revision = "0005"

ASK_AT = """CASE WHEN hold_state IS NULL OR hold_state <> 'open' THEN NULL
    WHEN ' ' || flags || ' ' LIKE '% end_unclear %' THEN decided_at
    ELSE coalesce(answered_at, decided_at + 180000000) + (granted_s + 120) * 1000000 END"""
"""Open holds of before are due like all others; those whose end was unclear, at once."""

CUSTOMER = """CASE WHEN substr(debit, 1, 7) = 'wallet:' OR substr(debit, 1, 5) = 'owed:' THEN debit ELSE credit END"""
"""Each transfer is of one customer, whichever side that is: what a statement looks for."""

STATEMENTS: Steps = (
    Apart(sqlite="ALTER TABLE calls RENAME TO calls_before"),
    Apart(
        sqlite="""
        CREATE TABLE calls (
            application TEXT NOT NULL,
            call_id TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('arrived', 'answered', 'refused', 'parked', 'ended')),
            account TEXT,
            caller TEXT NOT NULL,
            destination TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            refusal TEXT,
            granted_s INTEGER NOT NULL,
            trace BLOB NOT NULL,
            answer BLOB NOT NULL,
            rate BLOB,
            hold_micros INTEGER CHECK (hold_micros >= 0),
            hold_placed_at INTEGER,
            hold_state TEXT CHECK (hold_state IN ('open', 'posted', 'voided', 'expired')),
            parked BLOB,
            decided_at INTEGER NOT NULL,
            answered_at INTEGER,
            ended_at INTEGER,
            result TEXT,
            reason TEXT,
            duration_s INTEGER,
            billed_s INTEGER,
            charge_micros INTEGER,
            currency TEXT,
            settled_by TEXT,
            flags TEXT NOT NULL,               -- words with blanks between
            resource TEXT NOT NULL,            -- the call's own address at the platform
            ask_at INTEGER,                    -- when the platform is asked next what became of it
            ask_count INTEGER NOT NULL DEFAULT 0,
            elastic BLOB,                      -- how far its hold reaches, where that grows
            extend_at INTEGER,                 -- when that is looked at next
            PRIMARY KEY (application, call_id),
            CHECK ((hold_state IS NULL) = (hold_micros IS NULL)),
            CHECK (state NOT IN ('arrived', 'answered') OR hold_state = 'open'),
            CHECK (state IN ('arrived', 'answered') OR hold_state IS NOT 'open'),
            CHECK ((hold_state IS 'open') = (ask_at IS NOT NULL)),   -- no open hold is forgotten
            CHECK (extend_at IS NULL OR hold_state IS 'open')
        ) STRICT
        """,
        postgres="""
        ALTER TABLE calls
            ADD COLUMN resource TEXT COLLATE "C" NOT NULL DEFAULT '',
            ADD COLUMN ask_at BIGINT,
            ADD COLUMN ask_count BIGINT NOT NULL DEFAULT 0,
            ADD COLUMN elastic BYTEA,
            ADD COLUMN extend_at BIGINT,
            DROP CONSTRAINT calls_hold_state_check
        """,
    ),
    Apart(
        sqlite=f"INSERT INTO calls SELECT calls_before.*, '', {ASK_AT}, 0, NULL, NULL FROM calls_before",  # noqa: S608 - ours
        postgres=f"UPDATE calls SET ask_at = {ASK_AT} WHERE hold_state = 'open'",  # noqa: S608 - ours
    ),
    Apart(
        sqlite="DROP TABLE calls_before",
        postgres="""
        ALTER TABLE calls
            ADD CONSTRAINT calls_hold_state_check CHECK (hold_state IN ('open', 'posted', 'voided', 'expired')),
            ADD CHECK ((hold_state IS NOT DISTINCT FROM 'open') = (ask_at IS NOT NULL)),
            ADD CHECK (extend_at IS NULL OR hold_state IS NOT DISTINCT FROM 'open')
        """,
    ),
    Apart(
        sqlite="CREATE INDEX calls_by_time ON calls (decided_at)",
        postgres="DROP INDEX calls_unsettled",
    ),
    "CREATE INDEX calls_open ON calls (application, account, decided_at) WHERE hold_state = 'open'",
    "CREATE INDEX calls_parked ON calls (decided_at) WHERE state = 'parked'",
    "CREATE INDEX calls_to_ask ON calls (ask_at) WHERE ask_at IS NOT NULL",
    "CREATE INDEX calls_to_extend ON calls (extend_at) WHERE extend_at IS NOT NULL",
    "ALTER TABLE accounts ADD COLUMN is_elastic INTEGER NOT NULL DEFAULT 0",
    Apart(
        sqlite=f"""
        ALTER TABLE transfers ADD COLUMN account TEXT
        GENERATED ALWAYS AS (substr({CUSTOMER}, instr({CUSTOMER}, ':') + 1)) VIRTUAL
        """,
        postgres=f"""
        ALTER TABLE transfers ADD COLUMN account TEXT COLLATE "C"
        GENERATED ALWAYS AS (substr({CUSTOMER}, strpos({CUSTOMER}, ':') + 1)) STORED
        """,
    ),
    Apart(
        sqlite="CREATE INDEX transfers_by_account ON transfers (application, account)",  # and, as always, the rowid
        postgres="CREATE INDEX transfers_by_account ON transfers (application, account, number)",
    ),
    # INSERT OR REPLACE deletes without a word to triggers that forbid it; TRUNCATE asks others than those of rows.
    Apart(
        sqlite="""
        CREATE TRIGGER transfers_are_never_replaced BEFORE INSERT ON transfers
        WHEN EXISTS (SELECT 1 FROM transfers WHERE application = NEW.application AND id = NEW.id)
            OR EXISTS (SELECT 1 FROM transfers WHERE rowid = NEW.rowid)
        BEGIN SELECT RAISE(ABORT, 'transfers are append-only'); END
        """,
        postgres="""
        CREATE TRIGGER transfers_are_never_truncated BEFORE TRUNCATE ON transfers
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
        """,
    ),
    Apart(
        sqlite="""
        CREATE TRIGGER records_are_never_replaced BEFORE INSERT ON records
        WHEN EXISTS (SELECT 1 FROM records WHERE record_id = NEW.record_id)
            OR EXISTS (SELECT 1 FROM records
                WHERE application = NEW.application AND account = NEW.account AND sequence = NEW.sequence)
            OR EXISTS (SELECT 1 FROM records WHERE rowid = NEW.rowid)
        BEGIN SELECT RAISE(ABORT, 'records are append-only'); END
        """,
        postgres="""
        CREATE TRIGGER records_are_never_truncated BEFORE TRUNCATE ON records
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
        """,
    ),
    "CREATE INDEX deliveries_delivered ON deliveries (occurred_at) WHERE state = 'delivered'",
)


def upgrade() -> None:
    apply(STATEMENTS)
