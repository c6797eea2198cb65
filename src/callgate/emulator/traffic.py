"""Endless demonstration traffic: believable calls, seeded, at a steady average rate, until cancelled."""

import asyncio
import random
from collections.abc import Iterator, Sequence

import msgspec

from callgate.emulator import demo
from callgate.emulator.place import CALLBACK_TIMEOUT_S, Platform, connect
from callgate.emulator.scenario import Outcome, Party, PartyKind, Scenario, Side
from callgate.errors import Invalid, TargetUnfit, TargetUnreachable

MAX_CONCURRENT = 200
"""Calls at once; while so many are up, no new one is placed."""

PACE = 0.1
"""Real seconds that a second of a call takes: a talk of three minutes is over in eighteen."""

FIRST_BACK_OFF_S, MAX_BACK_OFF_S = 0.25, 5.0
"""How long to leave a server alone that is not up: doubled with each try."""

_OUTCOMES = {Outcome.ANSWERED: 80, Outcome.NO_ANSWER: 8, Outcome.BUSY: 6, Outcome.CANCEL: 4, Outcome.FAILED: 2}
"""How a hundred calls are taken."""

_TALKS_S = (30, 250)
"""Shortest and longest talk: 3 to 25 real seconds at `PACE`."""


class Mix(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls and what they dial. Of a hundred calls 90 go to `priced`, 6 to `unpriced` and 4 to `invalid`."""

    users: Sequence[str] = demo.USERS
    priced: Sequence[str] = demo.PRICED
    unpriced: Sequence[str] = demo.UNPRICED
    invalid: Sequence[str] = demo.INVALID

    def __post_init__(self) -> None:
        if not self.users or not self.priced:
            raise Invalid("traffic", "no users or no destinations", "at least one of each")


DEMO = Mix()


def dream_up(seed: int, mix: Mix = DEMO) -> Iterator[Scenario]:
    """Yield scenarios without end; the same seed and mix give the same ones."""
    dice = random.Random(seed)  # noqa: S311 - repeatable on purpose
    groups = [(mix.priced, 90), (mix.unpriced, 6), (mix.invalid, 4)]
    groups = [(numbers, weight) for numbers, weight in groups if numbers]
    while True:
        (numbers,) = dice.choices([numbers for numbers, _ in groups], [weight for _, weight in groups])
        (outcome,) = dice.choices(list(_OUTCOMES), list(_OUTCOMES.values()))
        yield Scenario(
            caller=Party(PartyKind.USER, dice.choice(mix.users)),
            callee=Party(PartyKind.NUMBER, dice.choice(numbers)),
            talk_s=dice.randint(*_TALKS_S),
            outcome=outcome,
            ring_s=dice.randint(2, 12),
            ended_by=dice.choice(list(Side)),
        )


async def place_calls(  # noqa: PLR0913 - each has its default but the first four
    target: str,
    key: str,
    secret: str,
    *,
    rate_per_s: float,
    seed: int = 1,
    mix: Mix = DEMO,
    pace: float = PACE,
    max_concurrent: int = MAX_CONCURRENT,
    timeout_s: float = CALLBACK_TIMEOUT_S,
) -> None:
    """Place calls against `target` until cancelled; see `place_on`. Raises `Invalid` for a target that is no URL too."""
    async with connect(target, key, secret, timeout_s=timeout_s, pace=pace) as platform:
        await place_on(platform, rate_per_s=rate_per_s, seed=seed, mix=mix, max_concurrent=max_concurrent)


async def place_on(
    platform: Platform, *, rate_per_s: float, seed: int = 1, mix: Mix = DEMO, max_concurrent: int = MAX_CONCURRENT
) -> None:
    """Place calls on a platform until cancelled, in random intervals that average `rate_per_s`.

    While no server listens it tries again, ever more seldom; what goes wrong in a call ends that call alone. Call ids
    are new in every run whatever the seed, or a second run would repeat the calls of the first. Raises `Invalid` for a
    rate that cannot be used.
    """
    if rate_per_s <= 0:
        raise Invalid("rate", f"{rate_per_s:g}", "calls per second, above 0")
    intervals = random.Random(seed)  # noqa: S311 - repeatable on purpose
    room = asyncio.Semaphore(max_concurrent)
    async with asyncio.TaskGroup() as calls:
        door = _Door()
        for scenario in dream_up(seed, mix):
            await door.open()
            await room.acquire()
            calls.create_task(_place(platform, scenario, door)).add_done_callback(lambda _: room.release())
            await asyncio.sleep(intervals.expovariate(rate_per_s))


class _Door:
    """Whether the server is there, as the last call found it."""

    def __init__(self) -> None:
        self._back_off_s = 0.0

    async def open(self) -> None:
        """Wait as long as the last failures say."""
        if self._back_off_s:
            await asyncio.sleep(self._back_off_s)

    def found(self, *, is_up: bool) -> None:
        """Remember how a call began."""
        self._back_off_s = 0.0 if is_up else min(MAX_BACK_OFF_S, max(FIRST_BACK_OFF_S, 2 * self._back_off_s))


async def _place(platform: Platform, scenario: Scenario, door: _Door) -> None:
    try:
        await platform.place(scenario, lambda _: door.found(is_up=True))
    except (TargetUnreachable, TargetUnfit):
        door.found(is_up=False)
