"""Who may: tokens that end and belong to an application, operators and their sessions, and the log of what was changed.

Revision 0013, after 0012.
"""

from callgate.storage.dialect import Apart, Steps, apply

revision = "0013"
down_revision = "0012"

STATEMENTS: Steps = (
    "ALTER TABLE tokens ADD COLUMN application TEXT",  # null: of all applications
    "ALTER TABLE tokens ADD COLUMN expires_at INTEGER",
    "ALTER TABLE tokens ADD COLUMN last_used_at INTEGER",
    """
    CREATE TABLE operators (
        name TEXT NOT NULL PRIMARY KEY,
        role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
        application TEXT,                  -- null: of all applications
        password_hash TEXT NOT NULL,       -- argon2id; empty: no password opens this
        sealed_totp BLOB,                  -- encrypted; null: no second factor
        totp_step INTEGER NOT NULL,        -- the last one that was used, so that no code works twice
        created_at INTEGER NOT NULL,
        signed_in_at INTEGER
    ) STRICT
    """,
    """
    CREATE TABLE sessions (
        digest TEXT NOT NULL PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('operator', 'token')),
        subject TEXT NOT NULL,             -- the operator's name, or the digest of the token
        created_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        seen_at INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE INDEX sessions_by_subject ON sessions (subject)",
    "CREATE INDEX sessions_by_end ON sessions (expires_at)",
    """
    CREATE TABLE audit_log (
        id INTEGER NOT NULL PRIMARY KEY,
        at INTEGER NOT NULL,
        who TEXT NOT NULL,
        via TEXT NOT NULL CHECK (via IN ('api', 'cli', 'dashboard', 'server')),
        action TEXT NOT NULL,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        application TEXT NOT NULL,         -- empty: it concerns all of them
        before BLOB,                       -- JSON, secrets left out; null: there was nothing
        after BLOB
    ) STRICT
    """,
    "CREATE INDEX audit_log_by_application ON audit_log (application, id)",
    "CREATE INDEX audit_log_by_subject ON audit_log (kind, subject, id)",
    "CREATE INDEX audit_log_by_who ON audit_log (who, id)",
    *(
        Apart(
            sqlite=f"""
            CREATE TRIGGER audit_log_is_never_{verb.lower()}d BEFORE {verb} ON audit_log
            BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END
            """,
            postgres=f"""
            CREATE TRIGGER audit_log_is_never_{verb.lower()}d BEFORE {verb} ON audit_log
            FOR EACH ROW EXECUTE FUNCTION refuse_change()
            """,
        )
        for verb in ("UPDATE", "DELETE")
    ),
    # INSERT OR REPLACE deletes without a word to triggers that forbid it; TRUNCATE asks others than those of rows.
    Apart(
        sqlite="""
        CREATE TRIGGER audit_log_is_never_replaced BEFORE INSERT ON audit_log
        WHEN EXISTS (SELECT 1 FROM audit_log WHERE id = NEW.id)
        BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END
        """,
        postgres="""
        CREATE TRIGGER audit_log_is_never_truncated BEFORE TRUNCATE ON audit_log
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
        """,
    ),
)


def upgrade() -> None:
    apply(STATEMENTS)
