"""The leader of three PostgreSQL servers dies under load: nothing that was acknowledged is lost, and writing goes on soon.

    python tests/soak/failover.py [--rounds 20] [--seed 1] [--control] [--json]

Two of our servers reach the database by an address that names all three hosts. A commit returns when one standby has it too
(`synchronous_standby_names = 'ANY 1 (...)'`, and both standbys are seen to be part of the quorum before anything begins). Under
load every process of the leader is killed. Then what an operator or a cluster manager does: the standby that has received most
is promoted, the other one is told to follow it. Our servers are told nothing.

In every other round the standbys hear no more of the leader for a moment before it dies: what it commits then, nobody has.
`--control` does so without the quorum, and must find what is lost.

The write gap is the time from the command to promote until one of our servers acknowledges a write. How long it took to notice
that the leader was dead is reported apart: that is the cluster manager's to choose.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from http import HTTPStatus
from pathlib import Path

import asyncpg
import nodes
from nodes import House, Nursery, Wire, dice, granted_s, ice, say
from postgres import Trio

from callgate.protocol.call import CallKey

CALLERS = 12
NODES = 2
USERS = tuple(f"user{number}" for number in range(4))
CREDIT_MICROS = 50_000_000
SECONDS = 30
LOAD_S = (0.5, 2.0)
"""How long the load goes on before the leader dies, and for how long at least after the first write on the new one."""

CUT_OFF_S = 0.2
"""How long a leader goes on after its standbys heard of it for the last time."""

DEADLINE_MS = "1000"
GAP_S = 2.0
"""Longest write gap that is well."""


class Heard:
    """What our servers acknowledged, and when they last and first did."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[str, bytes]] = {}
        self.connected_at: list[float] = []
        self.ended: set[str] = set()
        self.fallbacks = 0
        self.is_over = False


async def call_on(caller: int, port: int, chances: random.Random, heard: Heard) -> None:
    """Begin and end calls until it is over. A call that was not let through is not ended."""
    wire = Wire(port)
    number = 0
    while not heard.is_over:
        number += 1
        call, user = f"{caller}-{number}", chances.choice(USERS)
        status, answer = await wire.send(ice(call, user))
        if status != HTTPStatus.OK:
            raise RuntimeError(f"a start was answered {status}: {answer!r}")
        heard.answers[call] = (user, answer)
        if not granted_s(answer):
            heard.fallbacks += 1  # nobody is out of credit here
            continue
        heard.connected_at.append(time.monotonic())
        if chances.random() < 0.6:
            status, _ = await wire.send(dice(call, SECONDS))
            if status == HTTPStatus.OK:
                heard.ended.add(call)
    wire.close()


async def fail_over(trio: Trio, heard: Heard, chances: random.Random, *, is_cut_off: bool) -> dict[str, float]:
    """Kill the leader, notice it, promote; return how long what took."""
    await asyncio.sleep(chances.uniform(*LOAD_S))
    if is_cut_off:
        trio.leader.send_no_more()
        await asyncio.sleep(CUT_OFF_S)
    trio.leader.kill()
    killed_at = time.monotonic()
    while True:
        try:
            await trio.leader.ask("SELECT 1")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            break
    noticed_at = time.monotonic()
    best = await trio.most_advanced()
    promoted_at = time.monotonic()
    await asyncio.gather(asyncio.to_thread(best.promote), trio.follow(best))
    while not heard.connected_at or heard.connected_at[-1] < promoted_at:
        if time.monotonic() - promoted_at > 60:
            raise RuntimeError("nothing was written within a minute of the promotion")
        await asyncio.sleep(0.001)
    first = next(at for at in heard.connected_at if at >= promoted_at)
    await asyncio.sleep(LOAD_S[0])
    heard.is_over = True
    return {"noticed_s": noticed_at - killed_at, "gap_s": first - promoted_at, "down_s": first - killed_at}


async def look(house: House, port: int, heard: Heard) -> list[str]:
    """Everything that was acknowledged is on the new leader, once."""
    bad = []
    wire = Wire(port)
    for call, (user, answer) in heard.answers.items():
        if call not in heard.ended and granted_s(answer) and (found := (await wire.send(ice(call, user)))[1]) != answer:
            found_call = f"{call}: was {answer!r}, is {found!r}"
            bad.append(found_call)
    wire.close()
    async with house.opened() as store:
        for call in sorted(heard.ended):
            stored = await store.call(CallKey(nodes.KEY, call))
            if stored is None or stored.charge_micros != nodes.MINUTE_MICROS:
                bad.append(f"the end of {call} is lost, or was charged twice")
        for call, (_, answer) in heard.answers.items():
            stored = await store.call(CallKey(nodes.KEY, call))
            if stored is None or stored.answer != answer:
                bad.append(f"{call}: {answer!r} was answered, {stored and stored.answer!r} is stored")
        bad += await nodes.faults_in(store)
    return bad


async def one_round(
    nursery: Nursery, folder: Path, chances: random.Random, *, is_control: bool
) -> tuple[dict[str, float], list[str]]:
    """A cluster of its own, which loses its leader. In every other round the leader's standbys lose it first."""
    trio = Trio(folder, is_synchronous=not is_control)
    is_cut_off = is_control or chances.random() < 0.5
    await trio.start()
    try:
        await trio.leader.ask("CREATE DATABASE books")
        await nodes.migrate(trio.url("books"))
        house = await nodes.build_house(trio.url("books"), USERS, credit_micros=CREDIT_MICROS)
        ports = [nodes.free_port() for _ in range(NODES)]
        settings = [house.settings(port) | {"CALLGATE_DECISION_DEADLINE_MS": DEADLINE_MS} for port in ports]
        pids = [nursery.start(each) for each in settings]
        heard = Heard()
        callers = [asyncio.create_task(call_on(n, ports[n % NODES], chances, heard)) for n in range(CALLERS)]
        took = await fail_over(trio, heard, chances, is_cut_off=is_cut_off)
        await asyncio.gather(*callers)
        bad = await look(house, ports[0], heard)
        took |= {"answers": len(heard.answers), "ends": len(heard.ended), "fallbacks": heard.fallbacks}
        for pid in pids:
            nursery.kill(pid)
    finally:
        trio.stop()
    return took, bad


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true", help="without the quorum: then writes must be lost")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    asked = parser.parse_args()
    chances = random.Random(asked.seed)  # noqa: S311 - chances, not secrets
    rounds: list[dict[str, float]] = []
    bad: list[str] = []
    with (
        nodes.nursery() as nursery,
        tempfile.TemporaryDirectory(prefix="callgate-trio-", ignore_cleanup_errors=True) as all_,
    ):
        for number in range(asked.rounds):
            folder = Path(all_, str(number))
            took, wrong = asyncio.run(one_round(nursery, folder, chances, is_control=asked.control))
            rounds.append(took)
            bad += wrong
            if not asked.json:
                say(", ".join(f"{name} {value:.3f}" for name, value in took.items()))
    if asked.control:
        say(f"without the quorum {len(bad)} of what was acknowledged is lost, or otherwise wrong")
        return 0 if bad else 1
    gaps = sorted(took["gap_s"] for took in rounds)
    bad += [f"a write gap of {gap:.2f} s" for gap in gaps if gap > GAP_S]
    if asked.json:
        sys.stdout.write(json.dumps({"rounds": rounds, "bad": bad}, indent=2) + "\n")
    else:
        answers, ends = sum(took["answers"] for took in rounds), sum(took["ends"] for took in rounds)
        say(f"{asked.rounds} leaders killed; {answers:.0f} starts and {ends:.0f} ends acknowledged")
        say(f"write gap from the promotion: median {gaps[len(gaps) // 2]:.2f} s, longest {gaps[-1]:.2f} s")
        say("\n".join(bad[:10]) or "nothing lost, nothing settled twice, the invariants hold")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
