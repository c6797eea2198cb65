"""People whom the operator's OpenID Connect provider knows: what they may do stands in their session.

Revision 0022, after 0021. Whoever is signed in stays so.
"""

from callgate.storage.dialect import apply

revision = "0022"
down_revision = "0021"

STATEMENTS = (
    "ALTER TABLE sessions RENAME TO sessions_before",
    "DROP INDEX sessions_by_subject",
    "DROP INDEX sessions_by_end",
    """
    CREATE TABLE sessions (
        digest TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('operator', 'token', 'openid')),
        subject TEXT NOT NULL,             -- the operator's name, the digest of the token, or the provider's name of somebody
        created_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        seen_at INTEGER NOT NULL,
        role TEXT CHECK (role IN ('viewer', 'operator', 'admin')),  -- null: that of the operator, or of the token
        application TEXT,                  -- null: all of them, or the token's
        sub TEXT,                          -- the provider's own id of somebody
        CHECK ((kind = 'openid') = (role IS NOT NULL)),
        CONSTRAINT sessions_key PRIMARY KEY (digest)
    ) STRICT
    """,
    """INSERT INTO sessions (digest, kind, subject, created_at, expires_at, seen_at)
        SELECT digest, kind, subject, created_at, expires_at, seen_at FROM sessions_before""",
    "DROP TABLE sessions_before",
    "CREATE INDEX sessions_by_subject ON sessions (subject)",
    "CREATE INDEX sessions_by_end ON sessions (expires_at)",
)


def upgrade() -> None:
    apply(STATEMENTS)
