"""A server is killed under load and started again, over and over: whatever it acknowledged must be there, once.

    python tests/soak/kill_loop.py [--engine sqlite] [--cycles 1000] [--seed 1] [--json]

Each cycle: callers begin and end calls, and at some moment the server gets a SIGKILL. Then every end that was acknowledged must
have been settled once, each account must have paid for its calls and nothing else, and the four invariants must hold. The
next server is asked again for every decision that was acknowledged, and must answer byte for byte the same.

Only the power stays on: what the system had not yet written to the disk is out of reach here.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from http import HTTPStatus

import nodes
from nodes import House, Nursery, Wire, dice, granted_s, ice, say

from callgate.protocol.call import CallKey
from callgate.service.ports import Store

CALLERS = 12
USERS = tuple(f"user{number}" for number in range(4))
CREDIT_MICROS = 9_000_000
SECONDS = 30
ENDING = 0.6
"""Share of calls that end; the others go on for ever."""

CYCLES_ON_ONE = 50
"""Cycles on one database: then a fresh one, so that looking at all of it stays quick."""

GONE = (OSError, asyncio.IncompleteReadError)


class Figures:
    """Totals, and what was found wrong."""

    def __init__(self) -> None:
        self.cycles = self.decisions = self.connected = self.ends = 0
        self.lost: list[str] = []
        self.doubled: list[str] = []
        self.faults: list[str] = []


class Lives:
    """One database, and the lives that servers have on it. What was acknowledged is kept by call."""

    def __init__(self, nursery: Nursery, house: House, chances: random.Random, figures: Figures) -> None:
        self._nursery, self._house, self._chances, self._figures = nursery, house, chances, figures
        self._answers: dict[str, tuple[str, bytes]] = {}  # user, and what was answered to the start
        self._ended: set[str] = set()
        self._unsure: set[str] = set()  # whose end was sent, and not acknowledged
        self._fresh: set[str] = set()  # decided in the life before

    async def live(self) -> None:
        """Start the server, ask again for what it decided in its life before, load it, kill it, look at its books."""
        port = nodes.free_port()
        pid = self._nursery.start(self._house.settings(port))
        await self._ask_again(port)
        fresh = await self._load_until_killed(pid, port)
        figures = self._figures
        figures.cycles += 1
        figures.decisions += len(fresh)
        figures.connected += sum(granted_s(self._answers[call][1]) > 0 for call in fresh)
        figures.ends += len(self._ended & fresh)
        async with self._house.opened() as store:
            for call in sorted((fresh | self._fresh) & self._ended):
                await self._look_at_end(store, call)
            await self._look_at_money(store)
            figures.faults += await nodes.faults_in(store)
        self._fresh = fresh

    async def _ask_again(self, port: int) -> None:
        """Every decision must come back byte for byte; every end, told again, must move nothing."""

        async def ask(calls: list[str]) -> None:
            wire = Wire(port)
            for call in calls:
                user, answer = self._answers[call]
                if call in self._ended:
                    await sent(wire, dice(call, SECONDS))
                elif call not in self._unsure and (found := await sent(wire, ice(call, user))) != answer:
                    self._figures.lost.append(f"{call}: was {answer!r}, is {found!r}")
            wire.close()

        calls = sorted(self._fresh)
        await asyncio.gather(*(ask(calls[place::4]) for place in range(4)))

    async def _load_until_killed(self, pid: int, port: int) -> set[str]:
        """Have callers begin and end calls, kill the server in the middle of that; return the calls that were decided."""
        chances, left, fresh = self._chances, self._chances.randrange(10, 120), set[str]()

        async def call_on(caller: int, wire: Wire) -> None:
            nonlocal left
            number = 0
            while True:
                number += 1
                call, user = f"{self._figures.cycles}-{caller}-{number}", chances.choice(USERS)
                self._answers[call] = (user, await sent(wire, ice(call, user)))
                fresh.add(call)
                if chances.random() < ENDING:
                    self._unsure.add(call)
                    await sent(wire, dice(call, SECONDS))
                    self._unsure.remove(call)
                    self._ended.add(call)
                left -= 1
                if left == 0:
                    await asyncio.sleep(chances.random() * 0.004)
                    self._nursery.kill(pid)

        async def call_until_cut_off(caller: int) -> None:
            wire = Wire(port)
            try:
                await call_on(caller, wire)
            except GONE:
                wire.close()

        await asyncio.gather(*map(call_until_cut_off, range(CALLERS)))
        return fresh

    async def _look_at_end(self, store: Store, call: str) -> None:
        """A call that was connected, and whose end was acknowledged, has ended and cost a minute."""
        found = await store.call(CallKey(nodes.KEY, call))
        was_connected = granted_s(self._answers[call][1]) > 0
        if found is None or (found.state == "ended") != was_connected:
            self._figures.lost.append(f"the end of {call}")
        elif was_connected and found.charge_micros != nodes.MINUTE_MICROS:
            self._figures.doubled.append(f"{call} was charged {found.charge_micros}")

    async def _look_at_money(self, store: Store) -> None:
        """Each account paid for its calls that ended, and no more."""
        charged = dict.fromkeys(USERS, 0)
        for call in await store.calls(nodes.KEY, limit=100_000):
            if call.account is not None and call.charge_micros is not None:
                charged[call.account] += call.charge_micros
        for opened in await store.accounts(nodes.KEY, after="", limit=1_000):
            paid = CREDIT_MICROS - opened.wallet.posted_micros
            if paid != charged[opened.account.id]:
                self._figures.doubled.append(f"{opened.account.id} paid {paid}, not {charged[opened.account.id]}")


async def sent(wire: Wire, body: bytes) -> bytes:
    """Send a callback and return the answer. A server that lives answers."""
    status, answer = await wire.send(body)
    if status != HTTPStatus.OK:
        raise RuntimeError(f"the server answered {status}: {answer!r}")
    return answer


async def run(nursery: Nursery, engine: nodes.Engine, asked: argparse.Namespace, figures: Figures) -> None:
    """All cycles."""
    chances = random.Random(asked.seed)  # noqa: S311 - chances, not secrets
    while figures.cycles < asked.cycles:
        async with engine.database() as url:
            house = await nodes.build_house(url, USERS, credit_micros=CREDIT_MICROS)
            lives = Lives(nursery, house, chances, figures)
            for _ in range(min(CYCLES_ON_ONE, asked.cycles - figures.cycles)):
                await lives.live()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=nodes.ENGINES, default="sqlite")
    parser.add_argument("--cycles", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    asked = parser.parse_args()
    figures, started = Figures(), time.perf_counter()
    with nodes.nursery() as nursery, nodes.ENGINES[asked.engine]() as engine:
        asyncio.run(run(nursery, engine, asked, figures))
    took_s = time.perf_counter() - started
    bad = figures.lost + figures.doubled + figures.faults
    if asked.json:
        report = {"engine": asked.engine, "took_s": round(took_s, 1), **vars(figures)}
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    else:
        say(
            f"{asked.engine}: {figures.cycles} kills in {took_s:.0f} s; {figures.decisions} decisions acknowledged"
            f" ({figures.connected} connected), {figures.ends} ends"
        )
        say(f"lost {len(figures.lost)}, settled twice {len(figures.doubled)}, broken invariants {len(figures.faults)}")
        say("".join(f"{each}\n" for each in bad[:10]).rstrip())
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
