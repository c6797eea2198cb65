"""Rotation of an application's secret: the old one is valid for a while, and stops at its time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from callgate.errors import Conflict, Invalid, NotFound
from callgate.policy.account import Status
from callgate.service.add_application import AddApplication, SetApplication
from callgate.service.catalog import Catalogs
from callgate.service.rotate import RotateSecret
from callgate.service.set_status import SetApplicationStatus
from callgate.storage.sqlite import SqliteStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIRST, SECOND, THIRD = "Zmlyc3Q=", "c2Vjb25k", "dGhpcmQ="


def seal(clear: str) -> bytes:
    return clear[::-1].encode()


def unseal(sealed: bytes) -> str:
    return sealed.decode()[::-1]


def rotation(secret: str, until: datetime, now: datetime = NOW) -> RotateSecret:
    return RotateSecret(key="app", secret=secret, until=until, seal=seal, unseal=unseal, now=now)


def with_application(test: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """Run the test on fresh books with one application."""

    async def run() -> None:
        store = SqliteStore(":memory:")
        await store.migrate()
        await store.open()
        try:
            await store.perform(AddApplication(provider="sinch", key="app", secret=FIRST, name="", seal=seal, now=NOW))
            await test(store)
        finally:
            await store.close()

    asyncio.run(run())


async def secrets_at(store: SqliteStore, now: datetime) -> tuple[str, ...]:
    catalogs = Catalogs(store, unseal)
    await catalogs.refresh()
    application = catalogs.now.application("sinch", "app")
    assert application is not None
    return application.secrets_at(now)


def test_an_old_secret_stops_at_its_time() -> None:
    """Newest first; at the named moment the old one is no secret any more, without anything being read again."""

    async def test(store: SqliteStore) -> None:
        await store.perform(rotation(SECOND, NOW + HOUR))
        assert await secrets_at(store, NOW) == (SECOND, FIRST)
        assert await secrets_at(store, NOW + HOUR - timedelta(microseconds=1)) == (SECOND, FIRST)
        assert await secrets_at(store, NOW + HOUR) == (SECOND,)

    with_application(test)


def test_nobody_remembers_three_secrets() -> None:
    """A second rotation drops the oldest, though its time was not over."""

    async def test(store: SqliteStore) -> None:
        await store.perform(rotation(SECOND, NOW + HOUR))
        await store.perform(rotation(THIRD, NOW + HOUR))
        assert await secrets_at(store, NOW) == (THIRD, SECOND)

    with_application(test)


def test_a_leaked_secret_stops_at_once() -> None:
    """With the time of the rotation itself, only the new secret is kept."""

    async def test(store: SqliteStore) -> None:
        row = await store.perform(rotation(SECOND, NOW))
        assert len(row.sealed_secrets) == 1
        assert await secrets_at(store, NOW) == (SECOND,)

    with_application(test)


@pytest.mark.parametrize(
    ("job", "error"),
    [
        (rotation(SECOND, NOW - HOUR), Invalid),
        (rotation(SECOND, NOW + timedelta(days=91)), Invalid),
        (rotation("not base64!", NOW + HOUR), Invalid),
        (rotation(FIRST, NOW + HOUR), Conflict),
        (RotateSecret(key="other", secret=SECOND, until=NOW, seal=seal, unseal=unseal, now=NOW), NotFound),
    ],
)
def test_rotations_that_cannot_be(job: RotateSecret, error: type[Exception]) -> None:
    """Nothing is changed, and no message holds the secret."""

    async def test(store: SqliteStore) -> None:
        with pytest.raises(error) as caught:
            await store.perform(job)
        assert job.secret not in str(caught.value)
        assert await secrets_at(store, NOW) == (FIRST,)

    with_application(test)


def test_an_application_of_another_provider_signs_nothing_here() -> None:
    """Keys are looked up at the provider whose URL was called."""

    async def test(store: SqliteStore) -> None:
        catalogs = Catalogs(store, unseal)
        await catalogs.refresh()
        assert catalogs.now.application("other", "app") is None

    with_application(test)


def test_an_application_is_suspended_and_resumed() -> None:
    """Repeats change nothing; servers see each change."""

    async def test(store: SqliteStore) -> None:
        before = await store.configuration_version()
        for status in (Status.SUSPENDED, Status.SUSPENDED, Status.ACTIVE):
            assert (await store.perform(SetApplicationStatus(key="app", status=status))).status is status
        assert await store.configuration_version() == before + 2
        with pytest.raises(NotFound):
            await store.perform(SetApplicationStatus(key="other", status=Status.ACTIVE))

    with_application(test)


def test_settings_take_what_this_version_honours() -> None:
    """Names of later versions are refused, unless the value is what calls meet anyway."""

    async def test(store: SqliteStore) -> None:
        words = (
            "trust=number",
            "freshness=60",
            "lost_dice=void",
            "fallback=connect_limited",
            "locale=sv-SE",
            "warning=Hej",
            "platform=euc1",
            "in_app=0.05USD",
            "conference=0.01",
            "sip=example.com:0.01,example.org:free",
            "low_balance=5.00",
            "home_country=SE",
            "emergency_numbers=112,116117",
            "redirect_seconds=60",
            "markup=25%",
            "markup_fee=0.01",
            "markup_increments=30/6",
            "margin_guard=on",
            "hours=Mo-Fr 08:00-18:00; PH 10:00-14:00",
            "timezone=Europe/Stockholm",
            "holidays=2026-12-24,12-25",
            "caller_id=refuse",
            "caller_ids=+46701740605,+4687100*",
        )
        settings = await store.perform(SetApplication(key="app", words=words))
        assert " ".join(f"{name}={value}" for name, value in settings.shown().items()) == " ".join(words)
        for word in (
            "fallback=connect",
            "in_app=gratis",
            "conference=-1",
            "conference=0.01XXX",
            "sip=example.com",
            "lost_dice=half",
            "locale=swedish",
            "home_country=Sweden",
            "emergency_numbers=+112",
            "emergency_numbers=1234567",
            "hours=always",
            "timezone=Sweden/Stockholm",
            "holidays=christmas",
            "caller_id=own",
            "caller_ids=switchboard",
            "colour=red",
        ):
            with pytest.raises(Invalid):
                await store.perform(SetApplication(key="app", words=(word,)))

    with_application(test)
