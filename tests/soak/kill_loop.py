"""A server is killed under load and started again, over and over: whatever it acknowledged must be there, once.

    python tests/soak/kill_loop.py [--engine sqlite] [--cycles 1000] [--seed 1] [--json]

Each cycle: callers begin and end calls, and at some moment the server gets a SIGKILL. Then every end that was acknowledged must
have been settled once, each account must have paid for its calls and nothing else, and the four invariants must hold. The
next server is asked again for every decision that was acknowledged, and must answer byte for byte the same. Only the power stays on: what the system had not
yet written to the disk is out of reach here.
"""

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import nodes
from nodes import House, Nursery, Wire, dice, granted_s, ice, say

from callgate.protocol.call import CallKey

CALLERS = 12
USERS = tuple(f"user{number}" for number in range(4))
CYCLES_ON_ONE = 50
"""Cycles on one database: then a fresh one, so that looking at all of it stays quick."""

CREDIT_MICROS = 20_000_000
SECONDS = 30
OK = 200
ENDING = 0.6
"""Share of calls that end; the others go on for ever."""

GONE = (OSError, asyncio.IncompleteReadError)


class Heard:
    """What the server acknowledged, by call. `ended` are calls whose end it did; `unsure` those whose end it may have."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[str, bytes]] = {}
        self.fresh: set[str] = set()  # decided in the server's last life
        self.ended: set[str] = set()
        self.unsure: set[str] = set()


class Figures:
    """Totals of a run."""

    def __init__(self) -> None:
        self.cycles = self.decisions = self.connected = self.ends = 0
        self.lost: list[str] = []
        self.doubled: list[str] = []
        self.faults: list[str] = []


async def cycle(
    nursery: Nursery, house: House, chances: random.Random, heard: Heard, figures: Figures, prefix: str
) -> None:
    """Start the server, ask again for what it decided in its life before, load it, kill it, look at its books."""
    port = nodes.free_port()
    pid = nursery.start(house.settings(port))
    await ask_again(port, heard, figures)
    fresh = await load_until_killed(nursery, pid, port, chances, heard, prefix)
    figures.cycles += 1
    figures.decisions += len(fresh)
    figures.connected += sum(granted_s(heard.answers[call][1]) > 0 for call in fresh)
    figures.ends += len(heard.ended & fresh)
    store = house.store()
    await store.open()
    await look_at_ends(store, heard, figures, fresh)
    figures.faults += await nodes.faults_in(store)
    await _look_at_money(store, house, figures)
    await store.close()
    heard.fresh = fresh


async def load_until_killed(  # noqa: PLR0913, PLR0917 - who, where and what comes of it
    nursery: Nursery, pid: int, port: int, chances: random.Random, heard: Heard, prefix: str
) -> set[str]:
    """Have callers begin and end calls, kill the server in the middle of that; return the calls that were decided."""
    left = chances.randrange(10, 120)
    is_killed = False
    fresh: set[str] = set()

    async def call_on(caller: int) -> None:
        nonlocal left, is_killed
        wire = Wire(port)
        number = 0
        try:
            while True:
                number += 1
                call, user = f"{prefix}-{caller}-{number}", USERS[chances.randrange(len(USERS))]
                heard.answers[call] = (user, await sent(wire, ice(call, user)))
                fresh.add(call)
                if chances.random() < ENDING:
                    heard.unsure.add(call)
                    await sent(wire, dice(call, SECONDS))
                    heard.unsure.remove(call)
                    heard.ended.add(call)
                left -= 1
                if left <= 0 and not is_killed:
                    is_killed = True
                    await asyncio.sleep(chances.random() * 0.004)
                    nursery.kill(pid)
        except GONE:
            pass
        finally:
            wire.close()

    await asyncio.gather(*(call_on(caller) for caller in range(CALLERS)))
    return fresh


async def sent(wire: Wire, body: bytes) -> bytes:
    """Send a callback and return the answer; anything but an answer, while the server lives, is a failure of its own."""
    status, answer = await wire.send(body)
    if status != OK:
        raise RuntimeError(f"the server answered {status}: {answer!r}")
    return answer


async def ask_again(port: int, heard: Heard, figures: Figures) -> None:
    """Every fresh decision must come back byte for byte; every fresh end, told again, must move nothing."""

    async def ask(calls: list[str]) -> None:
        wire = Wire(port)
        for call in calls:
            user, answer = heard.answers[call]
            if call in heard.ended:
                await sent(wire, dice(call, SECONDS))
            elif call not in heard.unsure and (found := await sent(wire, ice(call, user))) != answer:
                figures.lost.append(f"{call}: was {answer!r}, is {found!r}")
        wire.close()

    calls = sorted(heard.fresh)
    await asyncio.gather(*(ask(calls[place::4]) for place in range(4)))


async def look_at_ends(store: nodes.SqliteStore, heard: Heard, figures: Figures, fresh: set[str]) -> None:
    """Every end that was acknowledged has been settled; those of the life before, told twice, no second time."""
    for call in sorted((fresh | heard.fresh) & heard.ended):
        await _look_at_end(store, call, heard, figures)


async def _look_at_end(store: nodes.SqliteStore, call: str, heard: Heard, figures: Figures) -> None:
    found = await store.call(CallKey(nodes.KEY, call))
    was_connected = granted_s(heard.answers[call][1]) > 0
    if found is None or (found.state == "ended") != was_connected:
        figures.lost.append(f"the end of {call}")
    elif was_connected and found.charge_micros != nodes.MINUTE_MICROS:
        figures.doubled.append(f"{call} was charged {found.charge_micros}")


async def _look_at_money(store: nodes.SqliteStore, house: House, figures: Figures) -> None:
    """Each account paid a minute for each of its calls that ended, and no more."""
    charged = dict.fromkeys(house.users, 0)
    for call in await store.calls(nodes.KEY, limit=100_000):
        if call.account is not None and call.charge_micros is not None:
            charged[call.account] += call.charge_micros
    for opened in await store.accounts(nodes.KEY, after="", limit=1_000):
        if CREDIT_MICROS - opened.wallet.posted_micros != charged[opened.account.id]:
            figures.doubled.append(f"{opened.account.id} paid {CREDIT_MICROS - opened.wallet.posted_micros}")


async def run(nursery: Nursery, asked: argparse.Namespace, figures: Figures, folder: Path) -> None:
    """All cycles."""
    chances = random.Random(asked.seed)  # noqa: S311 - chances, not secrets
    empty = await nodes.template(folder)
    while figures.cycles < asked.cycles:
        path = folder / "books.db"
        shutil.copy(empty, path)
        house = await nodes.build_house(f"sqlite:///{path}", USERS, credit_micros=CREDIT_MICROS)
        heard = Heard()
        for _ in range(min(CYCLES_ON_ONE, asked.cycles - figures.cycles)):
            await cycle(nursery, house, chances, heard, figures, f"{figures.cycles}")
        for left in folder.glob("books.db*"):
            left.unlink()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=["sqlite"], default="sqlite")
    parser.add_argument("--cycles", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    asked = parser.parse_args()
    nodes.warm_up()
    nursery = Nursery()
    figures, started = Figures(), time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="callgate-kill-") as folder:
        asyncio.run(run(nursery, asked, figures, Path(folder)))
    nursery.close()
    took_s = time.perf_counter() - started
    bad = figures.lost + figures.doubled + figures.faults
    if asked.json:
        sys.stdout.write(
            json.dumps({"engine": asked.engine, "took_s": round(took_s, 1), **vars(figures)}, indent=2) + "\n"
        )
    else:
        say(
            f"{asked.engine}: {figures.cycles} kills in {took_s:.0f} s; {figures.decisions} decisions acknowledged"
            f" ({figures.connected} connected), {figures.ends} ends"
        )
        say(f"lost {len(figures.lost)}, settled twice {len(figures.doubled)}, broken invariants {len(figures.faults)}")
        say("\n".join(bad[:10]))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
