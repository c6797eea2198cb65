"""Run a schedule: a fresh file, the world, and what came of it."""

import asyncio
import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

from callgate.simulator import callouts, faults, operators, platform
from callgate.simulator import schedule as s
from callgate.simulator.asked import Asked
from callgate.simulator.chance import Chances
from callgate.simulator.promises import Broken
from callgate.simulator.world import Does, World
from callgate.storage.sqlite import SqliteStore

DOES: dict[type, Does] = platform.DOES | callouts.DOES | operators.DOES | faults.DOES


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """`digest` is of everything that happened: equal schedules give equal ones. `rule` is empty when none was broken."""

    seed: int
    events: int
    digest: str
    counts: dict[str, int]
    jobs: dict[str, int]
    virtual_s: float
    rule: str = ""
    explanation: str = ""
    trace: tuple[str, ...] = ()
    taken: int = 0


def memory_folder() -> str | None:
    """Where files live in memory, so that no disk is waited for; None where there is no such place."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - for a folder of our own


@cache
def empty_database() -> bytes:
    """A database of this version with nothing in it: migrating takes half a second, copying nothing."""

    async def migrate(path: Path) -> None:
        store = SqliteStore(str(path))
        await store.migrate()
        await store.close()

    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        path = Path(folder, "books.db")
        asyncio.run(migrate(path))
        return path.read_bytes()


def run_entries(
    seed: int, plan: s.Plan, entries: Iterator[s.AnyEntry], *, event_limit: int, keep_trace: bool = False
) -> tuple[Outcome, list[s.AnyEntry]]:
    folder = tempfile.mkdtemp(prefix="callgate-simulator-", dir=memory_folder())
    path = Path(folder, "books.db")
    path.write_bytes(empty_database())
    gc.disable()
    world = World(plan, entries, DOES, Asked(), path=path, event_limit=event_limit, keep_trace=keep_trace)
    rule = explanation = ""
    try:
        world.run(operators.set_up)
    except Broken as broken:
        rule, explanation = broken.rule, broken.explanation
    finally:
        gc.enable()
        shutil.rmtree(folder)
    corrections = sum(case.corrections for case in world.oracle.cases.values())
    outcome = Outcome(
        seed=seed,
        events=world.events,
        digest=world.digest.hexdigest(),
        counts=dict(sorted(world.counts.items())),
        jobs=dict(sorted(world.jobs.items())) | {"corrections": corrections},
        virtual_s=round(world.agenda.now, 3),
        rule=rule,
        explanation=explanation,
        trace=tuple(world.trace),
        taken=len(world.taken),
    )
    return outcome, world.taken


def run_seed(seed: int, event_limit: int) -> tuple[Outcome, s.Schedule]:
    chances = Chances(seed)
    outcome, taken = run_entries(seed, chances.plan, chances.entries(), event_limit=event_limit)
    return outcome, s.Schedule(seed=seed, plan=chances.plan, entries=tuple(taken))


def run_schedule(schedule: s.Schedule, *, keep_trace: bool = False) -> Outcome:
    entries = iter(schedule.entries)
    return run_entries(schedule.seed, schedule.plan, entries, event_limit=2**62, keep_trace=keep_trace)[0]
