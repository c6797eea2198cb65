"""A real server, spoken to from outside: `callgate serve` in a folder of its own, signed callbacks, commands beside it.

Nothing of the project is used to speak to it: callbacks are signed here from the platform's own description, so that a
mistake in our signing is not made twice.
"""

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import structlog
from tests.support.commands import Done

from callgate.cli import main

SOURCE = Path(__file__).parents[2] / "src"

DECK_HEADER = "prefix,destination,rate_per_min,connect_fee,first_s,next_s,effective_from\n"


class Reply(NamedTuple):
    """What the server answered."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def action(self) -> str:
        """Name of the SVAML action; empty where there is none."""
        return str((self.json.get("action") or {}).get("name", ""))


class Gate:
    """A folder with settings and a database, the commands that work on it, and at most one server."""

    key = "5f1c7a2e-93d0-4b57-8a6e-0c2b7d4e9f10"
    secret = base64.b64encode(b"a secret of thirty-two bytes, so").decode()
    secret_key = base64.urlsafe_b64encode(b"k" * 32).decode()
    path = "/callbacks/sinch"
    deck_header = DECK_HEADER

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.settings = {
            "CALLGATE_DATABASE_URL": f"sqlite:///{folder}/gate.db",
            "CALLGATE_HOST": "127.0.0.1",
            "CALLGATE_PORT": str(self.port),
            "CALLGATE_SECRET_KEY": self.secret_key,
            **settings,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.log_file = folder / "server.log"

    # -- commands ------------------------------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CALLGATE_")}
        return {**inherited, "PYTHONPATH": str(SOURCE), "COLUMNS": "200", **self.settings}

    def run(self, *words: str, **settings: str) -> Done:
        """Run a command as an operator does, in a process of its own."""
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "callgate", *words],
            cwd=self.folder,
            env=self.environment | settings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def call(self, *words: str, **settings: str) -> Done:
        """Run a command in this process, which takes a tenth of the time: for tests that run very many."""
        out, err = (self.folder / name for name in ("stdout", "stderr"))
        before, outside = dict(os.environ), Path.cwd()
        os.environ.clear()
        os.environ.update(self.environment | settings)
        os.chdir(self.folder)
        try:
            with (
                out.open("w", encoding="utf-8") as stdout,
                err.open("w", encoding="utf-8") as stderr,
                contextlib.redirect_stdout(stdout),
                contextlib.redirect_stderr(stderr),
                pytest.raises(SystemExit) as left,
            ):
                main(words)
        finally:
            structlog.reset_defaults()  # `serve` sets it up for a standard error that is closed now
            os.chdir(outside)
            os.environ.clear()
            os.environ.update(before)
        assert isinstance(left.value.code, int)
        return Done(left.value.code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))

    def must(self, *words: str) -> Done:
        """Run a command that cannot but succeed."""
        done = self.call(*words)
        assert done.code == 0, (words, done)
        return done

    def deck(self, *rows: str, name: str = "standard") -> None:
        """Import rows `prefix,destination,rate_per_min,connect_fee,first_s,next_s`."""
        file = self.folder / f"{name}.csv"
        file.write_text(DECK_HEADER + "".join(f"{row},2020-01-01\n" for row in rows), encoding="utf-8")
        self.must("rates", "import", str(file), "--deck", name)

    def account(self, name: str, amount: str | None = None) -> None:
        """Open an account without limits, with some money in it."""
        self.must("account", "create", name, "--currency", "USD")
        self.must("account", "limits", name, "open")
        if amount is not None:
            self.must("account", "topup", name, amount, "--ref", f"first-{name}")

    def wallet(self, name: str) -> dict[str, Decimal]:
        shown = self.must("account", "show", name, "--json").json
        return {each: Decimal(shown[each]) for each in ("posted", "held", "available")}

    def set_up(self) -> None:
        """Settings, a database, an application and a deck."""
        self.must("init")
        self.must("app", "add", self.key, self.secret)
        self.must("app", "limits", self.key, "open")
        self.deck("4670,Sweden mobile,0.02,0,60,60")

    # -- the server ----------------------------------------------------------------------------------------------------

    def start(self, *words: str, **settings: str) -> None:
        """Start a server, with `serve` unless other words are given, and wait until it is ready."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "callgate", *(words or ["serve"])],
                cwd=self.folder,
                env=self.environment | settings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until = time.monotonic() + 20
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.request("GET", "/readyz").status == 200:
                    return
            time.sleep(0.05)
        self.stop()
        raise AssertionError(f"the server does not get ready: {self.log}")

    def stop(self, how: int = signal.SIGTERM) -> int | None:
        """Stop the server and return its exit code; one that does not go in eight seconds is killed, and None returned."""
        if self.process is None:
            return None
        process, self.process = self.process, None
        process.send_signal(how)
        try:
            return process.wait(8)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8") if self.log_file.exists() else ""

    # -- requests ------------------------------------------------------------------------------------------------------

    def sign(  # noqa: PLR0913 - every ingredient of a signature
        self,
        body: bytes,
        *,
        path: str = path,
        key: str = key,
        secret: str = secret,
        at: datetime | None = None,
        content_type: str = "application/json; charset=utf-8",
        method: str = "POST",
    ) -> dict[str, str]:
        stamp = (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        md5 = base64.b64encode(hashlib.md5(body).digest()).decode() if body else ""  # noqa: S324 - the platform's choice
        text = f"{method}\n{md5}\n{content_type}\nx-timestamp:{stamp}\n{path}"
        mac = hmac.new(base64.b64decode(secret), text.encode(), hashlib.sha256).digest()
        signature = base64.b64encode(mac).decode()
        return {"authorization": f"application {key}:{signature}", "x-timestamp": stamp, "content-type": content_type}

    def request(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Reply:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            link.request(method, path, body or None, headers or {})
            reply = link.getresponse()
            return Reply(reply.status, reply.read())
        finally:
            link.close()

    def post(self, event: object, **ingredients: Any) -> Reply:
        """Send an event as the platform does; bytes are sent as they are."""
        body = event if isinstance(event, bytes) else json.dumps(event, separators=(",", ":")).encode()
        return self.request("POST", self.path, body, self.sign(body, **ingredients))

    def connect(self, timeout_s: float = 15) -> socket.socket:
        """A connection for bytes that no HTTP client would send."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s)

    def head(self, body: bytes, *extra: str, framing: str | None = None, **ingredients: Any) -> bytes:
        """The head of a signed request with this body, and more header lines."""
        lines = [f"POST {self.path} HTTP/1.1", "host: gate", framing or f"content-length: {len(body)}", *extra]
        lines += [f"{name}: {value}" for name, value in self.sign(body, **ingredients).items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    # -- events --------------------------------------------------------------------------------------------------------

    def ice(self, call: str, user: str = "alice", to: str = "+46701740605", **more: Any) -> dict[str, Any]:
        return {
            "event": "ice",
            "callid": call,
            "timestamp": "2026-11-23T12:00:00Z",
            "version": 1,
            "applicationKey": self.key,
            "user": user,
            "userRate": {"currencyId": "USD", "amount": 0.0095},
            "cli": "",
            "to": {"type": "number", "endpoint": to},
            "domain": "pstn",
            "originationType": "MXP",
            "duration": 0,
            "rdnis": "",
            **more,
        }

    def ace(self, call: str, **more: Any) -> dict[str, Any]:
        return {"event": "ace", "callid": call, "timestamp": "2026-11-23T12:00:09Z", "version": 1, **more}

    def dice(self, call: str, seconds: int, **more: Any) -> dict[str, Any]:
        return {
            "event": "dice",
            "callid": call,
            "timestamp": "2026-11-23T12:02:00Z",
            "version": 1,
            "applicationKey": self.key,
            "reason": "CALLEEHANGUP",
            "result": "ANSWERED" if seconds else "NOANSWER",
            "duration": seconds,
            "debit": {"currencyId": "USD", "amount": 0.019 if seconds else 0},
            "userRate": {"currencyId": "USD", "amount": 0.0095},
            "to": {"type": "number", "endpoint": "+46701740605"},
            "from": "alice",
            "user": "alice",
            **more,
        }


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """A gate with an application, a deck and a rich account, to be copied: making one takes a second or two."""
    gate = Gate(tmp_path_factory.mktemp("template"))
    gate.set_up()
    gate.account("alice", "1000000")
    return gate


@pytest.fixture(scope="session")
def new_gate(template: Gate, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., AbstractContextManager[Gate]]:
    """Make gates, each in a folder of its own; what runs of it is stopped at the end of the block."""

    @contextlib.contextmanager
    def make(*, is_set_up: bool = True, is_serving: bool = True, **settings: str) -> Iterator[Gate]:
        gate = Gate(tmp_path_factory.mktemp("gate"), **settings)
        if is_set_up:
            for name in ("gate.db", "callgate.toml"):
                shutil.copy(template.folder / name, gate.folder)
        try:
            if is_serving:
                gate.start()
            yield gate
        finally:
            gate.stop()

    return make


@pytest.fixture(scope="session")
def gate(new_gate: Callable[..., AbstractContextManager[Gate]]) -> Iterator[Gate]:
    """A running server that many tests share: each uses call ids and accounts of its own, and changes no settings."""
    with new_gate() as gate:
        yield gate


@pytest.fixture(scope="session", autouse=True)
def stuck(gate: Gate) -> Iterator[dict[str, socket.socket]]:
    """Requests that stopped half way: other tests run meanwhile, and the one that looks at their ends waits less."""
    body = b'{"event":"notify","callid":"stuck"}'
    sent = {
        "body": gate.head(body) + body[:20],
        "chunk": gate.head(body, framing="transfer-encoding: chunked") + b"23\r\n" + body[:20],
        "large": gate.head(body, framing="content-length: 99999999") + body,
        "head": gate.head(body)[:60],
        "silent": b"",
    }
    links = {name: gate.connect(30) for name in sent}
    for name, link in links.items():
        link.sendall(sent[name])
    yield links
    for link in links.values():
        link.close()
