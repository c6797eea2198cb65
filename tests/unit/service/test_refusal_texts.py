"""What refused callers hear: the operator's sentence for the refusal, in their language, before the hang-up."""

import dataclasses
from typing import TYPE_CHECKING, Any

import msgspec

from callgate.protocol import sinch
from callgate.protocol.call import EndpointKind
from callgate.service.did import Did
from callgate.service.rented import AddDid
from callgate.service.set_account import SetAccount

if TYPE_CHECKING:
    from tests.conftest import House


def said(answer: bytes) -> tuple[str, str] | None:
    """Text and locale that an answer has spoken before it hangs up; None where it says nothing."""
    told: dict[str, Any] = msgspec.json.decode(answer)
    assert told["action"] == {"name": "hangup"}
    assert sinch.check(answer, event="ice") == []
    if "instructions" not in told:
        return None
    (say,) = told["instructions"]
    return say["text"], say["locale"]


def test_a_refused_caller_hears_why_and_what_is_left(house: "House") -> None:
    """A repeat hears the same, whatever was paid in meanwhile."""
    house.open("alice", "0.01", "user:alice")
    house.set_application("text.insufficient_credit=You have {available} left.")
    first = house.hear(house.arrived()).answer
    assert said(first) == ("You have 0.01 USD left.", "en-US")
    house.top_up("alice", "5", "more")
    assert house.hear(house.arrived()).answer == first


def test_the_account_says_which_language(house: "House") -> None:
    """Its own locale, else that of the application; spoken in the locale that the text was written for."""
    house.open("alice", "0.01", "user:alice")
    house.set_application("text.insufficient_credit=Not enough.", "text.insufficient_credit.sv-SE=Inte nog.")
    house.perform(SetAccount(application=house.app, account="alice", words=("locale=sv-FI",)))
    assert said(house.hear(house.arrived("c1")).answer) == ("Inte nog.", "sv-SE")
    house.perform(SetAccount(application=house.app, account="alice", words=("locale=default",)))
    assert said(house.hear(house.arrived("c2")).answer) == ("Not enough.", "en-US")


def test_other_refusals_are_hung_up_at_once(house: "House") -> None:
    """Each refusal has its own text or none; a caller whom nobody knows may have one too."""
    house.open("alice", "5", "user:alice")
    house.set_application("text.caller_unknown=Who are you?")
    assert said(house.hear(house.arrived("c1", to=house.unpriced)).answer) is None
    assert said(house.hear(house.arrived("c2", user="nobody")).answer) == ("Who are you?", "en-US")


def test_the_words_of_a_rule_come_before_those_of_the_application(house: "House") -> None:
    """`text.rule` is for rules without words of their own."""
    house.open("alice", "5", "user:alice")
    house.set_application("text.rule=Some rule says no.")
    rule = '[[rule]]\nname = "{0}"\ncondition = "destination == \'{1}\'"\neffect = "refuse"\nmode = "binding"\n'
    house.apply_rules(rule.format("a", house.sweden) + 'text = "Not this one."\n' + rule.format("b", house.germany))
    assert said(house.hear(house.arrived("c1")).answer) == ("Not this one.", "en-US")
    assert said(house.hear(house.arrived("c2", to=house.germany)).answer) == ("Some rule says no.", "en-US")


def test_nothing_of_an_account_is_told_to_outside_callers_of_its_number(house: "House") -> None:
    """They do not pay, and what its owner has left is none of their business."""
    house.open("alice", "0.01", "user:alice")
    house.set_application("text.insufficient_credit=You have {available} left.")
    number = "+46846500400"
    did = Did(application=house.app, number=number, account="alice", route=house.arrived().destination)
    house.perform(AddDid(did=did))
    call = house.arrived(user=None, cli="+46700000001", to=number, kind=EndpointKind.DID)
    answer = house.perform(dataclasses.replace(house.job(call), did=did, rented={number})).answer  # type: ignore[type-var]
    assert said(answer) is None
