"""Schemathesis asks a real server everything that its own description allows, and much that it does not: a bounded sample of
`tests/soak/api_fuzz.py`, in the environment that `make test` installs.
"""

import re
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / ".venv-fuzz/bin/schemathesis"
CONFIG = ROOT / "tests/schemathesis.toml"


@pytest.mark.timeout(300)
def test_the_description_is_true(new_gate: Callable[..., AbstractContextManager[Any]]) -> None:
    """No answer that is not described, no error of ours, nothing taken that should not be; on every operation."""
    assert PROGRAM.exists(), "make test installs it"
    with new_gate() as gate:
        token = gate.must("token", "create", "fuzz", "--role", "admin", "--json").json["token"]
        gate.stop()
        gate.start(CALLGATE_API_REQUESTS_PER_S="0")
        done = subprocess.run(  # noqa: S603 - a tool of ours
            [
                PROGRAM, "--config-file", CONFIG, "run", f"http://127.0.0.1:{gate.port}/api/v1/openapi.json",
                "--header", f"Authorization: Bearer {token}", "--phases", "coverage", "--exclude-path", "/api/v1/events",
                "--wait-for-schema", "30", "--request-timeout", "30", "--seed", "1", "--no-color", "--max-failures", "5",
            ],
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
            cwd=gate.folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-1_000:]
        counted = re.search(r"(\d+) generated, (\d+) passed", done.stdout)  # what it merely advises is no failure
        assert counted is not None and counted[1] == counted[2] and int(counted[1]) > 1_000, done.stdout[-3000:]
        gate.must("ledger", "verify")
