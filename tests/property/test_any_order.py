"""Duplicates, reordering and loss are normal: any order of a call's events, with any repeats, ends in the same ledger."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.protocol import WireRequest, sinch
from callgate.protocol.call import CallEnded, CallEvent, CallKey, CallOngoing
from callgate.protocol.life import LIVE

if TYPE_CHECKING:
    from tests.conftest import House

NewHouse = Callable[[], AbstractContextManager["House"]]
Order = list[tuple[int, str]]
"""Which call, and which of its events."""

sampled = partial(settings, deadline=None, derandomize=True)


class Life(NamedTuple):
    """What the platform will say about one call, in its own words. `other` is where a conflicting start goes."""

    user: str
    to: str
    other: str
    result: str
    reason: str
    duration: int | None
    debit: str | None


lives = st.builds(
    Life,
    user=st.sampled_from(["alice", "alice", "alice", "nobody"]),
    to=st.sampled_from(["+46701740605", "+4930123456", "+33123456789", "+46123"]),
    other=st.sampled_from(["+46701740606", "+4930123457"]),
    result=st.sampled_from(["ANSWERED", "ANSWERED", "ANSWERED", "BUSY", "NOANSWER", "FAILED", "N/A", "STRANGE"]),
    reason=st.sampled_from(["CALLERHANGUP", "TIMEOUT", "N/A"]),
    duration=st.sampled_from([None, 0, 1, 30, 60, 61, 90, 91, 92, 93, 240, 3_000]),
    debit=st.sampled_from([None, None, "0", "0.0123"]),
)


def event(number: int, life: Life, name: str) -> CallEvent:
    """Read an event as it comes over the wire."""
    body: dict[str, Any] = {"event": name, "callid": f"c{number}", "applicationKey": "app"}
    if name in ("ice", "conflict"):
        to = life.to if name == "ice" else life.other
        body |= {"event": "ice", "user": life.user, "originationType": "MXP", "to": {"type": "number", "endpoint": to}}
    if name == "dice":
        body |= {"result": life.result, "reason": life.reason, "user": life.user}
        body |= {} if life.duration is None else {"duration": life.duration}
        body |= {} if life.debit is None else {"debit": {"amount": float(life.debit), "currencyId": "USD"}}
    headers = {"authorization": "application app:c2lnbmF0dXJl"}
    return sinch.understand(
        WireRequest(method="POST", path="/callbacks/sinch", headers=headers, body=msgspec.json.encode(body))
    )


def ledger_after(
    new_house: NewHouse, calls: list[Life], order: Iterable[tuple[int, str]], credit: str
) -> dict[str, Any]:
    """Everything that money depends on, after these events in this order. The four invariants hold after each."""
    with new_house() as house:
        house.open("alice", credit, max_seconds=90)
        for number, name in order:
            house.hear(event(number, calls[number], name))
            assert house.faults() == ()
        wallet = house.wallet()
        outcomes = {}
        for number in range(len(calls)):
            call = house.call(f"c{number}")
            state = "live" if call.state in LIVE else call.state
            outcomes[number] = (
                state, call.refusal, call.account, call.destination, call.granted_s, call.hold and call.hold.amount_micros,
                call.hold and call.hold.state, call.duration_s, call.billed_s, call.charge_micros, call.result,
                call.settled_by, {flag for flag in call.flags if flag not in ("conflict", "stray_answer")},
            )  # fmt: skip
        return {
            "wallet": (wallet.posted_micros, wallet.held_micros, wallet.owed_micros, wallet.record_count),
            "transfers": sorted(house.rows("SELECT id, kind, debit, credit, amount_micros, call_id FROM transfers")),
            "calls": outcomes,
            "records": sorted(
                (record.key, record.charge_micros, record.billed_s, record.duration_s, record.result, record.cost or "")
                for record in house.records()
            ),
        }


def told_in_order(count: int, starts: dict[int, str]) -> Order:
    return [(number, name) for number in range(count) for name in (starts.get(number, "ice"), "ace", "dice")]


@st.composite
def orders(draw: st.DrawFn, count: int, names: tuple[str, ...] = ("ice", "ace", "dice")) -> Order:
    """Every event of every call at least once, some of them again, in any order."""
    each = [(number, name) for number in range(count) for name in names]
    again = draw(st.lists(st.sampled_from(each), max_size=4 * count))
    return draw(st.permutations(each + again))


@sampled(max_examples=100)
@given(lives, orders(1), st.sampled_from(["0", "0.019999", "0.02", "0.03", "0.07", "5"]))
def test_one_call(new_house: NewHouse, life: Life, order: Order, credit: str) -> None:
    """With whatever credit: connected, refused, overrun or unclear, the books say the same."""
    expected = ledger_after(new_house, [life], told_in_order(1, {}), credit)
    assert ledger_after(new_house, [life], order, credit) == expected


@sampled(max_examples=60)
@given(st.lists(lives, min_size=2, max_size=3), st.data())
def test_calls_on_one_wallet_in_between_one_another(
    new_house: NewHouse, calls: list[Life], data: st.DataObject
) -> None:
    """Where the wallet is good for all of them, they do not know of each other."""
    order = data.draw(orders(len(calls)))
    expected = ledger_after(new_house, calls, told_in_order(len(calls), {}), "100")
    assert ledger_after(new_house, calls, order, "100") == expected


@sampled(max_examples=60)
@given(lives, orders(1, ("ice", "ace", "dice", "conflict")))
def test_a_conflicting_start_in_between(new_house: NewHouse, life: Life, order: Order) -> None:
    """The first start that comes is the call; the other moves nothing, wherever it comes."""
    first = next(name for _, name in order if name in ("ice", "conflict"))
    expected = ledger_after(new_house, [life], told_in_order(1, {0: first}), "5")
    assert ledger_after(new_house, [life], order, "5") == expected


@sampled(max_examples=60)
@given(st.lists(lives, min_size=2, max_size=4), st.data())
def test_calls_that_compete_for_one_wallet(new_house: NewHouse, calls: list[Life], data: st.DataObject) -> None:
    """Who comes first is served first, so that orders differ; but each call has one outcome, and nothing stays held."""
    order = data.draw(orders(len(calls), ("ice", "ace", "dice", "conflict")))
    found = ledger_after(new_house, calls, order, "0.07")
    held = sum(outcome[5] for outcome in found["calls"].values() if outcome[0] == "live")
    assert found["wallet"][1] == held
    ended = [outcome for outcome in found["calls"].values() if outcome[0] == "ended"]
    assert len(found["records"]) == found["wallet"][3] == len(ended)
    charged = sum(outcome[9] for outcome in ended)
    assert 70_000 - found["wallet"][0] + found["wallet"][2] == charged
    assert {outcome[0] for outcome in found["calls"].values()} <= {"live", "ended", "refused"}


@sampled(max_examples=60)
@given(lives, orders(1), st.booleans(), st.integers(0, 5))
def test_a_start_that_is_answered_with_the_fallback(
    new_house: NewHouse,
    life: Life,
    order: Order,
    was_decided: bool,  # noqa: FBT001 - drawn
    behind: int,
) -> None:
    """Whether its decision came late or never, and whatever came before that was written down: unless the call had ended
    by then, it is a refused one for which nothing is held and nothing moves.
    """
    names = [name for _, name in order]
    start = names.index("ice")
    names[start] = "late ice" if was_decided else "lost ice"
    names.insert(min(start + 1 + behind, len(names)), "fallback")
    with new_house() as house:
        house.open("alice", "0.07", max_seconds=90)
        decided_at, has_ended = house.now, False
        for name in names:
            if name.endswith(" ice"):
                decided_at = house.now
            if name == "fallback":
                has_ended = bool(house.records())
                house.overrule(house.arrived("c0"), decided_at)
            elif name != "lost ice":
                house.hear(event(0, life, name.removeprefix("late ")))
            assert house.faults() == ()
        if was_decided or "ice" not in names[: names.index("fallback")]:
            assert house.wallet().held_micros == 0
            assert has_ended or (house.call("c0").state, house.moved(), house.records()) == ("refused", [], [])


# -- losses ------------------------------------------------------------------------------------------------------------


def healed_after(
    new_house: NewHouse, calls: list[Life], order: Iterable[tuple[int, str]], *, forgets: frozenset[int] = frozenset()
) -> dict[str, Any]:
    """Everything that money depends on, once the healer has asked about all that was lost. The platform knows how calls
    ended, except those that it `forgets`; `estimate` in the order is the moment at which it is asked about these.
    """
    with new_house() as house:
        house.set_application("lost_dice=void")
        house.open("alice", "100", max_seconds=90)
        platform = Memory({f"c{number}": event(number, life, "dice") for number, life in enumerate(calls)})
        for number, name in [*order, (-1, "estimate")]:
            if name == "estimate":
                platform.forgotten = {f"c{each}" for each in forgets} if number >= 0 else set()
                house.tick(90_000)
                for _ in range(2):
                    while house.ask(platform):
                        house.tick(90_000)
            else:
                house.hear(event(number, calls[number], name))
            assert house.faults() == ()
        wallet = house.wallet()
        found = [house.call(f"c{number}") for number in range(len(calls))]
        return {
            "wallet": (wallet.posted_micros, wallet.held_micros, wallet.owed_micros),
            "calls": [(call.state, call.refusal, call.charge_micros, call.billed_s, call.duration_s) for call in found],
            "ends": {record.key for record in house.records()},
        }


class Memory:
    """A platform that remembers how calls ended."""

    def __init__(self, ends: dict[str, CallEvent]) -> None:
        self._ends = ends
        self.forgotten: set[str] = set()

    async def ask(self, call: CallKey, resource: str) -> CallEnded | CallOngoing | None:  # noqa: ARG002 - it has no hosts
        end = self._ends[call.call_id]
        assert isinstance(end, CallEnded)
        return None if call.call_id in self.forgotten else end

    async def hang_up(self, call: CallKey, resource: str) -> bool:
        raise AssertionError(call, resource)

    async def put_out(self, call: CallKey, resource: str, _: str) -> bool:
        return await self.hang_up(call, resource)

    async def warn(self, call: CallKey, resource: str, text: str, locale: str) -> bool:
        raise AssertionError(call, resource, text, locale)


connecting = st.builds(
    Life,
    user=st.just("alice"),
    to=st.sampled_from(["+46701740605", "+4930123456"]),
    other=st.just("+46701740606"),
    result=st.just("ANSWERED"),
    reason=st.sampled_from(["CALLERHANGUP", "TIMEOUT"]),
    duration=st.sampled_from([1, 30, 61, 90, 92, 93, 240]),
    debit=st.sampled_from([None, "0.0123"]),
)
"""Calls that were let through and talked on: what is worth losing."""


@sampled(max_examples=30)
@given(st.lists(connecting | lives, min_size=1, max_size=3), st.data())
def test_lost_events_are_healed(new_house: NewHouse, calls: list[Life], data: st.DataObject) -> None:
    """Whatever of answers and ends was lost, once the platform has been asked the books say what they would have said."""
    told = told_in_order(len(calls), {})
    losable = st.sampled_from([each for each in told if each[1] != "ice"])
    lost = data.draw(st.lists(losable, unique=True, max_size=2 * len(calls)))
    order = [each for each in data.draw(orders(len(calls))) if each not in lost]
    assert healed_after(new_house, calls, order) == healed_after(new_house, calls, told)


@sampled(max_examples=30)
@given(st.lists(connecting | lives, min_size=1, max_size=2), st.data())
def test_estimates_are_corrected_by_ends_that_come_late(
    new_house: NewHouse, calls: list[Life], data: st.DataObject
) -> None:
    """Wherever among a call's events the estimate falls, and however often its end comes after that."""
    order = data.draw(orders(len(calls)))
    started = max(order.index((number, "ice")) for number in range(len(calls)))
    at = data.draw(st.integers(started + 1, len(order)))
    ends = [(number, "dice") for number in range(len(calls))]
    interrupted = [*order[:at], (0, "estimate"), *order[at:], *ends]
    told = told_in_order(len(calls), {})
    found = healed_after(new_house, calls, interrupted, forgets=frozenset(range(len(calls))))
    assert found == healed_after(new_house, calls, told)
