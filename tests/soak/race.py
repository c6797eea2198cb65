"""Two hundred callers at once on a wallet of ten calls and a little more: exactly ten connect, however often it is tried.

    python tests/soak/race.py [--engine sqlite] [--rounds 1000] [--json]

Each round has a wallet of its own. The callers reach all nodes of the engine at the same time, over connections that are open
already.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from http import HTTPStatus

import nodes
from nodes import Nursery, Wire, granted_s, ice, say

from callgate.service.books import AccountKey
from callgate.service.ports import Store

CALLERS = 200
GRANTS = 10
CREDIT_MICROS = GRANTS * nodes.MINUTE_MICROS + nodes.MINUTE_MICROS - 1
NODES = {"sqlite": 1, "postgres": 4}
"""Servers of each engine: SQLite is one process's."""

AHEAD = 20
"""Wallets that are made at a time."""


async def race(wires: list[Wire], user: str) -> list[str]:
    """All call at once; return what went wrong."""
    replies = await asyncio.gather(*(wire.send(ice(f"{user}-{n}", user)) for n, wire in enumerate(wires)))
    granted = Counter(granted_s(answer) if status == HTTPStatus.OK else -1 for status, answer in replies)
    return [] if granted == {60: GRANTS, 0: CALLERS - GRANTS} else [f"{user}: granted {dict(granted)}"]


async def look(store: Store, user: str) -> list[str]:
    """What is wrong with the wallet after its round."""
    opened = await store.account(AccountKey(nodes.KEY, user))
    held = None if opened is None else (opened.wallet.held_micros, opened.wallet.available_micros)
    expected = (GRANTS * nodes.MINUTE_MICROS, nodes.MINUTE_MICROS - 1)
    return [] if held == expected else [f"{user}: held and available are {held}"]


async def run(nursery: Nursery, engine: nodes.Engine, node_count: int, rounds: int) -> list[str]:
    """Return what went wrong."""
    bad: list[str] = []
    async with engine.database() as url:
        house = await nodes.build_house(url, (), credit_micros=0)
        ports = [nodes.free_port() for _ in range(node_count)]
        pids = [nursery.start(house.settings(port)) for port in ports]
        wires = [Wire(ports[number % node_count]) for number in range(CALLERS)]
        async with house.opened() as store:
            for number in range(rounds):
                if number % AHEAD == 0:
                    users = [f"u{n}" for n in range(number, min(number + AHEAD, rounds))]
                    await asyncio.gather(*(nodes.open_account(store, u, credit_micros=CREDIT_MICROS) for u in users))
                bad += await race(wires, f"u{number}")
                bad += await look(store, f"u{number}")
            bad += await nodes.faults_in(store)
        for wire in wires:
            wire.close()
        for pid in pids:
            nursery.kill(pid)
    return bad


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=nodes.ENGINES, default="sqlite")
    parser.add_argument("--rounds", type=int, default=1_000)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    asked = parser.parse_args()
    node_count = NODES[asked.engine]
    started = time.perf_counter()
    with nodes.nursery() as nursery, nodes.ENGINES[asked.engine]() as engine:
        bad = asyncio.run(run(nursery, engine, node_count, asked.rounds))
    took_s = round(time.perf_counter() - started, 1)
    if asked.json:
        figures = {"engine": asked.engine, "nodes": node_count, "rounds": asked.rounds, "bad": bad, "took_s": took_s}
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    else:
        say(f"{asked.engine}, nodes: {node_count}: {asked.rounds} rounds of {CALLERS} callers in {took_s} s")
        say("\n".join(bad[:10]) or f"exactly {GRANTS} connected each time")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
