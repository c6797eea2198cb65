"""`callgate load` and `callgate conformance` against the whole server, from outside, as an operator uses them."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

SOAK = Path(__file__).parents[1] / "soak" / "million_calls.py"

SAMPLE = 20_000
"""Calls of the million that every run of the tests makes: two percent."""


def target(gate: Any) -> str:
    return f"http://127.0.0.1:{gate.port}{gate.path}"


def test_a_load_equals_the_books_to_the_micro(gate: Any) -> None:
    """What was charged is what the generator says that they talked; refused calls cost nothing, and nothing stays held."""
    gate.account("load-rich", "1000")
    gate.account("load-poor", "0.05")
    done = gate.run(
        "load", "--rate", "80", "--for", "1s", "--from", "load-rich,load-poor", "--to", "+46701740605,+46701740606",
        "--mix", "answered=70,busy=10,cancel=10,refused=10", "--repeats", "10", "--target", target(gate),
        "--key", gate.key, "--secret", gate.secret, "--json",
    )  # fmt: skip
    assert done.code == 0, done
    report = done.json
    assert (report["calls"], report["wrong"], report["unsent"]) == (80, [], 0)
    assert report["repeats"] > 0
    assert report["ended_as"]["refused"] > 20, "numbers of nobody, and who ran dry"
    assert report["ledger"]["equal"]
    rich, poor = gate.wallet("load-rich"), gate.wallet("load-poor")
    spent = Decimal("1000.05") - rich["posted"] - poor["posted"]
    assert Decimal(report["ledger"]["claimed"]["USD"]) == Decimal(report["ledger"]["moved"]["USD"]) == spent > 0
    assert rich["held"] == poor["held"] == 0


def test_other_books_are_not_compared(gate: Any, new_gate: Callable[..., AbstractContextManager[Any]]) -> None:
    """A database that has the application, but none of the calls: the table says so, and the answers alone decide."""
    words = ("--key", gate.key, "--secret", gate.secret, "--from", "alice", "--to", "+46701740605", "--for", "1s")
    with new_gate(is_serving=False) as other:
        done = other.call("load", *words, "--rate", "20", "--mix", "answered=1", "--target", target(gate))
    assert done.code == 0, done
    assert "20 calls, " in done.out
    assert "no wrong answer" in done.out
    assert "ledger: not compared: the database of the settings has none of these calls" in done.out


def test_our_own_server_passes_every_check(gate: Any) -> None:
    """Of an account that has money, and of a caller whom nobody knows; no call is left up, and nothing is charged."""
    before = gate.wallet("alice")
    for caller in ("alice", "nobody"):
        done = gate.call(
            "conformance", target(gate), "--key", gate.key, "--secret", gate.secret, "--from", caller, "--to", "+46701740605",
            "--json",
        )  # fmt: skip
        assert done.code == 0, done
        assert {each["mark"] for each in done.json["checks"]} == {"pass"}, done.out
        assert len(done.json["checks"]) > 50
    assert gate.wallet("alice") == before


def test_a_server_that_refuses_our_signature_passes_nothing_by_it(gate: Any) -> None:
    """Otherwise it would pass every check of a refusal."""
    done = gate.call("conformance", target(gate), "--key", gate.key, "--secret", "b3RoZXI=")
    assert done.code == 1
    assert "1 failed, 0 with advice, 54 not tried" in done.out
    assert "do: check the key, the secret, and that the path you sign over is that of the callback URL" in done.out


def test_what_is_no_callback_server_is_told(gate: Any) -> None:
    """A page, a path that is none, nobody at all, words that are no URL: one line, exit 2."""
    root = f"http://127.0.0.1:{gate.port}"
    for url, told in (
        (f"{root}/callbacks/nobody", "answers a POST with 404"),
        (root, "answers a POST with 405 ('405 - Callgate')"),
        ("http://127.0.0.1:1/callbacks/sinch", "nothing answers at http://127.0.0.1:1/callbacks/sinch"),
        ("http://no.such.host.invalid/x", "nothing answers at http://no.such.host.invalid/x"),
        ("sinch", "URL: found 'sinch'"),
    ):
        for words in (("conformance", url), ("load", "--target", url)):
            done = gate.call(*words)
            assert (done.code, done.out) == (2, ""), done
            assert len(done.err.splitlines()) == 1
            assert told.replace("URL", "--target" if words[0] == "load" else "URL") in done.err


@pytest.mark.timeout(240)
def test_a_sample_of_the_million_calls() -> None:
    """Many accounts, some of them poor, every fate: the books equal the generator's own account, to the micro."""
    command = [sys.executable, str(SOAK), "--calls", str(SAMPLE), "--seed", "7", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=230)  # noqa: S603 - our own script
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["faults"] == []
    assert result["calls"] == SAMPLE
    assert result["charged_micros"] == result["moved_micros"] > 0
    assert {"answered", "cut at its limit", "busy", "noanswer", "cancel", "failed", "refused"} == set(
        result["ended_as"]
    )
