"""Two hundred callers at once on a wallet of ten calls and a little more: exactly ten connect, however often it is tried.

    python tests/soak/race.py [--engine sqlite] [--rounds 1000] [--json]

Each round has a wallet of its own. The callers reach all nodes of the engine at the same time, over connections that are open
already.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import nodes
from nodes import Nursery, Wire, granted_s, ice, say

from callgate.service.books import AccountKey

CALLERS = 200
GRANTS = 10
CREDIT_MICROS = GRANTS * nodes.MINUTE_MICROS + nodes.MINUTE_MICROS - 1
AHEAD = 20
"""Wallets that are made at a time."""


async def race(wires: list[Wire], user: str) -> tuple[Counter[int], list[str]]:
    """All call at once; return how many were granted how much, and what went wrong."""
    replies = await asyncio.gather(*(wire.send(ice(f"{user}-{n}", user)) for n, wire in enumerate(wires)))
    bad = [f"{user}: status {status}" for status, _ in replies if status != 200]  # noqa: PLR2004
    granted = Counter(granted_s(answer) for status, answer in replies if status == 200)  # noqa: PLR2004
    if granted != {60: GRANTS, 0: CALLERS - GRANTS}:
        bad.append(f"{user}: granted {dict(granted)}")
    return granted, bad


async def run(nursery: Nursery, url: str, node_count: int, rounds: int) -> list[str]:
    """Return what went wrong."""
    house = await nodes.build_house(url, (), credit_micros=0)
    ports = [nodes.free_port() for _ in range(node_count)]
    pids = [nursery.start(house.settings(port)) for port in ports]
    wires = [Wire(ports[number % node_count]) for number in range(CALLERS)]
    store = house.store()
    await store.open()
    bad: list[str] = []
    for number in range(rounds):
        if number % AHEAD == 0:
            ahead = range(number, min(number + AHEAD, rounds))
            await asyncio.gather(*(nodes.open_account(store, f"u{n}", credit_micros=CREDIT_MICROS) for n in ahead))
        _, wrong = await race(wires, f"u{number}")
        bad += wrong
        opened = await store.account(AccountKey(nodes.KEY, f"u{number}"))
        held = None if opened is None else (opened.wallet.held_micros, opened.wallet.available_micros)
        if held != (GRANTS * nodes.MINUTE_MICROS, nodes.MINUTE_MICROS - 1):
            bad.append(f"u{number}: held and available are {held}")
    bad += await nodes.faults_in(store)
    await store.close()
    for wire in wires:
        wire.close()
    for pid in pids:
        nursery.kill(pid)
    return bad


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=["sqlite"], default="sqlite")
    parser.add_argument("--rounds", type=int, default=1_000)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    asked = parser.parse_args()
    nodes.warm_up()
    nursery = Nursery()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="callgate-race-") as folder:
        bad = asyncio.run(run(nursery, f"sqlite:///{Path(folder, 'books.db')}", 1, asked.rounds))
    nursery.close()
    took_s = time.perf_counter() - started
    if asked.json:
        figures = {
            "engine": asked.engine,
            "rounds": asked.rounds,
            "callers": CALLERS,
            "bad": bad,
            "took_s": round(took_s, 1),
        }
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    else:
        say(f"{asked.engine}: {asked.rounds} rounds of {CALLERS} callers in {took_s:.0f} s")
        say("\n".join(bad[:10]) or f"exactly {GRANTS} connected each time")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
