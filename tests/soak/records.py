"""Records that arrive, in numbers: a receiver that fails a fifth of the time and is down for an hour, a worker that is killed.

`tests/soak/records.py --records 1000000` plays the whole of it; `make test` plays a small one. The worker is a process of its
own, which gets SIGKILL. The time is warped: fifteen times as fast, and where nothing is due the clock jumps. `--plain` measures
instead: a receiver that takes everything, in a process of its own, and says deliveries a second of processor time and the
memory that a backlog takes.

What must be true at the end: every record arrived, those of an account in their order, a repeat under the id that it had. Only
a record that was parked may be passed by later ones.
"""

import argparse
import asyncio
import mmap
import os
import random
import re
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing import Pipe, Process, Value
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import asyncpg
import httptools

from callgate.app import build_store
from callgate.logs import configure_logs
from callgate.outbox.worker import CLAIMED_FOR, Worker
from callgate.service.add_endpoint import add_endpoint
from callgate.service.catalog import Catalogs
from callgate.service.delivery import DeliveryState
from callgate.service.endpoint import RecordType
from callgate.service.queue_record import delivery_id
from callgate.service.resend import resend_since
from callgate.settings import Settings
from callgate.storage import outbox_rows, rows
from callgate.storage.sqlite import SqliteStore
from callgate.vault import Vault, new_key

APP = "soak"
FAILS = 0.2
DOWN = timedelta(hours=1)
WARP = 5
"""Seconds that go by in one, so that a claim of half a minute lasts six seconds: long enough on a busy machine too."""

TICK_S, QUIET_S = 0.02, 0.3
"""How often the clock is put forward, and after how long a silence it jumps."""

STEP, LONGEST_STEP = timedelta(seconds=10), timedelta(minutes=5)
BODY = b'{"type":"call.ended","timestamp":"2026-11-23T07:01:05.120Z","data":{"account":"%s","sequence":%d,"pad":"%s"}}'
PAD = b"x" * 500


class Seen:
    """What a receiver has taken: of each account how many, and whatever was not as it must be."""

    def __init__(self, endpoint: str = "") -> None:
        self.endpoint = endpoint
        self.arrived: dict[str, int] = {}
        self.count = 0
        self.repeats = 0
        self.refused = 0
        self.resent = 0
        self.memory_mb = 0.0
        self.faults: list[str] = []
        self.passed: set[tuple[str, int]] = set()  # records that later ones of their account went past
        self.parked: set[tuple[str, int]] = set()
        self.came_late: set[tuple[str, int]] = set()  # parked, and sent again by hand

    @property
    def heard(self) -> int:
        return self.refused + self.repeats + self.count

    def take(self, account: str, sequence: int, name: str) -> None:
        last = self.arrived.get(account, 0)
        if self.endpoint and name != name_of(self.endpoint, account, sequence):
            self.faults.append(f"record {sequence} of {account} came as {name}")
        if sequence > last:
            self.passed.update((account, between) for between in range(last + 1, sequence))
            self.arrived[account] = sequence
            self.count += 1
        elif (account, sequence) in self.passed & self.parked - self.came_late:
            self.came_late.add((account, sequence))
            self.count += 1
        elif sequence == last or (account, sequence) in self.came_late:
            self.repeats += 1
        else:
            self.faults.append(f"record {sequence} of {account} came after {last}")


def name_of(endpoint: str, account: str, sequence: int) -> str:
    """What a record is told by, whenever it comes."""
    return delivery_id(endpoint, RecordType.CALL_ENDED, f"{account}/{sequence}")


class Receiver(asyncio.Protocol):
    """As little of an HTTP server as will do, so that it is the worker that is measured."""

    def __init__(self, judge: "Callable[[str, bytes], int]") -> None:
        self._judge = judge
        self._parser = httptools.HttpRequestParser(self)
        self._id = ""
        self._body = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._body = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"webhook-id":
            self._id = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        status = self._judge(self._id, self._body)
        self._transport.write(b"HTTP/1.1 %d x\r\ncontent-length: 0\r\n\r\n" % status)


class Judge:
    """What the receiver does with each request: takes it, fails, or is down."""

    def __init__(self, seen: Seen, chance: random.Random, fails: float) -> None:
        self.seen = seen
        self._chance = chance
        self._fails = fails
        self.is_down = False

    def __call__(self, name: str, body: bytes) -> int:
        if self.is_down or self._chance.random() < self._fails:
            self.seen.refused += 1
            return 503
        words = body.split(b'"')
        place = words.index(b"account")
        self.seen.take(words[place + 2].decode(), int(words[place + 5].strip(b":, ")), name)
        return 204 if self._chance.random() >= self._fails / 10 else 500  # taken, and yet told that it failed


class Clock:
    """The time of all processes, put forward by one of them: microseconds in a file that they share."""

    def __init__(self, path: Path | None = None) -> None:
        self._shared: mmap.mmap | bytearray = bytearray(8)
        if path is not None:
            if not path.exists():
                path.write_bytes(bytes(8))
            with path.open("r+b") as file:
                self._shared = mmap.mmap(file.fileno(), 8)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + timedelta(microseconds=int.from_bytes(self._shared[:8], "little"))

    def put_forward(self, by: timedelta) -> None:
        ahead_us = int.from_bytes(self._shared[:8], "little") + by // timedelta(microseconds=1)
        self._shared[:8] = ahead_us.to_bytes(8, "little")


def queued(endpoint: str, accounts: int, records: int) -> Iterator[tuple[object, ...]]:
    """Rows of records that wait, as the service would have queued them: in turns of the accounts."""
    now = rows.to_us(datetime.now(UTC))
    names = [f"account-{number}" for number in range(accounts)]
    for number in range(records):
        account, sequence = names[number % accounts], number // accounts + 1
        body = BODY % (account.encode(), sequence, PAD)
        yield (
            name_of(endpoint, account, sequence), endpoint, APP, account, "call.ended", sequence, body, now, now,
            "next" if sequence == 1 else "waiting", 0, None, "",
        )  # fmt: skip


def fill(path: Path, endpoint: str, accounts: int, records: int) -> None:
    """Straight into the file: it is the way out that is looked at here."""
    places = ", ".join("?" * len(outbox_rows.DELIVERY))
    statement = f"INSERT INTO deliveries ({', '.join(outbox_rows.DELIVERY)}) VALUES ({places})"  # noqa: S608 - ours
    with sqlite3.connect(path) as db:
        db.executemany(statement, queued(endpoint, accounts, records))
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def fill_postgres(url: str, endpoint: str, accounts: int, records: int) -> None:
    """As `fill`."""

    async def steps() -> None:
        connection = await asyncpg.connect(url)
        every = queued(endpoint, accounts, records)
        await connection.copy_records_to_table("deliveries", records=every, columns=outbox_rows.DELIVERY)
        await connection.execute("VACUUM ANALYZE deliveries")
        await connection.close()

    asyncio.run(steps())


@asynccontextmanager
async def receiving(judge: Callable[[str, bytes], int]) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Receiver(judge), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    finally:
        server.close()


class WorkerProcess:
    """A worker in a process of its own, which dies by SIGKILL and by nothing else."""

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder
        self._key = key
        self._process: asyncio.subprocess.Process | None = None
        self.memory_mb = 0.0

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, "--work-in", str(self._folder),
            env={**os.environ, "SOAK_KEY": self._key}, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdout is not None
        await self._process.stdout.readline()

    async def kill(self) -> None:
        assert self._process is not None
        self.memory_mb = max(self.memory_mb, _memory_mb(self._process.pid))
        if self._process.returncode is not None:
            raise RuntimeError(f"the worker ended by itself: {self._process.returncode}")
        self._process.kill()
        await self._process.wait()


def _memory_mb(process: int) -> float:
    """The most that it has had; 0 where the system does not say."""
    status = Path(f"/proc/{process}/status")
    found = re.search(r"VmHWM:\s+(\d+)", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else 0


async def work_in(folder: Path) -> None:
    """What a worker's process does."""
    store, vault = SqliteStore(str(folder / "soak.db")), Vault(os.environ["SOAK_KEY"])
    await store.open()
    catalogs = Catalogs(store, vault.unseal)
    await catalogs.refresh()
    follow = asyncio.create_task(catalogs.keep_current())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await Worker(store, catalogs, Clock(folder / "clock")).work()
    await follow


async def play(records: int, accounts: int, kills: int, seed: int, folder: Path) -> Seen:
    """The whole of it. Return what arrived. The receiver is in this process, the worker in others, one after the other."""
    chance, clock, key = random.Random(seed), Clock(folder / "clock"), new_key()  # noqa: S311 - a seed, no secret
    store, vault = SqliteStore(str(folder / "soak.db")), Vault(key)
    await store.migrate()
    await store.open()
    seen = Seen()
    judge = Judge(seen, chance, FAILS)
    async with receiving(judge) as url:
        endpoint, _ = await add_endpoint(
            store, url, [], allow_private=True, seal=vault.seal, resolve=_nobody, now=clock()
        )
        seen.endpoint = endpoint.id
        await asyncio.to_thread(fill, folder / "soak.db", endpoint.id, accounts, records)
        worker = WorkerProcess(folder, key)
        await worker.start()
        await _oversee(store, judge, worker, clock, records, kills)
        seen.faults += await _unfinished(store)
        await worker.kill()
        seen.memory_mb = worker.memory_mb
    await store.close()
    return seen


async def _oversee(  # noqa: PLR0913, PLR0917 - everybody who has a part in it
    store: SqliteStore, judge: Judge, worker: WorkerProcess, clock: Clock, records: int, kills: int
) -> None:
    """Kill, take the receiver down and put the clock forward, until everything has arrived and is written down."""
    seen, killed, was_down = judge.seen, 0, False
    heard, quiet_at, step = 0, time.monotonic(), STEP
    while True:
        await asyncio.sleep(TICK_S)
        clock.put_forward(timedelta(seconds=TICK_S * (WARP - 1)))
        if killed < kills and seen.count >= records * (killed + 1) // (kills + 1):
            await worker.kill()
            await worker.start()
            killed, quiet_at = killed + 1, time.monotonic()
            if killed % 10 == 0:
                sys.stderr.write(
                    f"{killed} kills, {seen.count:,} arrived, {seen.repeats:,} again, {len(seen.faults)} faults\n"
                )
        if not was_down and seen.count >= records // 2:
            judge.is_down = was_down = True
            down_until = clock() + DOWN
        if judge.is_down and clock() >= down_until:
            judge.is_down = False
        heard, before = seen.heard, heard
        if heard > before:
            quiet_at, step = max(quiet_at, time.monotonic()), STEP
        elif time.monotonic() - quiet_at > QUIET_S:
            quiet_at = time.monotonic()
            if not await _put_forward(store, seen, clock, step):
                break
            step = min(step * 2, LONGEST_STEP)
    seen.faults += [f"the worker was killed {killed} times, not {kills}"] if killed != kills else []
    seen.faults += [] if was_down else ["the receiver was never down"]


async def _put_forward(store: SqliteStore, seen: Seen, clock: Clock, step: timedelta) -> bool:
    """Nothing moves: to when half of what waits is due, by a step where only the endpoint rests. False when nothing is left.
    What is claimed is waited for: a worker that is held up for a moment must not lose its claims to a clock that jumps.
    """
    if await store.fetch(_CLAIMED, rows.to_us(clock())):
        return True
    due = await store.fetch(_HALF_DUE, seen.endpoint, seen.endpoint)
    if not due:
        rows_parked = await store.fetch("SELECT account, sequence FROM deliveries WHERE state = 'parked'")
        seen.parked.update((str(account), int(sequence)) for account, sequence in rows_parked)
        parked = await resend_since(store, DeliveryState.PARKED, datetime(2000, 1, 1, tzinfo=UTC), clock())
        seen.resent += parked
        return parked > 0
    clock.put_forward(max(rows.from_us(due[0][0]) - clock(), timedelta()) + step)
    return True


_CLAIMED = f"""SELECT 1 FROM deliveries WHERE state = 'next' AND due_at > ?
    AND due_at - attempted_at = {CLAIMED_FOR // timedelta(microseconds=1)} LIMIT 1"""  # noqa: S608 - ours
_HALF_DUE = """SELECT due_at FROM deliveries WHERE state = 'next' AND endpoint = ? ORDER BY due_at LIMIT 1 OFFSET
    (SELECT count(*) FROM deliveries WHERE state = 'next' AND endpoint = ?) / 2"""


async def _unfinished(store: SqliteStore) -> list[str]:
    """What the books themselves do not call delivered."""
    found = await store.fetch("SELECT state, count(*) FROM deliveries WHERE state <> 'delivered' GROUP BY state")
    return [f"{count} are {state}" for state, count in found]


async def _nobody(host: str) -> Sequence[str]:
    del host
    return []


def judged(seen: Seen, records: int) -> list[str]:
    """What is not as it must be."""
    missing = [] if seen.count == records else [f"{seen.count} of {records} arrived"]
    early = [
        f"record {sequence} of {account} was passed, and not parked" for account, sequence in seen.passed - seen.parked
    ]
    return [*missing, *early[:10], *seen.faults[:10]]


async def measure(
    url: str, fill_up: Callable[[str, int, int], None], asked: argparse.Namespace
) -> tuple[float, float, float]:
    """Deliveries a second by the clock and by processor time of this process, and its memory in MB, over the first
    `deliver` of a backlog. They are counted where they arrive.
    """
    ours, theirs = Pipe()
    arrived = Value("q", 0)
    receiver = Process(target=receive_for_ever, args=(theirs, arrived), daemon=True)
    receiver.start()
    hook = ours.recv()
    vault = Vault(new_key())
    store = build_store(Settings(database_url=url, secret_key=new_key()))
    await store.migrate()
    await store.open()
    endpoint, _ = await add_endpoint(
        store, hook, [], allow_private=True, seal=vault.seal, resolve=_nobody, now=datetime.now(UTC)
    )
    filling = Process(target=fill_up, args=(endpoint.id, asked.accounts, asked.records))
    filling.start()
    await asyncio.to_thread(filling.join)
    catalogs = Catalogs(store, vault.unseal)
    await catalogs.refresh()
    began_at, began_cpu = time.monotonic(), time.process_time()
    work = asyncio.create_task(Worker(store, catalogs, Clock()).work())
    while arrived.value < (asked.deliver or asked.records):  # noqa: ASYNC110 - another process counts
        await asyncio.sleep(0.05)
    done, passed_s, cpu_s = arrived.value, time.monotonic() - began_at, time.process_time() - began_cpu
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work
    await store.close()
    receiver.terminate()
    return done / passed_s, done / cpu_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def receive_for_ever(pipe: "Connection", arrived: "Any | None" = None) -> None:
    """Take everything, in a process of its own; says its URL, and counts in `arrived`."""

    def take(name: str, body: bytes) -> int:
        del name, body
        if arrived is not None:
            arrived.value += 1
        return 204

    async def receive() -> None:
        async with receiving(take) as url:
            pipe.send(url)
            await asyncio.Event().wait()

    asyncio.run(receive())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="measure with a receiver that takes everything")
    parser.add_argument("--deliver", type=int, help="with --plain: of the backlog only so many")
    parser.add_argument("--engine", choices=["sqlite", "postgres"], default="sqlite", help="with --plain")
    parser.add_argument("--work-in", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    configure_logs("critical")
    if asked.work_in is not None:
        _run(work_in(asked.work_in))
    if asked.plain:
        by_clock, by_cpu, memory_mb = _measured(asked)
        sys.stdout.write(f"{by_clock:,.0f} deliveries/s, {by_cpu:,.0f} a processor second, {memory_mb:.0f} MB\n")
        return
    with tempfile.TemporaryDirectory(prefix="callgate-soak-") as folder:
        began_at = time.monotonic()
        seen = _run(play(asked.records, asked.accounts, asked.kills, asked.seed, Path(folder)))
        faults = judged(seen, asked.records)
        sys.stdout.write(
            f"{asked.records:,} records, {seen.refused:,} refused, {seen.repeats:,} came again under their id, "
            f"{seen.resent:,} parked and sent again by hand, {asked.kills} times SIGKILL, worker {seen.memory_mb:.0f} MB, "
            f"{time.monotonic() - began_at:.0f} s: {'; '.join(faults) or 'all arrived in order'}\n"
        )
    sys.exit(1 if faults else 0)


def _measured(asked: argparse.Namespace) -> tuple[float, float, float]:
    """On the engine that is asked for, which goes away afterwards."""
    if asked.engine == "sqlite":
        with tempfile.TemporaryDirectory(prefix="callgate-soak-") as folder:
            path = Path(folder, "measure.db")
            return _run(measure(f"sqlite:///{path}", partial(fill, path), asked))
    from postgres import Postgres  # noqa: PLC0415 - only where it is asked for

    async def steps(engine: Postgres) -> tuple[float, float, float]:
        async with engine.database() as url:
            return await measure(url, partial(fill_postgres, url), asked)

    with Postgres() as engine:
        return _run(steps(engine))


def _run(steps):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - whatever it gives
    try:
        import uvloop  # noqa: PLC0415 - not made for Windows
    except ImportError:
        return asyncio.run(steps)
    return uvloop.run(steps)


if __name__ == "__main__":
    main()
