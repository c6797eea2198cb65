"""Emergency calls that are up are found by their callers. They alone are up without a price.

Revision 0025, after 0024.
"""

from callgate.storage.dialect import apply

revision = "0025"
down_revision = "0024"

STATEMENTS = (
    "CREATE INDEX calls_of_emergency ON calls (application, caller) WHERE hold_state = 'open' AND rate IS NULL",
)


def upgrade() -> None:
    apply(STATEMENTS)
