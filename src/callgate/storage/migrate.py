"""Bring a database to the schema of this version: Alembic, with steps in plain SQL.

Alembic and SQLAlchemy take half a second to import, so that only commands that migrate load this module.
"""

import sqlite3
from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError

from callgate.errors import StorageUnavailable


def migrate_sqlite(connection: sqlite3.Connection) -> None:
    """Apply the steps that are missing, each in a transaction of its own; a database that is current is left alone.

    Raises `StorageUnavailable` where no steps lead to this version, and where the database does not take them.
    """
    engine = sqlalchemy.create_engine("sqlite://", creator=lambda: connection, poolclass=sqlalchemy.StaticPool)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.connect() as shared:
        config.attributes["connection"] = shared
        try:
            command.upgrade(config, "head")
            shared.commit()
        except CommandError as error:
            explanation = f"the database cannot be brought to this version's schema; did a newer one make it? {error}"
            raise StorageUnavailable(explanation) from error
        except sqlalchemy.exc.DBAPIError as error:
            raise StorageUnavailable(f"the database does not take this version's schema: {error.orig}") from error
