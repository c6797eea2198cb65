"""A fiftieth of what `make soak` runs with real servers as processes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SOAK = Path(__file__).parents[1] / "soak"
CYCLES = {"sqlite": 20, "postgres": 10}


def run(program: str, *words: str) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, str(SOAK / program), *words, "--json"], capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


@pytest.mark.parametrize("engine", CYCLES)
def test_what_a_killed_server_acknowledged_is_there_once(engine: str) -> None:
    """Servers are killed under load: nothing is lost, nothing settled twice, the invariants hold each time."""
    figures = run("kill_loop.py", "--engine", engine, "--cycles", str(CYCLES[engine]))
    assert (figures["cycles"], figures["lost"], figures["doubled"], figures["faults"]) == (CYCLES[engine], [], [], [])
    assert figures["decisions"] > 250 and figures["ends"] > 100


@pytest.mark.parametrize("engine", CYCLES)
def test_exactly_as_many_connect_as_can_pay(engine: str) -> None:
    """Ten of two hundred, each time."""
    figures = run("race.py", "--engine", engine, "--rounds", str(CYCLES[engine]))
    assert (figures["rounds"], figures["bad"]) == (CYCLES[engine], [])


def test_one_server_ends_the_calls_of_another_that_died() -> None:
    """Two on one PostgreSQL: starts at the one that is killed, ends at the other."""
    figures = run("two_nodes.py", "--rounds", "2")
    assert (figures["rounds"], figures["bad"]) == (2, [])


def test_what_was_acknowledged_outlives_the_leader() -> None:
    """Three PostgreSQL servers with a quorum; the leader is killed, a standby promoted, and writing goes on soon."""
    figures = run("failover.py", "--rounds", "1")
    assert figures["bad"] == []
    assert figures["rounds"][0]["answers"] > 50
