"""The server is killed under load, again and again: whatever it had acknowledged is there, byte for byte, and the books hold.

The real command, a real file, real requests; only the power stays on, so that what the system had not yet written to the
disk is out of reach here.
"""

import asyncio
import os
import random
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
import pytest

import callgate
from callgate.policy.limits import UNLIMITED
from callgate.protocol import sinch
from callgate.rating.deck_merge import ImportMode
from callgate.rating.rate import Rate
from callgate.service.add_application import AddApplication
from callgate.service.import_deck import import_deck
from callgate.service.open_account import OpenAccount
from callgate.service.set_limits import SetAccountLimits
from callgate.service.top_up import TopUp
from callgate.storage.sqlite import SqliteStore
from callgate.vault import Vault, new_key

if TYPE_CHECKING:
    from tests.conftest import House

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(callgate.__file__).parents[1])}
KEY, SECRET, PATH = "crash", "c2VjcmV0", "/callbacks/sinch"
COMMAND = [sys.executable, "-c", "from callgate.cli import main; main()"]
USERS = [f"user{number}" for number in range(5)]
CALLERS = 24
KILLS = 3

Acknowledged = dict[bytes, bytes]
"""Bodies that were answered, with their answers."""


class Server:
    """`callgate serve` on one database, as often as it is needed."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "books.db"
        self.secret_key = new_key()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.environment = ENVIRONMENT | {
            "CALLGATE_DATABASE_URL": f"sqlite:///{self.database}",
            "CALLGATE_SECRET_KEY": self.secret_key,
            "CALLGATE_PORT": str(self.port),
            "CALLGATE_DECISION_DEADLINE_MS": "20000",  # a busy machine is no reason for a fallback here
            "CALLGATE_LOG_LEVEL": "error",
        }
        self.folder = folder

    async def command(self, *words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *COMMAND, *words, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await self.command("serve")
        try:
            async with asyncio.timeout(30):
                while not await self._is_ready():
                    assert process.returncode is None
                    await asyncio.sleep(0.02)
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def _is_ready(self) -> bool:
        try:
            async with (
                aiohttp.ClientSession() as http,
                http.get(f"http://127.0.0.1:{self.port}/readyz") as reply,
            ):
                return reply.status == 200
        except aiohttp.ClientError:
            return False

    async def send(self, http: aiohttp.ClientSession, body: bytes) -> bytes:
        headers = sinch.sign("POST", PATH, body, KEY, SECRET, datetime.now(UTC))
        async with http.post(f"http://127.0.0.1:{self.port}{PATH}", data=body, headers=headers) as reply:
            assert reply.status == 200
            return await reply.read()


@pytest.fixture
def server(tmp_path: Path, file_store: Callable[..., SqliteStore], house: "House") -> Server:
    """An operator with five callers, each with credit for sixty calls of a minute."""
    server = Server(tmp_path)
    asyncio.run(prepare(file_store(server.database), Vault(server.secret_key), house.rate("46", "0.02")))
    return server


async def prepare(store: SqliteStore, vault: Vault, rate: Rate) -> None:
    await store.open()
    now = datetime.now(UTC)
    await store.perform(
        AddApplication(provider="sinch", key=KEY, secret=SECRET, name="", seal=vault.seal, now=now, limits=UNLIMITED)
    )
    await import_deck(store, "standard", "USD", [rate], mode=ImportMode.REPLACE, is_dry_run=False, now=now)
    for user in USERS:
        await store.perform(OpenAccount(application=KEY, account=user, currency="USD", limits=UNLIMITED))
        await store.perform(SetAccountLimits(application=KEY, account=user, words=("max_seconds=60",)))
        await store.perform(TopUp(application=KEY, account=user, amount_micros=1_200_000, reference="first", now=now))
    await store.close()


def start(call: str, user: str) -> bytes:
    to = {"type": "number", "endpoint": "+46701740605"}
    body = {"event": "ice", "callid": call, "user": user, "originationType": "MXP", "domain": "pstn", "to": to}
    return msgspec.json.encode(body)


def end(call: str) -> bytes:
    body = {"event": "dice", "callid": call, "result": "ANSWERED", "reason": "CALLERHANGUP", "duration": 30}
    return msgspec.json.encode(body)


async def load_until_killed(
    server: Server, process: asyncio.subprocess.Process, dice: random.Random, starts: Acknowledged, ends: Acknowledged
) -> set[bytes]:
    """Callers start and end calls until the server, after some hundreds of answers, is killed in the middle of others;
    return what was under way then.
    """
    answers_left = dice.randrange(60, 240)
    under_way: set[bytes] = set()

    async def call_on(caller: int, http: aiohttp.ClientSession) -> None:
        nonlocal answers_left
        number = 0
        while True:
            number += 1
            call, user = f"{process.pid}-{caller}-{number}", dice.choice(USERS)
            for body, acknowledged in ((start(call, user), starts), (end(call), ends)):
                under_way.add(body)
                acknowledged[body] = await server.send(http, body)
                under_way.remove(body)
                answers_left -= 1
                if answers_left == 0:
                    process.kill()
                if dice.random() < 0.6:
                    break  # this one goes on for ever

    async with aiohttp.ClientSession() as http:
        callers = [asyncio.create_task(call_on(caller, http)) for caller in range(CALLERS)]
        for died in await asyncio.gather(*callers, return_exceptions=True):
            assert isinstance(died, aiohttp.ClientError | OSError), died
    await process.wait()
    return under_way


async def verify(server: Server) -> tuple[int | None, dict[str, Any]]:
    """What `callgate ledger verify` says while the server runs: exit code and verdict."""
    process = await server.command("ledger", "verify", "--json")
    said, _ = await process.communicate()
    return process.returncode, msgspec.json.decode(said)


def test_what_was_acknowledged_survives_being_killed(server: Server) -> None:
    """Every decision is found again by a repeat, every end has been settled once, and the four invariants hold."""
    dice = random.Random(20_261_123)  # noqa: S311 - a seeded sample
    starts: Acknowledged = {}
    ends: Acknowledged = {}
    unanswered: set[bytes] = set()

    async def steps() -> None:
        for _ in range(KILLS):
            async with server.running() as process:
                unanswered.update(await load_until_killed(server, process, dice, starts, ends))
        async with server.running(), aiohttp.ClientSession() as http:
            before = transfers(server)
            repeats = {
                body: answer
                for body, answer in (starts | ends).items()
                if body in ends or end(call_of(body)) not in ends.keys() | unanswered
            }
            answers = await asyncio.gather(*(server.send(http, body) for body in repeats))
            assert dict(zip(repeats, answers, strict=True)) == repeats
            assert transfers(server) == before
            code, verdict = await verify(server)
            assert (code, verdict["faults"]) == (0, [])

    asyncio.run(steps())
    assert len(starts) > 100
    assert len(set(starts.values())) == 2  # some were connected, and some refused
    db = sqlite3.connect(server.database)
    stored = dict(db.execute("SELECT call_id, answer FROM calls").fetchall())
    db.close()
    moved = transfers(server)
    for body, answer in starts.items():
        call = call_of(body)
        assert stored[call] == answer
        if end(call) in ends:
            assert moved.get(call) == ([20_000] if b"connectPstn" in answer else None)


def transfers(server: Server) -> dict[str, list[int]]:
    """What moved for each call, as another process reads it."""
    moved: dict[str, list[int]] = {}
    db = sqlite3.connect(server.database)
    for call, micros in db.execute("SELECT call_id, amount_micros FROM transfers WHERE call_id IS NOT NULL"):
        moved.setdefault(call, []).append(micros)
    db.close()
    return moved


def call_of(body: bytes) -> str:
    return str(msgspec.json.decode(body)["callid"])
