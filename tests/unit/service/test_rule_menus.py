"""Rules that lead callers to a menu, and to places that are no numbers: authorized and held like a first destination."""

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from callgate.policy.rules.document import read_rules
from callgate.protocol import sinch
from callgate.protocol.call import CallInput, CallKey, EndpointKind
from callgate.protocol.life import CallState
from callgate.service.answer_input import AnswerInput
from callgate.service.backtest import Trial, backtest
from callgate.service.outcome import Outcome

if TYPE_CHECKING:
    from tests.conftest import House

SWEDEN, GERMANY, HELP = "+46701740605", "+4930123456", "+46701740606"
MENUS = f"""
[[rule]]
name = "poor"
condition = 'available < 10 && user == "alice"'
effect = "menu"
menu = "topup"
mode = "binding"

[[menu]]
id = "other"
say = "Never first."
keys = {{ 1 = "hangup" }}

[[menu]]
id = "topup"
say = "Press 1 for help, 2 for the number."
keys = {{ 1 = "number:{HELP}", 2 = "number:{GERMANY}", 3 = "conference:lounge", 9 = "hangup" }}
"""


def connect(to: str) -> str:
    return f'[[rule]]\nname = "go"\ncondition = "true"\neffect = "connect"\nto = "{to}"\nmode = "binding"\n'


def action(outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(outcome.answer)["action"]
    return found


def choose(house: "House", key: str, call: str = "c1", menu: str = "topup") -> Outcome:
    chosen = CallInput(key=CallKey(house.app, call), name="pie", fingerprint=key, menu=menu, kind="return", value=key)
    job = AnswerInput(
        chosen=chosen, body=b"{}", provider=sinch, application=house.application, decks=house.decks, dids={}, rented=(),
        now=house.now, rules=house.rules,
    )  # fmt: skip
    return house.perform(job)


@pytest.fixture
def alice(house: "House") -> "House":
    house.open("alice", "5")
    house.apply_rules(MENUS)
    return house


def test_a_rule_leads_to_a_menu(alice: "House") -> None:
    """Its own menu is the first that is played. It costs nothing, counts as a call that is up, and our timer ends it."""
    told = action(alice.hear(alice.arrived()))
    assert (told["name"], [menu["id"] for menu in told["menus"]]) == ("runMenu", ["topup", "other"])
    call = alice.call()
    assert (call.state, call.destination, call.connected) == (CallState.ARRIVED, alice.sweden, "menu:rule/poor")
    assert (alice.wallet().held_micros, alice.wallet().hold_count) == (0, 1)
    assert call.elastic is not None
    assert [step["saw"].get("connects_to") for step in msgspec.json.decode(call.trace) if step["step"] == "rules"] == [
        "menu:topup"
    ]
    alice.hear(alice.ended(seconds=90))
    assert (alice.moved(), alice.wallet().hold_count, alice.faults()) == ([], 0, ())


def test_a_choice_is_held_like_a_first_destination(alice: "House") -> None:
    """For the time in the menu too; the rule that led there has had its say, and the end is charged once."""
    alice.hear(alice.arrived())
    alice.tick(59)
    told = action(choose(alice, "1"))
    assert (told["name"], told["number"], told["cli"]) == ("connectPstn", HELP, "private")
    call = alice.call()
    assert call.rate is not None and call.rate.prefix == "46"
    assert (call.connected, call.hold and call.hold.amount_micros) == (f"number:{HELP}", alice.wallet().held_micros)
    assert choose(alice, "1") == (msgspec.json.encode({"action": told}), "repeat")
    alice.hear(alice.ended(seconds=61))
    assert (alice.moved(), alice.faults()) == ([("wallet:alice", "revenue:USD", 40_000)], ())


@pytest.mark.parametrize(("key", "why"), [("3", "no_route"), ("9", ""), ("7", "")])
def test_a_choice_that_leads_nowhere_hangs_up(alice: "House", key: str, why: str) -> None:
    """A conference that is not open, a hang-up, a key that the menu does not have."""
    alice.hear(alice.arrived())
    assert (action(choose(alice, key)), choose(alice, key).note) == ({"name": "hangup"}, "repeat")
    assert why in alice.call().trace.decode()
    alice.hear(alice.ended(seconds=5))
    assert (alice.moved(), alice.faults()) == ([], ())


def test_other_rules_still_judge_a_choice_and_loops_are_refused(alice: "House") -> None:
    """One that refuses, refuses; one that would send it elsewhere again is a loop."""
    other = '[[rule]]\nname = "x"\ncondition = \'destination == "{}"\'\nmode = "binding"\neffect = "{}"\n{}\n'
    for number, (rule, why) in enumerate(
        ((other.format(HELP, "refuse", ""), "rule"), (other.format(HELP, "connect", f'to = "{GERMANY}"'), "loop_after"))
    ):
        alice.apply_rules(MENUS + rule)
        call = f"c{number}"
        alice.hear(alice.arrived(call))
        assert action(choose(alice, "1", call))["name"] == "hangup"
        assert why in alice.call(call).trace.decode()
        alice.hear(alice.ended(call, 5))


def test_a_menu_whose_rules_are_gone_hangs_up(alice: "House") -> None:
    """Nothing says any more where a choice leads."""
    alice.hear(alice.arrived())
    alice.apply_rules("")
    assert action(choose(alice, "1")) == {"name": "hangup"}


@pytest.mark.parametrize(
    ("to", "opened", "name"),
    [
        ("user:bob", (), "connectMxp"),
        ("sip:desk@example.com", ("sip=example.com:0.01",), "connectSip"),
        ("conference:lounge", ("conference=0.02",), "connectConf"),
    ],
)
def test_a_rule_connects_to_what_is_no_number(house: "House", to: str, opened: tuple[str, ...], name: str) -> None:
    """Where the application has it open, at its price there; the hold is for that."""
    house.open("alice", "5")
    house.apply_rules(connect(to))
    if opened:
        house.hear(house.arrived("closed"))
        assert house.call("closed").refusal == "no_route"
        house.set_application(*opened)
    assert action(house.hear(house.arrived()))["name"] == name
    call = house.call()
    assert (call.state, call.connected) == (CallState.ARRIVED, to)
    assert bool(house.wallet().held_micros) is bool(opened)
    house.hear(house.ended(seconds=60))
    assert (house.call().state, house.faults()) == (CallState.ENDED, ())


def test_an_app_user_who_is_called_anyway_needs_no_redirect(house: "House") -> None:
    """As with numbers: a rule that connects to what is dialled has nothing to do."""
    house.open("alice", "5")
    house.apply_rules(connect("user:bob"))
    house.hear(house.arrived(to="bob", kind=EndpointKind.USER))
    assert (house.call().state, house.call().connected) == (CallState.ARRIVED, "user:bob")
    assert b"connects_to" not in house.call().trace


def test_a_backtest_says_that_a_call_would_go_to_the_menu(house: "House") -> None:
    """Elsewhere than it went."""
    house.open("alice", "5")
    body = msgspec.json.encode(
        {
            "event": "ice", "callid": "c1", "user": "alice", "to": {"type": "number", "endpoint": SWEDEN},
            "domain": "pstn", "applicationKey": "app", "originationType": "MXP",
        }
    )  # fmt: skip
    house.perform(dataclasses.replace(house.job(house.arrived()), body=body))  # type: ignore[type-var]
    house.tick(1)

    async def rest() -> None:
        pass

    report = house.run(
        backtest(
            house.store,
            house.catalog(),
            house.app,
            Trial(rules=read_rules(MENUS, "rules.toml")),
            since=house.now - timedelta(days=1),
            until=house.now,
            rest=rest,
        )
    )
    assert [(each.kind, each.after.destination) for each in report.changes] == [("elsewhere", "menu:rule/poor")]
