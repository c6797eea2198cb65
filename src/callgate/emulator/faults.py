"""Faults on purpose: what is to go wrong with callbacks on their way, by kind, event and call. Seeded, without I/O."""

import random
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Annotated

import msgspec

from callgate.errors import Invalid


class FaultKind(StrEnum):
    """What goes wrong with a callback."""

    BAD_SIGNATURE = "bad_signature"
    UNSIGNED = "unsigned"
    SKEWED_CLOCK = "skewed_clock"
    DUPLICATE = "duplicate"
    REORDERED = "reordered"
    LATE = "late"
    LOST = "lost"
    SLOW = "slow"
    BROKEN = "broken"
    PRIMARY_DOWN = "primary_down"
    ANSWER_LOST = "answer_lost"


SAID: dict[FaultKind, str] = {
    FaultKind.BAD_SIGNATURE: "its signature does not match",
    FaultKind.UNSIGNED: "it carries no signature",
    FaultKind.SKEWED_CLOCK: "its time stamp is `seconds` off, correctly signed",
    FaultKind.DUPLICATE: "it is delivered `copies` times more, byte for byte",
    FaultKind.REORDERED: "it is delivered after the next callback of its call; its answer comes too late",
    FaultKind.LATE: "it is delivered after the last callback of its call; its answer comes too late",
    FaultKind.LOST: "it is never delivered",
    FaultKind.SLOW: "it is `seconds` on its way, in real time",
    FaultKind.BROKEN: "the connection breaks in the middle of the request",
    FaultKind.PRIMARY_DOWN: "the primary URL cannot be reached; the fallback is asked, if there is one",
    FaultKind.ANSWER_LOST: "it is delivered, but its answer is lost; it is delivered again, to the fallback if there is one",
}
"""Each kind in a sentence."""

SKEW_S, SLOW_S = 3_600.0, 1.0
"""How far a skewed clock is off, and how long a slow callback takes, unless said otherwise."""

EVENTS = ("ice", "ace", "pie", "dice", "notify")
MAX_FAULTS = 1_000


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault. It strikes callbacks of `event` (all when empty) of `call` (all when empty), `times` times (0: always),
    each with a `chance`.
    """

    kind: FaultKind
    event: str = ""
    call: str = ""
    times: Annotated[int, msgspec.Meta(ge=0)] = 1
    chance: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    seconds: Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)] | None = None
    copies: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1

    def __post_init__(self) -> None:
        if self.event and self.event not in EVENTS:
            raise ValueError(f"event {self.event!r} is not one of {', '.join(EVENTS)}")
        if self.kind is FaultKind.SLOW and self.seconds is not None and self.seconds < 0:
            raise ValueError("seconds of a slow callback are not below 0")


class Faults:
    """The faults that are set, and how often each may still strike."""

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 1) -> None:
        self._chances = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._left: list[tuple[Fault, int | None]] = []
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """One more, behind those that are set. Raises `Invalid` when there are too many."""
        if len(self._left) >= MAX_FAULTS:
            raise Invalid("faults", f"{len(self._left)} that are set already", f"at most {MAX_FAULTS}")
        self._left.append((fault, fault.times or None))

    def clear(self) -> None:
        """From now on nothing goes wrong."""
        self._left.clear()

    def listed(self) -> Sequence[tuple[Fault, int | None]]:
        """Each with how often it may still strike; None is always."""
        return tuple(self._left)

    def strike(self, event: str, call_id: str) -> dict[FaultKind, Fault]:
        """The faults that this callback meets, which are then used up; the first of a kind counts."""
        struck: dict[FaultKind, Fault] = {}
        kept: list[tuple[Fault, int | None]] = []
        for fault, left in self._left:
            is_meant = fault.event in ("", event) and fault.call in ("", call_id) and fault.kind not in struck
            if is_meant and (fault.chance >= 1 or self._chances.random() < fault.chance):
                struck[fault.kind] = fault
                if left is None or left > 1:
                    kept.append((fault, None if left is None else left - 1))
            else:
                kept.append((fault, left))
        self._left = kept
        return struck


def parse_fault(text: str, where: str = "--fault") -> Fault:
    """Read `KIND`, `KIND:EVENT` or `KIND:EVENT:SECONDS`. Raises `Invalid`."""
    kind, _, rest = text.strip().partition(":")
    event, _, number = rest.partition(":")
    try:
        seconds = float(number) if number else None
        return Fault(kind=FaultKind(kind.replace("-", "_")), event=event, seconds=seconds)
    except ValueError:
        kinds = ", ".join(FaultKind)
        raise Invalid(
            where, repr(text), f"KIND, KIND:EVENT or KIND:EVENT:SECONDS; kinds are {kinds}; events {', '.join(EVENTS)}"
        ) from None
