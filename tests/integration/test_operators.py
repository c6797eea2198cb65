"""Operators sign in with a password and a code; each engine keeps them and their sessions."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from callgate.errors import Conflict, NotFound
from callgate.service.openid import Person
from callgate.service.operator import (
    SESSION_LASTS,
    AddOperator,
    EndSessions,
    RemoveOperator,
    SetOperator,
    SignIn,
    new_session,
)
from callgate.service.operator_rows import SessionKind
from callgate.service.ports import Store
from callgate.service.token import Role
from callgate.storage.postgres import PostgresStore
from callgate.storage.sqlite import SqliteStore
from callgate.web.session import signed_in

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
EVA = AddOperator(name="eva", role=Role.OPERATOR, password_hash="hash", now=NOW)


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "sqlite":
        make: Callable[..., SqliteStore] = request.getfixturevalue("file_store")
        return make(tmp_path / "books.db")
    return PostgresStore(request.getfixturevalue("postgres_url"))


def test_the_life_of_an_operator(store: Store) -> None:
    """Added once; a session holds until its end, a sign-out, another password or the removal; a role counts at once."""

    async def scenario() -> None:
        await store.open()
        await store.perform(EVA)
        with pytest.raises(Conflict):
            await store.perform(EVA)

        async def begin() -> str:
            session, clear = new_session(SessionKind.OPERATOR, "eva", NOW)
            await store.perform(SignIn(session=session))
            return clear

        first, second = await begin(), await begin()
        visitor = await signed_in(store, first, NOW)
        assert visitor is not None and (visitor.name, visitor.role) == ("eva", Role.OPERATOR)
        assert await signed_in(store, first, NOW + SESSION_LASTS) is None
        assert await signed_in(store, "stranger", NOW) is None
        await signed_in(store, first, NOW + timedelta(hours=1))
        assert [each.seen_at for each in await store.sessions_of("eva")].count(NOW + timedelta(hours=1)) == 1
        await store.perform(SetOperator(name="eva", role=Role.VIEWER))
        visitor = await signed_in(store, second, NOW)
        assert visitor is not None and visitor.role is Role.VIEWER
        digests = [each.digest for each in await store.sessions_of("eva")]
        assert await store.perform(EndSessions(digests=(*digests, "0" * 64))) == 2
        assert await signed_in(store, first, NOW) is None
        third = await begin()
        ends = [each.digest for each in await store.sessions_of("eva")]
        await store.perform(SetOperator(name="eva", password_hash="other", ends=ends))
        assert await signed_in(store, third, NOW) is None
        fourth = await begin()
        await store.perform(RemoveOperator(name="eva"))
        assert await signed_in(store, fourth, NOW) is None  # although the session is there
        await store.forget_sessions(NOW + SESSION_LASTS + timedelta(seconds=1))
        assert await store.sessions_of("eva") == []
        with pytest.raises(NotFound):
            await store.perform(RemoveOperator(name="eva"))
        await store.close()

    asyncio.run(scenario())


def test_a_code_works_once(store: Store) -> None:
    """Two browsers that send the same code at the same moment: one is let in."""

    async def scenario() -> None:
        await store.open()
        await store.perform(EVA)
        await store.perform(SetOperator(name="eva", sealed_totp=b"sealed"))
        jobs = [SignIn(session=new_session(SessionKind.OPERATOR, "eva", NOW)[0], totp_step=7) for _ in range(5)]
        results = await asyncio.gather(*map(store.perform, jobs), return_exceptions=True)
        assert sum(not isinstance(each, Conflict) for each in results) == 1
        with pytest.raises(Conflict):
            await store.perform(SignIn(session=new_session(SessionKind.OPERATOR, "eva", NOW)[0]))
        await store.close()

    asyncio.run(scenario())


def test_what_a_provider_says_stands_in_the_session(store: Store) -> None:
    """It makes nobody an operator, also not one of the same name; without the provider it is worth nothing."""

    async def scenario() -> None:
        await store.open()
        await store.perform(EVA)
        person = Person(name="eva", sub="5f1c", role=Role.ADMIN, application="app")
        session, clear = new_session(SessionKind.OPENID, person.name, NOW, person)
        await store.perform(SignIn(session=session))
        assert await store.sessions_of("eva") == [session]
        visitor = await signed_in(store, clear, NOW, has_openid=True)
        assert visitor is not None
        assert (visitor.who, visitor.role, visitor.application) == ("openid:eva", Role.ADMIN, "app")
        assert await signed_in(store, clear, NOW) is None
        operator = await store.operator("eva")
        assert operator is not None and (operator.role, operator.signed_in_at) == (Role.OPERATOR, None)
        await store.perform(RemoveOperator(name="eva"))
        assert await signed_in(store, clear, NOW, has_openid=True) is not None
        await store.perform(EndSessions(digests=[session.digest]))
        assert await signed_in(store, clear, NOW, has_openid=True) is None
        await store.close()

    asyncio.run(scenario())
