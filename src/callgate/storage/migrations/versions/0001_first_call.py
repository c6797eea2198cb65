"""The first call: applications, accounts, wallets, decks, calls, the ledger, records, tokens.

Times are integers of microseconds since 1970 UTC, amounts integers of micros. Revision 0001, after nothing.
"""

from callgate.storage.dialect import Apart, Steps, apply

revision = "0001"
down_revision = None

STATEMENTS: Steps = (
    """
    CREATE TABLE configuration (
        one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
        version INTEGER NOT NULL,          -- rises when applications or decks change
        deck_versions INTEGER NOT NULL     -- how many versions of decks were ever staged
    ) STRICT
    """,
    "INSERT INTO configuration VALUES (1, 1, 0)",
    """
    CREATE TABLE applications (
        key TEXT NOT NULL PRIMARY KEY,
        provider TEXT NOT NULL,
        name TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('active', 'suspended')),
        created_at INTEGER NOT NULL,
        sealed_secrets TEXT NOT NULL,      -- JSON list, newest first, each encrypted
        settings TEXT NOT NULL,
        limits TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE accounts (
        application TEXT NOT NULL REFERENCES applications (key),
        id TEXT NOT NULL,
        currency TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('active', 'suspended', 'closed')),
        deck TEXT NOT NULL,
        limits TEXT NOT NULL,
        PRIMARY KEY (application, id)
    ) STRICT
    """,
    """
    CREATE TABLE wallets (
        application TEXT NOT NULL,
        account TEXT NOT NULL,
        currency TEXT NOT NULL,
        posted_micros INTEGER NOT NULL,
        held_micros INTEGER NOT NULL CHECK (held_micros >= 0),
        credit_limit_micros INTEGER NOT NULL CHECK (credit_limit_micros >= 0),
        owed_micros INTEGER NOT NULL CHECK (owed_micros >= 0),
        record_count INTEGER NOT NULL,
        PRIMARY KEY (application, account),
        FOREIGN KEY (application, account) REFERENCES accounts (application, id),
        CHECK (posted_micros + credit_limit_micros >= held_micros)
    ) STRICT
    """,
    """
    CREATE TABLE identities (
        application TEXT NOT NULL,
        identity TEXT NOT NULL,
        account TEXT NOT NULL,
        PRIMARY KEY (application, identity),
        FOREIGN KEY (application, account) REFERENCES accounts (application, id)
    ) STRICT
    """,
    "CREATE INDEX identities_by_account ON identities (application, account)",
    """
    CREATE TABLE decks (
        name TEXT NOT NULL PRIMARY KEY,
        currency TEXT NOT NULL,
        version INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE rates (
        deck TEXT NOT NULL,
        version INTEGER NOT NULL,
        prefix TEXT NOT NULL,
        effective_from INTEGER NOT NULL,
        effective_to INTEGER,
        destination TEXT NOT NULL,
        rate_nanos_per_min INTEGER NOT NULL,
        connect_fee_micros INTEGER NOT NULL,
        first_increment_s INTEGER NOT NULL,
        increment_s INTEGER NOT NULL,
        minimum_charge_micros INTEGER NOT NULL,
        grace_s INTEGER NOT NULL,
        is_blocked INTEGER NOT NULL,
        PRIMARY KEY (deck, version, prefix, effective_from)
    ) STRICT, WITHOUT ROWID
    """,
    """
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
        hold_state TEXT CHECK (hold_state IN ('open', 'posted', 'voided')),
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
        PRIMARY KEY (application, call_id),
        CHECK ((hold_state IS NULL) = (hold_micros IS NULL)),
        CHECK (state NOT IN ('arrived', 'answered') OR hold_state = 'open'),
        CHECK (state IN ('arrived', 'answered') OR hold_state IS NOT 'open')
    ) STRICT
    """,
    "CREATE INDEX calls_by_time ON calls (decided_at)",
    "CREATE INDEX calls_unsettled ON calls (state, decided_at) WHERE state IN ('arrived', 'answered', 'parked')",
    """
    CREATE TABLE callbacks (
        id INTEGER NOT NULL PRIMARY KEY,
        application TEXT NOT NULL,
        call_id TEXT NOT NULL,
        at INTEGER NOT NULL,
        name TEXT NOT NULL,
        body BLOB NOT NULL,
        answer BLOB NOT NULL,
        note TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX callbacks_by_call ON callbacks (application, call_id)",
    """
    CREATE TABLE transfers (
        application TEXT NOT NULL,
        id TEXT NOT NULL,
        kind TEXT NOT NULL,
        debit TEXT NOT NULL,
        credit TEXT NOT NULL CHECK (credit <> debit),
        amount_micros INTEGER NOT NULL CHECK (amount_micros > 0),
        currency TEXT NOT NULL,
        subject TEXT NOT NULL,
        call_id TEXT,
        at INTEGER NOT NULL,
        who TEXT NOT NULL,
        why TEXT NOT NULL,
        -- postgres: number BIGINT GENERATED BY DEFAULT AS IDENTITY,  -- the order in which they were written
        PRIMARY KEY (application, id)
    ) STRICT
    """,
    "CREATE INDEX transfers_by_call ON transfers (application, call_id) WHERE call_id IS NOT NULL",
    """
    CREATE TABLE house_accounts (
        application TEXT NOT NULL,
        currency TEXT NOT NULL,
        name TEXT NOT NULL,
        posted_micros INTEGER NOT NULL,
        PRIMARY KEY (application, currency, name)
    ) STRICT
    """,
    """
    CREATE TABLE records (
        record_id TEXT NOT NULL PRIMARY KEY,
        application TEXT NOT NULL,
        call_id TEXT NOT NULL,
        account TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        ended_at INTEGER NOT NULL,
        corrects TEXT REFERENCES records (record_id),
        record BLOB NOT NULL,              -- the whole record as JSON
        -- postgres: number BIGINT GENERATED BY DEFAULT AS IDENTITY,
        UNIQUE (application, account, sequence)
    ) STRICT
    """,
    "CREATE INDEX records_by_call ON records (application, call_id)",
    """
    CREATE TABLE tokens (
        digest TEXT NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
        hint TEXT NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT
    """,
    Apart(
        postgres="""
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '% are append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END $$
        """
    ),
    *(
        Apart(
            sqlite=f"""
            CREATE TRIGGER {table}_are_never_{verb.lower()}d BEFORE {verb} ON {table}
            BEGIN SELECT RAISE(ABORT, '{table} are append-only'); END
            """,
            postgres=f"""
            CREATE TRIGGER {table}_are_never_{verb.lower()}d BEFORE {verb} ON {table}
            FOR EACH ROW EXECUTE FUNCTION refuse_change()
            """,
        )
        for table in ("transfers", "records")
        for verb in ("UPDATE", "DELETE")
    ),
)


def upgrade() -> None:
    apply(STATEMENTS)
