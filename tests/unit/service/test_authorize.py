"""A call arrives: who pays for it, what is written down about it, and what its repeats get."""

from typing import TYPE_CHECKING

import msgspec
import pytest

from callgate.policy.account import Status
from callgate.protocol.call import EndpointKind, Origin
from callgate.service.records import Flag

if TYPE_CHECKING:
    from tests.conftest import House


def test_a_call_is_written_down_with_all_that_it_was_decided_on(house: "House") -> None:
    """Rate, grant, hold, answer and trace, at the time of the decision."""
    house.open("alice", "0.07", "user:alice", "number:+46701740606")
    at = house.now
    answer = house.hear(house.arrived(cli="+46701740606")).answer
    call = house.call()
    assert (call.state, call.account, call.currency, call.caller) == ("arrived", "alice", "USD", "alice")
    assert (call.destination, call.refusal, call.granted_s, call.decided_at) == (house.sweden, None, 180, at)
    assert call.rate == house.decks["standard"].rate_for(house.sweden, at)
    assert call.hold is not None and (call.hold.state, call.hold.placed_at) == ("open", at)
    assert call.answer == answer
    assert [step["step"] for step in msgspec.json.decode(call.trace)][-1] == "credit"


def test_what_is_dialled_is_what_was_rated(house: "House") -> None:
    """Number, seconds held, and a caller id that the payer may show."""
    house.open("alice", "0.07", "user:alice", "number:+46701740606")
    answer = house.hear(house.arrived(cli="+46701740606")).answer
    assert msgspec.json.decode(answer)["action"] == {
        "name": "connectPstn",
        "number": house.sweden,
        "cli": "+46701740606",
        "maxDuration": 180,
    }


@pytest.mark.parametrize("cli", [None, "+46701740606", "+4930123456"])
def test_a_caller_id_of_nobody_or_of_somebody_else_stays_hidden(house: "House", cli: str | None) -> None:
    """Only a number that is an identity of the account that pays is shown."""
    house.open("alice", "1", "user:alice")
    house.open("bob", "1", "number:+4930123456")
    answer = house.hear(house.arrived(cli=cli)).answer
    assert msgspec.json.decode(answer)["action"]["cli"] == "private"


@pytest.mark.parametrize("origin", [origin for origin in Origin if origin is not Origin.IN_APP])
def test_a_user_is_proven_by_the_platform_alone(house: "House", origin: Origin) -> None:
    """From anywhere else the same name is a claim."""
    house.open("alice", "1")
    assert house.hear(house.arrived(origin=origin)).answer == house.hang_up
    assert (house.call().refusal, house.call().account) == ("caller_unknown", None)


def test_a_number_pays_only_where_it_is_trusted(house: "House") -> None:
    """It can be forged, so that an application has to say so first."""
    house.open("alice", "1", "number:+4930123456")
    phone = {"user": None, "origin": Origin.PHONE, "cli": "+4930123456"}
    assert house.hear(house.arrived("c1", **phone)).answer == house.hang_up
    assert house.call("c1").refusal == "caller_unknown"
    house.trust("number")
    assert house.granted_s(house.hear(house.arrived("c2", **phone)).answer) > 0
    assert (house.call("c2").account, house.call("c2").caller) == ("alice", "+4930123456")


def test_the_proven_user_pays_before_the_number(house: "House") -> None:
    """And where the user has no account, a trusted number may pay."""
    house.trust("number")
    house.open("alice", "1", "user:alice")
    house.open("bob", "1", "number:+4930123456")
    house.hear(house.arrived("c1", cli="+4930123456"))
    house.hear(house.arrived("c2", user="carol", cli="+4930123456"))
    house.hear(house.arrived("c3", user="alice", origin=Origin.PHONE, cli="+4930123456"))
    assert [house.call(call).account for call in ("c1", "c2", "c3")] == ["alice", "bob", "bob"]


def test_a_refused_call_holds_nothing_and_keeps_its_answer(house: "House") -> None:
    """Even when its reason has gone: the same question gets the same answer."""
    house.open("alice")
    first = house.hear(house.arrived())
    assert (first.answer, house.call().state) == (house.hang_up, "refused")
    house.top_up("alice", "10")
    assert house.hear(house.arrived()) == (house.hang_up, "repeat")
    assert house.wallet().held_micros == 0
    assert (house.call().state, house.call().flags) == ("refused", ())


@pytest.mark.parametrize(
    ("another", "words"),
    [
        ("destination", {"to": "+46701740606"}),
        ("user", {"user": "bob"}),
        ("caller id", {"cli": "+4930123456"}),
        ("origin", {"origin": Origin.SIP}),
        ("kind", {"kind": EndpointKind.DID}),
    ],
)
def test_the_same_call_id_for_another_call_is_a_conflict(house: "House", another: str, words: dict[str, str]) -> None:
    """Hung up, flagged once, and nothing moves; the call that had the id goes on as it was."""
    assert another
    house.open("alice", "0.07")
    house.open("bob", "1")
    answer = house.hear(house.arrived()).answer
    before = house.call()
    for _ in range(2):
        assert house.hear(house.arrived(**words)) == (house.hang_up, "call_conflict")
    assert house.call() == msgspec.structs.replace(before, flags=(Flag.CONFLICT,))
    assert (house.wallet("alice").held_micros, house.wallet("bob").held_micros) == (60_000, 0)
    assert house.hear(house.arrived()).answer == answer


def test_a_call_id_is_used_up_when_its_call_has_ended(house: "House") -> None:
    """The same question again is a conflict then."""
    house.open("alice", "0.07")
    house.hear(house.arrived())
    house.hear(house.ended(seconds=60))
    assert house.hear(house.arrived()) == (house.hang_up, "call_conflict")
    assert house.call().flags == (Flag.CONFLICT,)
    assert (house.wallet().held_micros, len(house.moved())) == (0, 1)


@pytest.mark.parametrize(
    ("status", "refusal"), [(Status.SUSPENDED, "account_suspended"), (Status.CLOSED, "account_closed")]
)
def test_an_account_that_is_not_active_starts_no_calls(house: "House", status: Status, refusal: str) -> None:
    """But its live calls go on, and are settled."""
    house.open("alice", "0.07", max_seconds=60)
    house.hear(house.arrived("c1"))
    house.set_status("alice", status)
    house.hear(house.arrived("c2"))
    assert house.call("c2").refusal == refusal
    assert house.hear(house.answered("c1")).answer == house.go_on
    house.hear(house.ended("c1", 30))
    assert (house.call("c1").charge_micros, house.wallet().posted_micros) == (20_000, 50_000)


def test_the_rate_of_a_call_is_the_one_it_was_authorized_at(house: "House") -> None:
    """A deck that is imported in the middle changes nothing for it, dearer or cheaper."""
    house.open("alice", "0.07")
    house.hear(house.arrived())
    house.deck(house.rate("46", "5"))
    house.hear(house.ended(seconds=61))
    assert house.moved() == [("wallet:alice", "revenue:USD", 40_000)]


def test_every_callback_is_kept_with_its_answer(house: "House") -> None:
    """Repeats and conflicts too, in the order in which they came."""
    house.open("alice", "0.07")
    house.hear(house.arrived())
    house.hear(house.arrived())
    house.hear(house.arrived(to=house.sweden_too))
    kept = house.run(house.store.callbacks(house.arrived().key))
    assert [callback.note for callback in kept] == ["", "repeat", "call_conflict"]
    assert kept[0].answer == kept[1].answer != kept[2].answer == house.hang_up
    assert [callback.name for callback in kept] == ["ice"] * 3


# -- an end that came before its start -----------------------------------------------------------------------------------


def test_an_end_without_a_start_waits(house: "House") -> None:
    """Nothing moves, however often it comes; an answer meanwhile is hung up."""
    house.open("alice", "0.07")
    assert house.hear(house.ended(seconds=61)) == (b"{}", "came before its start")
    assert house.hear(house.ended(seconds=61)) == (b"{}", "repeat")
    assert house.hear(house.answered()).answer == house.hang_up
    assert (house.call().state, house.moved(), house.wallet().held_micros) == ("parked", [], 0)


def test_a_start_after_its_end_is_decided_and_settled_at_once(house: "House") -> None:
    """The money moves as in any other order, and the caller is hung up: the call is over."""
    house.open("alice", "0.07")
    ended_at = house.now
    house.hear(house.ended(seconds=61))
    assert house.hear(house.arrived()) == (house.hang_up, "its end came first")
    call = house.call()
    assert (call.state, call.charge_micros, call.granted_s, call.ended_at) == ("ended", 40_000, 180, ended_at)
    assert (house.moved(), house.wallet().held_micros) == ([("wallet:alice", "revenue:USD", 40_000)], 0)
    (record,) = house.records()
    assert (record.started_at, record.ended_at, record.settled_by) == (ended_at, ended_at, "disconnect")
    assert house.hear(house.arrived()).answer == house.hang_up
    assert house.faults() == ()


def test_a_start_that_is_refused_after_its_end_moves_nothing(house: "House") -> None:
    """It is refused as in the other order, and just as alarming when the platform says that it was answered."""
    for call, words in (("c1", {"seconds": 61}), ("c2", {})):
        house.hear(house.ended(call, **words))
        assert house.hear(house.arrived(call)).answer == house.hang_up
        assert house.call(call).refusal == "caller_unknown"
    assert house.transfers() == []
    assert [house.call(call).flags for call in ("c1", "c2")] == [(Flag.REFUSED_YET_ANSWERED,), ()]


def test_an_unclear_end_that_came_first_keeps_the_hold(house: "House") -> None:
    """As it would in the other order; a clear end settles it."""
    house.open("alice", "0.07")
    house.hear(house.ended(debit="0.05"))
    assert house.hear(house.arrived()).answer == house.hang_up
    assert (house.call().state, house.call().flags) == ("arrived", (Flag.END_UNCLEAR,))
    assert house.wallet().held_micros == 60_000
    house.hear(house.ended(seconds=10))
    assert (house.wallet().posted_micros, house.wallet().held_micros) == (50_000, 0)


@pytest.mark.parametrize(("waited_s", "state"), [(599, "ended"), (600, "parked")])
def test_a_start_may_be_late_by_ten_minutes(house: "House", waited_s: int, state: str) -> None:
    """Then its end has been given up: it is hung up, flagged, and moves nothing."""
    house.open("alice", "0.07")
    house.now -= house.orphan_after
    house.perform(house.job(house.ended(seconds=61)))
    house.tick(waited_s)
    assert house.perform(house.job(house.arrived())).answer == house.hang_up
    assert (house.call().state, len(house.moved())) == (state, int(state == "ended"))
    assert (Flag.CONFLICT in house.call().flags) == (state == "parked")
