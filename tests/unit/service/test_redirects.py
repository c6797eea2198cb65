"""Refused callers who are led on: to a rented number of the operator's, paid by its owner, for so long and no longer."""

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from callgate.errors import Invalid
from callgate.policy.account import Status
from callgate.policy.redirects import FINAL
from callgate.policy.refusal import Refusal
from callgate.protocol import sinch
from callgate.protocol.call import CallArrived, CallInput, CallKey, EndpointKind
from callgate.protocol.life import CallState
from callgate.service.answer_input import AnswerInput
from callgate.service.application import Application, ApplicationSettings
from callgate.service.backtest import Trial, backtest
from callgate.service.did import Did
from callgate.service.explain import explain_call
from callgate.service.redirect import redirections_of
from callgate.service.rented import read_did

if TYPE_CHECKING:
    from tests.conftest import House

SWEDEN, GERMANY, RENTED = "+46701740605", "+4930123456", "+46846500400"
MENU = f'[[menu]]\nid = "topup"\nsay = "Press 1."\nkeys = {{ 1 = "number:{SWEDEN}", 9 = "hangup" }}\n'


@pytest.fixture
def poor(house: "House") -> "House":
    """Alice has a cent, and the desk that owns the number 5.00."""
    house.open("alice", "0.01", "user:alice")
    house.open("desk", "5")
    return house


def menu() -> Did:
    return read_did("app", RENTED, "desk", menu=MENU)


def route(to: str = f"number:{GERMANY}") -> Did:
    return read_did("app", RENTED, "desk", to=to)


def ask(house: "House", desk: Did, call: CallArrived | None = None, **words: Any) -> dict[str, Any]:
    """What is answered to a call whose refusals for want of credit lead to this number."""
    led = {Refusal.INSUFFICIENT_CREDIT: desk, Refusal.CALLER_UNKNOWN: desk}
    job = dataclasses.replace(house.job(call or house.arrived()), **{"redirections": led} | words)  # type: ignore[type-var]
    answer = house.perform(job).answer
    house.tick(1)
    return msgspec.json.decode(answer)["action"]  # type: ignore[no-any-return]


def steps(house: "House") -> list[tuple[str, str | None]]:
    return [(step["step"], step["refusal"]) for step in msgspec.json.decode(house.call().trace)]


def choose(house: "House", did: Did, key: str) -> dict[str, Any]:
    chosen = CallInput(
        key=CallKey("app", "c1"), name="pie", menu="topup", kind="return", value=key, fingerprint=f"f{house.now}"
    )
    job = AnswerInput(
        chosen=chosen, body=b"{}", provider=sinch, application=house.application, decks=house.decks, dids={did.key: did},
        rented={}, now=house.now,
    )  # fmt: skip
    answer = house.perform(job).answer
    house.tick(1)
    return msgspec.json.decode(answer)["action"]  # type: ignore[no-any-return]


def test_who_cannot_pay_is_led_to_a_menu(poor: "House") -> None:
    """The call is up, and its payer is the owner of the number; a repeat hears the same; the trace has both decisions."""
    first = ask(poor, menu())
    assert first["name"] == "runMenu"
    call = poor.call()
    assert (call.state, call.account, call.refusal, call.destination) == (CallState.ARRIVED, "desk", None, RENTED)
    assert (call.connected, call.granted_s, call.caller) == ("menu:topup", 300, "alice")
    found = steps(poor)
    at = found.index(("redirect", None))
    assert found[at - 1] == ("credit", "insufficient_credit")
    assert found[at + 1 :][0] == ("account", None) and found[-1] == ("credit", None)
    assert (poor.wallet("alice").held_micros, poor.wallet("desk").hold_count) == (0, 1)
    assert ask(poor, menu()) == first
    poor.hear(poor.ended("c1", 20))
    assert poor.call().charge_micros == 0
    assert poor.faults() == ()


def test_where_it_leads_is_held_and_charged_like_a_first_destination(poor: "House") -> None:
    """By the owner's deck, for the seconds of the cap at most."""
    poor.set_application("redirect_seconds=60")
    action = ask(poor, route())
    assert (action["name"], action["number"], action["maxDuration"]) == ("connectPstn", GERMANY, 60)
    assert poor.wallet("desk").held_micros == 80_000
    poor.hear(poor.ended("c1", 60, to=GERMANY))
    assert poor.moved() == [("wallet:desk", "revenue:USD", 80_000)]
    assert poor.wallet("alice").posted_micros == 10_000
    assert [record.account for record in poor.records()] == ["desk"]
    assert poor.faults() == ()


def test_it_is_explained_with_the_price_of_each(poor: "House") -> None:
    """The row that it was held by stands with the last look at a price, and not with that of the call that was refused."""
    ask(poor, route())
    found = poor.run(explain_call(poor.store, CallKey("app", "c1")))
    prefixes = [step["saw"].get("prefix") for step in found.trace if step["step"] == "rate"]
    assert (prefixes, found.rate and found.rate.prefix, found.outcome) == (["46", "49"], "49", "connect")
    assert [step["saw"].get("connect_fee") for step in found.trace if step["step"] == "rate"] == [None, "0.05"]


def test_a_choice_there_ends_with_the_cap(poor: "House") -> None:
    """It has what the menu left of it."""
    poor.set_application("redirect_seconds=100")
    ask(poor, menu())
    poor.tick(39)
    assert choose(poor, menu(), "1")["maxDuration"] == 60
    poor.tick(200)
    assert choose(poor, menu(), "1") == {"name": "continue"}  # it is in no menu any more


@pytest.mark.parametrize(
    ("did", "words"),
    [
        (route("number:+33123456789"), {}),
        (route("conference:lounge"), {}),
        (route(f"number:{SWEDEN}"), {"rented": {SWEDEN: frozenset()}}),
        (read_did("app", RENTED, "nobody", menu=MENU), {}),
    ],
    ids=["unpriced", "not open", "loop", "no owner"],
)
def test_where_that_is_refused_too_the_first_refusal_stands(poor: "House", did: Did, words: dict[str, Any]) -> None:
    """Nothing is held for anybody, and the caller hears the text of the first."""
    poor.set_application("text.insufficient_credit=Top up.")
    assert ask(poor, did, **words) == {"name": "hangup"}
    call = poor.call()
    assert (call.state, call.account, call.refusal) == (CallState.REFUSED, "alice", "insufficient_credit")
    assert b"Top up." in call.answer
    assert steps(poor)[-1][1] is not None
    assert [poor.wallet(name).held_micros for name in ("alice", "desk")] == [0, 0]


def test_no_rule_sends_it_on(poor: "House") -> None:
    """That would be a second time: the call is refused."""
    condition = "condition = 'account == \"desk\"'"
    poor.apply_rules(f"[[rule]]\nname = 'on'\n{condition}\neffect = 'connect'\nto = '{GERMANY}'\nmode = 'binding'\n")
    assert ask(poor, route(f"number:{SWEDEN}")) == {"name": "hangup"}
    assert poor.call().refusal == "insufficient_credit"
    assert steps(poor)[-1] == ("rules", "rule")


def test_other_refusals_and_outside_callers_are_hung_up(poor: "House") -> None:
    """A refusal that nobody named leads nowhere; who calls a rented number does not pay, and is not led on either; and a call
    that is over is led nowhere.
    """
    assert ask(poor, menu(), poor.arrived("c1", to="+46123")) == {"name": "hangup"}
    outside = poor.arrived("c2", user=None, to=RENTED, kind=EndpointKind.DID)
    poor.open("broke", "0")
    dear = read_did("app", RENTED, "broke", to=f"number:{SWEDEN}")
    assert ask(poor, menu(), outside, did=dear) == {"name": "hangup"}
    poor.hear(poor.ended("c3", 10))
    assert ask(poor, menu(), poor.arrived("c3")) == {"name": "hangup"}
    assert poor.call("c3").refusal == "insufficient_credit"
    assert poor.wallet("desk").hold_count == 0


def test_strangers_can_be_led_to_a_desk(poor: "House") -> None:
    """Where the operator named that refusal."""
    assert ask(poor, menu(), poor.arrived(user="nobody"))["name"] == "runMenu"
    assert poor.call().account == "desk"


def test_a_suspended_owner_leads_nowhere(poor: "House") -> None:
    """And neither does one whose limits are reached."""
    poor.set_status("desk", Status.SUSPENDED)
    assert ask(poor, menu()) == {"name": "hangup"}
    assert steps(poor)[-1] == ("account", "account_suspended")


def test_a_backtest_leaves_it_as_it_was(poor: "House") -> None:
    """Its payer is not the one who was refused."""
    body = msgspec.json.encode(
        {
            "event": "ice", "callid": "c1", "user": "alice", "to": {"type": "number", "endpoint": SWEDEN},
            "domain": "pstn", "applicationKey": "app", "originationType": "MXP",
        }
    )  # fmt: skip
    ask(poor, menu(), body=body)

    async def rest() -> None:
        pass

    since = poor.now - timedelta(days=1)
    found = backtest(poor.store, poor.catalog(), "app", Trial(), since=since, until=poor.now, rest=rest)
    report = poor.run(found)
    assert (report.judged, report.changed) == (1, 0)


def test_settings_are_read_shown_and_looked_up() -> None:
    """As they were said; a number that is not rented leads nowhere."""
    words = [f"redirect.insufficient_credit={RENTED}", "redirect.no_rate=0046 846 500 401", "redirect_seconds=60"]
    settings = ApplicationSettings().changed(words)
    shown = settings.shown()
    assert shown["redirect.insufficient_credit"] == RENTED
    assert ApplicationSettings().changed([f"{name}={word}" for name, word in shown.items()]) == settings
    assert "redirect.no_rate" not in settings.changed(["redirect.no_rate=none"]).shown()
    for wrong in (
        "redirect.insufficient_credit=menu",
        "redirect.nonsense=none",
        "redirect_seconds=0",
        "redirect_seconds=x",
    ):
        with pytest.raises(Invalid):
            settings.changed([wrong])
    for final in FINAL:
        with pytest.raises(Invalid):
            settings.changed([f"redirect.{final}={RENTED}"])


def test_only_rented_numbers_are_led_to(house: "House") -> None:
    """They are looked up when the configuration is loaded."""
    house.set_application(f"redirect.insufficient_credit={RENTED}", "redirect.no_rate=+46846500499")
    known = {"app": Application(row=house.application, secrets=())}
    did = menu()
    assert redirections_of(known, {did.key: did}) == {"app": {Refusal.INSUFFICIENT_CREDIT: did}}
    assert redirections_of(known, {}) == {}
