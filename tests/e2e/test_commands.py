"""Commands as an operator types them, right and wrong: what they print, what they leave, and with which code they exit."""

import json
import random
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Any

import pytest

from callgate.cli import COMMANDS, GROUPS

NewGate = Callable[..., AbstractContextManager[Any]]

HEADER = "prefix,destination,rate_per_min,connect_fee,first_s,next_s,effective_from"


@pytest.fixture(scope="module")
def desk(new_gate: NewGate) -> Any:
    """A gate without a server, which tests of this file change as they like."""
    with new_gate(is_serving=False) as gate:
        yield gate


NAMES = [name.split() for name in COMMANDS]


@pytest.mark.parametrize("words", [[], *(group.split() for group in GROUPS)], ids=" ".join)
def test_help_lists_every_command_with_a_sentence(desk: Any, words: list[str]) -> None:
    """Of all, or of one group."""
    done = desk.call(*words, "--help")
    assert (done.code, done.err) == (0, "")
    assert desk.call(*words) == done
    listed = dict(re.findall(r"^  (\S+(?: \S+)*) {2,}(\S.*\.)$", done.out, re.MULTILINE))
    assert set(listed) == {" ".join(name) for name in NAMES if name[: len(words)] == words}


@pytest.mark.parametrize("words", NAMES, ids=" ".join)
def test_every_command_tells_what_it_is_for(desk: Any, words: list[str]) -> None:
    """`--help` names each parameter with a few words, on a terminal of usual width."""
    done = desk.call(*words, "--help", COLUMNS="80")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(" ".join(["Usage: callgate", *words]))
    entries = re.findall(r"^│ (?:\*  )? *(\S.*?)(?:  +(\S.*?))? *│$", done.out, re.MULTILINE)
    assert all(about for name, about in entries if re.match(r"--|[A-Z]+ --", name)), done.out
    assert max(map(len, done.out.splitlines())) <= 80


def test_help_loads_no_more_than_it_needs(desk: Any) -> None:
    """What takes long to load is loaded by the commands that need it: help is there at once."""
    slow = {
        "sqlite3",
        "uvicorn",
        "structlog",
        "aiohttp",
        "phonenumbers",
        "sqlalchemy",
        "litestar",
        "rich.markdown",
        "cryptography",
    }
    program = "import sys\nfrom callgate.cli import main\ntry:\n    main(sys.argv[1:])\nfinally:\n    print(*sorted(sys.modules))"
    for words in ([], ["account", "create"], ["call"]):
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", program, *words, "--help"],
            env=desk.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert slow & set(done.stdout.splitlines()[-1].split()) == set(), words


def test_init_leaves_what_is_there_alone(new_gate: NewGate) -> None:
    """The file is for its owner only, and says every setting; the token is shown once."""
    with new_gate(is_set_up=False, is_serving=False) as gate:
        gate.settings = {}
        first = gate.must("init", "--json").json
        file, database = gate.folder / "callgate.toml", gate.folder / "callgate.db"
        assert file.stat().st_mode & 0o777 == 0o600
        assert first["token"]
        assert first["token"] not in file.read_text(encoding="utf-8")
        settings = file.read_text(encoding="utf-8")
        gate.must("app", "add", gate.key, gate.secret)
        again = gate.must("init", "--json").json
        assert again == {**first, "token": None}
        assert file.read_text(encoding="utf-8") == settings
        assert gate.key in gate.must("app", "list").out
        assert gate.secret.encode() not in database.read_bytes()
        assert first["token"].encode() not in database.read_bytes()
        database.unlink()
        gate.must("init")
        assert file.read_text(encoding="utf-8") == settings
        assert gate.must("migrate", "--check", "--json").json == gate.must("migrate", "--json").json


def test_wrong_settings_stop_every_command(desk: Any) -> None:
    """Where, what was found and what would do, in one line; the database is not touched."""
    before = (desk.folder / "gate.db").read_bytes()
    (desk.folder / "bad.toml").write_text("host = '::1'\nprot = 80\n", encoding="utf-8")
    for words in (["serve"], ["app", "list"], ["account", "topup", "alice", "5"], ["migrate"], ["ledger", "verify"]):
        for done in (
            desk.call(*words, "--config", "bad.toml"),
            desk.call(*words, "--config", "nosuch.toml"),
            desk.call(*words, CALLGATE_PORT="http"),
        ):
            assert done.code == 1
            assert len(done.err.splitlines()) == 1
        assert "bad.toml, line 2, prot" in desk.call(*words, "--config", "bad.toml").err
    assert (desk.folder / "gate.db").read_bytes() == before


def test_secrets_are_never_shown(desk: Any) -> None:
    """Neither when they are given nor when applications are listed."""
    secret = "ZXZlbiB0aGlzIG9uZSBpcyBhIHNlY3JldA=="
    shown = [
        desk.must("app", "add", "quiet", secret, "--name", "Quiet", "--json"),
        desk.call("app", "add", "quiet", secret),
        desk.call("app", "add", "quiet2", secret[:-1] + "!"),
        desk.must("app", "list"),
        desk.must("app", "list", "--json"),
        desk.must("app", "set", "quiet"),
    ]
    assert shown[0].json == {"key": "quiet", "name": "Quiet", "provider": "sinch", "status": "active"}
    for done in shown:
        assert secret[:12] not in done.out + done.err
        assert desk.secret_key not in done.out + done.err


def test_what_applications_and_accounts_are_set_to(new_gate: NewGate) -> None:
    """Without a value it is shown, with one it is set, and a bad one changes nothing."""
    with new_gate(is_serving=False) as gate:
        assert gate.must("app", "set", gate.key, "trust=number", "freshness=60").code == 0
        assert gate.call("app", "set", gate.key, "freshness=59", "trust=everybody").code == 1
        assert (
            gate.must("app", "set", gate.key, "--json").json.items() >= {"trust": "number", "freshness": "60"}.items()
        )
        for words in (["app", "limits", gate.key], ["account", "limits", "alice"]):
            assert gate.must(*words, "max_seconds=90", "--json").json["max_seconds"] == 90
            for bad in ("max_seconds=0", "max_seconds=14401", "max_seconds=", "max_seconds=1.5", "max=5", "90", "none"):
                done = gate.call(*words, "max_seconds=80", bad)
                assert (done.code, len(done.err.splitlines())) == (1, 1), bad
            assert gate.must(*words, "--json").json["max_seconds"] == 90
            assert gate.must(*words, "max_seconds=none", "--json").json["max_seconds"] is None
            gate.must(*words, "max_seconds=90")
            assert gate.must(*words, "open", "--json").json["max_seconds"] is None


def test_accounts_are_created_once_and_topped_up_once(desk: Any) -> None:
    """The same reference moves nothing; the same reference for another amount is refused."""
    app = ("--app", desk.key)
    created = desk.must("account", "create", "erin", "--currency", "eur", "--deck", "euro", *app, "--json").json
    assert (created["id"], created["currency"], created["available"]) == ("erin", "EUR", "0.00")
    assert created["identities"] == ["user:erin"]
    assert desk.call("account", "create", "erin", "--currency", "EUR", *app).code == 1
    assert desk.call("account", "create", "erin2", "--currency", "EUR", "--identity", "user:erin", *app).code == 1
    assert desk.call("account", "show", "erin2", *app).code == 1
    first = desk.must("account", "topup", "erin", "25.00", "--ref", "inv-1", *app, "--json").json
    assert first["available"] == "25.00"
    assert desk.must("account", "topup", "erin", "25", "--ref", "inv-1", *app, "--json").json == first
    assert desk.call("account", "topup", "erin", "26", "--ref", "inv-1", *app).code == 1
    assert desk.must("account", "show", "erin", *app, "--json").json["posted"] == "25.00"


@pytest.mark.parametrize(
    "amount",
    [
        "0",
        "-1",
        "1e3",
        "1E-3",
        "NaN",
        "Infinity",
        "0x10",
        "1,5",
        "1_000",
        "٣",
        "",
        " ",
        "0.0000001",
        "9" * 400,
        "1" + "0" * 12,
        "$5",
    ],
)
def test_amounts_are_plain_decimals(desk: Any, amount: str) -> None:
    """Anything else is refused, never guessed, and nothing moves."""
    done = desk.call("account", "topup", "alice", "--amount", amount, "--app", desk.key)
    assert done.code == 1
    assert "expected" in done.err
    assert desk.must("account", "show", "alice", "--app", desk.key, "--json").json["posted"] == "1000000.00"


def test_which_application_is_meant_must_be_plain(desk: Any) -> None:
    """`--app` may be left out while there is only one."""
    desk.call("app", "add", "second-app", desk.secret)
    done = desk.call("account", "show", "alice")
    assert done.code == 1
    assert "--app" in done.err
    assert desk.call("account", "show", "alice", "--app", "third").code == 1
    assert desk.call("account", "show", "alice", "--app", "second-app").code == 1


# -- decks -------------------------------------------------------------------------------------------------------------

BAD_DECKS = {
    "empty": b"",
    "no rows": HEADER.encode(),
    "another header": b"code,colour\n46,blue\n",
    "no CSV": bytes(range(256)),
    "a spreadsheet's numbers": f"{HEADER}\n4.67E+01,Sweden,0.02,0,60,60,2020-01-01\n".encode(),
    "a bad price": f"{HEADER}\n46,Sweden,0.02,0,60,60,2020-01-01\n47,Norway,cheap,0,60,60,2020-01-01\n".encode(),
    "a negative price": f"{HEADER}\n46,Sweden,-0.02,0,60,60,2020-01-01\n".encode(),
    "a price without end": f"{HEADER}\n46,Sweden,1e999999999,0,60,60,2020-01-01\n".encode(),
    "a bad increment": f"{HEADER}\n46,Sweden,0.02,0,0,60,2020-01-01\n".encode(),
    "a bad date": f"{HEADER}\n46,Sweden,0.02,0,60,60,01/02/2020\n".encode(),
    "a missing cell": f"{HEADER}\n46,Sweden,0.02\n".encode(),
    "a prefix twice": f"{HEADER}\n46,Sweden,0.02,0,60,60,2020-01-01\n46,Sweden,0.03,0,60,60,2020-01-01\n".encode(),
    "two currencies": f"{HEADER},currency\n46,S,1,0,1,1,2020-01-01,USD\n47,N,1,0,1,1,2020-01-01,EUR\n".encode(),
    "an open quote": f'{HEADER}\n46,"Sweden,0.02,0,60,60,2020-01-01\n'.encode(),
    "another encoding": f"{HEADER}\n46,Su".encode() + b"\xe8de,0.02,0,60,60,2020-01-01\n",
    "NUL": f"{HEADER}\n46,Swe\x00den,0.02,0,60,60,2020-01-01\n".encode(),
}


@pytest.mark.parametrize("name", BAD_DECKS)
def test_a_faulty_deck_changes_nothing(desk: Any, name: str) -> None:
    """Its file and line are told, and the deck in force stays, dry run or not."""
    file = desk.folder / "bad.csv"
    file.write_bytes(BAD_DECKS[name])
    for more in ([], ["--dry-run"], ["--mode", "merge"], ["--json"]):
        done = desk.call("rates", "import", "bad.csv", "--deck", "standard", *more)
        assert done.code == 1
        assert re.search(r"line \d+", done.err), done.err
        assert "bad.csv" in done.err
        assert "Traceback" not in done.err
    quote = desk.must("rates", "quote", "+46701740605", "--seconds", "61", "--json").json
    assert (quote["prefix"], quote["charge"], quote["currency"]) == ("4670", "0.04", "USD")


def test_a_dry_run_changes_nothing(desk: Any) -> None:
    """It says what would change, in the shape of the API, and then nothing has."""
    file = desk.folder / "dearer.csv"
    file.write_text(f"{HEADER}\n4670,S,0.03,0,60,60,2020-01-01\n47,N,1,0,1,1,2020-01-01\n", encoding="utf-8")
    change = desk.must("rates", "import", "dearer.csv", "--deck", "standard", "--dry-run", "--json").json
    assert {name: change[name] for name in ("added", "removed", "dearer", "cheaper", "unchanged", "errors")} == {
        "added": 1, "removed": 0, "dearer": 1, "cheaper": 0, "unchanged": 0, "errors": [],
    }  # fmt: skip
    assert desk.must("rates", "quote", "+46701740605", "--seconds", "61", "--json").json["charge"] == "0.04"
    assert desk.call("rates", "quote", "+4722222222", "--seconds", "61").code == 1


def test_a_deck_keeps_the_currency_of_its_accounts(desk: Any) -> None:
    """Nor may the option say another one than the file."""
    file = desk.folder / "euro.csv"
    file.write_text(f"{HEADER},currency\n4670,S,0.03,0,60,60,2020-01-01,EUR\n", encoding="utf-8")
    for more in ([], ["--currency", "USD"], ["--mode", "merge"], ["--currency", "XXX"]):
        done = desk.call("rates", "import", "euro.csv", "--deck", "standard", *more)
        assert done.code == 1, done
        assert "EUR" in done.err or "XXX" in done.err
    assert desk.must("rates", "quote", "+46701740605", "--seconds", "61", "--json").json["currency"] == "USD"
    desk.must("rates", "import", "euro.csv", "--deck", "eurodeck")
    app = ("--app", desk.key)
    assert desk.call("account", "create", "frank", "--currency", "USD", "--deck", "eurodeck", *app).code == 1
    assert desk.call("account", "show", "frank", *app).code == 1


def test_a_quote_says_how_long_an_account_could_pay(new_gate: NewGate) -> None:
    """The API's object, with amounts as decimal strings."""
    with new_gate(is_serving=False) as gate:
        gate.account("grace", "0.07")
        quote = gate.must("rates", "quote", "+46701740605", "--seconds", "61", "--account", "grace", "--json").json
        assert (quote["rate_per_minute"], quote["connect_fee"], quote["charge"]) == ("0.02", "0.00", "0.04")
        assert quote["affordable_seconds"] == 180
        assert gate.call("rates", "quote", "+46701740605", "--seconds", "61", "--account", "nobody").code == 1
        assert gate.call("rates", "quote", "+46701740605", "--seconds", "61", "--deck", "nosuch").code == 1


# -- calls and the ledger ----------------------------------------------------------------------------------------------


def test_calls_are_listed_newest_first(gate: Any) -> None:
    """All of them, the live ones, or the last few."""
    for call in ("list-1", "list-2", "list-3"):
        gate.post(gate.ice(call))
    gate.post(gate.dice("list-2", 5))
    listed = [call["call_id"] for call in gate.must("calls", "list", "--limit", "3", "--json").json]
    assert listed == ["list-3", "list-2", "list-1"]
    live = [call["call_id"] for call in gate.must("calls", "list", "--live", "--limit", "1000", "--json").json]
    assert "list-3" in live and "list-2" not in live
    assert gate.must("calls", "list", "--limit", "1").out.count("\n") == 2
    for limit in ("0", "-1", "1001", "1.5", "1e2", "9" * 30):
        assert gate.call("calls", "list", "--limit", limit).code == 2, limit


def test_a_call_is_shown_with_the_reason_of_its_decision(gate: Any) -> None:
    """Every step that ran, what it saw, and the refusal in words."""
    gate.post(gate.ice("why", user="nobody"))
    done = gate.must("calls", "show", "why")
    assert "caller_unknown" in done.out
    assert "nobody" in done.out
    shown = gate.must("calls", "show", "why", "--json").json
    assert shown["decision"]["outcome"] == "refuse"
    assert shown["decision"]["refusal"] == "caller_unknown"
    assert [step["step"] for step in shown["decision"]["trace"]][-1] == "caller"


def test_the_ledger_is_verified(new_gate: NewGate) -> None:
    """Sound books exit with 0; a wallet that somebody wrote into does not."""
    import sqlite3  # noqa: PLC0415 - one test breaks the books by hand

    with new_gate(is_serving=False) as gate:
        assert gate.must("ledger", "verify", "--json").json["faults"] == []
        with sqlite3.connect(gate.folder / "gate.db") as database:
            database.execute("UPDATE wallets SET posted_micros = posted_micros + 1")
        database.close()
        done = gate.call("ledger", "verify", "--json")
        assert done.code == 1
        assert done.json["faults"]
        assert gate.call("ledger", "verify").code == 1


# -- what a hand may type ----------------------------------------------------------------------------------------------

MISUSED = [
    ["nosuch"], ["app", "nosuch"], ["--nosuch"], ["account", "create"], ["account", "create", "x"],
    ["account", "create", "x", "--currency"], ["account", "create", "x", "y", "z", "--currency", "USD"],
    ["account", "topup", "alice"], ["rates", "import"], ["rates", "import", "x.csv"],
    ["rates", "import", "x.csv", "--deck", "d", "--mode", "nosuch"], ["rates", "quote", "+46701740605"],
    ["rates", "quote", "+46701740605", "--seconds", "many"], ["rates", "quote", "+46701740605", "--seconds", "1.5"],
    ["calls", "list", "--limit", "few"], ["calls", "show"], ["calls", "show", "a", "b"], ["ledger", "verify", "x"],
    ["init", "--json=maybe"], ["serve", "--workers", "x"], ["call"], ["call", "--from", "a"], ["call", "--nosuch", "1"],
]  # fmt: skip


@pytest.mark.parametrize("words", MISUSED, ids=" ".join)
def test_what_is_not_understood_exits_with_2(desk: Any, words: list[str]) -> None:
    """And says what was wrong, and where there is help."""
    done = desk.call(*words)
    assert (done.code, done.out) == (2, ""), done
    assert 1 <= len(done.err.splitlines()) <= 2
    assert "Traceback" not in done.err


def test_no_words_make_a_command_fall_over(desk: Any) -> None:
    """Seeded: commands with strange words in every place exit 0, 1 or 2, in a few lines, and keep the books sound."""
    pick = random.Random(7)  # noqa: S311 - a seed, not a secret
    strange = [
        "", " ", "-", "--", "---", "-1", "0", "1e999", "9" * 5000, "NaN", "0.1", "😀", "\u202e", "é", "\udcff", "\n", "\t",
        "\x1b[31m", "'", '"', "\\", "%s", "{}", "../..", "alice", "USD", "user:alice",
        "number:+46701740605", "+46701740605", "none",
        "open", "max_seconds=9", "max_seconds=" + "9" * 5000, "freshness=-1", "trust=", "=", "a=b", "x" * 5000, "--json",
        "--app", "--config", "--limit", "--ref", "--deck", "--currency", "--identity", "--seconds", "--help", "-h", "--version",
        "alice;drop table wallets", "%", "None", "null", "[]", "callgate.toml", "gate.db", "standard",
    ]  # fmt: skip
    known = [name for name in NAMES if name[-1] not in ("serve", "dev", "call", "tail", "emulate")]
    for _ in range(250):
        words = [*pick.choice(known), *(pick.choice(strange) for _ in range(pick.randrange(6)))]
        done = desk.call(*words)
        assert done.code in (0, 1, 2), words
        assert "Traceback" not in done.err, words
        assert len(done.err.splitlines()) <= 25, words
        if "--json" in words and done.code == 0 and not {"--help", "-h", "--version"} & set(words):
            json.loads(done.out)
    assert desk.must("ledger", "verify").code == 0
    posted = desk.must("account", "show", "alice", "--app", desk.key, "--json").json["posted"]
    assert Decimal(posted) >= 1_000_000
