"""The load: planned calls over kept connections, each answer's body checked. A process of its own, on a core of its own.

Without `--rate` every connection sends its next call as soon as the last is answered; requests are signed beforehand. With
it calls fall due evenly, whoever is still waiting: one that finds no free connection waits, and its latency counts from
when it was due. Prints one JSON object; exit 1 with the first wrong answer in words.
"""

import argparse
import asyncio
import gc
import os
import re
import sys
import time
from array import array
from collections import deque
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import msgspec
import uvloop
from calls import Caller, PlannedCall, callers, hot_caller, plan

CONNECTIONS = 64

TICK_S = 0.001
"""How often calls that have fallen due are looked for."""

STALL_S = 10.0
"""Answers still missing so long after the last call was sent will not come."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Action(msgspec.Struct, rename="camel"):
    name: str = ""
    number: str = ""
    max_duration: int = 0


class Answer(msgspec.Struct):
    action: Action


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `rate` counts what was answered while calls were still being sent, `answered` all that was."""

    rate: float
    answered: int
    held_micros: int
    p50_ms: float
    p99_ms: float
    worst_ms: float
    cpu_us: float | None  # of the server process, user and system, for each call; None when no process was named
    busy: float  # part of the time that this process computed: near 1 it was the bottleneck


class WrongAnswer(Exception):
    """A body or a status that is not what this call must get, or no answer at all."""


class Connection(asyncio.Protocol):
    """One kept connection with at most one call under way."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._received = b""
        self._transport: asyncio.WriteTransport
        self.call: PlannedCall | None = None
        self.due_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's own is none by class

    def send(self, call: PlannedCall, due_at: float) -> None:
        self.call, self.due_at = call, due_at
        self._transport.write(call.request)

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        end = received.find(b"\r\n\r\n")
        length = _LENGTH.search(received, 0, end) if end >= 0 else None
        if length is None or len(received) < end + 4 + int(length[1]):
            self._received = received
            return
        self._received = b""
        self._load.take(self, received[9:12], received[end + 4 :])

    def connection_lost(self, exc: Exception | None) -> None:
        if self.call is not None:
            self._load.fail(f"the connection was closed before an answer: {exc}")

    def close(self) -> None:
        self.call = None
        self._transport.close()


class Load:
    """Hands calls to connections and judges what comes back."""

    def __init__(self, calls: Iterator[PlannedCall], seconds: float, rate: float | None) -> None:
        self._calls = calls
        self._rate = rate
        self._seconds = seconds
        self._is_over = False
        self._idle: deque[Connection] = deque()  # in turns: one that rests for seconds is closed by its server
        self._late: deque[float] = deque()  # when each call was due that found no free connection
        self._latencies = array("d")
        self._in_time = 0
        self._held_micros = 0
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._under_way = 0

    async def run(self, connections: list[Connection]) -> float:
        """Send until the time is over, wait for the last answers; returns for how many seconds it sent."""
        started = time.perf_counter()
        self._ends_at = started + self._seconds
        self._idle.extend(connections)
        if self._rate is None:
            for _ in range(len(connections)):
                self._next(started)
        else:
            await self._send_evenly(self._rate, started)
        await self._last_answers()
        return self._stopped_at - started

    async def _send_evenly(self, rate: float, started: float) -> None:
        """All calls of the time, one at least, also when we were held up ourselves: each counts from its own moment."""
        count, sent = max(1, round(rate * self._seconds)), 0
        while sent < count and not self._done.done():
            now = time.perf_counter()
            while sent < count and (due_at := started + sent / rate) <= now:
                sent += 1
                if self._idle:
                    self._next(due_at)
                else:
                    self._late.append(due_at)
            await asyncio.sleep(TICK_S)
        self._stop(time.perf_counter())

    async def _last_answers(self) -> None:
        try:
            await asyncio.wait_for(self._done, self._seconds + STALL_S)
        except TimeoutError:
            raise WrongAnswer(f"{self._under_way} calls were never answered") from None

    def _next(self, due_at: float) -> None:
        self._under_way += 1
        self._idle.popleft().send(next(self._calls), due_at)

    def _stop(self, now: float) -> None:
        if not self._is_over:
            self._is_over = True
            self._stopped_at = now
            self._in_time = len(self._latencies)
        if self._under_way == 0 and not self._late and not self._done.done():
            self._done.set_result(None)

    def take(self, connection: Connection, status: bytes, body: bytes) -> None:
        """An answer: judge it, then let its connection take the next call."""
        now = time.perf_counter()
        call = connection.call
        fault = _fault(call, status, body) if call is not None else "an answer that nobody asked for"
        if call is None or fault is not None:
            self.fail(str(fault))
            return
        self._latencies.append(now - connection.due_at)
        self._held_micros += call.hold_micros
        connection.call = None
        self._under_way -= 1
        self._idle.append(connection)
        if self._late:
            self._next(self._late.popleft())
        elif self._is_over or (self._rate is None and now >= self._ends_at):
            self._stop(now)
        elif self._rate is None:
            self._next(now)

    def fail(self, why: str) -> None:
        if not self._done.done():
            self._done.set_exception(WrongAnswer(why))

    def measured(self, sent_s: float, cpu_s: float | None, busy_s: float) -> Measured:
        """Sum up. A run that answered nothing has nothing to say: raises `WrongAnswer`."""
        latencies = sorted(self._latencies)
        count = len(latencies)
        if count == 0:
            raise WrongAnswer("no call was sent: the time was too short")
        return Measured(
            rate=self._in_time / sent_s,
            answered=count,
            held_micros=self._held_micros,
            p50_ms=latencies[count // 2] * 1000,
            p99_ms=latencies[count * 99 // 100] * 1000,
            worst_ms=latencies[-1] * 1000,
            cpu_us=None if cpu_s is None else cpu_s / count * 1_000_000,
            busy=busy_s / sent_s,
        )


def _fault(call: PlannedCall, status: bytes, body: bytes) -> str | None:
    """Say what is wrong with an answer; None when it connects this number for exactly the seconds that were due."""
    expected = f"200, connectPstn to {call.number} for {call.grant_s} s"
    if status != b"200":
        return f"status {status.decode('latin-1')} {body[:200]!r} instead of {expected}"
    try:
        action = _decode(body).action
    except msgspec.MsgspecError:
        return f"{body[:200]!r} instead of {expected}"
    is_right = action.name == "connectPstn" and action.number == call.number and action.max_duration == call.grant_s
    return None if is_right else f"{body[:200]!r} instead of {expected}"


_decode = msgspec.json.Decoder(Answer).decode


async def load(words: argparse.Namespace, who: list[Caller]) -> Measured:
    """Connect, send, measure."""
    url = urlsplit(words.url)
    assert url.hostname is not None and url.port is not None, "checked by the parser"
    calls = plan(who, words.numbers, url.netloc)
    if words.rate is None:
        calls = chain(
            list(islice(calls, words.signed)), calls
        )  # a run that is faster than thought goes on, signing as it goes
    run = Load(calls, words.seconds, words.rate)
    loop = asyncio.get_running_loop()
    connections = [
        (await loop.create_connection(lambda: Connection(run), url.hostname, url.port))[1]
        for _ in range(words.connections)
    ]
    cpu_s, busy_s = cpu_time_s(words.pid), time.process_time()
    sent_s = await run.run(list(connections))
    after_s = cpu_time_s(words.pid)
    measured = run.measured(
        sent_s, None if cpu_s is None or after_s is None else after_s - cpu_s, time.process_time() - busy_s
    )
    for connection in connections:
        connection.close()
    return measured


def cpu_time_s(pid: int | None) -> float | None:
    """Seconds that all threads of a process have computed so far; None where this system does not tell."""
    path = Path(f"/proc/{pid}/stat")
    if pid is None or not path.exists():
        return None
    fields = path.read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Read the words, run once, print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="http://HOST:PORT of the server")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--wallets", type=int, default=0, help="callers to draw from; 0 is the one hot wallet")
    parser.add_argument("--numbers", type=int, default=1, help="numbers to draw from")
    parser.add_argument("--rate", type=float, help="calls a second; as many as possible without it")
    parser.add_argument(
        "--signed",
        type=int,
        default=100_000,
        help="calls signed beforehand, where there is no rate; further ones are signed as they are sent",
    )
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--pid", type=int, help="process of the server, to count its computing time")
    words = parser.parse_args()
    who = callers(words.wallets) if words.wallets else [hot_caller()]
    gc.disable()  # a pause of ours would be taken for the server's
    try:
        measured = uvloop.run(load(words, who))
    except (WrongAnswer, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(msgspec.json.encode(measured).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
