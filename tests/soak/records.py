"""Records that arrive, in numbers: a receiver that fails a fifth of the time and is down for an hour, a worker that is killed.

`tests/soak/records.py --records 1000000` plays the whole of it; `make test` plays a small one. The time is warped: when
nothing is due, the clock is put forward to what is due next. `--plain` measures instead: a receiver that takes everything, in
a process of its own, and says deliveries a second of processor time and the memory that a backlog takes.

What must be true at the end: every record arrived, those of an account in their order, a repeat under the id that it had.
"""

import argparse
import asyncio
import random
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httptools

from callgate.logs import configure_logs
from callgate.outbox.worker import Worker
from callgate.service.add_endpoint import add_endpoint
from callgate.service.catalog import Catalogs
from callgate.service.queue_record import delivery_id
from callgate.storage import rows
from callgate.storage.sqlite import SqliteStore
from callgate.vault import Vault, new_key

APP = "soak"
FAILS = 0.2
DOWN = timedelta(hours=1)
FIRST_STEP, LONGEST_STEP = timedelta(seconds=1), timedelta(minutes=5)
BODY = b'{"type":"call.ended","timestamp":"2026-11-23T07:01:05.120Z","data":{"account":"%s","sequence":%d,"pad":"%s"}}'
PAD = b"x" * 500


@dataclass
class Seen:
    """What a receiver has taken."""

    arrived: dict[str, list[int]] = field(default_factory=dict)
    ids: dict[tuple[str, int], str] = field(default_factory=dict)
    repeats: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def heard(self) -> int:
        return self.refused + self.repeats + len(self.ids)

    def take(self, account: str, sequence: int, name: str) -> None:
        known = self.ids.setdefault((account, sequence), name)
        if known != name:
            self.faults.append(f"record {sequence} of {account} came as {known} and as {name}")
        numbers = self.arrived.setdefault(account, [])
        if numbers and sequence <= numbers[-1]:
            self.repeats += 1
            if sequence < numbers[-1]:
                self.faults.append(f"record {sequence} of {account} came again after {numbers[-1]}")
        elif sequence != len(numbers) + 1:
            self.faults.append(f"record {sequence} of {account} came after {numbers[-1] if numbers else 'nothing'}")
        else:
            numbers.append(sequence)


class Receiver(asyncio.Protocol):
    """As little of an HTTP server as will do, so that it is the worker that is measured."""

    def __init__(self, judge: "Judge") -> None:
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
        self._seen = seen
        self._chance = chance
        self._fails = fails
        self.is_down = False

    def __call__(self, name: str, body: bytes) -> int:
        if self.is_down or self._chance.random() < self._fails:
            self._seen.refused += 1
            return 503
        words = body.split(b'"')
        place = words.index(b"account")
        self._seen.take(words[place + 2].decode(), int(words[place + 5].strip(b":, ")), name)
        return 204 if self._chance.random() >= self._fails / 10 else 500  # taken, and yet told that it failed


class Clock:
    """The time, put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def put_forward(self, due_us: int | None, step: timedelta) -> None:
        """To what is due next, or by a step where only the endpoint rests."""
        until = timedelta() if due_us is None else rows.from_us(due_us) - self()
        self.ahead += max(until, step)


def fill(path: Path, endpoint: str, accounts: int, records: int) -> None:
    """Queue records as the service would have, straight into the file: it is the way out that is looked at here."""
    now = datetime.now(UTC)
    names = [f"account-{number}" for number in range(accounts)]

    def queued() -> "Iterator[tuple[object, ...]]":
        for number in range(records):
            account, sequence = names[number % accounts], number // accounts + 1
            body = BODY % (account.encode(), sequence, PAD)
            yield (
                delivery_id(endpoint, rows.RecordType.CALL_ENDED, f"{account}/{sequence}"), endpoint, APP, account,
                "call.ended", sequence, body, rows.to_us(now), rows.to_us(now),
                "next" if sequence == 1 else "waiting", 0, None, "",
            )  # fmt: skip

    places = ", ".join("?" * len(rows.DELIVERY))
    with sqlite3.connect(path) as db:
        db.executemany(f"INSERT INTO deliveries ({', '.join(rows.DELIVERY)}) VALUES ({places})", queued())  # noqa: S608 - ours
    db.close()


@asynccontextmanager
async def receiving(judge: Judge) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Receiver(judge), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    finally:
        server.close()


async def left(store: SqliteStore) -> tuple[int, int | None]:
    """How many are not delivered yet, and when the first of them is due."""
    found = await store.fetch("SELECT count(*) FROM deliveries WHERE state IN ('next', 'waiting')")
    due = await store.fetch("SELECT min(due_at) FROM deliveries WHERE state = 'next'")
    return found[0][0], due[0][0]


async def counted(store: SqliteStore) -> int:
    """How many are delivered."""
    found = await store.fetch("SELECT count(*) FROM deliveries WHERE state = 'delivered'")
    return int(found[0][0])


async def kill(work: "asyncio.Task[None]") -> None:
    """Without the parting that an orderly stop has: what it had in its hands is lost with it."""
    for task in asyncio.all_tasks():
        if task is work or "Worker._attempt" in repr(task.get_coro()):
            task.cancel()
    with suppress(asyncio.CancelledError):
        await work


async def play(records: int, accounts: int, kills: int, seed: int, folder: Path) -> Seen:
    """The whole of it, in this process. Return what arrived."""
    chance, clock, seen = random.Random(seed), Clock(), Seen()  # noqa: S311 - a seed, no secret
    path = folder / "soak.db"
    store, vault = SqliteStore(str(path)), Vault(new_key())
    await store.migrate()
    await store.open()
    judge = Judge(seen, chance, FAILS)
    async with receiving(judge) as url:
        endpoint, _ = await add_endpoint(
            store, url, [], allow_private=True, seal=vault.seal, resolve=_nobody, now=clock()
        )
        await asyncio.to_thread(fill, path, endpoint.id, accounts, records)
        catalogs = Catalogs(store, vault.unseal)
        await catalogs.refresh()
        work = asyncio.create_task(Worker(store, catalogs, clock).work())
        killed, down_from, was_down = 0, records // 2, False
        heard, step = 0, FIRST_STEP
        while (waiting := await left(store))[0]:
            await catalogs.refresh()
            if kills and killed < kills and records - waiting[0] >= records * (killed + 1) // (kills + 1):
                await kill(work)
                killed += 1
                work = asyncio.create_task(Worker(store, catalogs, clock).work())
            if not was_down and records - waiting[0] >= down_from:
                judge.is_down = was_down = True
                down_until = clock() + DOWN
            if judge.is_down and clock() >= down_until:
                judge.is_down = False
            heard, before = seen.heard, heard
            step = FIRST_STEP if heard > before else min(step * 2, LONGEST_STEP)
            clock.put_forward(waiting[1], step)
            await asyncio.sleep(0.02)
        await kill(work)
    await store.close()
    seen.faults += [f"the worker was killed {killed} times, not {kills}"] if killed != kills else []
    return seen


async def _nobody(host: str) -> Sequence[str]:
    del host
    return []


def judged(seen: Seen, records: int) -> list[str]:
    """What is not as it must be."""
    arrived = sum(map(len, seen.arrived.values()))
    missing = [] if arrived == records else [f"{arrived} of {records} arrived"]
    return [*missing, *seen.faults[:10]]


async def measure(records: int, delivered: int, accounts: int, folder: Path) -> tuple[float, float, float]:
    """Deliveries a second by the clock and by processor time of this process, and its memory in MB, over the first
    `delivered` of a backlog.
    """
    from multiprocessing import Pipe, Process  # noqa: PLC0415 - only this needs another process

    ours, theirs = Pipe()
    process = Process(target=_receive_for_ever, args=(theirs,), daemon=True)
    process.start()
    url = ours.recv()
    clock, path = Clock(), folder / "measure.db"
    store, vault = SqliteStore(str(path)), Vault(new_key())
    await store.migrate()
    await store.open()
    endpoint, _ = await add_endpoint(store, url, [], allow_private=True, seal=vault.seal, resolve=_nobody, now=clock())
    filling = Process(target=fill, args=(path, endpoint.id, accounts, records))
    filling.start()
    await asyncio.to_thread(filling.join)
    catalogs = Catalogs(store, vault.unseal)
    await catalogs.refresh()
    began_at, began_cpu = time.monotonic(), time.process_time()
    work = asyncio.create_task(Worker(store, catalogs, clock).work())
    while (done := await counted(store)) < delivered:  # noqa: ASYNC110 - the database is asked
        await asyncio.sleep(0.25)
    passed_s, cpu_s = time.monotonic() - began_at, time.process_time() - began_cpu
    await kill(work)
    await store.close()
    process.terminate()
    return done / passed_s, done / cpu_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _receive_for_ever(pipe: "object") -> None:
    async def receive() -> None:
        async with receiving(Judge(Seen(), random.Random(0), 0)) as url:  # noqa: S311 - no secret
            pipe.send(url)  # type: ignore[attr-defined]
            await asyncio.Event().wait()

    asyncio.run(receive())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--accounts", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="measure with a receiver that takes everything")
    parser.add_argument("--deliver", type=int, help="with --plain: of the backlog only so many")
    asked = parser.parse_args()
    configure_logs("critical")
    with tempfile.TemporaryDirectory(prefix="callgate-soak-") as folder:
        if asked.plain:
            by_clock, by_cpu, memory_mb = _run(
                measure(asked.records, asked.deliver or asked.records, asked.accounts, Path(folder))
            )
            sys.stdout.write(f"{by_clock:,.0f} deliveries/s, {by_cpu:,.0f} a processor second, {memory_mb:.0f} MB\n")
            return
        began_at = time.monotonic()
        seen = _run(play(asked.records, asked.accounts, asked.kills, asked.seed, Path(folder)))
        faults = judged(seen, asked.records)
        sys.stdout.write(
            f"{asked.records:,} records, {seen.refused:,} refused, {seen.repeats:,} came again under their id, "
            f"{asked.kills} kills, {time.monotonic() - began_at:.0f} s: {'; '.join(faults) or 'all arrived in order'}\n"
        )
    sys.exit(1 if faults else 0)


def _run(steps):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - whatever it gives
    try:
        import uvloop  # noqa: PLC0415 - not made for Windows
    except ImportError:
        return asyncio.run(steps)
    return uvloop.run(steps)


if __name__ == "__main__":
    main()
