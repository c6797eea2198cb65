"""The first call, from its arrival to its end: the figures that everything else must keep."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import House


def test_a_call_is_granted_what_its_caller_can_pay_for(house: "House") -> None:
    """0.07 at 0.02 a minute in whole minutes: three minutes, and 0.06 of it set aside."""
    house.open("alice", "0.07")
    answer = house.hear(house.arrived()).answer
    assert house.granted_s(answer) == 180
    assert (house.wallet().posted_micros, house.wallet().held_micros) == (70_000, 60_000)
    assert house.wallet().available_micros == 10_000


def test_a_repeat_gets_the_same_bytes_and_holds_nothing_more(house: "House") -> None:
    """However often, and whatever time has gone by."""
    house.open("alice", "1.00")
    first = house.hear(house.arrived())
    house.tick(5_000)
    assert [house.hear(house.arrived()).answer for _ in range(3)] == [first.answer] * 3
    assert house.wallet().held_micros == house.call().hold.amount_micros == 1_000_000
    house.hear(house.answered())
    assert house.hear(house.arrived()).answer == first.answer


def test_an_end_takes_what_was_talked_and_gives_back_the_rest(house: "House") -> None:
    """61 seconds are two minutes: of 0.07 remain 0.03, and nothing is held."""
    house.open("alice", "0.07")
    house.hear(house.arrived())
    house.hear(house.answered())
    assert house.hear(house.ended(seconds=61)) == (b"{}", "")
    wallet = house.wallet()
    assert (wallet.posted_micros, wallet.held_micros, wallet.available_micros) == (30_000, 0, 30_000)
    assert house.moved() == [("wallet:alice", "revenue:USD", 40_000)]
    assert house.faults() == ()


def test_three_ends_move_money_once(house: "House") -> None:
    """And are recorded, as repeats."""
    house.open("alice", "0.07")
    house.hear(house.arrived())
    outcomes = [house.hear(house.ended(seconds=61)) for _ in range(3)]
    assert [outcome.note for outcome in outcomes] == ["", "repeat", "repeat"]
    assert house.moved() == [("wallet:alice", "revenue:USD", 40_000)]
    assert [record.charge_micros for record in house.records()] == [40_000]


def test_a_second_call_is_refused_while_the_first_holds_the_credit(house: "House") -> None:
    """0.01 is left, and a minute costs 0.02; when the first has ended there is enough again."""
    house.open("alice", "0.07")
    house.hear(house.arrived("c1"))
    assert house.hear(house.arrived("c2")).answer == house.hang_up
    assert (house.call("c2").refusal, house.call("c2").granted_s) == ("insufficient_credit", 0)
    assert house.wallet().held_micros == 60_000
    house.hear(house.ended("c1"))
    assert house.granted_s(house.hear(house.arrived("c3")).answer) == 180
