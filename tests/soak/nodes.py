"""What programs here share: servers as processes that start in a moment and can be killed, callbacks to them, their books.

A server is forked from a process that has loaded everything and holds no thread, connection or file, so that it is as real
as one started from the command line and is up within tens of milliseconds.
"""

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple, NoReturn, Self

import aiohttp
import msgspec

from callgate import app
from callgate.ledger.verify import verify
from callgate.logs import configure_logs, log
from callgate.policy.destination import is_valid_number
from callgate.policy.limits import UNLIMITED
from callgate.protocol import sinch
from callgate.rating.deck_merge import ImportMode
from callgate.rating.rate import Rate
from callgate.server import run, serve
from callgate.service.add_application import AddApplication
from callgate.service.import_deck import import_deck
from callgate.service.open_account import OpenAccount
from callgate.service.ports import Store
from callgate.service.set_limits import SetAccountLimits
from callgate.service.top_up import TopUp
from callgate.settings import load_settings
from callgate.storage.sqlite import SqliteStore
from callgate.vault import Vault, new_key

KEY, SECRET, PATH = "soak", "c2VjcmV0", "/callbacks/sinch"
NUMBER = "+46701740605"
MINUTE_MICROS = 20_000
"""What a minute costs; a call is granted one minute."""

Environment = Mapping[str, str]


def environment(database_url: str, secret_key: str, port: int) -> dict[str, str]:
    """Settings of a server."""
    return {
        "CALLGATE_DATABASE_URL": database_url,
        "CALLGATE_SECRET_KEY": secret_key,
        "CALLGATE_PORT": str(port),
        "CALLGATE_LOG_LEVEL": "error",
        "CALLGATE_DECISION_DEADLINE_MS": "20000",  # a busy machine is no reason for a fallback here
    }


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


# -- processes ---------------------------------------------------------------------------------------------------------


class Nursery:
    """Where servers are forked. Made before anything else in a program: it must have no threads."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            ours.close()
            _nurse(theirs)
        theirs.close()
        self._line = ours

    def start(self, settings: Environment) -> int:
        """Fork a server and return its process id once it listens."""
        self._line.sendall(msgspec.json.encode(settings) + b"\n")
        pid = int(self._read())
        if not pid:
            raise RuntimeError("the server did not start")
        _wait_for(int(settings["CALLGATE_PORT"]))
        return pid

    def wait_for_end(self, pid: int) -> None:
        """Return when the process is gone, and all that it held with it."""
        self._line.sendall(msgspec.json.encode({"end of": str(pid)}) + b"\n")
        self._read()

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        self.wait_for_end(pid)

    def close(self) -> None:
        self._line.close()
        os.waitpid(self._pid, 0)

    def _read(self) -> bytes:
        return self._line.makefile("rb").readline()


def _nurse(line: socket.socket) -> NoReturn:
    """The nursery's own life: fork what is asked for, and bury it. When nobody asks any more, nothing is left behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    alive: set[int] = set()
    for asked in line.makefile("rb"):
        words: dict[str, str] = msgspec.json.decode(asked)
        if "end of" in words:
            os.waitpid(pid := int(words["end of"]), 0)
            alive.discard(pid)
            line.sendall(b"\n")
            continue
        hears, says = os.pipe()
        pid = os.fork()
        if pid == 0:
            line.close()
            _be_a_server(words, says)
        os.close(says)
        alive.add(pid)
        is_up = os.read(hears, 1)
        os.close(hears)
        line.sendall(b"%d\n" % (pid if is_up else 0))
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    os._exit(0)


def _be_a_server(settings: Environment, says: int) -> NoReturn:
    """Its complaints go nowhere: that it is in trouble is the point."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    try:
        run(serve(load_settings(None, settings), on_listening=lambda: os.write(says, b"1") and None))
    finally:
        os._exit(1)


def _wait_for(port: int) -> None:
    """Return once somebody listens there: a server has its socket a moment before it does."""
    while True:
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.001)


@contextmanager
def nursery() -> Iterator[Nursery]:
    """A nursery that has loaded all that a server does. To be opened before anything else."""
    _warm_up()
    born = Nursery()
    try:
        yield born
    finally:
        born.close()


def _warm_up() -> None:
    """Be a server for a moment, so that all is loaded that one loads by and by. Leaves no thread behind."""
    configure_logs("error")
    log.debug("loaded")
    is_valid_number(NUMBER)
    with tempfile.TemporaryDirectory(prefix="callgate-warm-") as folder:
        port = free_port()
        house = asyncio.run(_warm_house(Path(folder)))
        asyncio.run(serve(load_settings(None, house.settings(port)), beside=lambda: _until_pages(port)))


async def _warm_house(folder: Path) -> "House":
    url = f"sqlite:///{folder}/warm.db"
    await migrate(url)
    return await build_house(url, ("somebody",), credit_micros=MINUTE_MICROS)


async def _until_pages(port: int) -> None:
    """The last thing that a server loads is its pages."""
    async with aiohttp.ClientSession() as http:
        while True:
            with suppress(aiohttp.ClientError):
                async with http.get(f"http://127.0.0.1:{port}/api/v1/openapi.json") as reply:
                    if reply.status == HTTPStatus.OK:
                        break
            await asyncio.sleep(0.02)
    os.kill(os.getpid(), signal.SIGTERM)


# -- callbacks ---------------------------------------------------------------------------------------------------------


def ice(call: str, user: str) -> bytes:
    """A call wants to be set up."""
    to = {"type": "number", "endpoint": NUMBER}
    body = {"event": "ice", "callid": call, "user": user, "originationType": "MXP", "domain": "pstn", "to": to}
    return msgspec.json.encode(body)


def dice(call: str, seconds: int) -> bytes:
    """A call has ended."""
    body = {"event": "dice", "callid": call, "result": "ANSWERED", "reason": "CALLERHANGUP", "duration": seconds}
    return msgspec.json.encode(body)


class Wire:
    """One connection to a server. Raises `OSError` or `asyncio.IncompleteReadError` when the server is gone."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, body: bytes) -> tuple[int, bytes]:
        """Post a signed callback; return the status and the whole body of the reply."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        headers = sinch.sign("POST", PATH, body, KEY, SECRET, datetime.now(UTC)) | {
            "host": "127.0.0.1",
            "content-length": str(len(body)),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"POST {PATH} HTTP/1.1\r\n{lines}\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        return int(head.split(b" ", 2)[1]), await reader.readexactly(length)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()


def granted_s(answer: bytes) -> int:
    """The seconds that an answer grants, 0 for one that hangs up."""
    return int(msgspec.json.decode(answer)["action"].get("maxDuration", 0))


# -- books -------------------------------------------------------------------------------------------------------------


class House(NamedTuple):
    """A database with accounts that can be called from."""

    url: str
    secret_key: str
    users: tuple[str, ...]

    def settings(self, port: int) -> dict[str, str]:
        return environment(self.url, self.secret_key, port)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Store]:
        """The books, as another process sees them."""
        store = build_store(self.url)
        await store.open()
        try:
            yield store
        finally:
            await store.close()


def build_store(url: str) -> SqliteStore:
    """The engine that a URL names, not yet open."""
    return app.build_store(load_settings(None, environment(url, new_key(), 1)))


async def build_house(url: str, users: tuple[str, ...], *, credit_micros: int) -> House:
    """Make an operator with accounts that are granted a minute a call, in a database that has nothing in it."""
    house = House(url, new_key(), users)
    async with house.opened() as store:
        await _furnish(store, house, credit_micros)
    return house


async def _furnish(store: Store, house: House, credit_micros: int) -> None:
    now, seal = datetime.now(UTC), Vault(house.secret_key).seal
    await store.perform(
        AddApplication(provider="sinch", key=KEY, secret=SECRET, name="", seal=seal, now=now, limits=UNLIMITED)
    )
    rate = Rate(
        prefix="46",
        destination="Sweden",
        rate_nanos_per_min=MINUTE_MICROS * 1_000,
        connect_fee_micros=0,
        first_increment_s=60,
        increment_s=60,
        effective_from=datetime(2020, 1, 1, tzinfo=UTC),
    )
    await import_deck(store, "standard", "USD", [rate], mode=ImportMode.REPLACE, is_dry_run=False, now=now)
    for user in house.users:
        await open_account(store, user, credit_micros=credit_micros)


async def open_account(store: Store, user: str, *, credit_micros: int) -> None:
    """Somebody with credit, who is granted a minute a call."""
    now = datetime.now(UTC)
    await store.perform(OpenAccount(application=KEY, account=user, currency="USD", limits=UNLIMITED))
    await store.perform(SetAccountLimits(application=KEY, account=user, words=("max_seconds=60",)))
    await store.perform(TopUp(application=KEY, account=user, amount_micros=credit_micros, reference="first", now=now))


async def faults_in(store: Store) -> tuple[str, ...]:
    """What breaks an invariant, as `callgate ledger verify` says."""
    return (await store.inspect_ledger(verify)).faults


class Engine(AbstractContextManager["Engine"]):
    """Where databases come from."""

    def database(self) -> AbstractAsyncContextManager[str]:
        """An empty database of this version, for as long as the block runs; its URL."""
        raise NotImplementedError


class Sqlite(Engine):
    """A file each, copied from one that was migrated once."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="callgate-soak-")
        self._empty = Path(self._folder.name, "empty.db")
        asyncio.run(migrate(f"sqlite:///{self._empty}"))
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        with tempfile.TemporaryDirectory(dir=self._folder.name) as folder:
            yield f"sqlite:///{shutil.copy(self._empty, folder)}"


def _postgres() -> Engine:
    from postgres import Postgres  # noqa: PLC0415 - only where it is asked for

    return Postgres()


ENGINES: dict[str, Callable[[], Engine]] = {"sqlite": Sqlite, "postgres": _postgres}


async def migrate(url: str) -> None:
    store = build_store(url)
    await store.migrate()
    await store.close()


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
