"""Bring a database to the schema of this version: Alembic, with steps in plain SQL.

Alembic and SQLAlchemy take half a second to import, so that only commands that migrate load this module.
"""

import io
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
    config = _config()
    with engine.connect() as shared:
        config.attributes["connection"] = shared
        try:
            _upgrade(config, "head")
            shared.commit()
        except sqlalchemy.exc.DBAPIError as error:
            raise StorageUnavailable(f"the database does not take this version's schema: {error.orig}") from error


def postgres_steps(found: str | None) -> str:
    """The SQL that brings a PostgreSQL database from the migration that was found, None for none, to this version.

    Without the words that begin and commit: whoever runs it does so in one transaction. Raises `StorageUnavailable` where no
    steps lead to this version.
    """
    config = _config()
    config.output_buffer = written = io.StringIO()
    _upgrade(config, f"{found}:head" if found else "head", sql=True)
    return "\n".join(line for line in written.getvalue().splitlines() if line not in {"BEGIN;", "COMMIT;"})


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _upgrade(config: Config, to: str, *, sql: bool = False) -> None:
    try:
        command.upgrade(config, to, sql=sql)
    except CommandError as error:
        explanation = f"the database cannot be brought to this version's schema; did a newer one make it? {error}"
        raise StorageUnavailable(explanation) from error
