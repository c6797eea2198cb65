"""The books against a naive oracle: whatever is done in whatever order, they balance, and every micro is where it should be.

The oracle is a few dictionaries and the rules said plainly: it counts increments one by one and tries durations until one
is too dear. After every step its balances are compared, and the four invariants are verified on what is stored.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from callgate.errors import Conflict
from callgate.protocol.call import CallResult

if TYPE_CHECKING:
    from tests.conftest import House

NewHouse = Callable[[], AbstractContextManager["House"]]

PRICES = {"+46701740605": (20_000, 60, 60, 0), "+4930123456": (30_000, 30, 6, 50_000)}
"""Micros a minute, first and next increment, connect fee."""

LONGEST_S = 150

calls = st.sampled_from(["c0", "c1", "c2", "c3", "c4", "c5"])
users = st.sampled_from(["alice", "alice", "bob", "nobody"])
numbers = st.sampled_from([*PRICES, "+33123456789", "+46123"])
amounts = st.sampled_from([1, 19_999, 20_000, 70_000, 500_000])


def price(to: str, seconds: int) -> int:
    per_minute, first_s, next_s, fee = PRICES[to]
    billed_s = first_s
    while billed_s < seconds:
        billed_s += next_s
    return fee + ceil(Fraction(per_minute * billed_s, 60))


def longest(to: str, micros: int) -> int:
    """The longest call of at most four hours that can be paid for, by trying."""
    seconds = 0
    while seconds < 14_400 and price(to, seconds + 1) <= micros:
        seconds += 1
    return seconds


class Books(RuleBasedStateMachine):
    """Accounts and calls, with what the oracle believes about them."""

    def __init__(self, new_house: NewHouse) -> None:
        super().__init__()
        self._context = new_house()
        self.house: House = self._context.__enter__()  # closed in `teardown`
        self.posted: dict[str, int] = {}
        self.owed: dict[str, int] = {}
        self.charged: dict[str, int] = {}  # by call that has a record
        self.calls: dict[str, dict[str, Any]] = {}
        self.references: dict[tuple[str, str], int] = {}

    def teardown(self) -> None:
        self._context.__exit__(None, None, None)

    # -- what is done ----------------------------------------------------------------------------------------------------

    @initialize(credit=amounts)
    def open_first(self, credit: int) -> None:
        self.open("alice")
        self.top_up("alice", credit, "r0")

    @precondition(lambda self: "bob" not in self.posted)
    @rule()
    def open_second(self) -> None:
        self.open("bob")

    def open(self, account: str) -> None:
        self.house.open(account, max_seconds=LONGEST_S)
        self.posted[account] = self.owed[account] = 0

    @rule(
        account=st.sampled_from(["alice", "bob"]), micros=amounts, reference=st.sampled_from(["r0", "r1", "r2", "r3"])
    )
    def top_up(self, account: str, micros: int, reference: str) -> None:
        if account not in self.posted:
            return
        before = self.references.setdefault((account, reference), micros)
        if before != micros:
            with pytest.raises(Conflict):
                self._top_up(account, micros, reference)
        elif not self._top_up(account, micros, reference):
            repaid = min(micros, self.owed[account])
            self.owed[account] -= repaid
            self.posted[account] += micros - repaid

    def _top_up(self, account: str, micros: int, reference: str) -> bool:
        return self.house.top_up(account, f"{micros / 1_000_000:.6f}", reference).is_repeat

    @rule(call=calls, user=users, to=numbers)
    def arrive(self, call: str, user: str, to: str) -> None:
        now = self.house.now
        answer = self.house.hear(self.house.arrived(call, user=user, to=to)).answer
        granted_s = self.house.granted_s(answer)
        known = self.calls.get(call)
        if known is None:
            self.calls[call] = self.decided(user, to, now)
            assert granted_s == self.calls[call].get("granted_s", 0)
        elif known["state"] == "parked" and now - known["at"] < self.house.orphan_after:
            self.calls[call] = self.decided(user, to, now)
            assert granted_s == 0
            if self.calls[call]["state"] == "live":
                self.settle(call, *known["end"])
        elif (known.get("user"), known.get("to")) == (user, to) and known["state"] in ("live", "refused"):
            assert granted_s in (0, known.get("granted_s", 0))
        else:
            assert granted_s == 0

    @rule(call=calls)
    def answer(self, call: str) -> None:
        is_live = self.calls.get(call, {"state": None})["state"] == "live"
        assert self.house.hear(self.house.answered(call)).answer == (
            self.house.go_on if is_live else self.house.hang_up
        )

    @rule(
        call=calls,
        seconds=st.sampled_from([None, 1, 30, 31, 60, 61, 150, 151, 152, 153, 400]),
        is_cut=st.booleans(),
        is_odd=st.sampled_from([False, False, False, True]),
        user=users,
    )
    def end(self, call: str, seconds: int | None, is_cut: bool, is_odd: bool, user: str) -> None:  # noqa: FBT001
        to = self.calls.get(call, {}).get("to", "+46701740605")
        result = CallResult.OTHER if is_odd else None
        at = self.house.now
        self.house.hear(self.house.ended(call, seconds, result, is_cut=is_cut, user=user, to=to))
        known = self.calls.setdefault(
            call, {"state": "parked", "at": at, "end": (seconds, is_cut, is_odd), "who": user, "where": to}
        )
        if known["state"] == "live":
            self.settle(call, seconds, is_cut, is_odd)

    @rule(call=calls, is_latest=st.booleans())
    def overrule(self, call: str, is_latest: bool) -> None:  # noqa: FBT001
        """The answer of the call's decision was too late, or that of a repeat."""
        known = self.calls.get(call)
        if known is None or "to" not in known:
            return
        decided_at = known["at"] if is_latest else self.house.now
        self.house.overrule(self.house.arrived(call, user=known["user"], to=known["to"]), decided_at)
        if is_latest and known["state"] == "live":
            known["state"] = "refused"

    @rule()
    def expire(self) -> None:
        """Ten minutes go by, and ends without a start are given up."""
        self.house.tick(600)
        self.house.expire()
        for name, known in self.calls.items():
            if known["state"] != "parked":
                continue
            known["state"] = "ended"
            seconds, _, is_odd = known["end"]
            if seconds is not None and not is_odd and known["who"] in self.posted and known["where"] in PRICES:
                self.charge(name, known["who"], price(known["where"], seconds), 0)

    # -- what the oracle makes of it -------------------------------------------------------------------------------------

    def decided(self, user: str, to: str, now: datetime) -> dict[str, Any]:
        call: dict[str, Any] = {"state": "refused", "user": user, "to": to, "at": now}
        if user not in self.posted or to not in PRICES:
            return call
        affordable_s = longest(to, self.posted[user] - self.held(user))
        if affordable_s < PRICES[to][1]:
            return call
        granted_s = min(affordable_s, LONGEST_S)
        return call | {"state": "live", "granted_s": granted_s, "hold": price(to, granted_s)}

    def held(self, account: str) -> int:
        return sum(
            call["hold"] for call in self.calls.values() if call["state"] == "live" and call["user"] == account
        )  # fmt: skip

    def settle(self, name: str, seconds: int | None, is_cut: bool, is_odd: bool) -> None:  # noqa: FBT001
        call = self.calls[name]
        if is_odd:
            return
        call["state"] = "ended"
        if seconds is None:
            self.charged[name] = 0
            return
        is_late_cut = is_cut and seconds - call["granted_s"] in (1, 2)
        amount = price(call["to"], call["granted_s"] if is_late_cut else seconds)
        self.charge(name, call["user"], amount, call["hold"])

    def charge(self, name: str, account: str, amount: int, hold: int) -> None:
        """From the hold, then from what no other call holds; the rest is owed."""
        self.charged[name] = amount
        held_by_others = self.held(account)
        taken = min(amount, hold)
        taken += min(amount - taken, self.posted[account] - taken - held_by_others)
        self.posted[account] -= taken
        self.owed[account] += amount - taken

    # -- after every step ------------------------------------------------------------------------------------------------

    @invariant()
    def the_books_are_sound(self) -> None:
        assert self.house.faults() == ()

    @invariant()
    def every_balance_is_what_the_oracle_says(self) -> None:
        for account, posted in self.posted.items():
            wallet = self.house.wallet(account)
            assert (wallet.posted_micros, wallet.owed_micros) == (posted, self.owed[account])
            assert wallet.held_micros == self.held(account)
        assert {record.key.call_id: record.charge_micros for record in self.house.records()} == self.charged


def test_the_books_are_what_an_oracle_says(new_house: NewHouse) -> None:
    """In any sequence of openings, top-ups, calls, ends, fallbacks and sweeps."""
    run_state_machine_as_test(
        lambda: Books(new_house),
        settings=settings(max_examples=40, stateful_step_count=40, deadline=None, derandomize=True),
    )
