"""Operators' rules on calls: what they see, what they do, what becomes of a call that one of them cannot judge."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from callgate.errors import NotFound
from callgate.policy.rules.document import read_rules
from callgate.policy.rules.facts import FACTS, MAX_TEXT
from callgate.policy.rules.judge import RuleSet, compile_rules
from callgate.protocol.call import EndpointKind, Origin
from callgate.protocol.life import CallState
from callgate.service.catalog import Catalogs
from callgate.service.decide import Facts
from callgate.service.records import Flag
from callgate.service.rule_facts import MAX_HEADERS, rule_facts
from callgate.service.rules import binding_anew, rules_report

if TYPE_CHECKING:
    from tests.conftest import House


def rule(condition: str = "true", name: str = "r", **words: Any) -> str:
    """A binding rule that refuses, unless words say otherwise."""
    told = {"name": name, "condition": condition, "effect": "refuse", "mode": "binding"} | words
    lines = [f"{key} = {value if isinstance(value, int) else repr(value)}" for key, value in told.items()]
    return "\n".join(["[[rule]]", *lines, ""])


def seen(house: "House", call: str = "c1") -> dict[str, Any]:
    """What the step of the rules saw."""
    [step] = [step for step in trace(house, call) if step["step"] == "rules"]
    return step["saw"]  # type: ignore[no-any-return]


def trace(house: "House", call: str = "c1") -> list[dict[str, Any]]:
    return msgspec.json.decode(house.call(call).trace)  # type: ignore[no-any-return]


@pytest.fixture
def alice(house: "House") -> "House":
    """She has 5.00."""
    house.open("alice", "5")
    return house


def test_a_rule_refuses_and_tells_the_caller_why(alice: "House") -> None:
    """In the language of the application; the trace has the rule, and the facts that it saw."""
    alice.set_application("locale=sv-SE")
    alice.apply_rules(rule("country == 'SE' && available < 10", name="no-sweden", text="Inte nu."))
    outcome = alice.hear(alice.arrived())
    assert msgspec.json.decode(outcome.answer) == {
        "instructions": [{"name": "say", "text": "Inte nu.", "locale": "sv-SE"}],
        "action": {"name": "hangup"},
    }
    call = alice.call()
    assert (call.state, call.refusal, call.flags) == (CallState.REFUSED, "rule", ())
    assert alice.wallet().held_micros == 0
    assert seen(alice) == {
        "version": 1,
        "facts": {"country": "SE", "available": 5.0},
        "matches": [{"rule": "no-sweden", "mode": "binding", "effect": "refuse"}],
        "rule": "no-sweden",
    }
    assert alice.hear(alice.arrived()).answer == outcome.answer


def test_a_rule_without_words_hangs_up(alice: "House") -> None:
    """As every refusal does."""
    alice.apply_rules(rule())
    assert alice.hear(alice.arrived()).answer == alice.hang_up


def test_a_rule_in_shadow_does_nothing_but_say_so(alice: "House") -> None:
    """Which it is unless its document says otherwise: the call is connected as if there were no rule."""
    without = alice.hear(alice.arrived("c0")).answer
    alice.hear(alice.ended("c0"))
    alice.apply_rules("[[rule]]\nname = 'r'\ncondition = 'true'\neffect = 'refuse'\n")
    assert alice.hear(alice.arrived()).answer == without
    assert seen(alice)["matches"] == [{"rule": "r", "mode": "shadow", "effect": "refuse"}]


def test_caps_add_up_to_the_shortest(alice: "House") -> None:
    """Those in shadow do not count; the hold is for the seconds that are left."""
    alice.apply_rules(
        rule(name="long", effect="cap", seconds=120)
        + rule(name="short", effect="cap", seconds=61)
        + rule(name="shadow", effect="cap", seconds=1, mode="shadow")
    )
    assert alice.granted_s(alice.hear(alice.arrived()).answer) == 61
    assert alice.wallet().held_micros == 40_000
    assert [match["rule"] for match in seen(alice)["matches"]] == ["long", "short", "shadow"]


def test_a_cap_never_lengthens_a_grant(alice: "House") -> None:
    """What money and limits allow stays the most."""
    alice.open("bob", "0.04")
    alice.apply_rules(rule(effect="cap", seconds=14_400))
    assert alice.granted_s(alice.hear(alice.arrived(user="bob")).answer) == 120


def test_the_highest_priority_is_asked_first(alice: "House") -> None:
    """Then those of equal priority in the order of the document; what comes after the one that decides is not asked."""
    alice.apply_rules(
        rule(name="low", priority=-1)
        + rule(name="first", text="first")
        + rule(name="second", text="second")
        + rule(name="shadow", priority=5, mode="shadow")
        + rule(name="never", condition="user == 'bob'", priority=9)
    )
    alice.hear(alice.arrived())
    assert seen(alice)["rule"] == "first"
    assert [match["rule"] for match in seen(alice)["matches"]] == ["shadow", "first"]


def test_a_rule_that_cannot_be_judged_refuses_that_call_alone(alice: "House") -> None:
    """It says nothing to the caller, the call is flagged, and what was answered is noted."""
    alice.apply_rules(rule("int(custom) > 5", name="bad", effect="cap", seconds=60))
    outcome = alice.hear(alice.arrived())
    assert (outcome.answer, outcome.note) == (alice.hang_up, "rule_failed")
    call = alice.call()
    assert (call.state, call.refusal, call.flags) == (CallState.REFUSED, "rule", (Flag.RULE_FAILED,))
    [match] = seen(alice)["matches"]
    assert match["rule"] == "bad" and "int" in match["error"]
    fine = msgspec.structs.replace(alice.arrived("c2"), custom="7")
    assert alice.granted_s(alice.hear(fine).answer) == 60


def test_a_rule_in_shadow_that_cannot_be_judged_lets_the_call_go_on(alice: "House") -> None:
    """The trace says that it failed."""
    alice.apply_rules(rule("int(custom) > 5", mode="shadow"))
    assert alice.granted_s(alice.hear(alice.arrived()).answer) > 0
    assert "int" in seen(alice)["matches"][0]["error"]
    assert alice.call().flags == ()


# -- elsewhere ---------------------------------------------------------------------------------------------------------


def test_a_rule_connects_elsewhere_for_the_price_of_there(alice: "House") -> None:
    """The hold, the rate and the number dialled are those of the new destination; the steps are run anew for it."""
    alice.apply_rules(rule(f"destination == '{alice.sweden}'", effect="connect", to=alice.germany))
    answer = msgspec.json.decode(alice.hear(alice.arrived()).answer)
    assert answer["action"]["number"] == alice.germany
    call = alice.call()
    assert (call.state, call.destination) == (CallState.ARRIVED, alice.germany)
    assert call.rate is not None and call.rate.prefix == "49"
    assert call.hold is not None and call.hold.amount_micros == alice.wallet().held_micros
    steps = [
        "application",
        "caller",
        "account",
        "destination",
        "lists",
        "rules",
        "destination",
        "lists",
        "rules",
        "rate",
        "credit",
    ]
    assert [step["step"] for step in trace(alice)] == steps
    assert trace(alice)[5]["saw"]["connects_to"] == alice.germany
    alice.hear(alice.ended(seconds=31, to=alice.germany))
    assert alice.call().charge_micros == 50_000 + 18_000
    assert alice.faults() == ()


def test_where_a_rule_connects_to_must_pass_every_step(alice: "House") -> None:
    """Another rule, a price, the credit: the first that refuses wins."""
    for to, refusal in ((alice.unpriced, "no_rate"), (alice.blocked, "no_rate"), ("+4612345", "destination_invalid")):
        alice.apply_rules(rule(f"destination == '{alice.sweden}'", effect="connect", to=to))
        call = alice.arrived(to)
        alice.hear(call)
        assert (alice.call(to).refusal, alice.wallet().held_micros) == (refusal, 0)
    alice.apply_rules(
        rule(f"destination == '{alice.sweden}'", effect="connect", to=alice.germany)
        + rule(f"destination == '{alice.germany}'", name="closed")
    )
    alice.hear(alice.arrived("last"))
    assert alice.call("last").refusal == "rule"
    assert trace(alice, "last")[-1]["saw"]["rule"] == "closed"


@pytest.mark.parametrize("first", [0, 1])
def test_a_loop_is_refused(alice: "House", first: int) -> None:
    """A call is sent elsewhere once: two rules that send it to and fro hold nothing."""
    here, there = (alice.sweden, alice.germany) if first else (alice.germany, alice.sweden)
    alice.apply_rules(
        rule(f"destination == '{alice.sweden}'", name="there", effect="connect", to=alice.germany)
        + rule(f"destination == '{alice.germany}'", name="back", effect="connect", to=alice.sweden)
    )
    alice.hear(alice.arrived(to=here))
    call = alice.call()
    assert (call.refusal, call.destination, alice.wallet().held_micros) == ("rule", there, 0)
    assert trace(alice)[-1]["saw"]["loop_after"] == ("there" if first else "back")


def test_a_rule_that_connects_to_what_is_dialled_has_nothing_to_do(alice: "House") -> None:
    """So that one may send every call to the same place, and those behind it are asked about that place."""
    alice.apply_rules(
        rule(name="all", effect="connect", to=alice.germany, priority=1) + rule(name="cap", effect="cap", seconds=60)
    )
    assert alice.granted_s(alice.hear(alice.arrived()).answer) == 60
    assert alice.call().destination == alice.germany


def test_a_cap_before_the_redirect_stays(alice: "House") -> None:
    """What a rule took from the grant is not given back by sending the call elsewhere."""
    alice.apply_rules(
        rule(f"destination == '{alice.sweden}'", name="cap", effect="cap", seconds=40, priority=1)
        + rule(f"destination == '{alice.sweden}'", name="go", effect="connect", to=alice.germany)
    )
    assert alice.granted_s(alice.hear(alice.arrived()).answer) == 40


# -- facts -------------------------------------------------------------------------------------------------------------


def test_every_fact_is_what_it_is_documented_as(alice: "House") -> None:
    """Of its type, whatever the call is like."""
    rules = rules_of(
        "".join(
            rule(f"size({name}) >= 0" if fact.kind in ("string", "map") else f"{name} == {name}", name=name)
            for name, fact in FACTS.items()
        )
    )
    assert rules.names == FACTS.keys()
    for call in (
        alice.arrived(),
        alice.arrived(cli="+46700000001", to="+870773123456"),
        alice.arrived(to="nobody", kind=EndpointKind.USER, origin=Origin.PHONE),
        alice.arrived(to="+46123"),
    ):
        facts = facts_of(alice, rules, call)
        for name in rules.names:
            kind = {"bool": bool, "int": int, "double": float, "string": str, "map": dict}[FACTS[name].kind]
            assert type(facts[name]) is kind, name


def rules_of(text: str) -> RuleSet:
    return compile_rules(read_rules(text, "rules.toml"))


def facts_of(house: "House", rules: RuleSet, call: Any, now: datetime | None = None) -> dict[str, Any]:
    opened = house.run(house.store.account(("app", "alice")))  # type: ignore[arg-type]
    assert opened is not None
    facts = Facts(
        call=call,
        application=house.application,
        account=opened.account,
        wallet=opened.wallet,
        deck=house.decks["standard"],
        now=now or house.now,
    )
    is_number = call.destination.kind is EndpointKind.NUMBER
    rate = house.decks["standard"].rate_for(call.destination.address, house.now) if is_number else None
    return rule_facts(rules, facts, rate)


@pytest.mark.parametrize(
    ("to", "abroad", "at_home"),
    [
        ("+46701740605", "elevated", "low"),
        ("+4930123456", "low", "low"),
        ("+46900123456", "high", "high"),
        ("+46123", "", ""),
    ],
)
def test_a_number_has_its_risk_class(alice: "House", to: str, abroad: str, at_home: str) -> None:
    """The one that the limit `risk_classes` goes by, which depends on where the application is at home."""
    rules = rules_of(rule("risk_class == 'high'"))
    assert facts_of(alice, rules, alice.arrived(to=to))["risk_class"] == abroad
    alice.set_application("home_country=SE")
    assert facts_of(alice, rules, alice.arrived(to=to))["risk_class"] == at_home


def test_days_begin_where_the_document_says(alice: "House") -> None:
    """Half past eleven in the evening of Monday in UTC is Tuesday in Stockholm."""
    text = rule("hour == 0 && minute == 30 && weekday == 2 && date == '2026-11-24'")
    at = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    for zone, expected in (("UTC", (23, 30, 1, "2026-11-23")), ("Europe/Stockholm", (0, 30, 2, "2026-11-24"))):
        facts = facts_of(alice, rules_of(f"time_zone = '{zone}'\n{text}"), alice.arrived(), at)
        assert (facts["hour"], facts["minute"], facts["weekday"], facts["date"]) == expected


def test_texts_from_outside_are_cut(alice: "House") -> None:
    """What a condition costs rests on it."""
    call = msgspec.structs.replace(
        alice.arrived(), custom="x" * 60_000, headers={f"h{number}": "y" * 5_000 for number in range(200)}
    )
    facts = facts_of(alice, rules_of(rule("custom == '' && 'x' in headers")), call)
    assert len(facts["custom"]) == MAX_TEXT
    assert len(facts["headers"]) == MAX_HEADERS
    assert {len(value) for value in facts["headers"].values()} == {MAX_TEXT}


def test_amounts_compare_as_they_are_written(alice: "House") -> None:
    """A cent below, and not at, a limit of as much: no rounding of binary fractions comes between."""
    for micros in (100_000, 300_000, 1_100_000, 4_350_000, 8_290_000, 1_000_000_000_010_000):
        text = f"{micros // 10**6}.{micros % 10**6:06}"
        alice.set_wallet("alice", posted_micros=micros)
        for condition, expected in ((f"available < {text}", False), (f"available <= {text}", True)):
            rules = rules_of(rule(condition))
            facts = facts_of(alice, rules, alice.arrived())
            assert bool(rules.programs[0][1].execute(facts)) is expected, condition


# -- in force ----------------------------------------------------------------------------------------------------------


def test_rules_are_compiled_once_for_each_version(alice: "House") -> None:
    """And only for the application that they are of."""
    catalogs = Catalogs(alice.store, lambda sealed: sealed.decode())
    alice.run(catalogs.refresh())
    assert catalogs.now.rules == {}
    alice.apply_rules(rule())
    alice.run(catalogs.refresh())
    first = catalogs.now.rules["app"]
    alice.set_application("trust=number")
    alice.run(catalogs.refresh())
    assert catalogs.now.rules["app"] is first
    alice.apply_rules(rule(name="other"))
    alice.run(catalogs.refresh())
    assert (first.version, catalogs.now.rules["app"].version) == (1, 2)


def test_a_stored_document_that_is_not_understood_refuses_every_call(alice: "House") -> None:
    """As after going back to a version of ours that lacks a fact: what it forbade is not known any more."""
    alice.apply_rules(rule("mood == 'bad'"))
    assert alice.hear(alice.arrived()).answer == alice.hang_up
    assert alice.call().flags == (Flag.RULE_FAILED,)
    assert "mood" in seen(alice)["matches"][0]["error"]


def test_rules_are_shown(alice: "House") -> None:
    """Those in force, an earlier version, and that there are none."""
    assert alice.run(rules_report(alice.store, "app")).version == 0
    alice.apply_rules(rule())
    alice.apply_rules(rule(name="other"))
    assert [each.name for each in alice.run(rules_report(alice.store, "app")).rules] == ["other"]
    assert alice.run(rules_report(alice.store, "app", 1)).document == rule()
    with pytest.raises(NotFound):
        alice.run(rules_report(alice.store, "app", 3))


def test_rules_that_begin_to_bind_are_named() -> None:
    """New ones, those that were in shadow, and those that say something else now."""
    before = read_rules(rule(name="same") + rule(name="changed") + rule(name="shadow", mode="shadow"), "x").rules
    after = read_rules(
        rule(name="same") + rule("1 > 2", name="changed") + rule(name="shadow") + rule(name="quiet", mode="shadow"), "x"
    ).rules
    assert binding_anew(before, after) == ["changed", "shadow"]
