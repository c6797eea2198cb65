"""Bugs that other prepaid billing has had, as their users reported them in public: none of them is ours.

Each goes end to end: callbacks in the platform's own words, the service, and a database on disk.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from callgate.protocol import WireRequest, sinch
from callgate.protocol.life import LIVE
from callgate.service.records import Flag
from callgate.service.respond import Responder
from callgate.storage.postgres import PostgresStore

if TYPE_CHECKING:
    from tests.conftest import Exchange, House


class Line:
    """A line to the server: callbacks as the platform sends them, answers as it gets them."""

    def __init__(self, house: "House") -> None:
        self.house = house
        self._responder = Responder(
            house.store, lambda: house.now, decision_deadline_s=30, orphan_after=house.orphan_after
        )

    def ice(self, call: str, **words: Any) -> int:
        """A call wants to be set up; return the seconds that it is granted, 0 for a hang-up."""
        body = {"user": "alice", "originationType": "MXP", "to": {"type": "number", "endpoint": self.house.sweden}}
        answer = self._send({"event": "ice", "callid": call, **body, **words})["action"]
        return int(answer.get("maxDuration", 0))

    def ace(self, call: str) -> str:
        name = self._send({"event": "ace", "callid": call})["action"]["name"]
        return str(name)

    def dice(self, call: str, seconds: int, reason: str = "CALLERHANGUP") -> None:
        to = {"type": "number", "endpoint": self.house.sweden}
        body = {"duration": seconds, "result": "ANSWERED", "reason": reason, "user": "alice", "to": to}
        assert self._send({"event": "dice", "callid": call, **body}) == {}

    def _send(self, body: dict[str, Any]) -> dict[str, Any]:
        request = WireRequest(
            method="POST",
            path="/callbacks/sinch",
            headers={"authorization": "application app:c2lnbmF0dXJl"},
            body=msgspec.json.encode({"applicationKey": "app", **body}),
        )
        event = sinch.understand(request)
        reply = self.house.run(self._responder.respond(event, request.body, sinch, self.house.catalog()))
        answer: dict[str, Any] = msgspec.json.decode(reply.body)
        return answer


@pytest.fixture(params=["sqlite", "postgres"])
def line(
    request: pytest.FixtureRequest, tmp_path: Path, new_house: Callable[..., AbstractContextManager["House"]]
) -> Iterator[Line]:
    """A server whose books are sound at the end. A minute to Sweden costs 0.02, each begun one in full."""
    if request.param == "sqlite":
        store = request.getfixturevalue("file_store")(tmp_path / "gate.db")
    else:
        store = PostgresStore(request.getfixturevalue("postgres_url"))
    with new_house(store) as house:
        yield Line(house)
        assert house.faults() == ()


def test_talking_past_the_balance(line: Line) -> None:
    """magnussolution/magnusbilling#343: credit for two minutes, ten were talked, and the balance went below zero.

    The platform is told to end the call when its money is used up. If it does not, what is missing is owed and flagged:
    the balance itself never goes below zero, and nothing more is let through.
    """
    line.house.open("alice", "0.04")
    assert line.ice("c1") == 120
    line.ace("c1")
    line.house.tick(600)
    line.dice("c1", 600)
    wallet = line.house.wallet()
    assert (wallet.posted_micros, wallet.owed_micros) == (0, 160_000)
    assert line.house.call("c1").flags == (Flag.OVERRUN,)
    assert line.ice("c2") == 0


def test_double_charge_of_a_prepaid_call(line: Line) -> None:
    """irontec/ivozprovider#703: taken once while the call went on and once more after it, the balance ended at minus 100.

    A hold moves nothing. The charge is taken from it once, however often and by whomever the end is told.
    """
    line.house.open("alice", "0.06")
    assert line.ice("c1") == 180
    assert line.house.wallet().posted_micros == 60_000
    line.ace("c1")
    line.house.tick(180 + 120)
    for _ in range(3):
        line.dice("c1", 180, "TIMEOUT")
        line.house.heal(line.house.ended("c1", 180))
        assert line.house.moved() == [("wallet:alice", "revenue:USD", 60_000)]
    assert (line.house.wallet().posted_micros, len(line.house.records())) == (0, 1)


def test_authorized_at_zero_balance(line: Line) -> None:
    """cgrates/cgrates#457: authorization succeeded although the balance was zero, and the call drove it below.

    Nothing is let through that cannot be paid for its first increment, be the money gone or held by another call.
    """
    line.house.open("alice")
    assert line.ice("none") == 0
    line.house.top_up("alice", "0.019999")
    assert line.ice("too little") == 0
    line.house.top_up("alice", "0.000001", "second")
    assert (line.ice("enough"), line.ice("held by the other")) == (60, 0)
    refused = [line.house.call(call) for call in ("none", "too little", "held by the other")]
    assert {call.refusal for call in refused} == {"insufficient_credit"}
    assert all(call.hold is None for call in refused)


def test_wrong_record_when_credit_ends_in_mid_call(line: Line, exchange: "type[Exchange]") -> None:
    """cgrates/cgrates#1490: a call that ran out of credit got a record with the wrong usage and cost.

    The record tells how long was talked and what was taken for it, whether the platform's limit cut the call a moment
    late or we ended it.
    """
    line.house.open("alice", "0.04")
    assert line.ice("cut") == 120
    line.ace("cut")
    line.dice("cut", 121, "TIMEOUT")
    line.house.top_up("alice", "0.12", "second")
    line.house.set_elastic()
    assert line.ice("ended") == 1_800
    line.ace("ended")
    line.house.tick(240)
    line.house.extend()
    line.house.tick(110)
    assert line.house.extend(exchange())[-1][0] == "hang up"
    line.dice("ended", 351, "MANAGERHANGUP")
    cut, ended = line.house.records()
    assert (cut.duration_s, cut.billed_s, cut.charge_micros, cut.reason) == (121, 120, 40_000, "timeout")
    assert (ended.duration_s, ended.billed_s, ended.charge_micros, ended.reason) == (351, 360, 120_000, "managerhangup")
    assert line.house.moved() == [("wallet:alice", "revenue:USD", 40_000), ("wallet:alice", "revenue:USD", 120_000)]
    assert (line.house.wallet().posted_micros, line.house.wallet().owed_micros) == (0, 0)


def test_other_live_calls_surviving_the_end_of_credit(line: Line, exchange: "type[Exchange]") -> None:
    """kamailio/kamailio#2346: when one call used up the credit, another one of the same customer was not ended.

    Each call has money of its own, and each is ended when that is used up: the one that talks as well as the one whose
    answer has not been heard.
    """
    line.house.open("alice", "0.24")
    line.house.set_elastic()
    assert (line.ice("talks"), line.ice("rings")) == (1_800, 1_800)
    line.ace("talks")
    line.house.tick(240)
    platform = exchange()
    line.house.extend(platform)
    line.house.tick(120)
    line.house.extend(platform)
    line.house.tick(60)
    line.house.extend(platform)
    assert line.house.wallet().available_micros == 0
    ended = {call for what, call in platform.done if what == "hang up"}
    assert ended == {"talks", "rings"}
    spent = line.house.call("talks"), line.house.call("rings")
    for call in spent:
        assert call.hold is not None
        line.dice(call.key.call_id, min(420, call.hold.amount_micros * 60 // 20_000), "MANAGERHANGUP")
    assert (line.house.wallet().owed_micros, line.house.wallet().held_micros) == (0, 0)


def test_inbound_calls_not_blocked_at_a_negative_balance(line: Line) -> None:
    """inextrix/ASTPP#476: calls to a customer's rented number went on being connected at a balance below zero.

    A call that comes in is judged like any other: whoever pays for it has to have the money. A rented number without a
    route connects nobody.
    """
    line.house.open("alice", "0.02", "user:alice", "number:+46700000001")
    line.house.trust("number")
    line.ice("c1")
    line.dice("c1", 61)
    assert (line.house.wallet().posted_micros, line.house.wallet().owed_micros) == (0, 20_000)
    phone = {"originationType": "PSTN", "cli": "46700000001", "user": ""}
    assert line.ice("from a phone", **phone) == 0
    assert line.house.call("from a phone").refusal == "insufficient_credit"
    assert line.ice("to a number", **phone, to={"type": "did", "endpoint": "+46100000000"}) == 0
    assert line.house.wallet().owed_micros == 20_000


def test_balance_that_lags_by_a_polling_interval(line: Line) -> None:
    """irontec/ivozprovider#655: balances were copied by a timer, and what was shown and judged by was old.

    There is one balance. It is less as soon as a call is let through, and more as soon as one ends or money comes in,
    at the same moment for whoever asks.
    """
    line.house.open("alice", "0.07", max_seconds=60)
    granted = [line.ice(f"c{number}") for number in range(5)]
    assert granted == [60, 60, 60, 0, 0]
    assert line.house.wallet().available_micros == 10_000
    line.dice("c0", 1)
    line.house.top_up("alice", "0.01", "second")
    assert (line.house.wallet().available_micros, line.ice("c5"), line.ice("c6")) == (20_000, 60, 0)


def test_session_end_without_a_session(line: Line) -> None:
    """cgrates/cgrates#895: the end of a call was reported for which there was no session; it was an error, nothing was
    charged, and the balance of the call that had gone on was never put right.

    Such an end waits for its start. Without one it is charged by what it says; with one, as if it had come in order.
    """
    line.house.open("alice", "0.07")
    line.dice("overtakes", 61)
    line.dice("alone", 61)
    assert line.house.moved() == []
    assert line.ice("overtakes") == 0
    assert line.house.moved() == [("wallet:alice", "revenue:USD", 40_000)]
    line.house.now += timedelta(seconds=600)
    line.house.expire()
    wallet = line.house.wallet()
    assert (wallet.posted_micros, wallet.owed_micros, wallet.held_micros) == (0, 10_000, 0)
    for call in ("overtakes", "alone"):
        assert line.house.call(call).state not in LIVE
        line.dice(call, 61)
    assert len(line.house.records()) == 2
