"""The first call whole, with the real commands and a real server: hold, settle once, refuse the next, say why."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Any

import pytest

HELD = {"posted": Decimal("0.07"), "held": Decimal("0.06"), "available": Decimal("0.01")}
SETTLED = {"posted": Decimal("0.03"), "held": Decimal(0), "available": Decimal("0.03")}


def test_one_call_from_init_to_its_end(new_gate: Callable[..., AbstractContextManager[Any]]) -> None:
    """0.07 at 0.02 a minute pays for three minutes; 61 seconds cost two; what is left pays for one, and then for none."""
    with new_gate(is_set_up=False, is_serving=False) as gate:
        run = gate.run
        assert run("init").code == 0
        deck = gate.folder / "deck.csv"
        deck.write_text(f"{gate.deck_header}4670,Sweden mobile,0.02,0,60,60,2020-01-01\n", encoding="utf-8")
        for words in (
            ["app", "add", gate.key, gate.secret],
            ["rates", "import", str(deck), "--deck", "standard"],
            ["account", "create", "alice", "--currency", "USD"],
            ["account", "topup", "alice", "0.07", "--ref", "first"],
            ["account", "topup", "alice", "0.07", "--ref", "first"],
            ["app", "limits", gate.key, "open"],
            ["account", "limits", "alice", "open"],
        ):
            gate.must(*words)
        gate.start()

        first = gate.post(gate.ice("c1"))
        action = first.json["action"]
        assert (action["name"], action["number"], action["maxDuration"]) == ("connectPstn", "+46701740605", 180)
        assert gate.wallet("alice") == HELD
        assert gate.post(gate.ice("c1")) == first
        assert gate.post(gate.ice("c1", to="+46701740606")).action == "hangup"
        assert gate.wallet("alice") == HELD

        assert gate.post(gate.ice("c2")).action == "hangup"
        shown = run("calls", "show", "c2")
        assert "insufficient_credit" in shown.out
        assert "0.01" in shown.out

        assert gate.post(gate.ace("c1")).action == "continue"
        assert [gate.post(gate.dice("c1", 61)) for _ in range(3)] == [(200, b"{}")] * 3
        assert gate.wallet("alice") == SETTLED
        for call in ("c1", "c2", "c0"):
            assert gate.post(gate.ace(call)).action == "hangup"
        assert gate.post(gate.ice("c1")).action == "hangup"
        assert gate.wallet("alice") == SETTLED

        call = gate.must("calls", "show", "c1", "--json").json
        assert (call["state"], call["charge"], call["currency"], call["billed_s"]) == ("ended", "0.04", "USD", 120)
        assert len([event for event in call["events"] if event["event"] == "dice"]) == 3
        gate.must("ledger", "verify")
        assert gate.stop() == 0


def test_a_command_is_in_force_within_a_second(new_gate: Callable[..., AbstractContextManager[Any]]) -> None:
    """A running server sees a new application, a limit, a deck and money; a call that is up keeps its price."""
    import time  # noqa: PLC0415 - only the promise of a second is waited for

    with new_gate() as gate:
        gate.post(gate.ice("before"))
        gate.must("app", "add", "second", gate.secret)
        gate.must("account", "create", "bob", "--currency", "USD", "--app", gate.key)
        gate.must("account", "limits", "bob", "open", "--app", gate.key)
        gate.must("account", "topup", "bob", "0.10", "--app", gate.key)
        gate.must("app", "limits", gate.key, "max_seconds=90")
        gate.deck("4670,Sweden mobile,0.05,0,60,60")
        time.sleep(1)
        assert gate.post({}, key="second").status == 200
        assert gate.post(gate.ice("after", user="bob")).json["action"]["maxDuration"] == 90
        gate.post(gate.dice("before", 60))
        shown = gate.must("calls", "show", "before", "--app", gate.key, "--json").json
        assert (shown["rate_per_minute"], shown["charge"]) == ("0.02", "0.02")
        shown = gate.must("calls", "show", "after", "--app", gate.key, "--json").json
        assert (shown["rate_per_minute"], shown["hold"]) == ("0.05", "0.10")


# -- callgate call -----------------------------------------------------------------------------------------------------


def place(gate: Any, *words: str) -> Any:
    """Place a call at this gate; words that come again are meant instead."""
    named = {
        "--target": f"http://127.0.0.1:{gate.port}{gate.path}",
        "--key": gate.key,
        "--secret": gate.secret,
        "--from": "alice",
        "--to": "+46701740605",
    }
    switches = [word for word in words if word == "--json"]
    rest = [word for word in words if word != "--json"]
    named |= dict(zip(rest[::2], rest[1::2], strict=True))
    return gate.call("call", *(word for pair in named.items() for word in pair), *switches)


@pytest.fixture(scope="module")
def payers(gate: Any) -> Any:
    """Accounts with a little money each."""
    for name, amount in (("timed", "0.07"), ("short", "0.07"), ("busy", "0.07")):
        gate.account(name, amount)
    gate.account("poor")
    return gate


def test_an_emulated_call_is_cut_when_the_credit_ends(payers: Any) -> None:
    """Ten minutes are talked about, three are granted, and the wallet pays for three."""
    done = place(payers, "--from", "timed", "--talk", "10m", "--json")
    assert done.code in (0, 1)
    events = done.json["events"]
    assert [event["sent"]["event"] for event in events] == ["ice", "ace", "dice"]
    assert all(event["status"] == 200 and event["ms"] >= 0 for event in events)
    assert events[0]["answer"]["action"]["maxDuration"] == 180
    assert (events[2]["sent"]["duration"], events[2]["sent"]["reason"]) == (180, "TIMEOUT")
    assert payers.wallet("timed")["posted"] == Decimal("0.01")


def test_an_emulated_call_is_drawn(payers: Any) -> None:
    """Without --json as a ladder: each event, its answer, and how it ended."""
    done = place(payers, "--from", "short", "--talk", "61s")
    assert done.code == 0
    assert all(word in done.out for word in ("ICE", "ACE", "DiCE", "connectPstn", "180", "continue", "61 s"))
    assert payers.wallet("short")["posted"] == Decimal("0.03")


@pytest.mark.parametrize("outcome", ["busy", "noanswer", "cancel", "failed"])
def test_an_emulated_call_that_nobody_answers_costs_nothing(payers: Any, outcome: str) -> None:
    """It went as asked, so that the exit code is 0."""
    done = place(payers, "--from", "busy", "--outcome", outcome)
    assert done.code == 0, done
    assert payers.wallet("busy") == {"posted": Decimal("0.07"), "held": Decimal(0), "available": Decimal("0.07")}


def test_a_refused_emulated_call_exits_with_1(payers: Any) -> None:
    """The gate said no: that is what a script wants to know."""
    done = place(payers, "--from", "poor", "--json")
    assert done.code == 1
    assert done.json["events"][0]["answer"] == {"action": {"name": "hangup"}}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--secret", "b3RoZXI="], 1),
        (["--key", "nobody"], 1),
        (["--secret", "!"], 2),
        (["--target", "http://127.0.0.1:1/callbacks/sinch"], 2),
        (["--target", "nonsense"], 2),
        (["--target", "ftp://127.0.0.1/"], 2),
        (["--target", "http://[::1/"], 2),
        (["--talk", "long"], 2),
        (["--talk", "-5s"], 2),
        (["--talk", "99999999999999999999s"], 2),
        (["--to", ""], 2),
        (["--to", "fax:123"], 2),
        (["--from", ""], 2),
        (["--outcome", "explosion"], 2),
        (["--cli", "x" * 1000], 2),
    ],
    ids=lambda words: " ".join(words)[:40] if isinstance(words, list) else str(words),
)
def test_an_emulated_call_that_cannot_be_placed_says_why(gate: Any, words: list[str], code: int) -> None:
    """In a line, without a traceback: 2 for what was typed wrong, and where no callback server is."""
    done = place(gate, *words)
    assert done.code == code, done
    assert "Traceback" not in done.err
    assert done.err or code == 1


def test_an_emulated_call_needs_no_settings(gate: Any) -> None:
    """Not even good ones."""
    done = gate.call(
        "call", "--from", "a", "--to", "+46701740605", "--target", f"http://127.0.0.1:{gate.port}/", CALLGATE_PORT="bad"
    )
    assert done.code == 2
    assert "the path at which callbacks are answered" in done.err
    assert "CALLGATE_PORT" not in done.err
    assert json.dumps(gate.secret) not in done.out
