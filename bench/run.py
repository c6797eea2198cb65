"""`make bench`: the whole durable decision of the real server against its peers, in interleaved rounds, and the goals.

Starts every server on a scratch database, warms each up, then goes round: one run of each server a round, so that whatever
else this machine does falls on all of them. Figures are medians over the rounds, comparisons are made within a round.
"""

import argparse
import contextlib
import math
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import scratch
from calls import KEY, SECRET, callers, hot_caller, number, rates
from generator import CONNECTIONS, Measured
from goals import Result, draw, draw_lines, judge
from servers import HERE, BenchFailed, Server, cores, memory_mb, run_generator

from callgate.protocol import sinch
from callgate.rating.rate import Rate
from callgate.settings import PREFIX, Settings
from callgate.vault import new_key

CALLGATE = [sys.executable, "-c", "from callgate.cli import main; main()", "serve"]
EXPRESS = HERE / "peers" / "express"

MANY, HOT_WALLET, FIXED, EXPRESS_PEER = "callgate", "callgate, one hot wallet", "fixed reply", "express"
ALL_POLICY = "callgate, all policy"
HALF_LOAD = "callgate, half load"

WARM_S = 1.0
WARM_CALLS = 5_000
SPARE = 1.4
"""Calls signed beforehand, as a multiple of what the run before would have used up."""

HALF_LOAD_S = 60.0
"""How long the goal wants half load to be kept up."""

ALL_ACCOUNTS = 100_000
ALL_PREFIXES = 1_000_000


class Row(NamedTuple):
    """What is measured each round: a server, and who calls it."""

    server: Server
    words: Mapping[str, object]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was measured, for `--json`."""

    sync_ms: float
    is_pinned: bool
    rounds: Mapping[str, list[Measured]]
    notes: list[str]
    goals: list[Result]


def main() -> int:
    """Run, check the books, print. Exit 1 when any answer or any book was wrong."""
    words = _words()
    folder = Path(tempfile.mkdtemp(prefix="callgate-bench-", dir=words.folder))
    try:
        report = Bench(words, folder).run()
    except BenchFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        shutil.rmtree(folder)
    if words.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n")
    else:
        sys.stdout.write(_draw(report))
    return 0


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one server's run in a round")
    parser.add_argument("--half-load-seconds", type=float, default=HALF_LOAD_S, help="0 leaves half load out")
    parser.add_argument("--wallets", type=int, default=10_000)
    parser.add_argument("--numbers", type=int, default=100_000, help="different numbers that are called")
    parser.add_argument("--peers", default=f"{FIXED},{EXPRESS_PEER}", help="names with commas between, or nothing")
    parser.add_argument("--all", action="store_true", help="also a deck of a million prefixes: memory and start")
    parser.add_argument("--folder", type=Path, help="where scratch databases are made: the disk that is measured")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


class Bench:
    """One run of `make bench`."""

    def __init__(self, words: argparse.Namespace, folder: Path) -> None:
        self._words = words
        self._folder = folder
        self._peers = [peer for peer in words.peers.split(",") if peer]
        self._who = [*callers(words.wallets), hot_caller()]
        self._rounds: dict[str, list[Measured]] = {}
        self._served: dict[str, list[Measured]] = {}  # by server, warming up and half load included
        self._notes: list[str] = []
        self._measured: dict[str, float] = {}
        self._goal_notes: dict[str, str] = {}

    def run(self) -> Report:
        """Measure everything that was asked for. Raises `BenchFailed`."""
        sync_ms = scratch.sync_ms(self._folder)
        with contextlib.ExitStack() as running:
            rows = self._start(running)
            self._go_round(rows)
            if self._words.half_load_seconds:
                self._half_load(rows[MANY])
            self._check_books()
        if self._words.all:
            self._measure_large()
        if cores() is None:
            self._notes.append("not pinned: this machine has one core, or a system without processor affinity")
        return Report(
            sync_ms=sync_ms,
            is_pinned=cores() is not None,
            rounds=self._rounds,
            notes=self._notes,
            goals=judge(self._measured, self._goal_notes),
        )

    # -- servers -------------------------------------------------------------------------------------------------------

    def _start(self, running: contextlib.ExitStack) -> dict[str, Row]:
        many = {"wallets": self._words.wallets, "numbers": self._words.numbers}
        ours = running.enter_context(self._callgate())
        rows = {MANY: Row(ours, many), HOT_WALLET: Row(ours, {"numbers": self._words.numbers})}
        rows[ALL_POLICY] = Row(running.enter_context(self._callgate_with_policy()), many)
        if FIXED in self._peers:
            rows[FIXED] = Row(running.enter_context(self._fixed()), {})
        if EXPRESS_PEER in self._peers:
            if (EXPRESS / "node_modules" / ".package-lock.json").exists() and shutil.which("node"):
                rows[EXPRESS_PEER] = Row(running.enter_context(self._express()), many)
            else:
                self._notes.append("express: not measured, it is not installed (make bench needs node and npm for it)")
        return rows

    def _callgate(self) -> Server:
        environment = _environment(self._folder / "callgate.db")
        scratch.fill_callgate(_settings(environment), self._who, rates())
        return Server("callgate", CALLGATE, environment, self._folder)

    def _callgate_with_policy(self) -> Server:
        environment = _environment(self._folder / "policy.db")
        environment["CALLGATE_DECISION_DEADLINE_MS"] = "10000"  # its cost is asked for: a stall is not to end the run
        scratch.fill_callgate(_settings(environment), self._who, rates(), has_policy=True)
        return Server("callgate with policy", CALLGATE, environment, self._folder)

    def _fixed(self) -> Server:
        caller = hot_caller()
        action = sinch.ConnectPstn(number=number(0), cli="private", max_duration=caller.grant_s)
        body = sinch.Svaml(action=action).to_json().decode()
        command = [sys.executable, str(HERE / "peers" / "fixed.py"), "--port", "{port}", "--body", body]
        return Server("fixed", command, dict(os.environ), self._folder)

    def _express(self) -> Server:
        database = self._folder / "express.db"
        scratch.fill_express(database, EXPRESS / "schema.sql", self._who, rates())
        environment = {
            **os.environ,
            "NODE_ENV": "production",
            "APPLICATION_KEY": KEY,
            "APPLICATION_SECRET": SECRET,
            "DATABASE": str(database),
            "PORT": "{port}",
        }
        return Server("express", ["node", str(EXPRESS / "server.js")], environment, self._folder)

    # -- rounds --------------------------------------------------------------------------------------------------------

    def _measure(self, row: Row, words: Mapping[str, object]) -> Measured:
        measured = run_generator(row.server, {**row.words, **words})
        self._served.setdefault(row.server.name, []).append(measured)
        return measured

    def _warm(self, rows: Mapping[str, Row]) -> dict[str, Measured]:
        _say("warming up")
        words = {"seconds": min(WARM_S, self._words.seconds), "signed": WARM_CALLS}
        return {name: self._measure(row, words) for name, row in rows.items()}

    def _go_round(self, rows: Mapping[str, Row]) -> None:
        last = self._warm(rows)
        seconds = self._words.seconds
        for each in range(self._words.rounds):
            _say(f"round {each + 1} of {self._words.rounds}")
            for name, row in rows.items():
                signed = math.ceil(last[name].rate * seconds * SPARE)
                last[name] = self._measure(row, {"seconds": seconds, "signed": signed})
                self._rounds.setdefault(name, []).append(last[name])
        self._measured["hot_wallet"] = self._ratio(HOT_WALLET, MANY)
        if (cost := self._cost_ratio(ALL_POLICY, MANY)) is not None:
            self._measured["policy"] = cost
        if EXPRESS_PEER in rows:
            self._measured["express"] = self._ratio(MANY, EXPRESS_PEER)

    def _ratio(self, name: str, other: str) -> float:
        """Requests a second against another's, round by round; the median."""
        pairs = zip(self._rounds[name], self._rounds[other], strict=True)
        return statistics.median(one.rate / two.rate for one, two in pairs)

    def _cost_ratio(self, name: str, other: str) -> float | None:
        """Processor time of a decision against another's, round by round; None where it cannot be told."""
        pairs = [(one.cpu_us, two.cpu_us) for one, two in zip(self._rounds[name], self._rounds[other], strict=True)]
        ratios = [one / two for one, two in pairs if one is not None and two is not None]
        return statistics.median(ratios) if ratios else None

    def _half_load(self, row: Row) -> None:
        seconds = self._words.half_load_seconds
        _say(f"half load for {seconds:g} s")
        rate = _median(self._rounds[MANY], "rate") / 2
        measured = self._measure(row, {"seconds": seconds, "rate": rate})
        self._rounds[HALF_LOAD] = [measured]
        self._measured["half_load_p99"] = measured.p99_ms
        if seconds < HALF_LOAD_S:
            self._goal_notes["half_load_p99"] = f"in {seconds:g} s"

    def _check_books(self) -> None:
        """What was answered is what was stored and held, to the micro."""
        read: dict[str, Callable[[], scratch.Held]] = {
            "callgate": lambda: scratch.read_callgate(self._folder / "callgate.db"),
            "callgate with policy": lambda: scratch.read_callgate(self._folder / "policy.db"),
            "express": lambda: scratch.read_express(self._folder / "express.db"),
        }
        for name, served in self._served.items():
            if name in read:
                answered = sum(each.answered for each in served)
                expected = scratch.Held(answered, answered, sum(each.held_micros for each in served))
                if (found := read[name]()) != expected:
                    raise BenchFailed(f"{name} has {found} in its books instead of {expected}")

    # -- a large deck --------------------------------------------------------------------------------------------------

    def _measure_large(self) -> None:
        """A million prefixes and a hundred thousand accounts: memory, and how long a start takes."""
        _say("a million prefixes")
        environment = _environment(self._folder / "large.db")
        scratch.fill_callgate(_settings(environment), callers(ALL_ACCOUNTS), _large_rates())
        started = time.monotonic()
        with Server("large", CALLGATE, environment, self._folder) as server:
            row = Row(server, {"wallets": ALL_ACCOUNTS, "numbers": self._words.numbers})
            run_generator(server, {**row.words, "connections": 1, "seconds": 0})
            self._measured["start"] = time.monotonic() - started
            run_generator(server, {**row.words, "seconds": self._words.seconds})
            if (memory := memory_mb(server)) is not None:
                self._measured["memory"], most = memory
                self._goal_notes["memory"] = f"{most:.0f} MB at most, while starting"


def _large_rates() -> Iterator[Rate]:
    """The usual prices, and around them enough others for a million."""
    ours = list(rates())
    yield from ours
    for n in range(ALL_PREFIXES - len(ours)):
        yield msgspec.structs.replace(ours[n % len(ours)], prefix=f"8{n:07}")


def _environment(database: Path) -> dict[str, str]:
    """What a server of ours is told: nothing but where its database is, its port, and a key of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return {
        **inherited,
        "CALLGATE_DATABASE_URL": f"sqlite:///{database}",
        "CALLGATE_PORT": "{port}",
        "CALLGATE_SECRET_KEY": new_key(),
    }


def _settings(environment: Mapping[str, str]) -> Settings:
    return Settings(database_url=environment["CALLGATE_DATABASE_URL"], secret_key=environment["CALLGATE_SECRET_KEY"])


def _median(rounds: Sequence[Measured], field: str) -> float:
    values: list[float] = [getattr(each, field) for each in rounds]
    return statistics.median(values)


def _say(text: str) -> None:
    """What goes on, where somebody watches."""
    if sys.stderr.isatty():
        sys.stderr.write(f"{text}\n")


def _draw(report: Report) -> str:
    lines = [("", "requests/s", "CPU us", "p50 ms", "p99 ms", "generator", "")]
    for name, rounds in report.rounds.items():
        cpu_us = "-" if rounds[0].cpu_us is None else f"{_median(rounds, 'cpu_us'):.0f}"
        lines.append(
            (
                name,
                f"{_median(rounds, 'rate'):.0f}",
                cpu_us,
                f"{_median(rounds, 'p50_ms'):.2f}",
                f"{_median(rounds, 'p99_ms'):.2f}",
                f"{_median(rounds, 'busy'):.0%} busy",
                "",
            )
        )
    count = len(report.rounds[MANY])
    conditions = f"{CONNECTIONS} connections, medians of {count} rounds; syncing a page takes {report.sync_ms:.2f} ms"
    return "\n\n".join([conditions, draw_lines(lines), draw(report.goals), *report.notes]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
