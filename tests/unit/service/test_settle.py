"""A call ends: how its facts are read, what is billed, and what happens to its hold."""

from typing import TYPE_CHECKING

import msgspec
import pytest

from callgate.ledger.hold import HoldState
from callgate.protocol.call import CallResult
from callgate.service.records import Flag
from callgate.service.settle import Ending, read_ending

if TYPE_CHECKING:
    from tests.conftest import House

UNANSWERED = (CallResult.BUSY, CallResult.NO_ANSWER, CallResult.FAILED, CallResult.NONE)


@pytest.mark.parametrize("result", CallResult)
@pytest.mark.parametrize("seconds", [None, 61])
@pytest.mark.parametrize("debit", [None, "0", "-0.01", "0.05"])
def test_what_an_end_amounts_to(house: "House", result: CallResult, seconds: int | None, debit: str | None) -> None:
    """Answered and timed is billed; not answered, not timed and not paid for is not; all else is unclear."""
    expected = Ending.UNCLEAR
    if result is CallResult.ANSWERED and seconds is not None:
        expected = Ending.BILLABLE
    elif result in UNANSWERED and seconds is None and debit != "0.05":
        expected = Ending.UNANSWERED
    assert read_ending(house.ended(seconds=seconds, result=result, debit=debit)) is expected


@pytest.mark.parametrize("result", UNANSWERED)
@pytest.mark.parametrize("has_answered", [False, True])
def test_a_call_that_was_not_talked_on_costs_nothing(house: "House", result: CallResult, has_answered: bool) -> None:  # noqa: FBT001
    """Its hold is voided, and it has a record like every other."""
    house.open("alice", "0.07")
    house.hear(house.arrived())
    if has_answered:
        house.hear(house.answered())
    assert house.hear(house.ended(result=result)) == (b"{}", "")
    call = house.call()
    assert (call.state, call.charge_micros, call.billed_s, call.duration_s) == ("ended", 0, 0, None)
    assert call.hold is not None and call.hold.state is HoldState.VOIDED
    assert (house.moved(), house.wallet().available_micros) == ([], 70_000)
    (record,) = house.records()
    assert (record.charge_micros, record.duration_s, record.result) == (0, 0, result)
    assert house.faults() == ()


UNCLEAR = [
    {"result": CallResult.ANSWERED},
    {"seconds": 61, "result": CallResult.BUSY},
    {"seconds": 61, "result": CallResult.NONE},
    {"debit": "0.05"},
    {"result": CallResult.OTHER},
    {"seconds": 61, "result": CallResult.OTHER},
]


@pytest.mark.parametrize("words", UNCLEAR)
def test_an_unclear_end_keeps_the_hold(house: "House", words: dict[str, object]) -> None:
    """It is flagged, and no money moves until somebody says what happened."""
    house.open("alice", "0.07")
    house.hear(house.arrived())
    house.hear(house.answered())
    for _ in range(2):
        assert house.hear(house.ended(**words)) == (b"{}", "end_unclear")
    call = house.call()
    assert (call.state, call.flags, call.charge_micros) == ("answered", (Flag.END_UNCLEAR,), None)
    assert (house.wallet().held_micros, house.moved(), house.records()) == (60_000, [], [])
    house.hear(house.ended(seconds=61))
    assert (house.call().state, house.wallet().held_micros, house.wallet().posted_micros) == ("ended", 0, 30_000)


@pytest.mark.parametrize(
    ("rate", "seconds", "billed", "charge"),
    [
        ("0.02 60 60 0", 1, 60, 20_000),
        ("0.02 60 60 0", 61, 120, 40_000),
        ("0.0095 1 1 0", 61, 61, 9_659),
        ("0.03 30 6 0.05", 31, 36, 68_000),
        ("0.0000005 1 1 0", 3_600, 3_600, 30),
        ("0.0105 30 6 0", 37, 42, 7_350),
    ],
)
def test_the_charges_of_the_table(house: "House", rate: str, seconds: int, billed: int, charge: int) -> None:
    """What is billed is what is posted, stored and recorded."""
    price, first_s, next_s, fee = rate.split()
    house.deck(house.rate("46", price, first_s=int(first_s), next_s=int(next_s), fee=fee))
    house.open("alice", "5")
    house.hear(house.arrived())
    house.hear(house.ended(seconds=seconds))
    call, (record,) = house.call(), house.records()
    assert (call.billed_s, call.charge_micros, call.duration_s) == (billed, charge, seconds)
    assert (record.billed_s, record.charge_micros, record.duration_s) == (billed, charge, seconds)
    assert house.moved() == [("wallet:alice", "revenue:USD", charge)]
    assert house.wallet().posted_micros == house.wallet().available_micros == 5_000_000 - charge


def test_a_call_within_its_grace_is_posted_as_nothing(house: "House") -> None:
    """It was answered, and its hold is posted; nothing moves."""
    house.deck(house.rate("46", "0.02", grace_s=5, fee="1", minimum="1"))
    house.open("alice", "5")
    house.hear(house.arrived())
    house.hear(house.ended(seconds=5))
    call = house.call()
    assert (call.charge_micros, call.billed_s, call.hold and call.hold.state) == (0, 0, HoldState.POSTED)
    assert (house.moved(), house.wallet().available_micros, house.faults()) == ([], 5_000_000, ())


@pytest.mark.parametrize(
    ("seconds", "is_cut", "billed"),
    [
        (90, True, 90),
        (91, True, 90),
        (92, True, 90),
        (93, True, 93),
        (91, False, 91),
        (92, False, 92),
        (89, True, 89),
    ],
)
def test_our_own_cut_may_come_two_seconds_late(house: "House", seconds: int, is_cut: bool, billed: int) -> None:  # noqa: FBT001
    """A time limit of 90 s that is reported as 92 is billed as 90; another end of 92 s is 92, and so is a cut of 93."""
    house.deck(house.rate("46", "0.6", first_s=1, next_s=1))
    house.open("alice", "5", max_seconds=90)
    house.hear(house.arrived())
    house.hear(house.ended(seconds=seconds, is_cut=is_cut))
    call = house.call()
    assert (call.billed_s, call.charge_micros, call.duration_s) == (billed, billed * 10_000, seconds)
    assert (Flag.OVERRUN in call.flags) == (billed > 90)


def test_a_call_that_ran_over_its_hold(house: "House") -> None:
    """It posts the hold, takes what is available, and owes the rest; that is an alarm, and other holds are left alone."""
    house.open("alice", "0.09", max_seconds=60)
    house.hear(house.arrived("c1"))
    house.hear(house.arrived("c2"))
    assert house.hear(house.ended("c1", 301)) == (b"{}", "overrun")
    assert sorted(house.moved()) == [
        ("owed:alice", "revenue:USD", 50_000),
        ("wallet:alice", "revenue:USD", 20_000),
        ("wallet:alice", "revenue:USD", 50_000),
    ]
    wallet = house.wallet()
    assert (wallet.posted_micros, wallet.held_micros, wallet.available_micros) == (20_000, 20_000, 0)
    assert wallet.owed_micros == 50_000
    assert (house.call("c1").flags, house.call("c1").charge_micros) == ((Flag.OVERRUN,), 120_000)
    assert house.hear(house.ended("c1", 301)) == (b"{}", "repeat")
    assert house.faults() == ()


def test_the_next_top_up_pays_what_is_owed(house: "House") -> None:
    """First, in the same transaction, and once."""
    house.open("alice", "0.02")
    house.hear(house.arrived())
    house.hear(house.ended(seconds=61))
    assert house.wallet().owed_micros == 20_000
    house.top_up("alice", "0.015", "second")
    assert (house.wallet().posted_micros, house.wallet().owed_micros) == (0, 5_000)
    house.top_up("alice", "0.015", "third")
    house.top_up("alice", "0.015", "third")
    assert (house.wallet().posted_micros, house.wallet().owed_micros) == (10_000, 0)
    assert house.moved().count(("wallet:alice", "owed:alice", 15_000)) == 1
    assert house.moved().count(("wallet:alice", "owed:alice", 5_000)) == 1
    assert house.faults() == ()


def test_a_second_end_that_tells_another_duration_is_flagged(house: "House") -> None:
    """Longer, shorter or none: a person looks at it, and nothing moves."""
    house.open("alice", "0.07")
    for call, second in (("c1", 62), ("c2", 60), ("c3", None)):
        house.hear(house.arrived(call))
        house.hear(house.ended(call, 1))
        assert house.hear(house.ended(call, second)) == (b"{}", "end_differs")
        assert (house.call(call).flags, house.call(call).duration_s) == ((Flag.END_DIFFERS,), 1)
    assert house.moved() == [("wallet:alice", "revenue:USD", 20_000)] * 3


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        ({}, ()),
        ({"result": CallResult.BUSY}, ()),
        ({"seconds": 61}, (Flag.REFUSED_YET_ANSWERED,)),
        ({"debit": "0.05"}, (Flag.REFUSED_YET_ANSWERED,)),
    ],
)
def test_the_end_of_a_refused_call_moves_nothing(
    house: "House", words: dict[str, object], flags: tuple[Flag, ...]
) -> None:
    """If it says that the call was answered all the same, that is an alarm."""
    house.open("alice")
    house.hear(house.arrived())
    assert house.hear(house.ended(**words)) == (b"{}", "refused_yet_answered" if flags else "")
    call = house.call()
    assert (call.state, call.flags, call.charge_micros) == ("refused", flags, None)
    assert (house.transfers(), house.records()) == ([], [])


def test_records_say_what_happened(house: "House") -> None:
    """Times, parties, price, what the platform took, and their number within the account."""
    house.open("alice", "0.50", max_seconds=60)
    house.open("bob", "0.50", max_seconds=60)
    times = [house.now]
    house.hear(house.arrived("c1"))
    times.append(house.now)
    house.hear(house.answered("c1"))
    house.hear(house.answered("c1"))
    times.append(house.now)
    house.hear(house.ended("c1", 50, debit="0.0123"))
    for call, user in (("c2", "bob"), ("c3", "alice")):
        house.hear(house.arrived(call, user=user))
        house.hear(house.ended(call, user=user))
    first, second, third = house.records()
    assert [first.started_at, first.answered_at, first.ended_at] == times
    assert (first.key, first.account, first.caller, first.destination) == (
        ("app", "c1"),
        "alice",
        "alice",
        house.sweden,
    )
    assert (first.charge_micros, first.currency, first.cost, first.cost_currency) == (20_000, "USD", "0.0123", "USD")
    assert (first.result, first.reason, first.settled_by) == ("answered", "callerhangup", "disconnect")
    assert (second.cost, second.answered_at, second.corrects) == (None, None, None)
    assert [(record.account, record.sequence) for record in (first, second, third)] == [
        ("alice", 1),
        ("bob", 1),
        ("alice", 2),
    ]
    assert len({record.record_id for record in (first, second, third)}) == 3


def test_an_answer_of_a_live_call_goes_on(house: "House") -> None:
    """The first counts; repeats change nothing."""
    house.open("alice", "0.07")
    house.hear(house.arrived())
    at = house.now
    outcomes = [house.hear(house.answered()) for _ in range(3)]
    assert outcomes == [(house.go_on, "")] * 3
    call = house.call()
    assert (call.state, call.answered_at, call.flags) == ("answered", at, ())


def test_an_answer_of_any_other_call_is_hung_up(house: "House") -> None:
    """Refused, ended or never heard of: it is flagged where there is something to flag."""
    house.open("alice", "0.07")
    house.hear(house.arrived("ended"))
    house.hear(house.ended("ended"))
    house.hear(house.arrived("refused", user="nobody"))
    before = {call: house.call(call) for call in ("ended", "refused")}
    for call in ("ended", "refused", "unknown"):
        assert house.hear(house.answered(call)) == (house.hang_up, "stray_answer")
    for call, row in before.items():
        assert house.call(call) == msgspec.structs.replace(row, flags=(Flag.STRAY_ANSWER,))
    assert house.run(house.store.call(house.answered("unknown").key)) is None
    assert [callback.note for callback in house.run(house.store.callbacks(house.answered("unknown").key))] == [
        "stray_answer"
    ]
