"""Money that operators move, mixed with calls in any order: the books stay sound, and nothing goes beyond what it may."""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.errors import Conflict, NotFound
from callgate.money import format_micros
from callgate.policy.account import Status
from callgate.protocol.call import CallKey
from callgate.service.adjust import Adjust
from callgate.service.books import AccountKey
from callgate.service.refund import Refund
from callgate.service.set_account import SetAccount
from callgate.service.set_status import SetAccountStatus
from callgate.service.statement import account_statement

if TYPE_CHECKING:
    from tests.conftest import House

NewHouse = Callable[[], AbstractContextManager["House"]]

calls = st.sampled_from(["c1", "c2", "c3"])
micros = st.integers(1, 60_000) | st.just(20_000)
references = st.sampled_from(["r1", "r2", "r3", "r4"])
steps = st.one_of(
    st.tuples(st.just("arrive"), calls),
    st.tuples(st.just("end"), calls, st.none() | st.integers(1, 200)),
    st.tuples(st.just("top up"), micros, references),
    st.tuples(st.just("adjust"), micros | micros.map(int.__neg__), references),
    st.tuples(st.just("refund"), calls, micros, references),
    st.tuples(st.just("limit"), micros),
    st.tuples(st.just("status"), st.sampled_from(list(Status))),
)


def do(house: "House", step: tuple[object, ...]) -> None:
    """Take one step; what is refused has changed nothing, which the checks behind each step see."""
    account = {"application": house.app, "account": "alice"}
    by_hand = {"why": "why", "now": house.now, "who": "ops"}
    match step:
        case ["arrive", str(call)]:
            house.hear(house.arrived(call))
        case ["end", str(call), int() | None as seconds]:
            house.hear(house.ended(call, seconds))
        case ["top up", int(amount), str(reference)]:
            house.top_up("alice", format_micros(amount), reference)
        case ["adjust", int(amount), str(reference)]:
            house.perform(Adjust(**account, amount_micros=amount, reference=reference, **by_hand))
        case ["refund", str(call), int(amount), str(reference)]:
            key = CallKey(house.app, call)
            house.perform(Refund(call=key, amount_micros=amount, reference=reference, **by_hand))
        case ["limit", int(amount)]:
            house.perform(SetAccount(**account, words=(f"credit_limit={format_micros(amount)}",)))
        case ["status", Status() as status]:
            house.perform(SetAccountStatus(**account, status=status))


@settings(deadline=None)
@given(plan=st.lists(steps, max_size=25))
def test_the_books_stay_sound(new_house: NewHouse, plan: list[tuple[object, ...]]) -> None:
    """Whatever is done: the invariants hold, which bound refunds by charges; a closed account holds nothing; and the
    statement leads from what stands now back to nothing.
    """
    with new_house() as house:
        house.open("alice", "0.05", max_seconds=120)
        for step in plan:
            with suppress(Conflict, NotFound):
                do(house, step)
            assert house.faults() == ()
            found = house.run(house.store.account(AccountKey(house.app, "alice")))
            assert found is not None and (found[0].status is not Status.CLOSED or found[1].held_micros == 0)
        lines = house.run(account_statement(house.store, AccountKey(house.app, "alice")))
        assert lines is not None and lines[0].posted == format_micros(house.wallet().posted_micros)
        assert (lines[-1].kind, lines[-1].amount, lines[-1].posted) == ("topup", "0.05", "0.05")


@settings(deadline=None)
@given(asked=st.lists(st.integers(1, 15_000), min_size=1, max_size=12))
def test_refunds_end_at_the_charge(new_house: NewHouse, asked: list[int]) -> None:
    """Each is given in full or not at all, as long as there is so much left."""
    with new_house() as house:
        house.open("alice", "1")
        house.hear(house.arrived("c1"))
        house.hear(house.ended("c1", 60))
        left = 20_000
        for number, amount in enumerate(asked):
            try:
                do(house, ("refund", "c1", amount, f"r{number}"))
            except Conflict:
                assert amount > left
            else:
                left -= amount
            assert left >= 0 and house.wallet().posted_micros == 1_000_000 - left
