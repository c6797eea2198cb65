"""Node, with what the tests of this folder run in it."""

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
OFFLINE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT")


@pytest.fixture(scope="session")
def node() -> str:
    """Node, with the kit installed beside this file, in the versions and with the digests of the lock file."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("needs node and npm, to ask the platform's own kit for its verdicts")
    lock = HERE / "package-lock.json"
    installed = HERE / "node_modules" / ".installed"
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # tests run in several processes, and one installs for all
        if not installed.exists() or installed.read_bytes() != lock.read_bytes():
            done = subprocess.run(  # noqa: S603 - npm of this machine
                [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=HERE, capture_output=True, text=True, check=False, timeout=100,
            )  # fmt: skip
            if done.returncode and any(code in done.stderr for code in OFFLINE):
                pytest.skip("npm cannot reach its registry, to install the platform's own kit")
            assert done.returncode == 0, done.stderr
            installed.write_bytes(lock.read_bytes())
    return node
