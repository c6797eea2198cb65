"""Addresses of PostgreSQL as operators write them, and what is told of errors."""

import asyncpg
import pytest

from callgate.errors import SettingsInvalid, StorageUnavailable
from callgate.settings import Settings, load_settings
from callgate.storage.batch import Refused
from callgate.storage.postgres.session import Beaten, LostConnection, describe, numbered, read_address, translate


@pytest.mark.parametrize(
    ("url", "dsn", "is_pooled"),
    [
        ("postgresql://g:p@db/gate", "postgresql://g:p@db/gate?target_session_attrs=read-write", False),
        (
            "postgresql://g@one:5432,two:5433/gate?statement_cache_size=0",
            "postgresql://g@one:5432,two:5433/gate?target_session_attrs=read-write",
            True,
        ),
        (
            "postgresql://g@/gate?host=/run/one,/run/two",
            "postgresql://g@/gate?host=/run/one,/run/two&target_session_attrs=read-write",
            False,
        ),
        ("postgresql://g@db/gate?target_session_attrs=any", "postgresql://g@db/gate?target_session_attrs=any", False),
    ],
)
def test_an_address(url: str, dsn: str, is_pooled: bool) -> None:  # noqa: FBT001 - what is expected
    """Only a session that can write will do, unless the operator says otherwise; our own parameter goes no further."""
    assert read_address(url) == (dsn, is_pooled)


@pytest.mark.parametrize("url", ["postgresql://g@db/gate", "postgres://db/gate", "postgresql://g@/gate?host=/run"])
def test_a_url_that_can_be_used(url: str) -> None:
    settings = load_settings(None, {"CALLGATE_DATABASE_URL": url})
    assert (settings.database_url, settings.sqlite_file) == (url, None)


@pytest.mark.parametrize(
    "url",
    ["postgresql://", "postgresql://g@db", "postgresql:///gate", "mysql://g@db/gate", "sqlite://", "postgresql://[/x"],
)
def test_a_url_that_cannot(url: str) -> None:
    """The message shows both forms that would do."""
    with pytest.raises(SettingsInvalid, match=r"sqlite:///FILE.*postgresql://"):
        load_settings(None, {"CALLGATE_DATABASE_URL": url})


def test_a_password_is_shown_nowhere() -> None:
    assert "geheim" not in repr(Settings(database_url="postgresql://g:geheim@db/gate"))
    assert describe(OSError("no way to postgresql://g:geheim@db/gate")) == "no way to postgresql://g:***@db/gate"


def test_placeholders() -> None:
    assert numbered("SELECT ? WHERE a = ? AND b = ?") == "SELECT $1 WHERE a = $2 AND b = $3"


@pytest.mark.parametrize(
    ("error", "kind", "state"),
    [
        (asyncpg.UniqueViolationError("x"), Beaten, None),
        (asyncpg.DeadlockDetectedError("x"), Beaten, None),
        (asyncpg.SerializationError("x"), Beaten, None),
        (asyncpg.CheckViolationError("x"), Refused, None),
        (asyncpg.DataError("x"), Refused, None),
        (asyncpg.DiskFullError("x"), StorageUnavailable, "disk full"),
        (asyncpg.TooManyConnectionsError("x"), StorageUnavailable, "unavailable"),
        (asyncpg.AdminShutdownError("x"), LostConnection, "unreachable"),
        (asyncpg.ReadOnlySQLTransactionError("x"), LostConnection, "unreachable"),
        (asyncpg.ConnectionDoesNotExistError("x"), LostConnection, "unreachable"),
        (TimeoutError(), LostConnection, "unreachable"),
        (ConnectionResetError(), LostConnection, "unreachable"),
        (KeyError("ours"), KeyError, None),
    ],
)
def test_what_an_error_means(error: Exception, kind: type[Exception], state: str | None) -> None:
    """A conflict is tried again, a lost session replaced, a bad row is its job's, and a bug of ours stays one."""
    found = translate(error)
    assert type(found) is kind
    assert getattr(found, "state", None) == state
