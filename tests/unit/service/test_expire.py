"""Ends whose start never came, when the time for it is over."""

from typing import TYPE_CHECKING, Any

import pytest

from callgate.protocol.call import CallResult, EndpointKind
from callgate.service.expire import ExpireParked
from callgate.service.records import Flag

if TYPE_CHECKING:
    from tests.conftest import House


def park(house: "House", call: str = "c1", **words: Any) -> None:
    """An end comes, and ten minutes go by."""
    house.perform(house.job(house.ended(call, **words)))
    house.tick(600)


def test_who_is_known_to_have_called_is_charged(house: "House") -> None:
    """Without a hold, and once."""
    house.open("alice", "0.07")
    at = house.now
    park(house, seconds=61)
    assert (house.expire(), house.expire()) == (1, 0)
    call = house.call()
    assert (call.state, call.account, call.charge_micros, call.billed_s) == ("ended", "alice", 40_000, 120)
    assert (call.settled_by, call.hold, call.ended_at, call.currency) == ("orphan", None, at, "USD")
    assert house.moved() == [("wallet:alice", "revenue:USD", 40_000)]
    (record,) = house.records()
    assert (record.charge_micros, record.settled_by, record.account, record.sequence) == (40_000, "orphan", "alice", 1)
    assert house.faults() == ()


def test_what_the_wallet_does_not_cover_is_owed(house: "House") -> None:
    """What other calls hold stays theirs."""
    house.open("alice", "0.03", max_seconds=60)
    house.hear(house.arrived("other"))
    park(house, seconds=61)
    house.expire()
    wallet = house.wallet()
    assert (wallet.posted_micros, wallet.held_micros, wallet.owed_micros) == (20_000, 20_000, 30_000)
    assert house.faults() == ()


def test_nothing_is_given_up_before_its_time(house: "House") -> None:
    """A start within ten minutes still counts."""
    house.open("alice", "0.07")
    house.perform(house.job(house.ended(seconds=61)))
    house.tick(599.999999)
    assert house.expire() == 0
    assert house.call().state == "parked"
    house.tick(0.000001)
    assert house.expire() == 1


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        ({}, ()),
        ({"result": CallResult.BUSY}, ()),
        ({"result": CallResult.ANSWERED}, (Flag.END_UNCLEAR,)),
        ({"debit": "0.05"}, (Flag.END_UNCLEAR,)),
        ({"seconds": 61, "user": None}, (Flag.PAYER_UNKNOWN,)),
        ({"seconds": 61, "user": "bob"}, (Flag.PAYER_UNKNOWN,)),
        ({"seconds": 61, "to": "+33123456789"}, (Flag.PAYER_UNKNOWN,)),
        ({"seconds": 61, "to": "+447911123456"}, (Flag.PAYER_UNKNOWN,)),
        ({"seconds": 61, "to": "alice's phone"}, (Flag.PAYER_UNKNOWN,)),
        ({"seconds": 61, "to": "+46701740605;ext=5"}, (Flag.PAYER_UNKNOWN,)),
        ({"seconds": 61, "to": "+" + "4" * 200}, (Flag.PAYER_UNKNOWN,)),
        ({"seconds": 61, "kind": EndpointKind.CONFERENCE}, (Flag.PAYER_UNKNOWN,)),
    ],
)
def test_where_nobody_can_be_charged_it_is_flagged(
    house: "House", words: dict[str, Any], flags: tuple[Flag, ...]
) -> None:
    """And nothing moves: no call, an unclear end, an unknown payer, or a destination without a price."""
    house.open("alice", "0.07")
    park(house, **words)
    assert (house.expire(), house.expire()) == (1, 0)
    call = house.call()
    assert (call.state, call.flags, call.charge_micros, call.account) == ("ended", flags, None, None)
    assert (house.moved(), house.records(), house.wallet().posted_micros) == ([], [], 70_000)
    assert house.faults() == ()


def test_a_deck_of_another_currency_prices_nobody(house: "House") -> None:
    """Here no more than in a decision."""
    house.open("alice", "0.07")
    house.deck(house.rate("46", "0.02"), currency="EUR")
    park(house, seconds=61)
    house.expire()
    assert (house.moved(), house.call().flags) == ([], (Flag.PAYER_UNKNOWN,))


def test_an_account_without_a_deck_is_not_charged(house: "House") -> None:
    """Nothing says what the call cost."""
    house.open("alice", "0.07")
    house.decks = {}
    park(house, seconds=61)
    house.expire()
    assert (house.moved(), house.call().flags) == ([], (Flag.PAYER_UNKNOWN,))


def test_whatever_comes_later_moves_nothing(house: "House") -> None:
    """A start is hung up and flagged, an end is a repeat."""
    house.open("alice", "0.07")
    park(house, seconds=61)
    house.expire()
    assert house.hear(house.arrived()) == (house.hang_up, "call_conflict")
    assert house.hear(house.ended(seconds=61)) == (b"{}", "repeat")
    assert house.hear(house.ended(seconds=62)) == (b"{}", "end_differs")
    assert house.moved() == [("wallet:alice", "revenue:USD", 40_000)]
    assert house.call().flags == (Flag.CONFLICT, Flag.END_DIFFERS)


def test_one_end_that_nobody_can_read_does_not_keep_others_waiting(house: "House") -> None:
    """The oldest is looked at first, and then the next."""
    house.open("alice", "0.07")
    house.perform(house.job(house.ended("odd", 61, to="x" * 300)))
    house.tick(1)
    park(house, "even", seconds=61)
    assert house.expire() == 2
    assert house.call("even").charge_micros == 40_000


def test_a_start_that_comes_while_the_sweep_looks_is_in_time(house: "House") -> None:
    """What the sweep read is old by then: the call has been settled, and is not charged a second time."""
    house.open("alice", "0.07")
    house.hear(house.ended(seconds=61))
    sweep = ExpireParked(call=house.call(), decks=house.decks)
    house.hear(house.arrived())
    before = house.call()
    house.perform(sweep)
    assert (house.call(), house.moved()) == (before, [("wallet:alice", "revenue:USD", 40_000)])
