"""The pytest plugin: the example of the guide, an app behind each kind of door, faults, and what an idle one costs."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from callgate import Callgate
from callgate.errors import Invalid, TargetUnfit, TargetUnreachable
from callgate.protocol import sinch
from callgate.testing import Emulator, Fault, FaultKind

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "testing"

Make = Callable[..., Emulator]


def run_pytest(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - pytest itself
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words],
        cwd=cwd, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.fixture
def gate() -> Callgate:
    """Library mode: it connects one number, and verifies what it is told."""
    gate = Callgate(applications={"KEY": "SECRETS="})

    @gate.ice
    def incoming(call: sinch.Ice) -> sinch.ConnectPstn | sinch.Hangup:
        is_allowed = call.to is not None and call.to.endpoint == "+15612600684"
        return sinch.ConnectPstn(max_duration=600) if is_allowed else sinch.Hangup()

    return gate


def test_the_example_of_the_guide_runs(tmp_path: Path) -> None:
    """In a run of its own, as a reader would start it, of a Flask and a FastAPI app that know nothing of us."""
    for file in EXAMPLES.glob("*.py"):
        (tmp_path / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    done = run_pytest("-q", "-W", "error", cwd=tmp_path)
    assert "6 passed, 2 xfailed" in done.stdout, done.stdout + done.stderr


def test_a_failed_test_shows_what_went_over_the_wire(tmp_path: Path) -> None:
    """Two lines an event, damage included; a test that passes shows nothing."""
    (tmp_path / "test_it.py").write_text(
        """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'{"action":{"name":"hangup"}}'})

def test_well(callgate_emulator):
    callgate_emulator(app).call("alice", "+12025550143")

def test_badly(callgate_emulator):
    assert callgate_emulator(app).call("alice", "+12025550199", faults=["unsigned:ice"]).outcome == "answered"
""",
        encoding="utf-8",
    )
    done = run_pytest(cwd=tmp_path)
    assert "1 failed, 1 passed" in done.stdout
    told = done.stdout.partition("callgate http://testserver/callbacks/sinch")[2]
    assert "ICE     alice calls number +12025550199  (unsigned on purpose)\n        200  hangup\n" in told
    assert "DiCE    MANAGERHANGUP / FAILED" in told
    assert "+12025550143" not in done.stdout


def test_the_plugin_costs_nothing_when_it_is_not_used(tmp_path: Path) -> None:
    """Of ours pytest loads the plugin, the package around it and no more; of others nothing that it did not have."""
    (tmp_path / "test_it.py").write_text(
        """
import sys

def test_nothing_is_loaded():
    ours = {name for name in sys.modules if name.partition(".")[0] == "callgate"}
    assert ours == {"callgate", "callgate.testing", "callgate.testing.plugin"}
    assert not {"aiohttp", "msgspec", "rich", "uvloop"} & set(sys.modules)
""",
        encoding="utf-8",
    )
    done = run_pytest("-q", cwd=tmp_path)
    assert "1 passed" in done.stdout, done.stdout


@pytest.mark.parametrize("door", ["asgi", "wsgi"])
def test_an_application_in_this_process(callgate_emulator: Make, gate: Callgate, door: str) -> None:
    """Signed as over the wire, on the path that is given; every event of a call, with what was answered."""
    app = gate if door == "asgi" else gate.wsgi
    emulator = callgate_emulator(app, path="/voice%20calls/x", key="KEY", secret="SECRETS=")
    call = emulator.call("alice", "+15612600684", talk="700s", custom="an order")
    assert (call.outcome, call.kinds) == ("answered", ["ice", "ace", "dice"])
    assert (call.duration_s, call.granted_s) == (600, 600)
    assert call.answer("ice") == {"action": {"name": "connectPstn", "maxDuration": 600}}
    assert call.sent("ice")["custom"] == "an order"
    assert [entry.status for entry in emulator.journal] == [200, 200, 200]
    assert emulator.call("alice", "+12025550143").outcome == "refused"
    with pytest.raises(LookupError, match="had no ace, only ice, dice"):
        emulator.call("alice", "+12025550143").answer("ace")


@pytest.mark.parametrize("door", ["asgi", "wsgi"])
def test_library_mode_passes_what_it_can_know(callgate_emulator: Make, gate: Callgate, door: str) -> None:
    """It remembers no calls, so that two checks are advice; nothing fails."""
    emulator = callgate_emulator(gate if door == "asgi" else gate.wsgi, key="KEY", secret="SECRETS=")
    report = emulator.conformance(number="+15612600684")
    assert report.failed == []
    assert set(report.advised) <= {"ended-call", "other-call-of-that-id", "other-application"}


def test_faults_strike_one_call(callgate_emulator: Make, gate: Callgate) -> None:
    """Named by words or made by hand; the next call is delivered well."""
    emulator = callgate_emulator(gate, key="KEY", secret="SECRETS=")
    for faults in (["bad_signature:ice"], [Fault(kind=FaultKind.SKEWED_CLOCK, event="ice")], ["unsigned"]):
        call = emulator.call("alice", "+15612600684", faults=faults)
        assert (call.status("ice"), call.outcome) == (401, "error")
        assert emulator.journal[-2].note is not None
    twice = emulator.call("alice", "+15612600684", faults=["duplicate:dice"])
    assert [entry.event for entry in emulator.journal if entry.call_id == twice.call_id] == [
        "ice",
        "ace",
        "dice",
        "dice",
    ]
    assert emulator.call("alice", "+15612600684").outcome == "answered"
    with pytest.raises(Invalid, match="faults: found 'eaten'"):
        emulator.call("alice", "+15612600684", faults=["eaten"])
    with pytest.raises(Invalid, match="faults: found broken"):
        emulator.call("alice", "+15612600684", faults=["broken:ice"])


def test_a_single_event_can_be_sent(callgate_emulator: Make, gate: Callgate) -> None:
    """Whatever is in it."""
    emulator = callgate_emulator(gate, key="KEY", secret="SECRETS=")
    assert emulator.send({"event": "novelty", "callid": "1"}).status == 200
    assert emulator.send({"event": "ice", "callid": "1"}, faults=["unsigned"]).status == 401


def test_an_application_that_crashes_is_an_answer_of_500(callgate_emulator: Make) -> None:
    """The call ends as a call does whose server failed, and the words are in the journal."""

    def crash(_environ: dict[str, Any], _start: Any) -> list[bytes]:
        raise RuntimeError("out of paper")

    emulator = callgate_emulator(crash)
    call = emulator.call("alice", "+15612600684")
    assert (call.status("ice"), call.outcome) == (500, "error")
    assert b"RuntimeError: out of paper" in emulator.journal[0].answer


def test_a_slow_application_is_not_waited_for(callgate_emulator: Make) -> None:
    """As little as the platform would."""

    async def asleep(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - it never comes to that
        import asyncio  # noqa: PLC0415

        if scope["type"] == "http":
            await asyncio.sleep(60)

    def blocked(_environ: dict[str, Any], _start: Any) -> list[bytes]:
        import time  # noqa: PLC0415

        time.sleep(60)
        return []

    for app in (asleep, blocked):
        call = callgate_emulator(app, timeout_s=0.1).call("alice", "+15612600684")
        assert call.events[0].fault == "no answer within 0.1 s"


def test_start_up_and_shutdown_are_run(callgate_emulator: Make) -> None:
    """Once, around everything; what the application keeps in between is there."""
    told: list[str] = []

    async def lifespan(_app: FastAPI) -> Any:
        told.append("up")
        yield {"kept": 1}
        told.append("down")

    from contextlib import asynccontextmanager  # noqa: PLC0415

    app = FastAPI(lifespan=asynccontextmanager(lifespan))

    @app.post("/callbacks/sinch")
    async def receive() -> dict[str, Any]:
        return {"action": {"name": "hangup"}}

    emulator = callgate_emulator(app)
    assert emulator.call("alice", "+15612600684").outcome == "refused"
    assert told == ["up"]
    emulator.close()
    emulator.close()
    assert told == ["up", "down"]


def test_what_is_no_callback_server_is_told(callgate_emulator: Make) -> None:
    """A page for people, nobody at all, words that are no URL, a thing that is no application."""

    async def page(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - a page reads nothing
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
            await send({"type": "http.response.body", "body": b"<html><title>Welcome</title></html>"})

    with pytest.raises(TargetUnfit, match="answers with HTML"):
        callgate_emulator(page).call("alice", "+15612600684")
    with pytest.raises(TargetUnfit, match="answers with HTML"):
        callgate_emulator(page).conformance()
    with pytest.raises(TargetUnreachable):
        callgate_emulator("http://127.0.0.1:1/callbacks").call("alice", "+15612600684")
    with pytest.raises(Invalid, match="URL"):
        callgate_emulator("callbacks")
    with pytest.raises(TypeError, match="int is no URL"):
        callgate_emulator(7)
