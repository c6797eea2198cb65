"""Two servers on one PostgreSQL, of which one is killed while calls that it let through are up: the other one ends them.

    python tests/soak/two_nodes.py [--rounds 100] [--json]

Each round: one server takes the starts of calls and is killed in the middle of more of them. The other one is told of the same
starts again and must answer byte for byte the same, then of the answers and the ends, each twice and at the same time. Each call
must be charged once, and nothing may stay held.
"""

import argparse
import asyncio
import json
import sys
import time
from http import HTTPStatus

import msgspec
import nodes
from nodes import House, Nursery, Wire, dice, granted_s, ice, say

from callgate.protocol.call import CallKey
from callgate.service.books import AccountKey
from callgate.service.ports import Store

CALLS = 24
WHOLE = 12
"""Starts that are answered before the server is killed; the others are under way then."""

SECONDS = 30
GONE = (OSError, asyncio.IncompleteReadError)


async def send(port: int, body: bytes) -> bytes:
    """On a connection of its own."""
    wire = Wire(port)
    try:
        status, answer = await wire.send(body)
    finally:
        wire.close()
    if status != HTTPStatus.OK:
        raise RuntimeError(f"the server answered {status}: {answer!r}")
    return answer


def ace(call: str) -> bytes:
    """The callee answered."""
    return msgspec.json.encode({"event": "ace", "callid": call})


async def start_until_killed(nursery: Nursery, pid: int, port: int, user: str) -> dict[str, bytes | None]:
    """Have calls begin at a server that dies meanwhile; return what it answered, None where it did not."""
    answers: dict[str, bytes | None] = {}

    async def start(number: int) -> None:
        call = f"{user}-{number}"
        answers[call] = None
        try:
            answers[call] = await send(port, ice(call, user))
        except GONE:
            return

    await asyncio.gather(*map(start, range(WHOLE)))
    others = [asyncio.create_task(start(number)) for number in range(WHOLE, CALLS)]
    await asyncio.sleep(0.002 * (pid % 5))
    nursery.kill(pid)
    await asyncio.gather(*others)
    return answers


async def end(port: int, call: str, answer: bytes | None) -> list[str]:
    """Tell the other server of all that happens to a call; return what went wrong."""
    again = await send(port, ice(call, call.partition("-")[0]))
    bad = [f"{call}: was {answer!r}, is {again!r}"] if answer is not None and again != answer else []
    await send(port, ace(call))
    await asyncio.gather(*(send(port, dice(call, SECONDS)) for _ in range(2)))
    return bad


async def look(store: Store, user: str, answers: dict[str, bytes | None]) -> list[str]:
    """What is wrong with the books of this round."""
    bad = []
    for call in answers:
        found = await store.call(CallKey(nodes.KEY, call))
        if found is None or found.charge_micros != nodes.MINUTE_MICROS:
            bad.append(f"{call} was charged {found and found.charge_micros}")
    opened = await store.account(AccountKey(nodes.KEY, user))
    money = None if opened is None else (opened.wallet.posted_micros, opened.wallet.held_micros)
    return bad if money == (0, 0) else [*bad, f"{user}: posted and held are {money}"]


async def run(nursery: Nursery, engine: nodes.Engine, rounds: int) -> list[str]:
    """Return what went wrong."""
    bad: list[str] = []
    async with engine.database() as url:
        house = await nodes.build_house(url, (), credit_micros=0)
        stays, dies = nodes.free_port(), nodes.free_port()
        survivor = nursery.start(house.settings(stays))
        async with house.opened() as store:
            for number in range(rounds):
                bad += await one_round(nursery, house, store, (stays, dies), f"u{number}")
            bad += await nodes.faults_in(store)
        nursery.kill(survivor)
    return bad


async def one_round(
    nursery: Nursery, house: House, store: Store, ports: tuple[int, int], user: str
) -> list[str]:  # fmt: skip
    """A wallet of its own, which pays for all of its calls and nothing more."""
    stays, dies = ports
    pid = nursery.start(house.settings(dies))
    await nodes.open_account(store, user, credit_micros=CALLS * nodes.MINUTE_MICROS)
    answers = await start_until_killed(nursery, pid, dies, user)
    wrong = await asyncio.gather(*(end(stays, call, answer) for call, answer in answers.items()))
    refused = [f"{call} was not let through" for call, answer in answers.items() if answer and not granted_s(answer)]
    return [*refused, *(each for found in wrong for each in found), *await look(store, user, answers)]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    asked = parser.parse_args()
    started = time.perf_counter()
    with nodes.nursery() as nursery, nodes.ENGINES["postgres"]() as engine:
        bad = asyncio.run(run(nursery, engine, asked.rounds))
    took_s = round(time.perf_counter() - started, 1)
    if asked.json:
        sys.stdout.write(json.dumps({"rounds": asked.rounds, "bad": bad, "took_s": took_s}, indent=2) + "\n")
    else:
        say(f"{asked.rounds} servers killed between start and end of {CALLS} calls each, in {took_s} s")
        say("\n".join(bad[:10]) or "the other one ended each of them, once")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
