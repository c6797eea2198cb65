"""A disk that is full: nothing half done, a word for it in `/readyz`, and no hand needed once there is room again."""

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from callgate.errors import StorageUnavailable
from callgate.http.asgi import Message
from callgate.http.health import Health
from callgate.service.books import AccountKey
from callgate.service.top_up import TopUp
from callgate.storage.sqlite import SqliteStore

if TYPE_CHECKING:
    from tests.conftest import House

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(  # noqa: S603 - ours
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)],  # noqa: S607 - where it is differs
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("only root may make a disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)  # noqa: S603, S607 - as above


async def readyz(store: SqliteStore) -> tuple[int, bytes]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError

    await Health(store, lambda: NOW)({"type": "http", "path": "/readyz"}, receive, send)
    return sent[0]["status"], sent[1]["body"]


def add(reference: str) -> TopUp:
    return TopUp(application="app", account="alice", amount_micros=1, reference=reference, now=NOW)


def test_a_full_disk(tiny_disk: Path, new_house: Any, file_store: Callable[..., SqliteStore]) -> None:
    """Callers are told; when there is room again the same work is done once, and the books are sound."""
    house: House
    with new_house(file_store(tiny_disk / "books.db")) as house:
        house.open("alice")
        house.perform(add("before"))
        filler = tiny_disk / "filler"

        async def steps() -> None:
            assert (await readyz(house.store))[0] == 200
            try:
                with filler.open("wb", buffering=0) as file:
                    while True:
                        file.write(bytes(4096))
            except OSError:
                pass
            done, states = 0, set()
            for number in range(300):  # the log may have some room of its own
                try:
                    await house.store.perform(add(f"r{number}"))
                    done += 1
                except StorageUnavailable as error:
                    states.add(error.state)
                    break
            assert states == {"disk full"}
            results = await asyncio.gather(
                *(house.store.perform(add(f"late{number}")) for number in range(50)), return_exceptions=True
            )
            assert {type(result) for result in results} == {StorageUnavailable}
            assert await readyz(house.store) == (503, b'{"status":"unavailable","store":"disk full"}')
            filler.unlink()
            assert (await readyz(house.store))[0] == 200
            results = await asyncio.gather(*(house.store.perform(add(f"late{number}")) for number in range(50)))
            assert not any(result.is_repeat for result in results)
            found = await house.store.account(AccountKey("app", "alice"))
            assert found is not None and found.wallet.posted_micros == 1 + done + 50

        house.run(steps())
        assert house.faults() == ()


def test_a_file_that_may_not_grow(tmp_path: Path, new_house: Any, file_store: Callable[..., SqliteStore]) -> None:
    """The same where the database says that it is full, whoever runs the test."""
    house: House
    with new_house(file_store(tmp_path / "books.db")) as house:
        house.open("alice")
        connection = house.store._connection  # noqa: SLF001 - to hold it down
        assert connection is not None
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")

        async def steps() -> None:
            results = await asyncio.gather(
                *(house.store.perform(add(f"r{number}")) for number in range(400)), return_exceptions=True
            )
            assert {getattr(result, "state", "done") for result in results} <= {"disk full", "done"}
            assert isinstance(results[-1], StorageUnavailable)
            connection.execute("PRAGMA max_page_count = 1000000")
            await asyncio.gather(*(house.store.perform(add(f"r{number}")) for number in range(400)))
            found = await house.store.account(AccountKey("app", "alice"))
            assert found is not None and found.wallet.posted_micros == 400

        house.run(steps())
        assert house.faults() == ()
