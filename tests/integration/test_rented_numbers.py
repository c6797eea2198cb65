"""Rented numbers over the API and by command: what is said of one, what will not do, and that it is shown as it was said."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from api_client import api
from tests.support.commands import Done, run_here

NUMBER, OTHER = "+46846500400", "+46846500401"
MENU = '[[menu]]\nid = "main"\nsay = "One"\nkeys = { 1 = "number:+46701740605", 9 = "hangup" }\n'
ALICE = {"id": "owner", "currency": "USD"}

Run = Callable[..., Done]


def test_numbers_are_rented_out_over_the_api() -> None:
    """Listed by number and page by page, with their routes; a number that is there gets the new route; a repeat of a request the
    same reply; and one that is removed is gone.
    """

    async def scenario() -> None:
        async with api() as (ask, _):
            await ask("POST", "/api/v1/accounts", json=ALICE)
            body = {"number": NUMBER, "account": "owner", "to": "user:bob", "receive": "0.01"}
            added = await ask("POST", "/api/v1/dids", json=body, key="k")
            assert (added.status_code, added.json()) == (
                201, {"number": NUMBER, "application": "APP", "account": "owner", "to": "user:bob", "receive": "0.01"}
            )  # fmt: skip
            assert (await ask("POST", "/api/v1/dids", json=body, key="k")).content == added.content
            assert (
                await ask("POST", "/api/v1/dids", json=body | {"to": "sip:a@b.example"}, key="k")
            ).status_code == 409
            await ask("POST", "/api/v1/dids", json={"number": "0046 846 500 401", "account": "owner", "menu": MENU})
            changed = await ask("POST", "/api/v1/dids", json=body | {"to": "number:+46701740605", "receive": ""})
            assert (changed.json()["to"], changed.json()["receive"]) == ("number:+46701740605", None)
            first = (await ask("GET", "/api/v1/dids?limit=1")).json()
            second = (await ask("GET", f"/api/v1/dids?limit=1&cursor={first['next']}")).json()
            assert [(each["number"], each["to"]) for each in first["items"] + second["items"]] == [
                (NUMBER, "number:+46701740605"), (OTHER, "menu")
            ]  # fmt: skip
            assert second["next"] is None
            assert (await ask("DELETE", "/api/v1/dids/%2B46846500400")).status_code == 204
            assert (await ask("DELETE", "/api/v1/dids/%2B46846500400")).status_code == 404
            assert [each["number"] for each in (await ask("GET", "/api/v1/dids")).json()["items"]] == [OTHER]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"number": "12"}, 400, "a number in E.164"),
        ({"to": "mars"}, 400, "user:ID, number:+E164"),
        ({"to": ""}, 400, "one of them"),
        ({"menu": MENU}, 400, "one of them"),
        ({"to": "", "menu": "nonsense"}, 400, "[[menu]] tables"),
        ({"to": "", "menu": MENU.replace("hangup", "user:bob")}, 400, "users cannot be reached from a menu"),
        ({"account": "nobody"}, 404, "there is no account nobody"),
        ({"receive": "0.01EUR"}, 409, "the price for receiving in EUR"),
        ({"receive": "-1"}, 400, "receive"),
        ({"colour": "red"}, 400, "colour"),
    ],
)
def test_what_cannot_be_said_of_a_number(change: dict[str, str], status: int, says: str) -> None:
    """The fault says what would do, and nothing is stored."""

    async def scenario() -> None:
        async with api() as (ask, store):
            await ask("POST", "/api/v1/accounts", json=ALICE)
            body = {"number": NUMBER, "account": "owner", "to": "user:bob"} | change
            refused = await ask("POST", "/api/v1/dids", json=body)
            assert (refused.status_code, says in refused.text) == (status, True), refused.text
            assert list(await store.dids()) == []

    asyncio.run(scenario())


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Commands in a folder with an application and an account."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Done:
        return run_here(capsys, words)

    for words in (("init",), ("app", "add", "KEY", "c2VjcmV0"), ("account", "create", "owner", "--currency", "USD")):
        assert run(*words)[0] == 0
    return run


def test_numbers_are_rented_out_by_command(run: Run) -> None:
    """Added, given another route, listed, removed; with `--json` as the API has them."""
    Path("menu.toml").write_text(MENU, encoding="utf-8")
    code, out, _ = run("did", "add", NUMBER, "--account", "owner", "--to", "user:bob", "--receive", "0.01")
    assert (code, out) == (0, f"Calls to {NUMBER} go to user:bob and are paid by owner.\n")
    code, out, _ = run("did", "add", OTHER, "--account", "owner", "--to", "menu:menu.toml", "--json")
    assert (code, json.loads(out)["to"]) == (0, "menu")
    assert run("did", "add", NUMBER, "--account", "owner", "--to", "conference:lounge")[0] == 0
    code, out, _ = run("did", "list")
    assert [line.split() for line in out.splitlines()[1:]] == [
        [NUMBER, "owner", "conference:lounge"], [OTHER, "owner", "menu"]
    ]  # fmt: skip
    assert [each["number"] for each in json.loads(run("did", "list", "--json")[1])] == [NUMBER, OTHER]
    assert run("did", "remove", NUMBER) == (0, f"Calls to {NUMBER} are refused from now on.\n", "")
    code, _, err = run("did", "remove", NUMBER)
    assert (code, "there is no rented number" in err) == (1, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((NUMBER, "--account", "owner", "--to", "mars"), "user:ID, number:+E164"),
        ((NUMBER, "--account", "owner", "--to", "menu:none.toml"), "a readable menu file"),
        ((NUMBER, "--account", "owner", "--to", "menu:bad.toml"), "bad.toml"),
        ((NUMBER, "--account", "nobody", "--to", "user:bob"), "there is no account nobody"),
        (("12", "--account", "owner", "--to", "user:bob"), "a number in E.164"),
    ],
)
def test_what_a_command_cannot_rent_out(run: Run, words: tuple[str, ...], says: str) -> None:
    """It exits 1, and says what would do."""
    Path("bad.toml").write_text(MENU.replace("hangup", "mars"), encoding="utf-8")
    code, _, err = run("did", "add", *words)
    assert (code, says in err, run("did", "list", "--json")[1].strip()) == (1, True, "[]"), err
