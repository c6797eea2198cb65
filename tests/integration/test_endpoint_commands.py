"""The commands that add receivers and look after deliveries, as they are typed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from callgate.cli import main
from callgate.vault import new_key

HOOK = "http://127.0.0.1:9/hook"

Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command on a fresh database; returns what it printed, as JSON where that was asked for."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CALLGATE_SECRET_KEY", new_key())

    def run(*words: str, code: int = 0) -> Any:
        with pytest.raises(SystemExit) as left:
            main(words)
        printed = capsys.readouterr()
        assert left.value.code == code, printed.err
        text = printed.out if code == 0 else printed.err
        return json.loads(text) if code == 0 and "--json" in words else text

    run("init")
    return run


def test_an_endpoint_is_added_shown_rotated_and_stopped(run: Run) -> None:
    """Its secret is shown when it is made and never again."""
    added = run("endpoint", "add", HOOK, "--events", "call.ended", "--allow-private", "--json")
    assert added["secret"].startswith("whsec_")
    (listed,) = run("endpoint", "list", "--json")
    assert {name: listed[name] for name in ("id", "url", "events", "allow_private", "state")} == {
        "id": added["id"],
        "url": HOOK,
        "events": ["call.ended"],
        "allow_private": True,
        "state": "active",
    }
    rotated = run("endpoint", "rotate", added["id"], "--overlap", "1h", "--json")
    assert rotated["secret"] not in {added["secret"], ""}
    assert run("endpoint", "disable", added["id"], "--json")["state"] == "disabled"
    assert "disabled by the operator" in run("endpoint", "list")
    assert run("endpoint", "enable", added["id"], "--json")["why"] == ""
    assert rotated["secret"] not in run("endpoint", "list")


def test_what_cannot_be_an_endpoint_is_answered_with_what_would_do(run: Run) -> None:
    """Exit 1, one line, no traceback; nothing is kept."""
    assert "--allow-private if it is your own network" in run("endpoint", "add", HOOK, code=1)
    assert "expected types of records: call.ended" in run("endpoint", "add", HOOK, "--events", "call.end", code=1)
    assert "expected an http or https URL" in run("endpoint", "add", "crm.example.com", code=1)
    assert "callgate endpoint list" in run("endpoint", "rotate", "ep_none", code=1)
    assert "expected a duration" in run("endpoint", "rotate", "ep_none", "--overlap", "soon", code=1)
    assert run("endpoint", "list", "--json") == []


def test_deliveries_are_listed_and_asked_for_again(run: Run) -> None:
    """By id or by time, one or the other; a state that there is not is answered with those that there are."""
    assert run("deliveries", "list", "--json") == []
    assert run("deliveries", "list", "--state", "parked", "--json") == []
    assert '"parked"' in run("deliveries", "list", "--state", "lost", code=2)
    assert run("deliveries", "resend", "--since", "2h", "--json") == {"resent": 0}
    assert "callgate deliveries list" in run("deliveries", "resend", "msg_none", code=1)
    assert "a delivery's id, or --since" in run("deliveries", "resend", code=1)
    assert "a delivery's id, or --since" in run("deliveries", "resend", "msg_none", "--since", "2h", code=1)
    assert "expected a duration" in run("deliveries", "resend", "--since", "yesterday", code=1)
