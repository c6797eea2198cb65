"""Calls whose end never came: when the platform is asked, what its answers do, and what is settled by estimate."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from callgate.errors import PlatformFailed
from callgate.ledger.hold import HoldState
from callgate.protocol.call import CallOngoing, CallResult
from callgate.service.ask import SettleAsked, SettleByEstimate, TakeTurn
from callgate.service.records import Flag

if TYPE_CHECKING:
    from tests.conftest import House

DOWN = PlatformFailed("502", is_retryable=True)
DAY_S = 24 * 3600


def place(house: "House", *, is_answered: bool) -> None:
    """A call that holds 60 s, and of which nothing more is heard."""
    house.open("alice", "0.07", max_seconds=60)
    house.perform(house.job(house.arrived()))
    if is_answered:
        house.tick(20)
        house.perform(house.job(house.answered()))


@pytest.mark.parametrize(("is_answered", "due_s"), [(False, 180 + 60 + 120), (True, 60 + 120)])
def test_a_hold_is_due_when_the_end_of_its_call_should_have_come(
    house: "House",
    is_answered: bool,  # noqa: FBT001 - a parameter
    due_s: int,
) -> None:
    """Counted from the answer, else from the longest ringing; not a moment before."""
    place(house, is_answered=is_answered)
    house.tick(due_s - 0.000001)
    assert house.heal(house.ended(seconds=30)) == 0
    house.tick(0.000001)
    assert house.heal(house.ended(seconds=30)) == 1
    call = house.call()
    assert (call.state, call.settled_by, call.duration_s, call.charge_micros) == ("ended", "provider", 30, 20_000)
    assert (call.ask_at, call.ask_count) == (None, 1)
    assert house.heal(house.ended(seconds=30)) == 0
    assert house.faults() == ()


def test_what_the_platform_says_is_settled_like_an_end_that_came(house: "House") -> None:
    """Charge, record, time of the end, event; the end itself, when it comes after all, is a repeat."""
    place(house, is_answered=True)
    answered_at = house.now
    house.tick(180)
    house.heal(house.ended(seconds=61, debit="0.0123"))
    (record,) = house.records()
    assert (record.settled_by, record.charge_micros, record.billed_s, record.cost) == (
        "provider",
        40_000,
        120,
        "0.0123",
    )
    assert record.ended_at == answered_at + timedelta(seconds=61)
    assert house.call().flags == (Flag.OVERRUN,)
    assert house.hear(house.ended(seconds=61)) == (b"{}", "repeat")
    assert house.hear(house.ended(seconds=70)) == (b"{}", "end_differs")
    assert (len(house.records()), house.wallet().posted_micros) == (1, 30_000)
    assert house.faults() == ()


def test_a_call_that_was_never_answered_gives_its_hold_back(house: "House") -> None:
    """The platform says so."""
    place(house, is_answered=False)
    house.tick(360)
    house.heal(house.ended(result=CallResult.BUSY))
    call = house.call()
    assert call.hold is not None and call.hold.state is HoldState.VOIDED
    assert (call.settled_by, call.charge_micros, house.wallet().available_micros) == ("provider", 0, 70_000)


@pytest.mark.parametrize("told", [CallOngoing(), DOWN, PlatformFailed("401", is_retryable=False)])
def test_a_platform_that_does_not_say_is_asked_again_ever_more_rarely(
    house: "House", told: CallOngoing | PlatformFailed
) -> None:
    """For a day; nothing moves meanwhile."""
    place(house, is_answered=True)
    house.tick(180)
    due_at, waits = house.now, []
    while house.now - due_at < timedelta(days=1):
        assert house.heal(told) == 1
        assert (house.heal(told), house.call().state, house.wallet().held_micros) == (0, "answered", 20_000)
        waits.append((house.call().ask_at - house.now).total_seconds())
        house.now = house.call().ask_at
    assert waits[:8] == [30, 60, 120, 240, 480, 960, 1_920, 3_600]
    assert set(waits[8:]) == {3_600}
    assert house.heal(told) == 1
    assert (house.call().state, house.call().settled_by, house.faults()) == ("ended", "estimate", ())


def test_a_turn_is_taken_before_the_platform_is_asked(house: "House") -> None:
    """A server that dies meanwhile has used up one turn; of two servers, one asks."""
    place(house, is_answered=True)
    house.tick(180)
    turn = TakeTurn(calls=(house.ended().key,), now=house.now)
    (taken,) = house.perform(turn)
    assert (taken.ask_count, house.perform(turn), house.heal()) == (1, [], 0)
    house.tick(30)
    assert house.heal(house.ended(seconds=1)) == 1
    assert house.call().ask_count == 2


@pytest.mark.parametrize(
    ("rule", "is_answered", "charge"),
    [
        ("auto", True, 20_000),
        ("auto", False, 0),
        ("post_full", True, 20_000),
        ("post_full", False, 20_000),
        ("void", True, 0),
        ("void", False, 0),
    ],
)
def test_a_call_that_the_platform_does_not_know_is_settled_by_estimate(
    house: "House",
    rule: str,
    is_answered: bool,  # noqa: FBT001 - a parameter
    charge: int,
) -> None:
    """By the rule of its application: all that is held, or nothing. How it was settled is said."""
    house.set_application(f"lost_dice={rule}")
    place(house, is_answered=is_answered)
    house.tick(360)
    assert house.heal(None) == 1
    call = house.call()
    assert (call.state, call.settled_by, call.charge_micros) == ("ended", "estimate", charge)
    assert call.hold is not None and call.hold.state is (HoldState.POSTED if charge else HoldState.EXPIRED)
    assert (call.duration_s, call.result) == ((60, "answered") if charge else (None, "none"))
    (record,) = house.records()
    assert (record.settled_by, record.charge_micros, record.corrects) == ("estimate", charge, None)
    assert (house.wallet().posted_micros, house.wallet().held_micros) == (70_000 - charge, 0)
    assert house.faults() == ()


def test_an_unclear_end_is_asked_about_at_once(house: "House") -> None:
    """Not when it would have been due. A repeat does not hurry, and neither does an answer that comes late."""
    place(house, is_answered=False)
    house.tick(5)
    house.perform(house.job(house.ended(result=CallResult.ANSWERED)))
    assert house.heal(CallOngoing()) == 1
    for event in (house.ended(result=CallResult.ANSWERED), house.answered()):
        house.perform(house.job(event))
        assert house.heal() == 0
    house.tick(30)
    assert house.heal(house.ended(seconds=30)) == 1
    call = house.call()
    assert (call.settled_by, call.charge_micros, call.flags) == ("provider", 20_000, (Flag.END_UNCLEAR,))


def test_a_platform_whose_own_facts_are_unclear_is_asked_again(house: "House") -> None:
    """For a day, like one that does not say; it is flagged, once."""
    place(house, is_answered=True)
    house.tick(180)
    for _ in range(3):
        house.heal(house.ended(seconds=61, result=CallResult.BUSY))
        assert (house.call().state, house.call().flags) == ("answered", (Flag.END_UNCLEAR,))
        house.now = house.call().ask_at
    house.tick(DAY_S)
    house.heal(house.ended(seconds=61, result=CallResult.BUSY))
    assert (house.call().settled_by, house.call().charge_micros) == ("estimate", 20_000)
    assert house.faults() == ()


def test_the_end_and_an_answer_of_the_platform_at_once_settle_once(house: "House") -> None:
    """Whichever is written first."""
    place(house, is_answered=True)
    house.tick(180)
    (call,) = house.perform(TakeTurn(calls=(house.ended().key,), now=house.now))
    house.hear(house.ended(seconds=30))
    assert house.perform(SettleAsked(ended=house.ended(seconds=60), now=house.now)) is None
    assert house.perform(SettleByEstimate(call=call.key, is_unknown=True, now=house.now)) is None
    assert (house.call().settled_by, house.call().duration_s, len(house.records())) == ("disconnect", 30, 1)
    assert house.faults() == ()


def test_the_log_of_a_call_has_what_the_platform_said(house: "House") -> None:
    """And the platform is asked by the address that it gave."""
    place(house, is_answered=True)
    house.tick(180)
    house.heal(house.ended(seconds=30))
    asked = house.run(house.store.callbacks(house.ended().key))[-1]
    assert (asked.name, asked.note) == ("asked", "provider")
    assert b'"duration_s":30' in asked.body
    assert house.call().resource == "@c1"


def test_a_late_decision_that_a_crash_kept_from_being_overruled_is_healed(house: "House") -> None:
    """Its hold was committed, the hang-up was sent, and the server died in between: the platform knows how it ended."""
    house.open("alice", "0.07", max_seconds=60)
    house.hear(house.arrived())
    assert house.wallet().held_micros == 20_000
    house.tick(360)
    house.heal(house.ended(result=CallResult.FAILED))
    assert (house.wallet().held_micros, house.call().charge_micros, house.faults()) == (0, 0, ())


def test_many_due_calls_are_asked_about_in_portions(house: "House") -> None:
    """Those that have waited longest first, and each once."""
    house.open("alice", "10", max_seconds=60)
    for number in range(150):
        house.perform(house.job(house.arrived(f"c{number}")))
        house.tick(0.001)
    house.tick(360)
    assert (house.heal(house.ended()), house.call("c99").state, house.call("c100").state) == (100, "ended", "arrived")
    assert (house.heal(house.ended()), house.heal()) == (50, 0)
    assert (house.wallet().held_micros, house.faults()) == (0, ())
