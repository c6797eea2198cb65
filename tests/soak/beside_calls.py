"""The callback path while records are delivered as fast as they go, against the same without: its p99 must not move.

A real server with a backlog of deliveries, a receiver in a process of its own, and emulated calls at a fixed rate. Rounds
with deliveries and rounds without take turns, so that whatever else the machine does falls on both.

    python tests/soak/beside_calls.py [--backlog N] [--rounds N] [--seconds N] [--calls-per-s N]
        [--engine sqlite|postgres] [--json]
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from multiprocessing import Pipe, Process
from pathlib import Path
from typing import Any

import million_calls as calls
import records
import uvloop
from postgres import Postgres

from callgate.app import build_store, build_vault, clock, opened
from callgate.emulator.load.drive import Load, LoadPlan
from callgate.emulator.target import read_target
from callgate.service.add_endpoint import SetEndpointState, add_endpoint
from callgate.service.endpoint import EndpointState
from callgate.service.ports import Store
from callgate.settings import Settings
from callgate.vault import new_key

SEEN_S = 1.5
"""Within this time a server has seen that an endpoint was enabled or disabled."""

LEAD_IN_S = 2.0
"""How long calls come before they are measured: a server without calls delivers as fast as it can."""

MORE_MS, MORE = 2.0, 1.5
"""What p99 may be more with deliveries than without: so many milliseconds, or this times as much, whichever is more."""


async def run(folder: Path, server: Postgres | None, asked: argparse.Namespace) -> dict[str, Any]:
    """Fill, serve, and take turns. Return the figures. SQLite where there is no `server`."""
    ours, theirs = Pipe()
    receiver = Process(target=records.receive_for_ever, args=(theirs,), daemon=True)
    receiver.start()
    try:
        async with _database(folder, server) as (database_url, fill):
            settings = Settings(database_url=database_url, secret_key=new_key(), port=calls.free_port())
            await calls.fill(settings)
            store = build_store(settings)
            async with opened(store):
                endpoint = await _backlog(store, settings, ours.recv(), fill, asked.backlog)
                with calls.serving(folder, settings) as url:
                    return await _take_turns(store, endpoint, url, asked)
    finally:
        receiver.terminate()


@asynccontextmanager
async def _database(
    folder: Path, server: Postgres | None
) -> AsyncIterator[tuple[str, Callable[[str, int, int], None]]]:
    """Where it is, and what puts deliveries into it."""
    if server is None:
        path = folder / "gate.db"
        yield f"sqlite:///{path}", partial(records.fill, path)
        return
    async with server.database() as url:
        yield url, partial(records.fill_postgres, url)


async def _backlog(
    store: Store, settings: Settings, url: str, fill: Callable[[str, int, int], None], count: int
) -> str:
    """An endpoint that is disabled, and what waits for it. Return its id."""
    endpoint, _ = await add_endpoint(
        store, url, ["overrun"], allow_private=True, seal=build_vault(settings).seal, resolve=_nobody, now=clock()
    )
    await store.perform(SetEndpointState(id=endpoint.id, state=EndpointState.DISABLED))
    filling = Process(target=fill, args=(endpoint.id, min(10_000, count), count))
    filling.start()
    await asyncio.to_thread(filling.join)
    return endpoint.id


async def _take_turns(store: Store, endpoint: str, url: str, asked: argparse.Namespace) -> dict[str, Any]:
    without: list[dict[str, float]] = []
    beside: list[dict[str, float]] = []
    delivered = 0
    for number in range(asked.rounds * 2 + 1):
        is_beside = number > 0 and number % 2 == 0
        state = EndpointState.ACTIVE if is_beside else EndpointState.DISABLED
        await store.perform(SetEndpointState(id=endpoint, state=state))
        await asyncio.sleep(SEEN_S)
        await load(url, asked.calls_per_s, LEAD_IN_S, seed=100 + number)
        before = await _left(store)
        found = await load(url, asked.calls_per_s, asked.seconds, seed=number)
        if number == 0:
            continue  # the first one warms up
        (beside if is_beside else without).append(found)
        delivered += before - await _left(store) if is_beside else 0
    named = {"without": without, "beside": beside}
    p99_ms = {name: statistics.median([each["p99_ms"] for each in rounds]) for name, rounds in named.items()}
    most_ms = max(p99_ms["without"] + MORE_MS, p99_ms["without"] * MORE)
    faults = [] if p99_ms["beside"] <= most_ms else [f"p99 is {p99_ms['beside']} ms beside deliveries"]
    faults += [] if delivered else ["nothing was delivered"]
    return {
        **named, "p99_ms": p99_ms, "deliveries_per_s": round(delivered / asked.seconds / asked.rounds), "faults": faults,
    }  # fmt: skip


async def load(url: str, calls_per_s: float, seconds: float, seed: int) -> dict[str, float]:
    """Place calls at a fixed rate, and return how long callbacks took. Raises `RuntimeError` for a wrong answer."""
    plan = LoadPlan(
        read_target(url), calls.KEY, calls.SECRET, rate_per_s=calls_per_s, seconds=seconds, seed=seed, mix=calls.MIX,
    )  # fmt: skip
    report = await Load(plan).run()
    if report.wrong_count:
        raise RuntimeError(f"wrong answers: {report.wrong}")
    latency = report.latency["all"]
    return {
        "callbacks_per_s": round(report.callbacks_per_s), "p50_ms": latency.p50_ms, "p99_ms": latency.p99_ms,
        "p999_ms": latency.p999_ms, "worst_ms": latency.worst_ms, "generator_lag_p99_ms": report.generator.lag_p99_ms,
    }  # fmt: skip


async def _left(store: Store) -> int:
    return sum((await store.delivery_counts()).values())


async def _nobody(host: str) -> list[str]:
    del host
    return []


def main() -> int:
    """Run once, print the figures; exit 1 when the callback path was held up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backlog", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=4, help="of each kind")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--calls-per-s", type=float, default=40, help="each of two or three callbacks")
    parser.add_argument("--engine", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    scratch = tempfile.TemporaryDirectory(prefix="callgate-soak-")
    with scratch as folder, Postgres() if asked.engine == "postgres" else nullcontext() as server:
        result = uvloop.run(run(Path(folder), server, asked))
    if asked.json:
        sys.stdout.write(json.dumps(result) + "\n")
        return 1 if result["faults"] else 0
    for name in ("without", "beside"):
        for each in result[name]:
            sys.stdout.write(f"{name:8}" + "".join(f"  {key} {value:g}" for key, value in each.items()) + "\n")
    sys.stdout.write(
        f"p99 {result['p99_ms']['without']:g} ms without and {result['p99_ms']['beside']:g} ms beside "
        f"{result['deliveries_per_s']:,} deliveries/s: {'; '.join(result['faults']) or 'unchanged'}\n"
    )
    return 1 if result["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
