"""Sessions of people of a provider keep, encrypted, the token that it gave: by it they sign out there too.

Revision 0026, after 0025.
"""

from callgate.storage.dialect import apply

revision = "0026"
down_revision = "0025"

STATEMENTS = ("ALTER TABLE sessions ADD COLUMN sealed_id_token BLOB",)


def upgrade() -> None:
    apply(STATEMENTS)
