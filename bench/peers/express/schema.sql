-- The peer's books: what one decision reads and writes, and nothing else. Filled by run.py with the same wallets and rates.
PRAGMA journal_mode = WAL;

CREATE TABLE wallets (
    user TEXT NOT NULL PRIMARY KEY,
    posted_micros INTEGER NOT NULL,
    held_micros INTEGER NOT NULL DEFAULT 0,
    max_seconds INTEGER NOT NULL,
    CHECK (posted_micros >= held_micros)
) STRICT;

CREATE TABLE rates (
    prefix TEXT NOT NULL PRIMARY KEY,
    rate_nanos_per_min INTEGER NOT NULL,
    connect_fee_micros INTEGER NOT NULL,
    first_increment_s INTEGER NOT NULL,
    increment_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE calls (
    call_id TEXT NOT NULL PRIMARY KEY,
    user TEXT NOT NULL,
    destination TEXT NOT NULL,
    prefix TEXT,
    granted_s INTEGER NOT NULL,
    held_micros INTEGER NOT NULL,
    answer TEXT NOT NULL,
    decided_at INTEGER NOT NULL
) STRICT;

CREATE TABLE events (
    id INTEGER NOT NULL PRIMARY KEY,
    call_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE INDEX events_by_call ON events (call_id);
