"""The commands that add receivers and look after deliveries, as they are typed."""

import json
import sqlite3
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


def test_a_connector_is_added_with_a_token_from_a_file(run: Run, tmp_path: Path) -> None:
    """Checked before anything is kept; the token is never shown, and lies encrypted."""
    file = tmp_path / "token"
    file.write_text("pat-a-secret\n")
    add = ("endpoint", "add", "--kind", "hubspot", "--token-file", str(file), "--allow-private")
    added = run(*add, "--set", "owner_id=5", "--json")
    assert added["secret"] is None
    (listed,) = run("endpoint", "list", "--json")
    assert (listed["kind"], listed["url"], listed["options"]) == (
        "hubspot",
        "https://api.hubapi.com",
        {"owner_id": "5"},
    )
    assert listed["events"][0] == "call.ended"
    assert "pat-a-secret" not in json.dumps(listed) + run("endpoint", "list")
    assert b"pat-a-secret" not in (tmp_path / "callgate.db").read_bytes()
    assert "for that one callgate endpoint token" in run("endpoint", "rotate", added["id"], code=1)
    file.write_text("another")
    assert run("endpoint", "token", added["id"], "--token-file", str(file), "--json") == {"id": added["id"]}
    assert "one of contact" in run(*add, "--set", "owner=5", code=1)
    assert "NAME=VALUE" in run(*add, "--set", "owner", code=1)
    assert "hubspot, pipedrive, salesforce, zendesk" in run(
        "endpoint", "add", "--kind", "sugar", "--token-file", str(file), code=1
    )
    assert "no token" in run("endpoint", "add", "--kind", "hubspot", code=1)
    assert "for a connector only" in run(*add, "--events", "overrun", code=1) or "types of records" in run(
        *add, "--events", "overrun", code=1
    )


def test_a_webhook_is_limited_paced_and_signed_as_told(run: Run) -> None:
    """By options; of a pair of keys only the public one is shown."""
    add = ("endpoint", "add", HOOK, "--allow-private")
    words = ("--set", "signing=ed25519", "--set", "per_s=50", "--apps", "a,b", "--accounts", "alice")
    assert run(*add, *words, "--json")["secret"].startswith("whpk_")
    (listed,) = run("endpoint", "list", "--json")
    assert (listed["applications"], listed["accounts"]) == (["a", "b"], ["alice"])
    assert run("endpoint", "rotate", listed["id"], "--json")["secret"].startswith("whpk_")
    assert "hmac or ed25519" in run(*add, "--set", "signing=rsa", code=1)
    assert "from 1 to" in run(*add, "--set", "per_s=0", code=1)
    assert "per_s or signing" in run(*add, "--set", "speed=1", code=1)


def test_an_endpoint_that_does_not_work_says_so_when_it_is_tried(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1, with the reason; nothing is queued."""
    named = run("endpoint", "add", HOOK, "--allow-private", "--json")["id"]
    with pytest.raises(SystemExit) as left:
        main(["endpoint", "test", named])
    assert left.value.code == 1
    assert "does not work: no connection" in capsys.readouterr().out
    assert run("deliveries", "list", "--json") == []


def test_the_doctor_says_which_endpoint_is_not_well(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that failed for days, or fails now; not one that the operator has disabled."""

    def found(code: int) -> tuple[str, str]:
        with pytest.raises(SystemExit) as left:
            main(("doctor", "--json"))
        assert left.value.code == code
        (line,) = [each for each in json.loads(capsys.readouterr().out) if each["about"] == "endpoints"]
        assert line["is_well"] is (code == 0)
        return line["found"], line["advice"]

    def change(statement: str) -> None:
        with sqlite3.connect(tmp_path / "callgate.db") as books:
            books.execute(statement)
        books.close()

    named = run("endpoint", "add", HOOK, "--allow-private", "--json")["id"]
    run("endpoint", "disable", named)
    assert found(0) == ("1, all of which take their records", "")
    change("UPDATE endpoints SET why = 'failing for 5 days, last: answered 500'")
    disabled = (f"{named} was disabled: failing for 5 days, last: answered 500",)
    assert found(1)[:1] == disabled and f"endpoint enable {named}" in found(1)[1]
    change("UPDATE endpoints SET state = 'active', why = 'answered 500', failing_since = 0")
    assert found(1) == (f"{named} fails since 1970-01-01 00:00Z: answered 500", f"callgate endpoint test {named}")


def test_an_endpoint_for_mail_needs_no_kind(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Its URL says it; there is no secret to show, and none to rotate; tried without a mail server it says so."""
    added = run("endpoint", "add", "mailto:ops@example.com", "--json")
    assert added["secret"] is None
    (listed,) = run("endpoint", "list", "--json")
    assert (listed["kind"], listed["url"]) == ("email", "mailto:ops@example.com")
    assert "endpoint.disabled" in listed["events"]
    assert "its login is in the settings" in run("endpoint", "rotate", added["id"], code=1)
    with pytest.raises(SystemExit) as left:
        main(("endpoint", "test", added["id"]))
    assert (left.value.code, "no_mail_server" in capsys.readouterr().out) == (1, True)
