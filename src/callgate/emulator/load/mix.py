"""What the calls of a load are: who calls whom, how it is taken and for how long, drawn from a seed and from nothing else."""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from callgate.emulator import demo
from callgate.errors import Invalid
from callgate.numbers import parse_e164

TALKS_S = (1, 250)
"""Shortest and longest talk, if nobody cuts it. A call that was answered for no second at all is none, so there is no 0."""

RINGS_S = (2, 12)

MAX_WEIGHT = 1_000_000


class Fate(StrEnum):
    """How a call is meant to go: as the far side takes it, or `refused`, which dials a number that nobody has."""

    ANSWERED = "answered"
    NO_ANSWER = "noanswer"
    BUSY = "busy"
    CANCEL = "cancel"
    FAILED = "failed"
    REFUSED = "refused"


USUAL: Mapping[Fate, int] = MappingProxyType(
    {Fate.ANSWERED: 80, Fate.NO_ANSWER: 8, Fate.BUSY: 6, Fate.CANCEL: 4, Fate.FAILED: 2}
)
"""How a hundred calls go where nobody says otherwise."""

CALLERS = ("alice", "bob", "erin")
"""Who calls where nobody says otherwise: those of the demonstration's users who have money."""


class Mix(msgspec.Struct, frozen=True, kw_only=True):
    """The population of a load. `repeat_percent` of all calls have each of their events delivered twice.

    `unassigned` are the numbers that calls which must be refused dial.
    """

    fates: Mapping[Fate, int] = USUAL
    callers: Sequence[str] = CALLERS
    numbers: Sequence[str] = demo.PRICED
    unassigned: Sequence[str] = demo.INVALID
    repeat_percent: int = 1


class DrawnCall(NamedTuple):
    """One call, as numbers into its mix, so that a million of them take no room. `number` of a refused call is into
    `unassigned`.
    """

    caller: int
    number: int
    fate: Fate
    talk_s: int
    ring_s: int
    is_repeated: bool


def draw_calls(seed: int, mix: Mix) -> Iterator[DrawnCall]:
    """Yield calls without end; the same seed and mix give the same ones."""
    dice = random.Random(seed)  # noqa: S311 - repeatable on purpose
    fates = [fate for fate, weight in mix.fates.items() for _ in range(weight)] if _is_small(mix) else None
    drawn = list(mix.fates), list(mix.fates.values())
    callers, numbers, unassigned = len(mix.callers), len(mix.numbers), len(mix.unassigned)
    share = mix.repeat_percent / 100
    below = dice.random
    while True:
        fate = fates[int(below() * len(fates))] if fates is not None else dice.choices(*drawn)[0]
        yield DrawnCall(
            caller=int(below() * callers),
            number=int(below() * (unassigned if fate is Fate.REFUSED else numbers)),
            fate=fate,
            talk_s=TALKS_S[0] + int(below() * (TALKS_S[1] - TALKS_S[0] + 1)),
            ring_s=RINGS_S[0] + int(below() * (RINGS_S[1] - RINGS_S[0] + 1)),
            is_repeated=below() < share,
        )


def _is_small(mix: Mix) -> bool:
    return sum(mix.fates.values()) <= 1_000  # noqa: PLR2004 - a table of them all is then cheaper than a search


def parse_fates(text: str, where: str = "--mix") -> Mapping[Fate, int]:
    """Read `answered=80,busy=20`: how often each comes, beside the others. Raises `Invalid`."""
    expected = f"NAME=WEIGHT, comma between, such as answered=80,busy=20; names are {', '.join(Fate)}"
    fates: dict[Fate, int] = {}
    for part in text.split(","):
        name, _, weight = part.strip().partition("=")
        if name not in set(Fate) or not re.fullmatch(r"[0-9]{1,7}", weight) or int(weight) > MAX_WEIGHT:
            raise Invalid(where, repr(part.strip()[:40]), expected)
        if name in fates:
            raise Invalid(where, f"{name} twice", expected)
        fates[Fate(name)] = int(weight)
    if not any(fates.values()):
        raise Invalid(where, repr(text[:40]), "at least one weight above 0")
    return {fate: weight for fate, weight in fates.items() if weight}


def parse_callers(text: str, where: str = "--from") -> tuple[str, ...]:
    """Read in-app users, comma between. Raises `Invalid`."""
    users = tuple(part.strip().removeprefix("user:") for part in text.split(","))
    if not all(re.fullmatch(r"[^\s:]{1,255}", user) for user in users):
        raise Invalid(where, repr(text[:80]), "users, comma between, such as alice,bob")
    return users


def parse_numbers(text: str, where: str = "--to") -> tuple[str, ...]:
    """Read numbers in E.164, comma between. Raises `Invalid`."""
    numbers = tuple(parse_e164(part) for part in text.split(","))
    if None in numbers:
        raise Invalid(where, repr(text[:80]), "numbers in E.164, comma between, such as +46701740605,+12025550143")
    return tuple(number for number in numbers if number is not None)
