"""The commands as an operator types them: exit codes, what they print, and what they say when they cannot."""

import asyncio
import importlib
import io
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.commands import Done, run_here

import callgate
from callgate.cli import COMMANDS, GROUPS, module_of
from callgate.protocol import PROVIDERS, WireRequest, sinch
from callgate.rating.deck import Deck
from callgate.service.authorize import Authorize
from callgate.service.set_limits import SetAccountLimits
from callgate.service.settle import Settle
from callgate.service.signature_fault import SignatureFault
from callgate.storage.sqlite import SqliteStore

KEY, SECRET, OTHER = "669E367E-6BBA-48AB-AF15-266871C28135", "BeIukql3pTKJ8RGL5zo0DA==", "b3RoZXIgc2VjcmV0"
DECK = "prefix,destination,rate_per_min,connect_fee,first_s,next_s,effective_from\n46,Sweden,0.60,0,1,1,2020-01-01\n"


Run = Callable[..., Done]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with settings, a database, one application, a deck and an account with 10 dollars; made once."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "deck.csv").write_text(DECK)
    for words in (
        ["init"],
        ["app", "add", KEY, SECRET],
        ["rates", "import", "deck.csv", "--deck", "standard"],
        ["account", "create", "alice", "--currency", "USD"],
        ["account", "topup", "alice", "10", "--ref", "first"],
        ["app", "limits", KEY, "open"],
        ["account", "limits", "alice", "open"],
    ):
        subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "callgate", *words], cwd=folder, check=True, capture_output=True, timeout=60
        )
    return folder


@pytest.fixture
def run(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in a fresh copy of the prepared folder."""
    for name in [name for name in os.environ if name.startswith("CALLGATE_")]:
        monkeypatch.delenv(name)
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return lambda *words: run_here(capsys, words)


def on_books(work: Callable[[SqliteStore], Any]) -> Any:
    """Work on the database of the folder that we are in, as the server would."""

    async def inside() -> Any:
        store = SqliteStore("callgate.db")
        await store.open()
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(inside())


def callback(event: dict[str, Any]) -> tuple[Any, bytes]:
    body = json.dumps(event).encode()
    headers = {"authorization": f"application {KEY}:x", "content-type": "application/json"}
    return sinch.understand(WireRequest(method="POST", path="/callbacks/sinch", headers=headers, body=body)), body


async def place_call(store: SqliteStore, call_id: str, talked_s: int | None) -> None:
    """Let a call of alice through, and end it unless it is still up."""
    rows, heads = await store.applications(), await store.deck_heads()
    decks = {
        head.name: Deck(name=head.name, currency=head.currency, rows=await store.deck_rows(head)) for head in heads
    }
    number = {"type": "number", "endpoint": "+46701740605"}
    ice, body = callback(
        {"event": "ice", "callid": call_id, "to": number, "user": "alice", "originationType": "mxp", "cli": ""}
    )
    provider = PROVIDERS["sinch"]
    await store.perform(
        Authorize(
            call=ice, body=body, provider=provider, application=rows[0], decks=decks, now=datetime.now(UTC),
            orphan_after=timedelta(seconds=600),
        )
    )  # fmt: skip
    if talked_s is not None:
        dice, body = callback(
            {
                "event": "dice", "callid": call_id, "result": "ANSWERED", "reason": "CALLERHANGUP", "to": number,
                "duration": talked_s, "user": "alice",
            }
        )  # fmt: skip
        await store.perform(Settle(ended=dice, body=body, provider=provider, now=datetime.now(UTC)))


# -- the command line itself -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", list(COMMANDS))
def test_every_command_is_there_and_says_what_it_does(words: str) -> None:
    """The sentence of the list is the first of the command's own page."""
    name = words.rpartition(" ")[2].replace("-", "_")
    module = importlib.import_module(f"callgate.cli.{module_of(words)}")
    function = getattr(module, name, None) or getattr(module, f"{name}_")
    assert function.__doc__.startswith(COMMANDS[words])


def test_lists(run: Run, tmp_path: Path) -> None:
    """Made, filled, imported, printed and deleted; a file with a word in it changes nothing and names its line."""
    assert run("list", "create", "fraud", "--kind", "deny").out == "Made deny list fraud, empty.\n"
    assert run("list", "add", "fraud", "+4690*", "+881*").out == "List fraud: 2 added, 0 removed, 0 unchanged\n"
    assert run("list", "remove", "fraud", "+881*", "--json").json == {"added": 0, "removed": 1, "unchanged": 1}
    (tmp_path / "bad.csv").write_text("+4690*\nsweden\n")
    bad = run("list", "import", "fraud", str(tmp_path / "bad.csv"))
    assert bad.code == 1 and "line 2: found 'sweden'" in bad.err
    (tmp_path / "good.csv").write_text("number,why\n+4690*,premium\n+46701740605,bob\n")
    would = run("list", "import", "fraud", str(tmp_path / "good.csv"), "--dry-run")
    assert would.out == "Would change list fraud: 1 added, 0 removed, 1 unchanged\n"
    assert run("list", "import", "fraud", str(tmp_path / "good.csv")).code == 0
    assert run("list", "show", "fraud").out == "+46701740605\n+4690*\n"
    shown = run("list", "show", "fraud", "--json").json
    assert (shown["kind"], shown["entries"]) == ("deny", ["+46701740605", "+4690*"])
    assert "fraud" in run("list", "list").out
    assert run("list", "delete", "fraud").out == "Deleted deny list fraud, which had 2 entries.\n"
    missing = run("list", "add", "fraud", "+1*")
    assert missing.code == 1 and "there is no list fraud" in missing.err


def test_help_lists_every_command(run: Run) -> None:
    """On one page, and a group's on one of its own; without loading anything."""
    page = run("--help")
    assert (page.code, page.err) == (0, "")
    assert all(f"  {words} " in page.out for words in COMMANDS)
    assert run().out == page.out
    for group in GROUPS:
        listed = run(*group.split(), "--help").out
        assert [words for words in COMMANDS if f"  {words} " in listed] == [
            words for words in COMMANDS if words.startswith(f"{group} ")
        ]
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "callgate", "--help"], capture_output=True, text=True, check=True
    ).stderr
    assert "cyclopts" not in loaded and "msgspec" not in loaded


@pytest.mark.parametrize("words", list(COMMANDS))
def test_every_command_has_a_page(run: Run, words: str) -> None:
    """`--help` explains each; all but those that run until they are stopped take --json."""
    page = run(*words.split(), "--help")
    assert page.code == 0
    assert ("--json" in page.out) == (words not in {"serve", "dev", "emulate"})


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["account", "nonsense"],
        ["account", "show"],
        ["account", "show", "alice", "--nonsense"],
        ["account", "create", "bob"],
        ["account", "statement", "alice", "--limit", "0"],
        ["account", "statement", "alice", "--limit", "99999999999999999999999"],
        ["calls", "list", "--limit", "many"],
        ["token", "create", "ops", "--role", "king"],
        ["svaml", "check", "deck.csv", "--event", "nonsense"],
        ["sinch", "token", "alice", "--ttl", "59"],
        ["sinch", "token", "alice", "--ttl", "99999999999999999999"],
        *(["dev", "--rate", rate] for rate in ("0", "-1", "nan", "inf", "many")),
        ["dev", "--port", "65536"],
        ["completions", "tcsh"],
        ["account", "show", "a\udcff"],
        ["account", "show", "a\0b"],
    ],
)
def test_what_is_not_understood_exits_with_2(run: Run, words: list[str]) -> None:
    """And says what would have been."""
    done = run(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.endswith("Try: callgate --help\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["account", "show", "nobody"], "there is no account nobody"),
        (["account", "statement", "nobody"], "there is no account nobody"),
        (["account", "topup", "alice", "NaN"], "expected a decimal such as 25.00"),
        (["account", "topup", "alice", "5", "--app", "other"], f"there are: {KEY}"),
        (["account", "adjust", "alice", "-10.01", "--why", "x"], "at most 10.00 USD is possible"),
        (["account", "adjust", "alice", "1", "--why", ""], "why: found ''"),
        (["account", "refund", "nocall", "1", "--why", "x"], "there is no call nocall"),
        (["account", "set", "alice", "credit_limit=-1"], "expected 0 or more"),
        (["account", "set", "alice", "deck=nosuch"], "there is no deck nosuch"),
        (["app", "rotate", KEY, "?"], "application secret"),
        (["app", "rotate", KEY, SECRET], "is the secret of application"),
        (["app", "rotate", KEY, OTHER, "--until", "tomorrow"], "2026-03-01T12:00:00Z"),
        (["app", "rotate", KEY, OTHER, "--until", "2020-01-01T00:00:00Z"], "a time from now"),
        (["app", "suspend", "other"], "there is no application other"),
        (["app", "set", KEY, "lost_dice=half"], "expected one of auto, post_full, void"),
        (["app", "set", KEY, "home_country=XX"], "an ISO 3166 code such as SE"),
        (["account", "set", "alice", "hours=always"], "Mo-Fr 08:00-18:00; Sa 10:00-14:00"),
        (["app", "set", KEY, "fallback=connect"], "expected one of hangup, connect_limited"),
        (["app", "set", KEY, "platform=mars"], "expected global, use1, euc1"),
        (["app", "set", KEY, "platform=http://example.com"], "http to 'example.com'; expected https://HOST"),
        (["app", "set", KEY, "platform=https://u:p@example.com"], "a user or password in it"),
        (["calls", "hangup", "nocall"], "there is no call nocall"),
        (["account", "suspend", "nobody", "--hangup"], "there is no account nobody"),
        (["token", "revoke", "nobody"], "there is no token nobody"),
        (["token", "create", "", "--role", "admin"], "token name"),
        (["token", "create", "cg_x", "--role", "admin"], "token name"),
        (["calls", "show", "nocall"], "there is no call nocall"),
        (["calls", "tail", "--app", "other"], "there is no application other"),
        (["svaml", "check", "missing.json", "--event", "ice"], "missing.json: found No such file"),
        (["svaml", "check", ".", "--event", "ice"], "expected a readable JSON file"),
        (["sinch", "token", "a/b"], "user: found 'a/b'"),
        (["rates", "import", ".", "--deck", "x"], "expected a readable CSV file"),
        (["account", "show", "alice", "--config", "none.toml"], "no such file"),
    ],
)
def test_what_cannot_be_done_exits_with_1(run: Run, words: list[str], said: str) -> None:
    """One line that says what was found and what would do; nothing on standard output."""
    done = run(*words)
    assert (done.code, done.out) == (1, "")
    assert said in done.err
    assert done.err.count("\n") == 1


def test_python_runs_the_package() -> None:
    """`python -m callgate` is the command, where that is not on the path."""
    told = subprocess.run([sys.executable, "-m", "callgate", "--version"], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == callgate.__version__


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completions_know_the_commands(run: Run, shell: str) -> None:
    """The script of each shell names groups, commands and options."""
    script = run("completions", shell).out
    assert all(word in script for word in ("account", "topup", "--ref"))
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)  # noqa: S607 - whichever bash is installed


# -- tokens, applications ----------------------------------------------------------------------------------------------


def test_tokens_come_and_go(run: Run) -> None:
    """Printed once, listed by their beginning, revoked by name or beginning."""
    token = run("token", "create", "ops", "--role", "operator", "--json").json["token"]
    listed = run("token", "list", "--json").json
    assert [(each["name"], each["role"]) for each in listed] == [("first", "admin"), ("ops", "operator")]
    assert token.startswith(listed[1]["hint"]) and token not in run("token", "list").out
    assert run("token", "revoke", listed[1]["hint"], "--json").json == {"revoked": [listed[1]["hint"]]}
    assert "Revoked first" in run("token", "revoke", "first").out
    assert run("token", "list", "--json").json == []


def test_an_application_is_rotated_and_suspended(run: Run) -> None:
    """No secret is ever printed."""
    rotated = run("app", "rotate", KEY, OTHER, "--json")
    until = datetime.fromisoformat(rotated.json["old_secret_until"])
    assert timedelta(hours=23) < until - datetime.now(UTC) <= timedelta(hours=24)
    assert OTHER not in rotated.out + run("app", "list", "--json").out
    assert run("app", "suspend", KEY, "--json").json["status"] == "suspended"
    assert run("app", "resume", KEY).out == f"Application {KEY} is active.\n"
    assert run("app", "rotate", KEY, SECRET, "--until", "now").code == 0


def test_settings_of_an_application_are_shown(run: Run) -> None:
    """With words those are set first; with --json all of them as an object."""
    assert "freshness=60\n" in run("app", "set", KEY, "freshness=60", "trust=number").out
    assert run("app", "set", KEY, "--json").json["trust"] == "number"


# -- accounts ----------------------------------------------------------------------------------------------------------


def test_money_is_moved_by_hand(run: Run) -> None:
    """Adjusted in both directions; a repeated reference moves nothing."""
    added = run("account", "adjust", "alice", "2.50", "--why", "goodwill", "--ref", "a1", "--json").json
    assert (added["available"], added["currency"]) == ("12.50", "USD")
    assert "nothing moved" in run("account", "adjust", "alice", "2.50", "--why", "goodwill", "--ref", "a1").out
    assert run("account", "adjust", "alice", "-12.50", "--why", "gone").out == (
        "Adjusted by -12.50. Available: 0.00 USD\n"
    )
    lines = run("account", "statement", "alice", "--json").json
    assert [(line["kind"], line["amount"], line["posted"]) for line in lines] == [
        ("adjustment", "-12.50", "0.00"),
        ("adjustment", "2.50", "12.50"),
        ("topup", "10.00", "10.00"),
    ]
    assert lines[0]["who"].startswith("cli:") and lines[0]["why"] == "gone"
    assert len(run("account", "statement", "alice", "--limit", "1", "--json").json) == 1
    assert "goodwill" in run("account", "statement", "alice").out
    assert run("ledger", "verify").code == 0


def test_a_call_is_refunded_and_its_account_closed(run: Run) -> None:
    """A whole call: what it was charged is the most that comes back; a hold keeps its account open."""
    on_books(lambda store: place_call(store, "c1", 100))
    on_books(lambda store: place_call(store, "c2", None))
    assert run("account", "refund", "c1", "0.40", "--why", "noise", "--json").json["currency"] == "USD"
    refused = run("account", "refund", "c1", "0.61", "--why", "noise")
    assert refused.code == 1 and "at most 0.60 USD is possible" in refused.err
    assert "was not charged: it is arrived" in run("account", "refund", "c2", "1", "--why", "noise").err
    assert "has 1 open hold" in run("account", "close", "alice").err
    assert run("account", "suspend", "alice", "--json").json["status"] == "suspended"
    assert run("account", "resume", "alice", "--json").json["status"] == "active"
    assert run("ledger", "verify").code == 0


def test_an_account_without_calls_is_closed(run: Run) -> None:
    """And may be opened again, since people close the wrong one."""
    assert run("account", "close", "alice", "--json").json["status"] == "closed"
    assert run("account", "suspend", "alice").code == 1
    assert run("account", "resume", "alice", "--json").json["status"] == "active"


def test_an_account_may_owe(run: Run) -> None:
    """The credit limit counts towards what is available; without words the account is shown."""
    assert run("account", "set", "alice", "credit_limit=5", "--json").json["available"] == "15.00"
    assert run("account", "set", "alice", "--json").json["credit_limit"] == "5.00"


# -- signatures, answers, tokens of users ------------------------------------------------------------------------------

BODY = b'{"event":"ace","callid":"822aa4b7-05b4-4d83-87c7-1f835ee0b6f6_257","timestamp":"2014-09-24T10:59:41Z","version":1}'
HEAD = (
    "{method} {path} HTTP/1.1\r\nHost: gate.example.com\r\nContent-Type: {kind}\r\nX-Timestamp: {stamp}\r\n"
    f"Authorization: application {KEY}:Tg6fMyo8mj9pYfWQ9ssbx3Tc1BNC87IEygAfLbJqZb4=\r\n\r\n"
)
GENUINE = {
    "method": "POST",
    "path": "/sinch/callback/ace",
    "kind": "application/json",
    "stamp": "2014-09-24T10:59:41Z",
}


@pytest.fixture
def verify(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`signature verify` with a request on standard input; its ingredient and exit code."""

    def verify(raw: bytes, *, secret: str = SECRET, path: str = GENUINE["path"], more: tuple[str, ...] = ()) -> Done:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        return run("signature", "verify", "--secret", secret, "--path", path, *more, "--json")

    return verify


@pytest.mark.parametrize(
    ("changed", "options", "ingredient"),
    [
        ({}, {}, None),
        ({"method": "PUT"}, {}, "method"),
        ({}, {"path": "/callbacks/sinch"}, "path"),
        ({"kind": "application/json; charset=utf-8"}, {}, "content type"),
        ({"stamp": "2014-09-24T10:59:42Z"}, {}, "timestamp"),
        ({}, {"more": ("--key", "another")}, "key"),
        ({}, {"secret": "BeIukql3pTKJ8RGL5zo0D!=="}, "secret encoding"),
        ({}, {"secret": OTHER}, "body bytes"),
    ],
)
def test_the_ingredient_that_differs_is_named(
    verify: Run, changed: dict[str, str], options: dict[str, Any], ingredient: str | None
) -> None:
    """Exit 0 only for a request that is genuine, however old; the documented example of the platform."""
    done = verify(HEAD.format(**GENUINE | changed).encode() + BODY, **options)
    assert (done.code, done.json["genuine"], done.json["ingredient"]) == (
        int(bool(ingredient)),
        not ingredient,
        ingredient,
    )


def test_a_body_that_was_changed_is_named(verify: Run) -> None:
    """One blank is enough."""
    assert verify(HEAD.format(**GENUINE).encode() + BODY + b" ").json["ingredient"] == "body bytes"
    assert verify(HEAD.format(**GENUINE).encode() + BODY.replace(b'"version":1', b'"version":2')).code == 1


def test_a_path_that_a_proxy_changed_is_told(verify: Run) -> None:
    """The signature is right for what the platform calls, and the server must be told what that is."""
    done = verify(HEAD.format(**GENUINE | {"path": "/behind/the/proxy"}).encode() + BODY)
    assert done.code == 0 and "it arrived at '/behind/the/proxy'" in done.json["explanation"]


def test_a_capture_may_have_plain_line_ends(verify: Run) -> None:
    """As editors and here-documents write them, with a line feed behind the body where its length tells it apart."""
    head = HEAD.format(**GENUINE).replace("\r\n\r\n", f"\r\nContent-Length: {len(BODY)}\r\n\r\n").replace("\r", "")
    assert verify(head.encode() + BODY + b"\n").code == 0


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n\n",
        b"hello",
        b"POST /x\r\n\r\n",
        b"POST /x HTTP/1.1\r\nnonsense\r\n\r\n",
        b"\xff\xfe\x00 a HTTP/9\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused_or_not_genuine(verify: Run, raw: bytes) -> None:
    """Never a traceback, whatever was piped in."""
    assert verify(raw).code == 1


def test_faults_of_an_answer_have_path_and_line(run: Run) -> None:
    """As JSON, and one a line; an answer that is well has none."""
    Path("bad.json").write_text(
        '{\n "instructions": [\n  {"name": "say"}],\n "action": {"name": "connectPstn",\n  "maxDuration": 20000}}'
    )
    bad = run("svaml", "check", "bad.json", "--event", "ice", "--json")
    assert bad.code == 1
    assert [(fault["line"], fault["path"]) for fault in bad.json] == [
        (3, "$.instructions[0].text"),
        (5, "$.action.maxDuration"),
    ]
    assert "line 5, $.action.maxDuration: found 20000" in run("svaml", "check", "bad.json", "--event", "ice").out
    Path("good.json").write_text('{"action": {"name": "hangup"}}')
    assert run("svaml", "check", "good.json", "--event", "ice") == Done(0, "Nothing is wrong with it.\n", "")
    assert run("svaml", "check", "good.json", "--event", "ice", "--json").json == []


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"action":\n{"name" "x"}}', "[" * 5000, "\xff"])
def test_what_is_no_json_has_a_line_too(run: Run, text: str) -> None:
    """A half-written file is the usual case."""
    Path("bad.json").write_bytes(text.encode("latin-1"))
    done = run("svaml", "check", "bad.json", "--event", "ice", "--json")
    assert done.code == 1 and done.json[0]["line"] >= 1


def test_a_user_gets_a_token_of_its_application(run: Run) -> None:
    """A JWT that names the user, with the expiry beside it."""
    done = run("sinch", "token", "alice", "--ttl", "120", "--json").json
    head, claims, signature = done["token"].split(".")
    assert all((head, claims, signature))
    assert run("sinch", "token", "alice").out.count(".") == 2


# -- is everything well ------------------------------------------------------------------------------------------------


def test_the_doctor_finds_nothing(run: Run) -> None:
    """On a fresh set-up every line says ok, and the exit code too."""
    done = run("doctor")
    assert done.code == 0, done.out
    lines = run("doctor", "--json").json
    assert all(line["is_well"] for line in lines)
    assert [line["about"] for line in lines] == [
        "settings",
        "disk",
        "database",
        "clock",
        "secrets",
        "ledger",
        "rules",
        "callbacks",
        "endpoints",
        "exports",
        "openid",
        "callback URL",
    ]


def test_the_doctor_asks_the_provider(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """At which people sign in to the dashboard; one that is not there is told with the address to look at."""
    monkeypatch.setenv("CALLGATE_APP_OIDC_ISSUER", "http://127.0.0.1:9/op")
    monkeypatch.setenv("CALLGATE_APP_OIDC_AUDIENCE", "app")
    line = the_bad_line(run("doctor", "--json"))
    assert line["about"] == "openid" and "app_oidc_issuer" in line["found"]
    assert "http://127.0.0.1:9/op/.well-known/openid-configuration" in line["advice"]


def the_bad_line(done: Done) -> dict[str, Any]:
    assert done.code == 1
    (line,) = [line for line in done.json if not line["is_well"]]
    assert line["advice"]
    return dict(line)


def test_the_doctor_sees_what_is_wrong(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thing at a time: each by its name, with what to do."""
    Path("callgate.toml").chmod(0o644)
    assert the_bad_line(run("doctor", "--json"))["about"] == "settings"
    Path("callgate.toml").chmod(0o600)

    monkeypatch.setenv("CALLGATE_SECRET_KEY", "A" * 43 + "=")
    assert the_bad_line(run("doctor", "--json"))["about"] == "secrets"
    monkeypatch.delenv("CALLGATE_SECRET_KEY")

    monkeypatch.setenv("CALLGATE_DATABASE_URL", "sqlite:///elsewhere.db")
    assert the_bad_line(run("doctor", "--json"))["about"] == "database"
    monkeypatch.delenv("CALLGATE_DATABASE_URL")

    monkeypatch.setenv("CALLGATE_PUBLIC_URL", "http://gate.invalid")
    assert "not encrypted" in the_bad_line(run("doctor", "--json"))["found"]
    monkeypatch.setenv("CALLGATE_PUBLIC_URL", "http://127.0.0.1:1")
    assert "does not answer" in the_bad_line(run("doctor", "--json"))["found"]
    monkeypatch.setenv("CALLGATE_PORT", "many")
    assert the_bad_line(run("doctor", "--json"))["about"] == "settings"


def test_the_doctor_tells_of_callbacks_that_were_refused(run: Run) -> None:
    """Those with a known key within the last hour; the command beside it lists all that are kept."""
    faults = [
        SignatureFault(
            at=datetime.now(UTC) - age, provider="sinch", application=KEY, is_known=is_known, path="/callbacks/sinch",
            ingredient="path", explanation="signed for '/x'", more_count=7,
        )
        for age, is_known in ((timedelta(hours=2), True), (timedelta(0), False))
    ]  # fmt: skip
    on_books(lambda store: store.keep_faults(faults, 100))
    assert run("doctor").code == 0
    on_books(lambda store: store.keep_faults([faults[0].__class__(**{**_fields(faults[1]), "is_known": True})], 100))
    assert the_bad_line(run("doctor", "--json"))["about"] == "callbacks"
    listed = run("signature", "failures", "--json").json
    assert [(each["is_known"], each["ingredient"], each["more"]) for each in listed] == [
        (True, "path", 7),
        (False, "path", 7),
        (True, "path", 7),
    ]
    assert "signed for '/x'" in run("signature", "failures").out


def _fields(fault: SignatureFault) -> dict[str, Any]:
    return {name: getattr(fault, name) for name in fault.__struct_fields__}


def test_a_tail_tells_of_decisions_and_ends(run: Run) -> None:  # noqa: ARG001 - its folder is where this works
    """One object a line as things happen; Ctrl-C is its proper end."""
    with subprocess.Popen(
        [sys.executable, "-m", "callgate", "calls", "tail", "--json"], stdout=subprocess.PIPE, text=True
    ) as tail:
        assert tail.stdout is not None
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=lambda out: [lines.put(line) for line in out], args=(tail.stdout,), daemon=True).start()
        told: list[dict[str, Any]] = []
        for number in range(200):  # until it has started to look
            on_books(lambda store, number=number: place_call(store, f"call-{number}", 5))
            while not lines.empty():
                told.append(json.loads(lines.get()))
            if any(each["event"] == "decided" for each in told):
                break
        try:
            if told[-1]["event"] == "decided":  # it looked between the decision and the end
                told.append(json.loads(lines.get(timeout=20)))
            tail.send_signal(signal.SIGINT)
            assert tail.wait(timeout=20) == 0
        finally:
            tail.kill()
    decided, ended = told[-2:]
    assert (decided["event"], ended["event"], ended["state"]) == ("decided", "ended", "ended")
    assert (decided["call_id"], ended["charge"]) == (ended["call_id"], "0.05")


# -- the platform ------------------------------------------------------------------------------------------------------


def make_up(platform: Any, *call_ids: str) -> None:
    """Calls of alice that are up, here and at the platform."""

    async def place(store: SqliteStore) -> None:
        await store.perform(SetAccountLimits(application=KEY, account="alice", words=("max_seconds=60",)))
        for call_id in call_ids:
            await place_call(store, call_id, None)

    on_books(place)
    platform.calls |= {call_id: {"callId": call_id, "status": "ONGOING"} for call_id in call_ids}


def test_a_live_call_is_hung_up(run: Run, platform: Any) -> None:
    """At the platform that is set; one that has ended, or that the platform does not know, is refused with the reason."""
    assert f"platform={platform.url}\n" in run("app", "set", KEY, f"platform={platform.url}/").out
    make_up(platform, "live", "other", "gone")
    on_books(lambda store: place_call(store, "over", 30))
    done = run("calls", "hangup", "live")
    assert (done.code, done.err) == (0, "") and "ends call live" in done.out
    assert set(platform.calls) == {"other", "gone"}
    assert run("calls", "hangup", "other", "--json", "--app", KEY).json == {"call_id": "other", "hung_up": True}
    platform.calls.clear()
    assert "the platform knows no call gone" in run("calls", "hangup", "gone").err
    over = run("calls", "hangup", "over")
    assert (over.code, over.out) == (1, "") and "it is ended" in over.err


def test_what_keeps_a_call_from_being_hung_up(run: Run, platform: Any) -> None:
    """Nobody there, a secret that is not the platform's, a page instead of an answer: one clear line each."""
    make_up(platform, "live")
    run("app", "set", KEY, "platform=http://127.0.0.1:1")
    assert run("calls", "hangup", "live").err.endswith("no connection to 127.0.0.1:1: Connection refused\n")
    run("app", "set", KEY, f"platform={platform.url}")
    platform.secret = OTHER
    refused = run("calls", "hangup", "live")
    assert refused.code == 1 and "40102, the signature is not right: look at the application's secret" in refused.err
    assert "The platform says: Invalid signature" in refused.err and SECRET not in refused.err

    async def page(_: Any) -> Any:
        from aiohttp import web  # noqa: PLC0415 - for this answer alone

        return web.Response(text="<html>", status=404)

    platform.misbehave = page
    assert "something that is not the platform answered" in run("calls", "hangup", "live").err


def test_an_account_is_suspended_with_its_calls(run: Run, platform: Any) -> None:
    """All live calls of the account are ended; one that cannot be is named, with exit code 1, and the account is suspended."""
    run("app", "set", KEY, f"platform={platform.url}")
    make_up(platform, "one", "two", "three")
    on_books(lambda store: place_call(store, "over", 30))
    done = run("account", "suspend", "alice", "--hangup")
    assert (done.code, done.out) == (0, "Account alice is suspended. Calls that the platform ends: 3.\n")
    assert platform.calls == {}
    assert run("account", "show", "alice", "--json").json["status"] == "suspended"
    platform.secret = OTHER
    failed = run("account", "suspend", "alice", "--hangup", "--json")
    assert failed.code == 1
    assert failed.json["hung_up"] == [] and set(failed.json["failed"]) == {"one", "two", "three"}


def test_callback_urls_are_read_and_set(run: Run, platform: Any) -> None:
    """The fallback stays unless another is named, or none."""
    run("app", "set", KEY, f"platform={platform.url}")
    spare, new = "https://spare.example.com/", "https://gate.example.com/callbacks/sinch"
    assert run("sinch", "callbacks", "get", "--json").json["primary"] == "https://old.example.com/callbacks/sinch"
    assert run("sinch", "callbacks", "set", new).out == f"primary   {new}\nfallback  {spare}\n"
    other = run("sinch", "callbacks", "set", new, "--fallback", "https://b.example.com/x", "--json").json
    assert other == {"primary": new, "fallback": "https://b.example.com/x"}
    assert run("sinch", "callbacks", "set", new, "--fallback", "none").out == f"primary   {new}\nfallback  -\n"
    wrong = run("sinch", "callbacks", "set", "gate.example.com")
    assert wrong.code == 1 and "expected an http or https URL" in wrong.err
    assert platform.callbacks["primary"] == new


def test_the_region_of_an_application(run: Run) -> None:
    """By name; `default` is the usual one."""
    assert "platform=default\n" in run("app", "set", KEY).out
    assert "platform=euc1\n" in run("app", "set", KEY, "platform=euc1").out
    assert run("app", "set", KEY, "platform=default", "--json").json["platform"] == "default"


def test_a_folder_of_three_files_is_imported(run: Run) -> None:
    """A tariff plan of CGRateS; a folder without one of them is named."""
    folder = Path("plan")
    folder.mkdir()
    rates = "#Id,ConnectFee,Rate,RateUnit,RateIncrement,GroupIntervalStart\nRT,0,0.02,60s,60s,0s\n"
    (folder / "Rates.csv").write_text(rates)
    (folder / "Destinations.csv").write_text("#Id,Prefix\nSE,46\nSE,4670\n")
    broken = run("rates", "import", "plan", "--deck", "cg")
    assert broken.code == 1 and "No such file" in broken.err
    (folder / "DestinationRates.csv").write_text("DR,SE,RT,*up,4,0,\n")
    assert run("rates", "import", "plan", "--deck", "cg", "--json").json["added"] == 2
    assert "prefix 4670 at 0.02" in run("rates", "quote", "+46701740605", "--seconds", "60", "--deck", "cg").out
