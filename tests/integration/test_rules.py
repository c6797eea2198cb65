"""Operators' rules as commands and over the API, on real books, and that a running server follows."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import AsyncTestClient
from tests.support.commands import Done, run_here

from callgate.cli import main
from callgate.http.api.app import build_api
from callgate.http.api.desk import Desk
from callgate.service.add_application import AddApplication
from callgate.service.backtest_turn import backtest_turn
from callgate.service.catalog import Catalogs
from callgate.service.issue_token import issue_token
from callgate.service.token import Role
from callgate.storage.sqlite import SqliteStore

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GOOD = "[[rule]]\nname = 'r'\ncondition = 'hour > 5'\neffect = 'refuse'\nmode = 'binding'\n"
BAD = (
    "[[rule]]\nname = 'r'\ncondition = 'hor > 5'\neffect = 'refuse'\n\n"
    "[[rule]]\nname = 's'\ncondition = 'true'\neffect = 'cap'\n"
)
DECK = "prefix,destination,rate_per_min,connect_fee,first_s,next_s,effective_from\n46,Sweden,0.60,0,1,1,2020-01-01\n"

Ask = Callable[..., Awaitable[Any]]
Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Commands in a folder with an application, an account of 5.00, and a price for Sweden."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Done:
        return run_here(capsys, words)

    Path("deck.csv").write_text(DECK, encoding="utf-8")
    Path("good.toml").write_text(GOOD, encoding="utf-8")
    Path("bad.toml").write_text(BAD, encoding="utf-8")
    for words in (
        ("init",),
        ("app", "add", "KEY", "c2VjcmV0"),
        ("rates", "import", "deck.csv", "--deck", "standard"),
        ("account", "create", "alice", "--currency", "USD"),
        ("account", "topup", "alice", "5"),
        ("app", "limits", "KEY", "open"),
        ("account", "limits", "alice", "open"),
    ):
        assert run(*words)[0] == 0
    return run


def test_a_document_is_checked_without_a_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every fault by line and column, exit 1; for programs as a list."""
    monkeypatch.chdir(tmp_path)
    Path("bad.toml").write_text(BAD, encoding="utf-8")
    with pytest.raises(SystemExit, match="1"):
        main(["rules", "check", "bad.toml"])
    said = capsys.readouterr().err
    assert "line 3, column 14: found the fact 'hor'; expected hour? one of the facts application," in said
    assert "line 6, column 1: found no seconds" in said
    with pytest.raises(SystemExit, match="1"):
        main(["rules", "check", "bad.toml", "--json"])
    assert [(fault["line"], fault["column"]) for fault in json.loads(capsys.readouterr().out)["errors"]] == [
        (3, 14), (6, 1)
    ]  # fmt: skip
    with pytest.raises(SystemExit, match="1"):
        main(["rules", "check", "none.toml"])


def test_rules_are_applied_and_shown(run: Run) -> None:
    """A bad document changes nothing; a good one says what binds now; earlier versions stay."""
    assert run("rules", "show")[1].startswith("KEY has no rules")
    code, _, said = run("rules", "apply", "bad.toml")
    assert (code, "bad.toml cannot be used" in said) == (1, True)
    assert json.loads(run("rules", "show", "--json")[1])["version"] == 0
    code, out, _ = run("rules", "apply", "good.toml")
    assert (code, out) == (
        0, "Version 1 is in force for KEY: 1 rule, 1 binding, 0 in shadow\nBinding from now on: r\n"
    )  # fmt: skip
    Path("empty.toml").write_text("# none\n", encoding="utf-8")
    assert json.loads(run("rules", "apply", "empty.toml", "--json")[1])["version"] == 2
    assert run("rules", "apply", "good.toml", "--base", "1")[0] == 1
    assert GOOD.strip() in run("rules", "show", "--version", "1")[1]
    assert run("rules", "show", "--version", "7")[0] == 1
    assert [each["version"] for each in json.loads(run("rules", "history", "--json")[1])] == [2, 1]
    assert run("rules", "history")[0] == 0


def test_a_call_that_has_not_happened_is_explained(run: Run) -> None:
    """In lines for a person and as the trace for a program."""
    code, out, _ = run("rules", "explain", "--from", "user:alice", "--to", "+46701740605")
    assert code == 0
    assert "connect for at most 500 s, 5.00 USD held for 500 s" in out
    assert "deck standard, prefix 46, file deck.csv, line 2" in out
    assert "rate_per_minute 0.6" in out
    run("rules", "apply", "good.toml")
    code, out, _ = run("rules", "explain", "--from", "user:alice", "--to", "+46701740605", "--json")
    rules = next(step for step in json.loads(out) if step["step"] == "rules")
    assert rules["saw"]["facts"].keys() == {"hour"}
    assert rules["saw"]["version"] == 1
    for words in ((), ("c1", "--from", "user:alice"), ("--to", "+46701740605"), ("c1",), ("--from", "x", "--to", "y")):
        assert run("rules", "explain", *words)[0] == 1


def with_api(steps: Callable[[Ask, SqliteStore, Catalogs], Awaitable[None]]) -> None:
    """An API over one application, asked by an admin."""

    async def scenario() -> None:
        store = SqliteStore(":memory:")
        await store.migrate()
        await store.open()
        await store.perform(
            AddApplication(provider="sinch", key="APP", secret="c2VjcmV0", name="", seal=str.encode, now=NOW)
        )
        catalogs = Catalogs(store, lambda sealed: sealed.decode())
        await catalogs.refresh()
        token = await issue_token(store, "ops", Role.ADMIN, NOW)
        platform: Any = None  # no platform is asked
        async with AsyncTestClient(build_api(Desk(store, catalogs, platform, lambda: NOW))) as client:

            async def ask(method: str, path: str, **how: Any) -> Any:
                headers = {"authorization": f"Bearer {token}"} | how.pop("headers", {})
                return await client.request(method, f"/api/v1{path}", headers=headers, **how)

            await steps(ask, store, catalogs)
        await store.close()

    asyncio.run(scenario())


def test_rules_over_the_api() -> None:
    """TOML or JSON in, faults with their places, who applied them, and a dry run that changes nothing."""

    async def steps(ask: Ask, store: SqliteStore, _: Catalogs) -> None:
        assert (await ask("GET", "/rules")).json()["version"] == 0
        dry = await ask("PUT", "/rules?dry_run=true", content=GOOD)
        assert (dry.status_code, dry.json()["version"], dry.json()["binding_anew"]) == (200, 0, ["r"])
        assert await store.rules_in_force() == []
        done = await ask("PUT", "/rules", content=GOOD)
        assert (done.status_code, done.json()["version"]) == (200, 1)
        shown = (await ask("GET", "/rules")).json()
        assert (shown["document"], shown["applied_by"], shown["rules"][0]["mode"]) == (GOOD, "token:ops", "binding")
        assert (await ask("PUT", "/rules", json={"document": "# none\n"})).json()["version"] == 2
        assert (await ask("GET", "/rules?version=1")).json()["document"] == GOOD
        assert (await ask("GET", "/rules?version=9")).status_code == 404
        assert (await ask("PUT", "/rules?base=1", content=GOOD)).status_code == 409
        bad = await ask("PUT", "/rules", content=BAD)
        assert (bad.status_code, bad.json()["type"].rpartition("/")[2]) == (400, "rules-invalid")
        assert [fault["field"] for fault in bad.json()["errors"]] == ["line 3, column 14", "line 6, column 1"]
        for how in ({"content": b"\xff"}, {"json": {"doc": ""}}, {"json": []}):
            assert (await ask("PUT", "/rules", **how)).status_code == 400
        assert [each.version for each in await store.rules_in_force()] == [2]

    with_api(steps)


def test_explanations_over_the_api() -> None:
    """Of a call that has not happened; one that is not there is not found."""

    async def steps(ask: Ask, _: SqliteStore, __: Catalogs) -> None:
        found = await ask("GET", "/rules/explain?from=user:bob&to=%2B46701740605")
        assert (found.status_code, found.json()["refusal"]) == (200, "caller_unknown")
        assert [step["step"] for step in found.json()["trace"]] == ["application", "caller", "answer"]
        assert (await ask("GET", "/rules/explain?call_id=c1")).status_code == 404
        assert (await ask("GET", "/rules/explain?call_id=c1&from=user:bob")).status_code == 400
        assert (await ask("GET", "/rules/explain")).status_code == 400

    with_api(steps)


def test_a_backtest_is_asked_for_by_command(run: Run) -> None:
    """Of rules and of decks; what cannot be tried exits 1."""
    code, out, _ = run("rules", "backtest", "good.toml", "--since", "1d")
    assert (code, "0 calls since" in out, "rule r: matched 0" in out) == (0, True, True)
    code, out, _ = run("rules", "backtest", "--deck", "standard=deck.csv", "--json")
    assert (code, json.loads(out)["changed"], json.loads(out)["is_complete"]) == (0, 0, True)
    for words in (
        (), ("bad.toml",), ("--deck", "standard"), ("--deck", "none=deck.csv"), ("--deck", "standard=none.csv"),
        ("good.toml", "--since", "soon"), ("--list", "hot=numbers.txt"), ("--list", "hot:maybe=numbers.txt"),
        ("--list", "hot:deny=none.txt"), ("--list", "hot"),
    ):  # fmt: skip
        assert run("rules", "backtest", *words)[0] == 1


def test_lists_are_backtested_by_command(run: Run) -> None:
    """A new one with its kind; one that is in force by its name alone; a word in it is named by its line."""
    Path("numbers.txt").write_text("+46701740605\n+4690*\n", encoding="utf-8")
    code, out, _ = run("rules", "backtest", "--list", "hot:deny=numbers.txt", "--json")
    assert (code, json.loads(out)["changed"]) == (0, 0)
    assert run("list", "create", "hot", "--kind", "allow")[0] == 0
    assert run("rules", "backtest", "--list", "hot=numbers.txt", "--list", "cold:deny=numbers.txt")[0] == 0
    Path("numbers.txt").write_text("+46701740605\nspam\n\n46\n", encoding="utf-8")
    code, _, err = run("rules", "backtest", "--list", "hot=numbers.txt")
    assert (code, "line 2" in err, "line 4" in err) == (1, True, True)


def test_a_backtest_over_the_api() -> None:
    """Rules and decks; nothing to try, a bad document, a deck that is not there are refused."""

    async def steps(ask: Ask, _: SqliteStore, __: Catalogs) -> None:
        found = await ask("POST", "/rules/backtest?since=2026-11-01T00:00:00Z", content=GOOD)
        assert (found.status_code, found.json()["calls"], found.json()["rules"]) == (
            200, 0, [{"rule": "r", "matched": 0, "failed": 0}]
        )  # fmt: skip
        for how, status in (
            ({"content": BAD}, 400), ({"json": {}}, 400), ({"json": {"rules": GOOD}}, 400), ({"content": b"\xff"}, 400),
            ({"json": {"decks": {"none": DECK}}}, 404), ({"json": {"document": GOOD}}, 200),
            ({"json": {"lists": {"hot": {"kind": "deny", "entries": ["+46*"]}}}}, 200),
            ({"json": {"lists": {"hot": {"entries": ["+46*"]}}}}, 400),
            ({"json": {"lists": {"hot": {"kind": "deny", "entries": ["+46*", "spam"]}}}}, 400),
        ):  # fmt: skip
            assert (await ask("POST", "/rules/backtest", **how)).status_code == status
        async with backtest_turn():  # whoever runs it: the dashboard takes its turn there too
            busy = await ask("POST", "/rules/backtest", content=GOOD)
        assert (busy.status_code, "try again when it is done" in busy.text) == (409, True)
        assert (await ask("POST", "/rules/backtest", content=GOOD)).status_code == 200

    with_api(steps)
