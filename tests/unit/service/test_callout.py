"""Calls that we place: held before anybody is rung, dialled once, matched to their events, and ended together."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from callgate.errors import PlatformFailed, PlatformUnreachable
from callgate.policy.account import Status
from callgate.policy.refusal import Refusal
from callgate.protocol import sinch
from callgate.protocol.call import CallKey, Endpoint, EndpointKind, PlaceCall
from callgate.service.answered import GoAhead
from callgate.service.books import AccountKey
from callgate.service.callout import CalloutKind
from callgate.service.dial import dial_leg
from callgate.service.name_callout import NotNamedHere
from callgate.service.outcome import Outcome
from callgate.service.place_callout import KeepPlaced, Leg, PlaceCallout, Placing
from callgate.service.records import Call
from callgate.service.settle import Settle

if TYPE_CHECKING:
    from tests.conftest import Exchange, House

ROOM = "callgate-room"
UNKNOWN = PlatformFailed("no answer", is_retryable=True, may_be_done=True)
NOBODY = PlatformUnreachable("no connection", is_retryable=True)


def leg(house: "House", number: int, to: str = "", *, text: str = "", kind: EndpointKind = EndpointKind.NUMBER) -> Leg:
    conference = "" if text else ROOM
    place = PlaceCall(number="", custom=f"custom-{number}", max_duration_s=0, text=text, conference=conference)
    return Leg(f"callout-{number}", Endpoint(kind, to or house.sweden), place)


def place(house: "House", *legs: Leg, account: str = "alice", longest_s: int = 14_400) -> Placing:
    kind = CalloutKind.BRIDGE if len(legs) > 1 else CalloutKind.TTS if legs[0].place.text else CalloutKind.CONFERENCE
    return house.perform(
        PlaceCallout(
            kind=kind, legs=legs, payer=AccountKey(house.app, account), provider=sinch, application=house.application,
            decks=house.decks, now=house.now, longest_s=longest_s,
        )
    )  # fmt: skip


def bridge(house: "House", **words: int) -> Placing:
    return place(house, leg(house, 1), leg(house, 2, house.sweden_too), **words)


def dial(house: "House", exchange: "Exchange", call: Call, *others: Call) -> Call | None:
    keys = tuple(other.key for other in others)
    return house.run(dial_leg(house.store, exchange, call, lambda: house.now, others=keys))


def hear(house: "House", what: str, call_id: str, number: int | None = None, seconds: int | None = None) -> Outcome:
    """An event of a call that we placed, with its reference or without."""
    reference = None if number is None else CallKey(house.app, f"callout-{number}")
    job = house.job(house.answered(call_id) if what == "ace" else house.ended(call_id, seconds))
    assert isinstance(job, GoAhead | Settle)
    outcome = house.perform(replace(job, reference=reference))
    house.tick(1)
    return outcome


def action(outcome: Outcome) -> str:
    return str(msgspec.json.decode(outcome.answer)["action"]["name"])


def test_a_message_is_held_before_it_is_dialled_and_charged_for_what_it_took(
    house: "House", exchange: "type[Exchange]"
) -> None:
    """The platform's id is the call's from the moment that it is known."""
    house.open("alice", "1")
    platform = exchange()
    placing = place(house, leg(house, 1, text="Your code is 1234"), longest_s=300)
    assert (placing.refusal, placing.granted_s, platform.placed) == (None, 300, [])
    assert house.wallet().held_micros == 100_000
    call = dial(house, platform, placing.calls[0])
    assert call is not None and call.key.call_id == "p1"
    (placed,) = platform.placed
    assert (placed.number, placed.text, placed.max_duration_s) == (house.sweden, "Your code is 1234", 300)
    assert house.run(house.store.call(CallKey(house.app, "callout-1"))) is None
    found = house.run(house.store.call_referred(house.app, "callout-1"))
    assert found is not None and found.key.call_id == "p1"
    assert action(hear(house, "ace", "p1")) == "continue"
    hear(house, "dice", "p1", seconds=12)
    assert (house.call("p1").charge_micros, house.wallet().held_micros, house.faults()) == (20_000, 0, ())


@pytest.mark.parametrize("order", [("ace", "dice", "rest"), ("ace", "rest", "dice"), ("rest", "ace", "dice")])
def test_events_may_come_before_the_platform_has_answered(house: "House", order: tuple[str, ...]) -> None:
    """They match by our reference, and name the call; whoever comes second finds it named. Repeats change nothing."""
    house.open("alice", "1")
    place(house, leg(house, 1))
    for what in [*order, *order]:
        if what == "rest":
            key = CallKey(house.app, "callout-1")
            house.perform(KeepPlaced(call=key, call_id="p1", now=house.now))
            continue
        outcome = hear(house, what, "p1", 1, 61)
        if what == "ace" and house.call("p1").state == "answered":
            assert outcome.answer == b'{"action":{"name":"connectConf","conferenceId":"callgate-room"}}'
    assert (house.call("p1").charge_micros, house.wallet().held_micros, house.faults()) == (40_000, 0, ())
    assert len(house.records()) == 1


@pytest.mark.parametrize(
    ("account", "to", "kind", "refusal"),
    [
        ("poor", "", EndpointKind.NUMBER, Refusal.INSUFFICIENT_CREDIT),
        ("suspended", "", EndpointKind.NUMBER, Refusal.ACCOUNT_SUSPENDED),
        ("alice", "+33123456789", EndpointKind.NUMBER, Refusal.NO_RATE),
        ("alice", "+461", EndpointKind.NUMBER, Refusal.DESTINATION_INVALID),
        ("alice", "bob", EndpointKind.USER, Refusal.NO_ROUTE),
        ("nobody", "", EndpointKind.NUMBER, Refusal.CALLER_UNKNOWN),
    ],
)
def test_the_same_steps_refuse_as_for_any_call(
    house: "House", account: str, to: str, kind: EndpointKind, refusal: Refusal
) -> None:
    """And the reason is in the books, under our reference."""
    house.open("alice", "1")
    house.open("poor", "0.01")
    house.open("suspended", "1")
    house.set_status("suspended", Status.SUSPENDED)
    placing = place(house, leg(house, 1, to, kind=kind), account=account)
    assert placing.refusal == refusal
    call = house.call("callout-1")
    assert (call.state, call.refusal, call.hold) == ("refused", refusal, None)
    assert all(house.wallet(each).held_micros == 0 for each in ("alice", "poor", "suspended"))


@pytest.mark.parametrize(
    ("credit", "granted_s"), [("1", 25 * 60), ("0.04", 60), ("0.05", 60), ("0.08", 120), ("99", 14_400)]
)
def test_both_sides_of_a_bridge_are_held_for_the_same_time(house: "House", credit: str, granted_s: int) -> None:
    """As much as pays for both: one side does not take what the other needs."""
    house.open("alice", credit)
    placing = bridge(house)
    assert (placing.refusal, [call.granted_s for call in placing.calls]) == (None, [granted_s, granted_s])
    assert house.wallet().held_micros == 2 * granted_s // 60 * 20_000


@pytest.mark.parametrize("second", ["+33123456789", "+461", "+46701740606"])
def test_a_bridge_is_refused_whole(house: "House", second: str) -> None:
    """Whatever is wrong with the other side, nothing stays held for the first, and nobody is rung."""
    house.open("alice", "0.03")
    placing = place(house, leg(house, 1), leg(house, 2, second))
    assert placing.refusal is not None
    assert [house.call(f"callout-{each}").state for each in (1, 2)] == ["refused", "refused"]
    assert (house.wallet().held_micros, house.faults()) == (0, ())
    assert house.rows("SELECT count(*) FROM calls WHERE hold_state = 'open'") == [(0,)]


def test_the_second_side_is_rung_when_the_first_has_answered(house: "House", exchange: "type[Exchange]") -> None:
    """Once, however often it is looked at; when one side ends, the other is ended, and both are charged."""
    house.open("alice", "1")
    platform = exchange()
    dial(house, platform, *bridge(house).calls)
    house.tend(platform)
    assert len(platform.placed) == 1
    assert action(hear(house, "ace", "p1", 1)) == "connectConf"
    for _ in range(3):
        house.tend(platform)
    assert [each.number for each in platform.placed] == [house.sweden, house.sweden_too]
    assert [each.conference for each in platform.placed] == [ROOM, ROOM]
    assert action(hear(house, "ace", "p2", 2)) == "connectConf"
    house.tend(platform)
    assert platform.done == []
    house.tick(28)
    hear(house, "dice", "p1", seconds=30)
    for _ in range(3):
        house.tend(platform)
    assert platform.done == [("hang up", "p2")]
    hear(house, "dice", "p2", seconds=29)
    house.tend(platform)
    assert [house.call(each).charge_micros for each in ("p1", "p2")] == [20_000, 20_000]
    assert (len(platform.done), house.wallet().held_micros, house.faults()) == (1, 0, ())


def test_a_side_that_could_not_be_ended_is_ended_again(house: "House", exchange: "type[Exchange]") -> None:
    """By its timer, until the platform has done it; then its end should come, or it is asked about soon."""
    house.open("alice", "1")
    platform = exchange()
    dial(house, platform, *bridge(house).calls)
    hear(house, "ace", "p1", 1)
    house.tend(platform)
    hear(house, "ace", "p2", 2)
    hear(house, "dice", "p1", seconds=10)
    down = exchange(is_down=True)
    house.tend(down)
    house.tend(down)
    assert (down.done, house.extend(platform)) == ([("hang up", "p2")], [])
    house.tick(5)
    assert house.extend(platform) == [("hang up", "p2")]
    house.tick(29)
    assert (house.extend(exchange()), house.ask(exchange())) == ([], 0)
    house.tick(1)
    assert house.ask(platform) == 1


def test_who_does_not_answer_frees_what_was_held_for_the_other(house: "House", exchange: "type[Exchange]") -> None:
    """The second side was never rung, and costs nothing."""
    house.open("alice", "1")
    platform = exchange()
    dial(house, platform, *bridge(house).calls)
    hear(house, "dice", "p1")
    house.tend(platform)
    second = house.call("callout-2")
    assert (second.state, second.settled_by, second.charge_micros) == ("ended", "not_placed", 0)
    assert (len(platform.placed), house.wallet().held_micros, house.faults()) == (1, 0, ())


def test_a_second_side_that_cannot_be_rung_ends_the_first(house: "House", exchange: "type[Exchange]") -> None:
    """They wait in a conference with nobody to come."""
    house.open("alice", "1")
    platform = exchange()
    dial(house, platform, *bridge(house).calls)
    hear(house, "ace", "p1", 1)
    platform.fails_to_place = NOBODY
    house.tend(platform)
    house.tend(platform)
    assert platform.done == [("hang up", "p1")]
    assert house.call("callout-2").settled_by == "not_placed"
    assert house.wallet().held_micros == 25 * 20_000


def test_what_the_platform_did_not_take_is_not_held(house: "House", exchange: "type[Exchange]") -> None:
    """For both sides."""
    house.open("alice", "1")
    platform = exchange()
    platform.fails_to_place = NOBODY
    calls = bridge(house).calls
    with pytest.raises(PlatformUnreachable):
        dial(house, platform, *calls)
    assert (house.wallet().held_micros, house.faults()) == (0, ())
    assert [house.call(call.key.call_id).settled_by for call in calls] == ["not_placed", "not_placed"]


def test_after_an_unknown_outcome_the_hold_waits_for_an_event(house: "House", exchange: "type[Exchange]") -> None:
    """The platform may be ringing somebody: it is not asked again, and what comes is matched by our reference."""
    house.open("alice", "1")
    platform = exchange()
    platform.fails_to_place = UNKNOWN
    assert dial(house, platform, place(house, leg(house, 1), longest_s=600).calls[0]) is None
    house.tick(170)
    assert (house.wallet().held_micros, house.extend(platform), house.ask(platform)) == (200_000, [], 0)
    hear(house, "ace", "real", 1)
    hear(house, "dice", "real", seconds=5)
    assert (len(platform.placed), house.call("real").charge_micros, house.wallet().held_micros) == (1, 20_000, 0)


def test_after_an_unknown_outcome_and_silence_the_hold_expires(house: "House", exchange: "type[Exchange]") -> None:
    """The platform is not asked for a call that it has no id of; whatever the rule for lost ends is. A late end corrects."""
    house.open("alice", "1")
    house.set_application("lost_dice=post_full")
    platform = exchange()
    platform.fails_to_place = UNKNOWN
    dial(house, platform, place(house, leg(house, 1), longest_s=600).calls[0])
    house.tick(180 + 600 + 119)
    assert house.ask(platform) == 0
    house.tick(1)
    assert (house.ask(platform), platform.done) == (1, [])
    call = house.call("callout-1")
    assert (call.state, call.settled_by, call.charge_micros) == ("ended", "estimate", 0)
    assert call.hold is not None and call.hold.state == "expired"
    assert (house.wallet().held_micros, house.faults()) == (0, ())
    assert hear(house, "ace", "late", 1).answer == house.hang_up
    hear(house, "dice", "late", 1, 61)
    assert (house.call("callout-1").charge_micros, house.faults()) == (40_000, ())


def test_a_second_call_for_one_reference_is_hung_up(house: "House") -> None:
    """The platform rang twice: one of the calls has the hold, the other has nothing."""
    house.open("alice", "1")
    place(house, leg(house, 1))
    assert action(hear(house, "ace", "first", 1)) == "connectConf"
    with pytest.raises(NotNamedHere):
        hear(house, "ace", "second", 1)
    assert hear(house, "ace", "second").answer == house.hang_up
    hear(house, "dice", "second", seconds=61)
    assert house.call("second").state == "parked"
    hear(house, "dice", "first", 1, 10)
    assert (house.call("first").charge_micros, house.wallet().posted_micros, house.faults()) == (20_000, 980_000, ())


def test_our_timer_ends_what_no_platform_limits(house: "House", exchange: "type[Exchange]") -> None:
    """A spoken message has no limit of its own: before its grant is used up it is ended, until its end has come."""
    house.open("alice", "0.02")
    platform = exchange()
    dial(house, platform, place(house, leg(house, 1, text="Hello")).calls[0])
    house.tick(20)
    hear(house, "ace", "p1", 1)
    house.tick(52)
    assert house.extend(platform) == []
    house.tick(1)
    assert house.extend(platform) == [("hang up", "p1")]
    assert house.extend(platform) == [("hang up", "p1")]
    hear(house, "dice", "p1", 1, 56)
    assert (house.call("p1").charge_micros, house.faults()) == (20_000, ())
    house.tick(3600)
    assert house.extend(platform) == [("hang up", "p1")]


def test_a_conference_is_limited_by_the_platform(house: "House", exchange: "type[Exchange]") -> None:
    """It is told how long."""
    house.open("alice", "0.02")
    platform = exchange()
    dial(house, platform, place(house, leg(house, 1)).calls[0])
    hear(house, "ace", "p1", 1)
    house.tick(3600)
    assert (house.extend(platform), platform.placed[0].max_duration_s) == ([], 60)


def test_a_side_that_is_not_named_yet_is_ended_by_its_answer(house: "House", exchange: "type[Exchange]") -> None:
    """Its id is not known, so that it cannot be hung up; when it answers, it hears that nobody is there."""
    house.open("alice", "1")
    platform = exchange()
    dial(house, platform, *bridge(house).calls)
    hear(house, "ace", "p1", 1)
    platform.fails_to_place = UNKNOWN
    house.tend(platform)
    hear(house, "dice", "p1", seconds=10)
    house.tend(platform)
    house.tend(platform)
    assert (platform.done, house.call("callout-2").state) == ([], "arrived")
    assert hear(house, "ace", "real", 2).answer == house.hang_up
    hear(house, "dice", "real", 2, 1)
    assert (house.call("real").charge_micros, house.wallet().held_micros, house.faults()) == (20_000, 0, ())


def test_elastic_accounts_hold_all_of_what_we_place(house: "House") -> None:
    """Nobody would hear the warning."""
    house.open("alice", "5")
    house.set_elastic()
    placing = place(house, leg(house, 1), longest_s=3_600)
    assert (placing.granted_s, placing.calls[0].elastic, house.wallet().held_micros) == (3_600, None, 1_200_000)


def test_open_holds_are_counted_through_the_change_of_names(house: "House") -> None:
    """An account with a call under way cannot be closed, whatever the call's name is at the moment."""
    house.open("alice", "1")
    place(house, leg(house, 1))
    assert house.rows("SELECT count(*) FROM calls WHERE hold_state = 'open'") == [(1,)]
    house.perform(KeepPlaced(call=CallKey(house.app, "callout-1"), call_id="p1", now=house.now + timedelta(seconds=1)))
    assert house.rows("SELECT call_id FROM calls WHERE hold_state = 'open'") == [("p1",)]
