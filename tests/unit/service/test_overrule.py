"""A decision that came too late: what was sent stands, and nothing stays held for what was not."""

from datetime import timedelta
from typing import TYPE_CHECKING

from callgate.ledger.hold import HoldState
from callgate.service.records import Flag

if TYPE_CHECKING:
    from tests.conftest import House


def test_a_late_connection_is_undone(house: "House") -> None:
    """Its hold is voided, it counts as refused, and its repeats get what was sent."""
    house.open("alice", "0.07")
    at = house.now
    assert house.granted_s(house.hear(house.arrived()).answer) == 180
    house.overrule(house.arrived(), at)
    call = house.call()
    assert (call.state, call.refusal, call.granted_s, call.flags) == ("refused", "not_decided_in_time", 0, (Flag.LATE,))
    assert call.hold is not None and call.hold.state is HoldState.VOIDED
    assert (house.wallet().held_micros, house.wallet().available_micros) == (0, 70_000)
    assert house.hear(house.arrived()) == (house.hang_up, "repeat")
    house.hear(house.ended())
    assert (house.call().state, house.wallet().posted_micros, house.faults()) == ("refused", 70_000, ())


def test_a_late_connection_that_was_answered_meanwhile_is_undone_too(house: "House") -> None:
    """A live call is a live call."""
    house.open("alice", "0.07")
    at = house.now
    house.hear(house.arrived())
    house.hear(house.answered())
    house.overrule(house.arrived(), at)
    assert (house.call().state, house.wallet().held_micros) == ("refused", 0)


def test_a_decision_that_was_never_made_is_written_down_as_refused(house: "House") -> None:
    """So that a repeat gets what was sent, whatever it could pay for."""
    house.open("alice", "0.07")
    house.overrule(house.arrived(), house.now)
    call = house.call()
    assert (call.state, call.refusal, call.answer) == ("refused", "not_decided_in_time", house.hang_up)
    assert (call.flags, call.hold, call.caller, call.destination) == ((Flag.LATE,), None, "alice", house.sweden)
    assert house.hear(house.arrived()) == (house.hang_up, "repeat")
    assert house.hear(house.arrived(to=house.germany)) == (house.hang_up, "call_conflict")
    assert house.wallet().held_micros == 0


def test_an_earlier_decision_that_was_sent_in_time_stands(house: "House") -> None:
    """Only its repeat was late."""
    house.open("alice", "0.07")
    house.hear(house.arrived())
    before = house.call()
    house.overrule(house.arrived(), before.decided_at + timedelta(microseconds=1))
    assert (house.call(), house.wallet().held_micros) == (before, 60_000)
    house.hear(house.ended(seconds=60))
    assert house.moved() == [("wallet:alice", "revenue:USD", 20_000)]


def test_undoing_twice_undoes_once(house: "House") -> None:
    """Another call's hold is not given back for it."""
    house.open("alice", "0.07", max_seconds=60)
    house.hear(house.arrived("other"))
    at = house.now
    house.hear(house.arrived())
    for _ in range(2):
        house.overrule(house.arrived(), at)
    assert (house.wallet().held_micros, house.faults()) == (20_000, ())


def test_a_call_that_has_ended_stays_as_it_was_settled(house: "House") -> None:
    """Nothing is held for it any more, and what moved has moved."""
    house.open("alice", "0.07")
    at = house.now
    house.hear(house.arrived())
    house.hear(house.ended(seconds=60))
    before = house.call()
    house.overrule(house.arrived(), at)
    assert (house.call(), house.wallet().posted_micros, house.faults()) == (before, 50_000, ())


def test_a_late_refusal_was_the_fallback_too(house: "House") -> None:
    """Its own reason was not what was sent, and may have been the hold of another late call. The trace still has it."""
    at = house.now
    house.hear(house.arrived())
    house.overrule(house.arrived(), at)
    call = house.call()
    assert (call.state, call.refusal, call.flags, call.answer) == (
        "refused",
        "not_decided_in_time",
        (Flag.LATE,),
        house.hang_up,
    )
    assert b"caller_unknown" in call.trace


def test_an_end_that_came_before_the_fallback_was_written_down_moves_nothing(house: "House") -> None:
    """The call was refused, in whichever order that is learnt: it is not charged later as one without a start."""
    house.open("alice", "0.07")
    for call, seconds in (("c1", 61), ("c2", None)):
        house.hear(house.ended(call, seconds))
        house.overrule(house.arrived(call), house.now)
    assert [house.call(call).state for call in ("c1", "c2")] == ["refused", "refused"]
    assert [house.call(call).flags for call in ("c1", "c2")] == [(Flag.LATE, Flag.REFUSED_YET_ANSWERED), (Flag.LATE,)]
    house.tick(601)
    assert (house.expire(), house.moved()) == (0, [])


def test_what_was_sent_is_in_the_event_log(house: "House") -> None:
    """With the reason for it."""
    house.overrule(house.arrived(), house.now)
    (callback,) = house.run(house.store.callbacks(house.arrived().key))
    assert (callback.name, callback.answer, callback.note) == ("ice", house.hang_up, "not_decided_in_time")
