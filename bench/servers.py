"""The servers under load, each a process pinned to the first core, and the generator's runs on the second."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from generator import Measured

import callgate

HERE = Path(__file__).parent
SOURCE = str(Path(callgate.__file__).parents[1])
START_S = 120.0
STOP_S = 15.0


class BenchFailed(Exception):
    """A server did not start or answered wrongly: there is no figure to print."""


def cores() -> tuple[int, int] | None:
    """Return a core for the server and another for the generator; None where they cannot be had."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[1]) if len(usable) > 1 else None


@contextlib.contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """What is started inside runs on this core, with all its threads; None leaves it to the system."""
    if core is None:
        yield
        return
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, usable)


class Server:
    """A server process on a port of its own, running for as long as the block does."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        """`{port}` in the command and in the environment stands for the port. `folder` gets what it says."""
        self.name = name
        self._port = _free_port()
        self._command = [word.replace("{port}", str(self._port)) for word in command]
        self._environment = {key: value.replace("{port}", str(self._port)) for key, value in environment.items()}
        self._environment["PYTHONPATH"] = (
            SOURCE  # it runs in another folder, and is to be the code that we run ourselves
        )
        self._folder = folder
        self.url = f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        pair = cores()
        self._said = (self._folder / f"{self.name}.log").open("w+b")
        with pinned(pair and pair[0]):
            self._process = subprocess.Popen(  # noqa: S603 - commands are ours
                self._command, env=self._environment, cwd=self._folder, stdout=self._said, stderr=self._said
            )
        try:
            self._wait()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    def said(self) -> str:
        """Return the last of what it wrote."""
        self._said.seek(0)
        return self._said.read().decode(errors="replace")[-2000:]

    def _wait(self) -> None:
        give_up_at = time.monotonic() + START_S
        while time.monotonic() < give_up_at and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
                return
            time.sleep(0.01)
        raise BenchFailed(f"{self.name} does not serve: {self.said() or 'it says nothing'}")

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()


def run_generator(server: Server, words: Mapping[str, object]) -> Measured:
    """Run the generator once against a server. Raises `BenchFailed` with the first wrong answer."""
    options = [part for name, value in words.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, str(HERE / "generator.py"), "--url", server.url, "--pid", str(server.pid), *options]
    pair = cores()
    with pinned(pair and pair[1]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if done.returncode:
        raise BenchFailed(f"{server.name}: {done.stderr.strip()}\n{server.said()}")
    return msgspec.json.decode(done.stdout, type=Measured)


def memory_mb(server: Server) -> tuple[float, float] | None:
    """Return how much memory a server holds now, and the most that it ever held, in units of 10**6 bytes.

    None where this system does not tell.
    """
    path = Path(f"/proc/{server.pid}/status")
    if not path.exists():
        return None
    lines = dict(line.split(":", 1) for line in path.read_text(encoding="utf-8").splitlines())
    now, most = (int(lines[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM"))
    return now, most


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
