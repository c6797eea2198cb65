"""Slices, healing and ends in any order: no wallet is overdrawn, no hold is forgotten, each call is settled once.

Steps are drawn by a seed and not by hypothesis: what matters here lies many steps deep, where its examples seldom come.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from random import Random
from typing import TYPE_CHECKING

from callgate.protocol.call import CallOngoing, CallResult
from callgate.protocol.life import LIVE

if TYPE_CHECKING:
    from tests.conftest import House

NewHouse = Callable[[], AbstractContextManager["House"]]

STEPS = 120


class Walk:
    """One elastic account and its calls. What the platform was asked to end, it ends in its own time, or never."""

    def __init__(self, house: "House", random: Random) -> None:
        self.house = house
        self.random = random
        self.paid_in = 0
        self.count = 0
        self.calls: list[str] = []
        house.set_application(f"lost_dice={random.choice(['auto', 'post_full', 'void'])}")
        house.open("alice")
        house.set_elastic()
        self.top_up()

    def step(self) -> None:
        chances = {
            self.arrive: 3, self.answer: 4, self.end: 4, self.tick: 8, self.extend: 6, self.heal: 2, self.top_up: 1
        }  # fmt: skip
        (act,) = self.random.choices(list(chances), list(chances.values()))
        act()

    def top_up(self) -> None:
        self.count += 1
        credit = self.random.choice(["0.02", "0.3", "0.8"])
        self.house.top_up("alice", credit, f"r{self.count}")
        self.paid_in += round(float(credit) * 1_000_000)

    def arrive(self) -> None:
        self.calls.append(f"c{len(self.calls)}")
        to = self.random.choice([self.house.sweden, self.house.germany])
        self.house.hear(self.house.arrived(self.calls[-1], to=to))

    def call(self) -> str:
        """One of the latest, or of all: ends come late too."""
        return self.random.choice(self.calls[-3:] * 3 + self.calls) if self.calls else "unknown"

    def answer(self) -> None:
        self.house.hear(self.house.answered(self.call()))

    def end(self) -> None:
        if self.calls:
            seconds = self.random.choice([None, 1, 60, 299, 301, 600, 1_800, 2_000])
            result = CallResult.OTHER if self.random.random() < 0.1 else None
            self.house.hear(self.house.ended(self.call(), seconds, result))

    def tick(self) -> None:
        self.house.tick(self.random.choice([1, 5, 50, 60, 230, 250, 300, 300, 2_000, 50_000]))

    def extend(self) -> None:
        self.house.extend(self.house.exchange(is_down=self.random.random() < 0.3))

    def heal(self) -> None:
        seconds = self.random.choice([None, 1, 301, 2_000])
        self.house.heal(self.random.choice([self.house.ended(seconds=seconds), CallOngoing(), None]))

    def check(self) -> None:
        assert self.house.faults() == ()
        wallet = self.house.wallet()
        last = {record.key: record.charge_micros for record in self.house.records()}
        assert self.paid_in - wallet.posted_micros + wallet.owed_micros == sum(last.values())


def walk(new_house: NewHouse, seed: int) -> Counter[str]:
    """Take the steps, check after each, and return how often what was met."""
    with new_house() as house:
        walker = Walk(house, Random(seed))  # noqa: S311 - it chooses tests
        for _ in range(STEPS):
            walker.step()
            walker.check()
        house.tick(200_000)  # in the end the healer closes every hold, whatever it is told
        house.heal(CallOngoing())
        walker.check()
        records = house.records()
        firsts = [record.key for record in records if record.corrects is None]
        assert (house.wallet().held_micros, len(firsts)) == (0, len(set(firsts)))
        calls = [house.call(call) for call in walker.calls]
        assert not any(call.state in LIVE for call in calls)
        met = Counter(note for (note,) in house.rows("SELECT note FROM callbacks WHERE name = 'extension'"))
        return met + Counter(
            "corrected" if record.corrects else f"settled by {record.settled_by}" for record in records
        )


def test_timers_and_ends_in_any_order(new_house: NewHouse) -> None:
    """Extensions, refusals, hang-ups, healing, estimates, corrections and top-ups, and the books stay sound."""
    met: Counter[str] = Counter()
    for seed in range(6):
        met += walk(new_house, seed)
    ends = ("disconnect", "provider", "estimate")
    for each in ("held", "refused", "credit ended", "corrected", *(f"settled by {by}" for by in ends)):
        assert met[each] >= 2, met
