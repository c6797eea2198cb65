"""Several server processes on one port and one PostgreSQL."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

import callgate
from callgate.errors import SettingsInvalid
from callgate.settings import Settings
from callgate.vault import new_key
from callgate.workers import START_S, serve_all

STARTED_S = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(url: str, port: int, folder: Path) -> "subprocess.Popen[bytes]":
    environment = os.environ | {
        "CALLGATE_DATABASE_URL": url,
        "CALLGATE_PORT": str(port),
        "CALLGATE_SECRET_KEY": new_key(),
        "PYTHONPATH": str(Path(callgate.__file__).parents[1]),
    }
    command = [sys.executable, "-m", "callgate", "serve", "--workers", "2"]
    with (folder / "said").open("wb") as said:
        return subprocess.Popen(command, env=environment, cwd=folder, stderr=said)  # noqa: S603 - ours


def until(holds: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + STARTED_S
    while not holds():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


@pytest.fixture
def said(tmp_path: Path) -> Path:
    """What the processes write to standard error."""
    return tmp_path / "said"


def children(process: "subprocess.Popen[bytes]") -> list[int]:
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
    return [int(word) for word in found.split()]


def is_ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as reply:
            return bool(reply.status == 200)
    except (URLError, OSError):
        return False


@pytest.mark.skipif(not Path("/proc").exists(), reason="children are found in /proc")
def test_processes_that_serve_together(postgres_url: str, tmp_path: Path, said: Path) -> None:
    """Both listen; one that is killed is replaced; told to stop, all of them do."""
    port = free_port()
    process = start(postgres_url, port, tmp_path)
    try:
        until(lambda: said.read_text().count("server.listening") == 2)
        assert is_ready(port)
        time.sleep(START_S)  # what ends sooner is taken for a process that could not start
        first = children(process)
        assert len(first) == 2
        os.kill(first[0], signal.SIGKILL)
        until(lambda: said.read_text().count("server.listening") == 3)
        assert is_ready(port)
        assert len(children(process)) == 2
        last = children(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
        assert not any(Path(f"/proc/{each}").exists() for each in last)
    finally:
        process.kill()
        process.wait()


def test_processes_that_cannot_start(tmp_path: Path, said: Path) -> None:
    """The database is not there: it is said, once for each of them, and the command ends."""
    process = start(f"postgresql://nobody@/gate?host={tmp_path}", free_port(), tmp_path)
    try:
        assert process.wait(30) == 1
    finally:
        process.kill()
        process.wait()
    assert "PostgreSQL does not answer" in said.read_text()
    assert "Traceback" not in said.read_text()


def test_sqlite_is_written_by_one_process() -> None:
    """And the message says what several need."""
    with pytest.raises(SettingsInvalid, match="PostgreSQL"):
        serve_all(Settings(database_url="sqlite:///gate.db"), 2)
