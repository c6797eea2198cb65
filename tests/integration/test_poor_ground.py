"""A disk whose every commit takes 50 ms longer, and a clock that is set back: a word for it in `/readyz` and `doctor`, every
answer in time, nothing half done, and no hand needed once it is over.
"""

import asyncio
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from callgate.cli.doctor import Finding, _clock, _database
from callgate.http.asgi import Message
from callgate.http.callbacks import CallbackEdge
from callgate.http.health import Health
from callgate.protocol import WireRequest, sinch
from callgate.service.catalog import Catalogs
from callgate.service.faults import FaultWatch
from callgate.service.respond import Responder
from callgate.settings import Settings
from callgate.storage.postgres import PostgresStore
from callgate.storage.sqlite.connection import connect

if TYPE_CHECKING:
    from tests.conftest import House

SLOWER_S = 0.050
DEADLINE_S = 1.0
CALLS = 50
PATH = "/callbacks/sinch"


class SlowDisk(sqlite3.Connection):
    """SQLite on a disk that takes its time to say that it has something."""

    is_slow = True

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if statement == "COMMIT" and self.is_slow:
            time.sleep(SLOWER_S)
        return super().execute(statement, *values)


class Ground:
    """A house, and what a server looks at; `heal` makes the disk fast again."""

    def __init__(self, house: "House", url: str = "", heal: Callable[[], None] = lambda: None) -> None:
        self.house, self.heal = house, heal
        self._settings = Settings(database_url=url)
        self.responder = Responder(
            house.store, lambda: house.now, decision_deadline_s=DEADLINE_S, orphan_after=house.orphan_after
        )

    async def readyz(self) -> tuple[int, dict[str, Any]]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            raise AssertionError

        await Health(self.house.store, lambda: self.house.now)({"type": "http", "path": "/readyz"}, receive, send)
        return sent[0]["status"], json.loads(sent[1]["body"])

    async def hear(self, event: Any) -> bytes:
        """Answered before its deadline."""
        began = time.monotonic()
        answer = (await self.responder.respond(event, b"{}", sinch, self.house.catalog())).body
        assert time.monotonic() - began < DEADLINE_S
        return answer

    async def doctor(self, look: Callable[[Any, Any], Awaitable[Finding]]) -> Finding:
        return await look(self._settings, self.house.store)


@pytest.fixture(params=["sqlite", "postgres"])
def slow(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    new_house: Callable[..., AbstractContextManager["House"]],
    file_store: Callable[..., Any],
) -> Iterator[Ground]:
    """PostgreSQL waits before it writes its log when it is told to, and really writes it."""
    making = _on_slow_sqlite(tmp_path, file_store) if request.param == "sqlite" else _on_slow_postgres(request)
    with making as (store, url, heal), new_house(store) as house:
        house.open("alice", "1000")
        yield Ground(house, url, heal)
        assert house.faults() == ()


@contextmanager
def _on_slow_sqlite(folder: Path, file_store: Callable[..., Any]) -> Iterator[Any]:
    path = folder / "books.db"
    store = file_store(path)
    connection = store._connection = connect(str(path), SlowDisk)  # noqa: SLF001 - the disk is the test's

    def heal() -> None:
        connection.is_slow = False

    yield store, f"sqlite:///{path}", heal


@contextmanager
def _on_slow_postgres(request: pytest.FixtureRequest) -> Iterator[Any]:
    postgres, url = request.getfixturevalue("postgres"), request.getfixturevalue("postgres_url")

    def set_delay(fsync: str, delay_us: int) -> None:
        postgres.ask(f"ALTER SYSTEM SET fsync = {fsync}")
        postgres.ask(f"ALTER SYSTEM SET commit_delay = {delay_us}")
        postgres.ask("ALTER SYSTEM SET commit_siblings = 0")
        postgres.ask("SELECT pg_reload_conf()")

    set_delay("on", int(SLOWER_S * 1_000_000))
    try:
        yield PostgresStore(url), url, lambda: set_delay("off", 0)
    finally:
        set_delay("off", 0)


def test_a_disk_that_is_slow(slow: Ground) -> None:
    """Commits are shared, so that fifty callers wait no longer than a few; nothing is refused for it."""
    house = slow.house

    async def steps() -> None:
        status, told = await slow.readyz()
        assert (status, told["status"], told["store"]) == (200, "ok", "slow")
        assert told["commit_ms"] >= SLOWER_S * 1000
        found = await slow.doctor(_database)
        assert not found.is_well and "a commit takes" in found.found and "faster disk" in found.advice

        answers = await asyncio.gather(*(slow.hear(house.arrived(f"c{number}")) for number in range(CALLS)))
        assert all(house.granted_s(answer) for answer in answers)
        ends = [house.ended(f"c{number}", seconds=30) for number in range(CALLS)]
        await asyncio.gather(*(slow.hear(end) for end in ends + ends))

        await asyncio.to_thread(slow.heal)
        until = time.monotonic() + 10
        while await slow.readyz() != (200, {"status": "ok"}):
            assert time.monotonic() < until
            await asyncio.sleep(0.1)
        assert (await slow.doctor(_database)).is_well

    house.run(steps())
    assert (house.wallet().held_micros, len(house.moved())) == (0, CALLS)


@pytest.fixture
def ground(house: "House") -> Ground:
    house.now = datetime.now(UTC)
    house.open("alice", "1000")
    return Ground(house)


class Edge:
    """Where callbacks come in, with the house's clock; the platform's own is right."""

    def __init__(self, ground: Ground) -> None:
        house = self._house = ground.house
        catalogs = Catalogs(house.store, lambda sealed: sealed.decode())
        catalogs.now = house.catalog()

        def clock() -> datetime:
            return house.now

        self._right_at = house.now
        self._edge = CallbackEdge(catalogs, ground.responder, FaultWatch(house.store, clock), clock, "")

    async def post(self, call: str, event: str, **fields: Any) -> int:
        body = json.dumps({"event": event, "callid": call, "user": "alice", **fields}).encode()
        headers = sinch.sign("POST", PATH, body, self._house.app, "c2VjcmV0", self._right_at)
        request = WireRequest(method="POST", path=PATH, headers=headers, body=body)
        return (await self._edge.receive(request, "sinch")).status


@pytest.mark.parametrize(("back_s", "status"), [(60, 200), (3_600, 503)])
def test_a_clock_that_is_set_back(ground: Ground, back_s: int, status: int) -> None:
    """A live call is settled once all the same. By so much that all callbacks seem stale, they are refused and nothing moves."""
    house = ground.house
    edge = Edge(ground)
    to = {"type": "number", "endpoint": house.sweden}

    async def steps() -> None:
        assert await edge.post("c1", "ice", to=to, originationType="MXP") == 200
        assert await ground.readyz() == (200, {"status": "ok"})

        house.tick(-back_s)
        expected = {"status": "ok" if status == 200 else "unavailable", "clock": "behind", "behind_s": back_s}
        assert await ground.readyz() == (status, expected)
        answer = 200 if status == 200 else 401
        for _ in range(2):
            assert await edge.post("c1", "dice", result="ANSWERED", reason="CALLERHANGUP", duration=30) == answer
        assert await edge.post("c2", "ice", to=to, originationType="MXP") == answer

        house.tick(back_s)
        assert await ground.readyz() == (200, {"status": "ok"})
        assert await edge.post("c1", "dice", result="ANSWERED", reason="CALLERHANGUP", duration=30) == 200
        assert await edge.post("c2", "ice", to=to, originationType="MXP") == 200

    house.run(steps())
    assert house.call("c1").charge_micros == 20_000
    assert (len(house.moved()), house.call("c2").state) == (1, "arrived")
    assert house.faults() == ()


def test_the_doctor_sees_a_clock_that_is_set_back(ground: Ground) -> None:
    """The command reads the time of the machine, which a test cannot set: so the call lies ahead."""
    house = ground.house
    house.tick(3_600)
    house.hear(house.arrived())
    found = house.run(ground.doctor(_clock))
    assert not found.is_well and "a call was decided at" in found.found and "NTP" in found.advice
