"""Callbacks that are not genuine: what is kept of them for the operator, and how little a flood of them may cost."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from callgate.errors import SignatureInvalid
from callgate.protocol import PROVIDERS, WireRequest, sinch
from callgate.service.faults import HELD, KEPT, MAX_BODY_BYTES, MAX_TEXT, FaultWatch
from callgate.storage.sqlite import SqliteStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY, SECRET = "app", "c2VjcmV0"
PATH = "/callbacks/sinch"


def with_watch(test: Callable[[SqliteStore, FaultWatch], Awaitable[None]]) -> None:
    async def run() -> None:
        store = SqliteStore(":memory:")
        await store.migrate()
        await store.open()
        try:
            await test(store, FaultWatch(store, lambda: NOW))
        finally:
            await store.close()

    asyncio.run(run())


def signed(path: str = PATH, body: bytes = b"{}", key: str = KEY) -> WireRequest:
    """A request as it comes to `PATH`, signed for `path`."""
    return WireRequest(method="POST", path=PATH, headers=sinch.sign("POST", path, body, key, SECRET, NOW), body=body)


def note(watch: FaultWatch, request: WireRequest, *, is_known: bool = True) -> None:
    """Verify as the edge does, and note the failure."""
    secrets = {KEY: (SECRET,)} if is_known else {}
    with pytest.raises(SignatureInvalid) as caught:
        sinch.verify(request, secrets, NOW)
    watch.note(
        request,
        caught.value,
        name="sinch",
        provider=PROVIDERS["sinch"],
        key=sinch.signing_key(request),
        secrets=secrets,
    )


def test_the_operator_is_told_which_ingredient_differs() -> None:
    """The verdict says only that it does not match; what is kept says why."""

    async def test(store: SqliteStore, watch: FaultWatch) -> None:
        note(watch, signed("/callbacks/sinch/"))
        await watch.keep()
        (fault,) = await store.faults(10)
        assert (fault.application, fault.is_known, fault.ingredient, fault.path) == (KEY, True, "path", PATH)
        assert "signed for '/callbacks/sinch/'" in fault.explanation

    with_watch(test)


def test_what_verifying_found_by_itself_stays() -> None:
    """A stranger's key, a missing header: nothing is to be guessed."""

    async def test(store: SqliteStore, watch: FaultWatch) -> None:
        note(watch, signed(key="stranger"), is_known=False)
        note(watch, WireRequest(method="POST", path=PATH, headers={}, body=b""))
        await watch.keep()
        assert {(fault.ingredient, fault.is_known) for fault in await store.faults(10)} == {
            ("key", False),
            ("authorization", True),
        }

    with_watch(test)


def test_a_flood_is_counted_and_not_kept() -> None:
    """However many come in a window, a few are kept, and those that name a key of ours are kept beside all others."""

    async def test(store: SqliteStore, watch: FaultWatch) -> None:
        for _ in range(500):
            note(watch, signed(key="stranger"), is_known=False)
        note(watch, signed("/callbacks/sinch/"))
        await watch.keep()
        faults = await store.faults(1_000)
        assert len(faults) == HELD + 1
        assert {fault.more_count for fault in faults} == {500 - HELD}
        await watch.keep()
        assert len(await store.faults(1_000)) == HELD + 1

    with_watch(test)


def test_the_store_keeps_the_newest() -> None:
    """Strangers push out strangers, never what names a key of ours."""

    async def test(store: SqliteStore, watch: FaultWatch) -> None:
        note(watch, signed("/callbacks/sinch/"))
        await watch.keep()
        for number in range(KEPT // HELD + 5):
            for _ in range(HELD):
                note(watch, signed(key=f"stranger-{number}"), is_known=False)
            await watch.keep()
        faults = await store.faults(1_000)
        assert len(faults) == KEPT + 1
        assert [fault.is_known for fault in faults].index(True) == KEPT
        assert faults[0].application == f"stranger-{KEPT // HELD + 4}"

    with_watch(test)


def test_a_large_body_is_not_guessed_about() -> None:
    """Diagnosing costs milliseconds, which a stranger must not make seconds of."""

    async def test(store: SqliteStore, watch: FaultWatch) -> None:
        note(watch, signed("/callbacks/sinch/", b" " * (MAX_BODY_BYTES + 1)))
        await watch.keep()
        assert [fault.ingredient for fault in await store.faults(10)] == ["signature"]

    with_watch(test)


def test_what_strangers_write_is_harmless() -> None:
    """No control characters for the operator's terminal, and no more of it than can be read."""

    async def test(store: SqliteStore, watch: FaultWatch) -> None:
        headers = signed().headers | {"authorization": f"application \x1b[2J{'x' * 5_000}:sig"}
        path = f"/\x07{'y' * 5_000}"
        note(watch, WireRequest(method="POST", path=path, headers=headers, body=b"{}"), is_known=False)
        await watch.keep()
        (fault,) = await store.faults(10)
        for text in (fault.application, fault.path, fault.explanation):
            assert text.isprintable() and len(text) <= MAX_TEXT

    with_watch(test)
