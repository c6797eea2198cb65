"""What a call that is played yields, what it is sent, and what it returns: the words between a script and who plays it."""

from collections.abc import Generator, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from callgate.emulator.scenario import Side
from callgate.emulator.svaml import Svaml

NAMES = {"ice": "ICE", "ace": "ACE", "pie": "PIE", "dice": "DiCE", "notify": "notify"}
"""Events as people write them."""


class Exchange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event and what came back. `status` None: no answer; `fault` then says why, and also when it was not JSON.

    `url` is where it went, unless that is the primary callback URL; `note` says what was done to it on purpose. Nothing
    listens there when it `is_unreachable`; `unfit` is what was answered that no callback server answers, and what would do.
    """

    sent: Mapping[str, Any]
    status: int | None
    answer: Any
    ms: float
    fault: str | None = None
    url: str | None = None
    note: str | None = None
    is_unreachable: bool = False
    unfit: tuple[str, str] | None = None

    @property
    def is_delivered(self) -> bool:
        """Whether the platform counts it as answered, which needs any 2xx."""
        return self.status is not None and self.status // 100 == 2  # noqa: PLR2004 - the class of status codes


class Tell(msgspec.Struct, frozen=True):
    """Post this event, and send the `Exchange` in. `url` is where to, unless to the application's callback URL."""

    body: Mapping[str, Any]
    url: str | None = None


class Elapse(msgspec.Struct, frozen=True):
    """Let this much of the call's time pass, and send None in; or, if something is done to the call before, `Happened`."""

    seconds: float


class Later(msgspec.Struct, frozen=True):
    """Post this report so many seconds from now, whether the call is still up by then or not; send None in."""

    seconds: float
    body: Mapping[str, Any]


class Pressed(msgspec.Struct, frozen=True):
    """A key of the phone."""

    key: str


class Spoke(msgspec.Struct, frozen=True):
    """Words, as the recognition of speech understood them."""

    words: str


class HungUp(msgspec.Struct, frozen=True):
    """One side put the phone down."""

    side: Side


class LostNetwork(msgspec.Struct, frozen=True):
    """The caller's app lost its network."""


class Patched(msgspec.Struct, frozen=True):
    """The backend updated the call through the REST interface."""

    svaml: Svaml


class Kicked(msgspec.Struct, frozen=True):
    """The backend put the call out of its conference."""


Input = Pressed | Spoke | HungUp | LostNetwork | Patched | Kicked


class Happened(msgspec.Struct, frozen=True):
    """What was done to a call that let time pass, and how many seconds of that time had passed by then."""

    what: Input
    after_s: float = 0.0


class Verdict(StrEnum):
    """What became of the call: as its scenario said, or refused by the gate, or spoiled by a wrong answer."""

    ANSWERED = "answered"
    BUSY = "busy"
    REJECTED = "rejected"
    NO_ANSWER = "noanswer"
    CANCEL = "cancel"
    FAILED = "failed"
    BLOCKED = "blocked"
    NO_CREDIT = "nocredit"
    OTHER_PEER = "otherpeer"
    USER_NOT_FOUND = "usernotfound"
    REFUSED = "refused"
    ERROR = "error"


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How the call ended. `granted_s` is the limit that the gate set, `summary` all of it in one line."""

    outcome: Verdict
    reason: str
    result: str
    summary: str
    duration_s: int | None = None
    granted_s: int | None = None

    @property
    def is_as_asked(self) -> bool:
        """Whether the call went as its scenario said: not refused, and nothing about it failed to arrive."""
        return self.outcome not in (Verdict.REFUSED, Verdict.ERROR)


class Do(msgspec.Struct, frozen=True):
    """A turn of the call: perform this answer, which came to this event (`patch` for the REST interface)."""

    svaml: Svaml
    event: str


class Over(msgspec.Struct, frozen=True):
    """A turn of the call: it is over. `pair` is reason and result, `why` says it for people."""

    outcome: Verdict
    pair: tuple[str, str]
    why: str


Turn = Do | Over


class Diverted(Exception):
    """Something that was done to the call takes it elsewhere, wherever it is. Caught where the call is played."""

    def __init__(self, turn: Turn) -> None:
        super().__init__(turn)
        self.turn = turn


Step = Tell | Elapse | Later
Answer = Exchange | Happened | None
Script = Generator[Step, Answer, Ending]
