"""Slices, healing and ends in any order: no wallet is overdrawn, no hold is forgotten, each call is settled once."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from callgate.protocol.call import CallOngoing, CallResult

if TYPE_CHECKING:
    from tests.conftest import House

NewHouse = Callable[[], AbstractContextManager["House"]]

calls = st.sampled_from(["c0", "c1", "c2", "c3"])
seconds = st.sampled_from([None, 1, 60, 299, 301, 600, 1_800, 2_000])
credits_ = st.sampled_from(["0.02", "0.09", "0.3", "1"])


class Timers(RuleBasedStateMachine):
    """One elastic account. What the platform was asked to end, it ends in its own time, or never."""

    def __init__(self, new_house: NewHouse) -> None:
        super().__init__()
        self._context = new_house()
        self.house: House = self._context.__enter__()  # closed in `teardown`
        self.paid_in = 0
        self.references = 0

    @initialize(rule=st.sampled_from(["auto", "post_full", "void"]), credit=credits_)
    def open(self, rule: str, credit: str) -> None:
        self.house.set_application(f"lost_dice={rule}")
        self.house.open("alice")
        self.house.set_elastic()
        self.top_up(credit)

    @rule(credit=credits_)
    def top_up(self, credit: str) -> None:
        self.references += 1
        self.house.top_up("alice", credit, f"r{self.references}")
        self.paid_in += round(float(credit) * 1_000_000)

    @rule(call=calls, is_near=st.booleans())
    def arrive(self, call: str, is_near: bool) -> None:  # noqa: FBT001 - drawn
        self.house.hear(self.house.arrived(call, to=self.house.sweden if is_near else self.house.germany))

    @rule(call=calls)
    def answer(self, call: str) -> None:
        self.house.hear(self.house.answered(call))

    @rule(call=calls, seconds=seconds, is_odd=st.booleans())
    def end(self, call: str, seconds: int | None, is_odd: bool) -> None:  # noqa: FBT001 - drawn
        if self.house.run(self.house.store.call(self.house.ended(call).key)) is not None:
            self.house.hear(self.house.ended(call, seconds, CallResult.OTHER if is_odd and seconds == 1 else None))

    @rule(by=st.sampled_from([1, 60, 230, 300, 500, 2_000, 50_000]))
    def tick(self, by: int) -> None:
        self.house.tick(by)

    @rule(is_up=st.booleans())
    def extend(self, is_up: bool) -> None:  # noqa: FBT001 - drawn
        self.house.extend(self.house.exchange(is_down=not is_up))

    @rule(seconds=seconds, says=st.sampled_from(["end", "ongoing", "unknown"]))
    def heal(self, seconds: int | None, says: str) -> None:
        told = {"end": self.house.ended(seconds=seconds), "ongoing": CallOngoing(), "unknown": None}
        self.house.heal(told[says])

    @invariant()
    def the_books_are_sound(self) -> None:
        assert self.house.faults() == ()

    @invariant()
    def what_was_paid_in_is_there_or_was_charged(self) -> None:
        wallet = self.house.wallet() if self.paid_in else None
        if wallet is not None:
            last = {record.key: record.charge_micros for record in self.house.records()}
            assert self.paid_in - wallet.posted_micros + wallet.owed_micros == sum(last.values())

    def teardown(self) -> None:
        """In the end the healer closes every hold, whatever it is told."""
        self.house.tick(200_000)
        self.house.heal(CallOngoing())
        self.house.heal(CallOngoing())
        assert (self.house.wallet().held_micros, self.house.faults()) == (0, ())
        firsts = [record.key for record in self.house.records() if record.corrects is None]
        assert len(firsts) == len(set(firsts))
        self._context.__exit__(None, None, None)


def test_timers_and_ends_in_any_order(new_house: NewHouse) -> None:
    """Extensions, warnings, healing, estimates, corrections and top-ups in any sequence."""
    run_state_machine_as_test(
        lambda: Timers(new_house),
        settings=settings(max_examples=25, stateful_step_count=25, deadline=None, derandomize=True),
    )
