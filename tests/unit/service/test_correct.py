"""The true end of a call that was settled by estimate: it corrects once, in either direction."""

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from callgate.errors import Conflict
from callgate.protocol.call import CallResult
from callgate.service.endpoint import Endpoint, RecordType
from callgate.service.records import Flag
from callgate.service.refund import Refund

if TYPE_CHECKING:
    from tests.conftest import House


def estimate(house: "House", rule: str, credit: str = "0.07", seconds: int = 120) -> None:
    """A call that was granted so many seconds and settled by that rule."""
    house.set_application(f"lost_dice={rule}")
    house.open("alice", credit, max_seconds=seconds)
    house.hear(house.arrived())
    house.hear(house.answered())
    house.tick(1_000)
    house.heal(None)
    assert house.call().settled_by == "estimate"


@pytest.mark.parametrize(
    ("rule", "end", "charge", "moved"),
    [
        ("post_full", {"seconds": 30}, 20_000, [("revenue:USD", "wallet:alice", 20_000)]),
        ("post_full", {}, 0, [("revenue:USD", "wallet:alice", 40_000)]),
        ("post_full", {"seconds": 120}, 40_000, []),
        ("post_full", {"seconds": 122, "is_cut": True}, 40_000, []),
        ("void", {"seconds": 61}, 40_000, [("wallet:alice", "revenue:USD", 40_000)]),
        ("void", {}, 0, []),
        (
            "void",
            {"seconds": 200},
            80_000,
            [("owed:alice", "revenue:USD", 10_000), ("wallet:alice", "revenue:USD", 70_000)],
        ),
    ],
)
def test_the_difference_moves_and_a_record_corrects(
    house: "House", rule: str, end: dict[str, Any], charge: int, moved: list[tuple[str, str, int]]
) -> None:
    """Exactly as if the end had come in time, to the micro."""
    estimate(house, rule)
    before = house.moved()
    assert house.hear(house.ended(**end)) == (b"{}", "corrects")
    after = house.moved()
    for each in before:
        after.remove(each)
    assert after == moved
    call = house.call()
    assert (call.settled_by, call.charge_micros, call.duration_s) == ("disconnect", charge, end.get("seconds"))
    first, second = house.records()
    assert (first.record_id, first.settled_by, first.corrects) == ("app/c1", "estimate", None)
    assert (second.record_id, second.corrects, second.sequence) == ("correction:app/c1", "app/c1", 2)
    assert (second.settled_by, second.charge_micros) == ("disconnect", charge)
    wallet = house.wallet()
    assert wallet.posted_micros - wallet.owed_micros == 70_000 - charge
    assert house.faults() == ()


@pytest.mark.parametrize("rule", ["post_full", "void"])
def test_it_corrects_once(house: "House", rule: str) -> None:
    """What comes after that is a repeat, or is flagged; nothing moves."""
    estimate(house, rule)
    house.hear(house.ended(seconds=61))
    stands = house.transfers()
    assert house.hear(house.ended(seconds=61)) == (b"{}", "repeat")
    assert house.hear(house.ended(seconds=1)) == (b"{}", "end_differs")
    assert house.hear(house.ended()) == (b"{}", "end_differs")
    assert (house.transfers(), len(house.records()), house.faults()) == (stands, 2, ())


def test_an_unclear_end_corrects_nothing(house: "House") -> None:
    """It is flagged, and a clear one that comes later corrects."""
    estimate(house, "post_full")
    assert house.hear(house.ended(seconds=1, result=CallResult.OTHER)) == (b"{}", "end_unclear")
    assert (house.call().flags, house.call().settled_by) == ((Flag.END_UNCLEAR,), "estimate")
    assert house.hear(house.ended(seconds=1)) == (b"{}", "corrects")
    assert house.faults() == ()


def test_what_is_given_back_pays_first_what_is_owed(house: "House") -> None:
    """Like all money that comes in."""
    estimate(house, "post_full", credit="0.04")
    house.perform(house.job(house.ended("orphan", 61)))
    house.tick(600)
    house.expire()
    assert (house.wallet().posted_micros, house.wallet().owed_micros) == (0, 40_000)
    house.hear(house.ended())
    assert (house.wallet().posted_micros, house.wallet().owed_micros) == (0, 0)
    assert house.faults() == ()


def test_a_correction_takes_nothing_that_other_calls_hold(house: "House") -> None:
    """What is not available is owed."""
    estimate(house, "void", credit="0.05", seconds=60)
    house.hear(house.arrived("c2"))
    house.hear(house.ended("c1", 150))
    wallet = house.wallet()
    assert (wallet.posted_micros, wallet.held_micros, wallet.owed_micros) == (20_000, 20_000, 30_000)
    assert house.call().flags == (Flag.OVERRUN,)
    assert house.faults() == ()


def test_an_estimate_that_was_refunded_is_corrected_by_its_difference_all_the_same(house: "House") -> None:
    """What the operator gave away stays given; no more than the true charge can be refunded after that."""
    estimate(house, "post_full")
    key = house.call().key

    def refund(micros: int, reference: str) -> None:
        house.perform(
            Refund(call=key, amount_micros=micros, why="asked", reference=reference, now=house.now, who="test")
        )

    refund(30_000, "r1")
    house.hear(house.ended(seconds=1))
    assert (house.wallet().posted_micros, house.faults()) == (80_000, ())
    with pytest.raises(Conflict, match=r"at most 0\.00 USD is possible"):
        refund(1, "r2")


def test_records_and_events_go_to_endpoints_by_their_type(house: "House") -> None:
    """Settled by estimate, corrected, overrun: each is a type of its own, and the first record is one of an ended call."""
    kinds = {
        "all": (),
        "ended": ("call.ended",),
        "odd": ("call.settled_by_estimate", "call.corrected"),
        "over": ("overrun",),
    }
    house.endpoints = tuple(
        Endpoint(
            id=name, url="https://crm.example.com/", types=tuple(RecordType(kind) for kind in types), allow_private=False,
            created_at=house.now, sealed_secrets=(b"x",),
        )
        for name, types in kinds.items()
    )  # fmt: skip
    for endpoint in house.endpoints:
        house.add_endpoint(endpoint)
    estimate(house, "void")
    house.hear(house.ended(seconds=121))
    found = house.rows("SELECT endpoint, type, sequence, body FROM deliveries ORDER BY number")
    told: dict[str, list[tuple[str, int]]] = {}
    for endpoint, kind, sequence, body in found:
        told.setdefault(endpoint, []).append((kind, sequence))
        assert msgspec.json.decode(body)["type"] == kind
    first, second = ("call.ended", 1), ("call.settled_by_estimate", 1)
    third, fourth = ("call.corrected", 2), ("overrun", 2)
    assert told == {"all": [first, second, third, fourth], "ended": [first], "odd": [second, third], "over": [fourth]}
    bodies = {kind: msgspec.json.decode(body)["data"] for _, kind, _, body in found}
    assert (bodies["call.ended"]["settled_by"], bodies["call.ended"]["corrects"]) == ("estimate", None)
    assert (bodies["call.corrected"]["charge"], bodies["call.corrected"]["corrects"]) == ("0.06", "app/c1")
