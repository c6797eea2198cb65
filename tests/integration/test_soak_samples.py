"""A fiftieth of what `make soak` runs with real servers as processes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SAMPLES = Path(__file__).parents[1] / "soak" / "samples.py"


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What the samples came to: run once, in a process that nothing was forked or threaded in before."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, str(SAMPLES)], capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


pytestmark = pytest.mark.timeout(400)  # the first waits for all of them


@pytest.mark.parametrize(("engine", "cycles"), [("sqlite", 20), ("postgres", 10)])
def test_what_a_killed_server_acknowledged_is_there_once(found: dict[str, Any], engine: str, cycles: int) -> None:
    """Servers are killed under load: nothing is lost, nothing settled twice, the invariants hold each time."""
    figures = found[f"kill {engine}"]
    assert (figures["cycles"], figures["lost"], figures["doubled"], figures["faults"]) == (cycles, [], [], [])
    assert figures["decisions"] > 250 and figures["ends"] > 100


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_exactly_as_many_connect_as_can_pay(found: dict[str, Any], engine: str) -> None:
    """Ten of two hundred, each time; on PostgreSQL at four servers."""
    assert found[f"race {engine}"] == []


def test_one_server_ends_the_calls_of_another_that_died(found: dict[str, Any]) -> None:
    """Two on one PostgreSQL: starts at the one that is killed, ends at the other."""
    assert found["two nodes"] == []


def test_what_was_acknowledged_outlives_the_leader(found: dict[str, Any]) -> None:
    """Three PostgreSQL servers with a quorum; the leader is killed, a standby promoted, and writing goes on soon."""
    took, wrong = found["failover"]
    assert wrong == []
    assert took["answers"] > 50 and took["gap_s"] < 10
