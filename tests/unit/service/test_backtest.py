"""Recorded calls that are judged again see what they saw then: the number that was shown, and where a rented number led."""

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from callgate.protocol import WireRequest, sinch
from callgate.protocol.call import CallArrived, CallInput, CallKey
from callgate.rating.deck import Deck
from callgate.service.answer_input import AnswerInput
from callgate.service.backtest import BacktestReport, Trial, backtest
from callgate.service.did import Did
from callgate.service.rented import read_did

if TYPE_CHECKING:
    from tests.conftest import House

SWEDEN, OWN, FOREIGN, RENTED = "+46701740605", "+46700000001", "+4930999999", "+46846500400"
MENU = f'[[menu]]\nid = "main"\nsay = "One"\nkeys = {{ 1 = "number:{SWEDEN}", 9 = "hangup" }}\n'


@pytest.fixture
def alice(house: "House") -> "House":
    """She has 5.00 and a number of her own."""
    house.open("alice", "5", "user:alice", f"number:{OWN}")
    return house


def place(house: "House", number: int, *, cli: str = "", to: str = SWEDEN, did: Did | None = None) -> CallArrived:
    """A call as the platform asks about it, decided now."""
    body = msgspec.json.encode(
        {
            "event": "ice", "callid": f"c{number}", "cli": cli, "domain": "pstn", "applicationKey": "app",
            "to": {"type": "did" if did else "number", "endpoint": did.number if did else to},
            "originationType": "PSTN" if did else "MXP",
        } | ({} if did else {"user": "alice"})
    )  # fmt: skip
    call = sinch.understand(WireRequest(method="POST", path="", headers={}, body=body))
    assert isinstance(call, CallArrived)
    house.perform(dataclasses.replace(house.job(call), body=body, did=did))  # type: ignore[type-var]
    house.tick(1)
    return call


def try_on(house: "House", trial: Trial, **catalog: Any) -> BacktestReport:
    async def rest() -> None:
        pass

    known = msgspec.structs.replace(house.catalog(), **catalog)
    since, until = house.now - timedelta(days=1), house.now
    return house.run(backtest(house.store, known, house.app, trial, since=since, until=until, rest=rest))


def test_a_number_that_was_shown_is_screened_as_then(alice: "House") -> None:
    """Screening that is switched on since refuses the call that wanted to show a number that is not hers, and no other."""
    place(alice, 1, cli=OWN)
    place(alice, 2, cli=FOREIGN)
    place(alice, 3)
    alice.set_application("caller_id=refuse")
    report = try_on(alice, Trial())
    assert [(each.call_id, each.after.refusal, each.already) for each in report.changes] == [
        ("c2", "caller_id_not_allowed", True)
    ]
    alice.set_application(f"caller_ids={FOREIGN}")
    assert try_on(alice, Trial()).changes == []


def test_a_deck_is_tried_with_the_number_that_was_shown(alice: "House") -> None:
    """Where a price depends on the caller's number, it is that of the number that the callee saw."""
    place(alice, 1, cli=OWN)
    place(alice, 2, cli=FOREIGN)
    dearer = msgspec.structs.replace(alice.rate("46", "0.04"), origin="46")
    tried = Deck(name="standard", currency="USD", rows=(alice.rate("46", "0.02"), dearer))
    report = try_on(alice, Trial(decks={"standard": tried}))
    assert [(each.call_id, each.kind) for each in report.changes] == [("c1", "price")]


@pytest.mark.parametrize(
    "told", [{"to": f"number:{SWEDEN}"}, {"to": f"number:{SWEDEN}", "receive": "0.01"}, {"menu": MENU}]
)
def test_a_call_to_a_rented_number_goes_where_it_went(house: "House", told: dict[str, str]) -> None:
    """By the same route for the same price, what its owner pays for receiving counted once; no route is a change."""
    house.open("owner", "5")
    did = read_did("app", RENTED, "owner", **told)
    place(house, 1, cli=FOREIGN, did=did)
    assert house.call("c1").refusal is None
    assert try_on(house, Trial(), dids={did.key: did}).changes == []
    [change] = try_on(house, Trial()).changes
    assert (change.after.refusal, change.already) == ("no_route", True)


def test_a_deck_that_takes_effect_later_prices_past_calls(alice: "House") -> None:
    """As it will once all of it is in effect; a row that has ended by then prices nothing."""
    place(alice, 1)
    today, tomorrow = alice.now, alice.now + timedelta(days=1)
    now, then = (
        msgspec.structs.replace(alice.rate("46", price), effective_from=at, effective_to=end)
        for price, at, end in (("0.03", today, tomorrow), ("0.05", tomorrow, None))
    )
    tried = Deck(name="standard", currency="USD", rows=(now, then))
    [change] = try_on(alice, Trial(decks={"standard": tried})).changes
    assert (change.kind, change.after.granted_s) == ("price", 6_000)
    assert (tried.rate_for(SWEDEN, tomorrow) or now).effective_from == tomorrow  # the deck itself is as it was


def test_what_was_chosen_in_a_menu_stays_as_it_was(house: "House") -> None:
    """A call that went on from there is no change; one that would not get there is."""
    house.open("owner", "5")
    did = read_did("app", RENTED, "owner", menu=MENU)
    place(house, 1, cli=FOREIGN, did=did)
    chosen = CallInput(
        key=CallKey("app", "c1"), name="pie", menu="main", kind="return", value="1", fingerprint="f"
    )  # fmt: skip
    job = AnswerInput(
        chosen=chosen, body=b"{}", provider=sinch, application=house.application, decks=house.decks, dids={did.key: did},
        rented={}, now=house.now,
    )  # fmt: skip
    house.perform(job)
    house.tick(1)
    assert house.call("c1").connected == f"number:{SWEDEN}"
    assert try_on(house, Trial(), dids={did.key: did}).changes == []
    assert [each.after.refusal for each in try_on(house, Trial()).changes] == ["no_route"]


def test_the_price_of_a_route_is_tried(house: "House") -> None:
    """By the deck of the owner, with what receiving costs on top."""
    house.open("owner", "5")
    did = read_did("app", RENTED, "owner", to=f"number:{SWEDEN}", receive="0.01")
    place(house, 1, cli=FOREIGN, did=did)
    house.hear(house.ended("c1", 60, user=None, to=SWEDEN))
    tried = Deck(name="standard", currency="USD", rows=(house.rate("46", "0.05"),))
    report = try_on(house, Trial(decks={"standard": tried}), dids={did.key: did})
    [change] = report.changes
    assert (change.kind, change.before.charge, change.after.charge) == ("price", "0.03", "0.06")
