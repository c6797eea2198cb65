"""`callgate simulate`: the seeded fault simulator of the ledger. Needs no settings and no database."""

import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, Token

from callgate.cli.desk import AsJson, Whole, say, say_json
from callgate.errors import Invalid

if TYPE_CHECKING:
    from callgate.simulator.run import Outcome
    from callgate.simulator.schedule import Schedule


def _read_count(_: type[int], tokens: Sequence[Token]) -> int:
    """Read a count as people write it: `250000` or `1e6`."""
    found = re.fullmatch(r"([0-9]{1,9})(?:e([0-9]))?", tokens[0].value, re.ASCII)
    if found is None:
        raise ValueError(f"{tokens[0].value[:40]!r} is not a count, such as 250000 or 1e6")
    return int(found[1]) * int(f"1{'0' * int(found[2] or '0')}")


Count = Annotated[int, Parameter(converter=_read_count)]


def simulate(
    *,
    seed: Whole = 1,
    events: Count = 10_000,
    replay: Path | None = None,
    save: Path | None = None,
    shrink_s: Count = 60,
    json: AsJson = False,
) -> int:
    """Put the server through faults on a virtual clock and check its books after each commit; exit 1 when they break.

    Parameters
    ----------
    seed
        Where the chances come from: the same seed is the same run.
    events
        Callbacks, orders and faults to go through.
    replay
        Run the schedule in this file instead, and print all that happens; - reads standard input.
    save
        Where a failure's shortest schedule is written to, to be run again with --replay.
    shrink_s
        How long to look for a shorter schedule after a failure, in seconds.

    """
    from msgspec import structs

    from callgate.logs import configure_logs
    from callgate.simulator.run import run_schedule, run_seed
    from callgate.simulator.schedule import to_lines
    from callgate.simulator.shrink import shrink

    configure_logs("critical")  # the server's complaints about its troubles are part of the plan
    started = time.perf_counter()
    if replay is not None:
        schedule = _read(replay)
        outcome = run_schedule(schedule, keep_trace=True)
    else:
        outcome, schedule = run_seed(seed, events)
    took_s = time.perf_counter() - started
    if outcome.rule and replay is None:
        schedule = shrink(schedule, outcome.rule, within_s=shrink_s)
        shortest = run_schedule(schedule, keep_trace=True)
        outcome = structs.replace(outcome, explanation=shortest.explanation, trace=shortest.trace)
    if outcome.rule and save is not None:
        save.write_bytes(to_lines(schedule))
    if json:
        say_json(_report(outcome, schedule, took_s))
    else:
        _tell(outcome, schedule, took_s, is_replay=replay is not None)
    return 1 if outcome.rule else 0


def _read(path: Path) -> "Schedule":
    import msgspec

    from callgate.simulator.schedule import from_lines

    text = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    try:
        return from_lines(text)
    except msgspec.DecodeError as error:
        raise Invalid(str(path), str(error), "a schedule as `callgate simulate --save` writes it") from error


def _report(outcome: "Outcome", schedule: "Schedule", took_s: float) -> dict[str, object]:
    broken = {"rule": outcome.rule, "explanation": outcome.explanation, "trace": outcome.trace, "schedule": schedule}
    return {
        "seed": outcome.seed,
        "events": outcome.events,
        "kinds": outcome.counts,
        "jobs": outcome.jobs,
        "digest": outcome.digest,
        "virtual_s": outcome.virtual_s,
        "took_s": round(took_s, 2),
        "broken": broken if outcome.rule else None,
    }


def _tell(outcome: "Outcome", schedule: "Schedule", took_s: float, *, is_replay: bool) -> None:
    from callgate.simulator.schedule import to_lines

    kinds = ", ".join(f"{count} {kind}" for kind, count in outcome.counts.items())
    if is_replay or outcome.rule:
        say("\n".join(outcome.trace))
    if outcome.rule:
        say(f"\nseed {outcome.seed} breaks {outcome.rule} at event {outcome.events}: {outcome.explanation}")
        say("the shortest schedule that was found; to run it again: callgate simulate --replay FILE\n")
        say(to_lines(schedule).decode())
    else:
        say(f"seed {outcome.seed}: {outcome.events} events ({kinds}) in {took_s:.1f} s, nothing broken")
        say(f"{outcome.virtual_s:.0f} virtual seconds; digest {outcome.digest}")
