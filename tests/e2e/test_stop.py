"""How a server starts and stops: what it needs, what it says when it has not got it, and how soon it is gone."""

import json
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

NewGate = Callable[..., AbstractContextManager[Any]]

STOPPED_WITHIN_S = 5 + 2
"""Five seconds are promised; the machine that tests run on may be busy with other tests."""


@pytest.fixture(scope="module")
def idle(new_gate: NewGate) -> Any:
    """A gate without a server."""
    with new_gate(is_serving=False) as gate:
        yield gate


def refused(gate: Any, *words: str, **settings: str) -> str:
    """Run a command that must fail, with one line and no traceback; return the line."""
    done = gate.call(*words, **settings)
    assert done.code == 1, done
    assert done.out == ""
    assert len(done.err.splitlines()) == 1, done.err
    return str(done.err)


def test_an_address_that_is_taken(gate: Any) -> None:
    """The real thing: another server is on it, and goes on."""
    done = gate.run("serve")
    assert done.code == 1
    assert len(done.err.splitlines()) == 1
    assert str(gate.port) in done.err
    assert "already in use" in done.err
    assert gate.request("GET", "/readyz").status == 200


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host", "x" * 300, "256.1.1.1"])
def test_an_address_that_is_not_ours(idle: Any, host: str) -> None:
    """Not of this machine, or no address at all."""
    assert "expected an address of this machine" in refused(idle, "serve", CALLGATE_HOST=host)


def test_no_secret_key(idle: Any) -> None:
    """A server that cannot read its applications' secrets does not start."""
    (idle.folder / "empty.toml").write_text("", encoding="utf-8")
    settings = {name: value for name, value in idle.settings.items() if name != "CALLGATE_SECRET_KEY"}
    before, idle.settings = idle.settings, settings
    try:
        assert "CALLGATE_SECRET_KEY" in refused(idle, "serve", "--config", "empty.toml")
    finally:
        idle.settings = before


def test_the_secret_key_of_another_database(idle: Any) -> None:
    """Neither the server nor a command that would seal another secret works with it; the key is not shown."""
    other = "b3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXItb3Q="
    for words in (["serve"], ["app", "add", "second", idle.secret]):
        said = refused(idle, *words, CALLGATE_SECRET_KEY=other)
        assert "secret_key" in said
        assert other not in said


@pytest.mark.parametrize(
    "words", [["serve"], ["ledger", "verify"], ["app", "list"], ["migrate", "--check"]], ids=" ".join
)
def test_no_database(idle: Any, words: list[str]) -> None:
    """Only `init` and `migrate` make one."""
    assert "callgate init" in refused(idle, *words, CALLGATE_DATABASE_URL="sqlite:///nosuch.db")
    assert not (idle.folder / "nosuch.db").exists()


@pytest.mark.parametrize("words", [["serve"], ["ledger", "verify"], ["migrate"], ["init"]], ids=" ".join)
def test_what_is_no_database(idle: Any, words: list[str]) -> None:
    """A folder, a file of something else, a place where there is no folder."""
    (idle.folder / "junk.db").write_bytes(b"junk" * 1000)
    (idle.folder / "folder.db").mkdir(exist_ok=True)
    for name in ("junk.db", "folder.db", "nosuch/gate.db"):
        assert Path(name).name in refused(idle, *words, CALLGATE_DATABASE_URL=f"sqlite:///{name}")
    assert (idle.folder / "junk.db").read_bytes() == b"junk" * 1000


@pytest.mark.parametrize(
    ("version", "advice"), [("0000", "callgate migrate"), (None, "callgate migrate"), ("9999", "newer version")]
)
def test_a_schema_of_another_version(idle: Any, version: str | None, advice: str) -> None:
    """Older and strange ones are to be migrated; a newer one cannot be, and is left alone."""
    file = idle.folder / f"schema-{version}.db"
    file.write_bytes((idle.folder / "gate.db").read_bytes())
    with sqlite3.connect(file) as database:
        database.execute("DELETE FROM alembic_version")
        if version is not None:
            database.execute("INSERT INTO alembic_version VALUES (?)", (version,))
    database.close()
    url = f"sqlite:///{file}"
    for words in (["serve"], ["migrate", "--check"], ["account", "show", "alice"]):
        assert advice in refused(idle, *words, CALLGATE_DATABASE_URL=url)
    if version == "9999":
        assert "newer" in refused(idle, "migrate", CALLGATE_DATABASE_URL=url)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_server_stops_with_requests_open(new_gate: NewGate, how: signal.Signals) -> None:
    """Within five seconds, whatever hangs on it; those who wait hear that it stops; the exit is a clean one."""
    with new_gate() as gate:
        body = json.dumps(gate.ice("open")).encode()
        half, head, silent, kept = (gate.connect() for _ in range(4))
        half.sendall(gate.head(body) + body[:10])
        head.sendall(gate.head(body)[:30])
        kept.sendall(b"GET /healthz HTTP/1.1\r\nhost: gate\r\n\r\n")
        assert kept.recv(1000).startswith(b"HTTP/1.1 200")
        started = time.monotonic()
        assert gate.stop(how) == 0
        assert time.monotonic() - started < STOPPED_WITHIN_S
        assert half.recv(1000).startswith(b"HTTP/1.1 503")
        for link in (half, head, silent, kept):
            link.close()
        assert "Traceback" not in gate.log
        assert gate.must("calls", "list", "--json").json == []


def test_a_server_stops_while_its_store_is_stalled(new_gate: NewGate) -> None:
    """Within five seconds. Who asked while it was stalled was hung up in time, and holds nothing afterwards."""
    with new_gate() as gate:
        stall = sqlite3.connect(gate.folder / "gate.db", isolation_level=None)
        stall.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        assert gate.post(gate.ice("stalled")).action == "hangup"
        assert time.monotonic() - started < 2.5
        late: list[Any] = []
        report = threading.Thread(target=lambda: late.append(gate.post(gate.dice("reported", 5))))
        report.start()
        time.sleep(0.2)
        started = time.monotonic()
        assert gate.stop() == 0
        assert time.monotonic() - started < STOPPED_WITHIN_S
        report.join()
        assert late[0].status == 503
        stall.close()
        assert "Traceback" not in gate.log
        assert gate.wallet("alice")["held"] == 0
        assert gate.must("ledger", "verify").code == 0


def test_a_store_that_was_stalled_goes_on(new_gate: NewGate) -> None:
    """The call that was hung up stays refused, the report that was not taken is taken when it comes again."""
    with new_gate() as gate:
        gate.post(gate.ice("reported"))
        stall = sqlite3.connect(gate.folder / "gate.db", isolation_level=None)
        stall.execute("BEGIN IMMEDIATE")
        assert gate.post(gate.ice("stalled")).action == "hangup"
        assert gate.request("GET", "/readyz").status == 503
        assert gate.request("GET", "/healthz").status == 200
        stall.execute("ROLLBACK")
        stall.close()
        until = time.monotonic() + 5
        while gate.request("GET", "/readyz").status != 200 and time.monotonic() < until:
            time.sleep(0.05)
        assert gate.post(gate.dice("reported", 5)).status == 200
        assert gate.post(gate.ice("stalled")).action == "hangup"
        shown = gate.must("calls", "show", "stalled", "--json").json
        assert shown["state"] == "refused"
        assert gate.wallet("alice")["held"] == 0
        assert "Traceback" not in gate.log


def test_a_server_stops_with_a_page_open(new_gate: NewGate) -> None:
    """The stream that a dashboard holds open ends at once."""
    with new_gate(is_serving=False) as gate:
        gate.start("dev", "--no-calls")
        until = time.monotonic() + 20
        while gate.request("GET", "/").status == 503 and time.monotonic() < until:
            time.sleep(0.05)
        with gate.connect() as page:
            page.sendall(b"GET /live HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            received = page.recv(1000)
            assert received.startswith(b"HTTP/1.1 200")
            assert b"text/event-stream" in received
            started = time.monotonic()
            assert gate.stop() == 0
            assert time.monotonic() - started < STOPPED_WITHIN_S
        assert "Traceback" not in gate.log
