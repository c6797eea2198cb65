"""The benchmark measures what it says: real decisions, with every answer looked at. Without Node, and for a moment only."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "bench"


def run(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own script
        [sys.executable, str(BENCH / script), *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=90
    )


@contextmanager
def fixed(body: str) -> Iterator[str]:
    """Serve a body as the answer to everything, and give its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(BENCH / "peers" / "fixed.py"), "--port", str(port), "--body", body]
    process = subprocess.Popen(command, cwd=ROOT)  # noqa: S603 - our own script
    try:
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def answer(**changes: Any) -> str:
    """The right answer to calls of the hot wallet to the first number, or one that differs."""
    action = {"name": "connectPstn", "number": "+46701000000", "cli": "private", "maxDuration": 600}
    return json.dumps({"action": action | changes})


def load(url: str, *, signed: int = 2000) -> subprocess.CompletedProcess[str]:
    return run("generator.py", "--url", url, "--seconds", "0.3", "--signed", str(signed), "--connections", "8")


def test_right_answers_are_counted() -> None:
    """What is printed are answers, the money that they hold, and latencies in order."""
    with fixed(answer()) as url:
        done = load(url)
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert measured["answered"] > 0
    assert measured["held_micros"] % measured["answered"] == 0  # the same number each time, so the same price
    assert 0 < measured["p50_ms"] <= measured["p99_ms"] <= measured["worst_ms"]


def test_a_run_does_not_end_with_the_calls_that_were_signed_for_it() -> None:
    """Fewer signed calls than connections: the rest are signed as they are sent, and the run lasts as long as was asked."""
    with fixed(answer()) as url:
        done = load(url, signed=3)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["answered"] > 8


@pytest.mark.parametrize(
    "body",
    [
        answer(maxDuration=599),
        answer(number="+46701000001"),
        json.dumps({"action": {"name": "hangup"}}),
        "{}",
        "no JSON",
        "",
    ],
)
def test_a_wrong_body_ends_the_benchmark(body: str) -> None:
    """An answer of status 200 that says something else is no answer: exit 1, with what was found and what was due."""
    with fixed(body) as url:
        done = load(url)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "instead of 200, connectPstn to +46701000000 for 600 s" in done.stderr
    assert body in done.stderr


def test_the_real_server_is_measured() -> None:
    """Server, fixed reply and goals, with books that agree; goals that nothing measures stay without a figure."""
    quick = ["--rounds", "1", "--seconds", "0.3", "--half-load-seconds", "0.3", "--wallets", "50", "--numbers", "100"]
    done = run("run.py", *quick, "--peers", "fixed reply", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert set(report["rounds"]) == {
        "callgate", "callgate, one hot wallet", "callgate, all policy", "fixed reply", "callgate, half load",
    }  # fmt: skip
    assert all(each["answered"] > 0 for rounds in report["rounds"].values() for each in rounds)
    measured = {result["goal"]["key"] for result in report["goals"] if result["measured"] is not None}
    assert measured == {"hot_wallet", "policy", "half_load_p99"}
