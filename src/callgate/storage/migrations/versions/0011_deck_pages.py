"""Rate decks in pages, and what a deck's last import was. After 0010.

The rows of before stay where they are and are read from there, until the deck is imported again.
"""

from callgate.storage.dialect import apply

revision = "0011"
down_revision = "0010"

STATEMENTS = (
    """
    CREATE TABLE deck_pages (
        deck TEXT NOT NULL,
        version INTEGER NOT NULL,
        number INTEGER NOT NULL,           -- from 0, in the order of prefixes
        content BLOB NOT NULL,             -- some thousand rows, see storage.deck_rows
        PRIMARY KEY (deck, version, number)
    ) STRICT
    """,
    "ALTER TABLE decks ADD COLUMN row_count INTEGER NOT NULL DEFAULT 0",  # 0 where it is not known
    "ALTER TABLE decks ADD COLUMN file TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE decks ADD COLUMN imported_at INTEGER",
    "ALTER TABLE decks ADD COLUMN imported_by TEXT NOT NULL DEFAULT ''",
)


def upgrade() -> None:
    apply(STATEMENTS)
