"""The simulator as a command: a sample of what `make soak` runs at length, and proof that it notices bugs."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import callgate
from callgate.simulator import schedule as s

SOURCE = Path(callgate.__file__).parents[1]
PLANTED_BUGS = Path(__file__).parents[1] / "soak" / "planted_bugs.py"


def run(*words: str, source: Path = SOURCE, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    """`callgate simulate` of some source, in a process of its own."""
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "callgate", "simulate", *words],
        env=os.environ | {"PYTHONPATH": str(source), "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=False,
        text=True,
    )


def simulate(*words: str, hash_seed: str = "0") -> dict[str, Any]:
    done = run(*words, "--json", hash_seed=hash_seed)
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.mark.parametrize("seed", [101, 102])
def test_nothing_breaks(seed: int) -> None:
    """The books are right after every commit, whatever goes wrong; and all kinds of trouble were met."""
    report = simulate("--seed", str(seed), "--events", "4e3")
    assert report["broken"] is None
    assert report["events"] >= 4_000
    assert {"ice", "ace", "dice", "order", "command", "crash", "slow", "outage"} <= report["kinds"].keys()
    assert {"Authorize", "Settle", "Overrule", "TakeTurn", "SettleAsked"} <= report["jobs"].keys()


def test_the_same_seed_is_the_same_run() -> None:
    """To the last answer, in another process with other hashes."""
    words = ("--seed", "7", "--events", "400")
    first, again = simulate(*words), simulate(*words, hash_seed="12345")
    assert (first["digest"], first["kinds"]) == (again["digest"], again["kinds"])


@pytest.fixture(scope="module")
def planted_bugs() -> Any:
    """The program that plants bugs, as a module."""
    spec = importlib.util.spec_from_file_location("planted_bugs", PLANTED_BUGS)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("bug", ["acknowledge before the commit", "settle again after a restart"])
def test_planted_bugs_are_found(planted_bugs: Any, bug: str) -> None:
    """Within ten thousand events. `make soak` plants all of them."""
    found = planted_bugs.hunt(bug, 10_000)
    assert found.rule


def test_bugs_can_be_planted(planted_bugs: Any, tmp_path: Path) -> None:
    """Each of them: the source is still what they were made for."""
    for number, bug in enumerate(planted_bugs.BUGS):
        planted_bugs.plant(bug, tmp_path / str(number))


def test_a_failure_is_shown_in_short_and_runs_again(planted_bugs: Any, tmp_path: Path) -> None:
    """A few entries, in a file that fails in the same way again, and is well without the bug."""
    source = planted_bugs.plant("round down", tmp_path)
    file = tmp_path / "failure.json"
    found = run("--seed", "1", "--shrink-s", "4", "--save", str(file), source=source)
    assert (found.returncode, "seed 1 breaks books at event " in found.stdout) == (1, True)
    schedule = s.from_lines(file.read_bytes())
    assert len(schedule.entries) <= 8
    assert json.loads(run("--replay", str(file), "--json", source=source).stdout)["broken"]["rule"] == "books"
    assert run("--replay", str(file)).returncode == 0


def test_a_file_that_is_no_schedule_is_told_of(tmp_path: Path) -> None:
    """With its name, and without a traceback."""
    file = tmp_path / "notes.json"
    file.write_text('{"seed": 1}')
    done = run("--replay", str(file))
    assert (done.returncode, done.stderr.startswith(f"{file}: found ")) == (1, True)
