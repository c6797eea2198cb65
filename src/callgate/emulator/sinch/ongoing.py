"""What the platform remembers of a call while it lasts."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil
from typing import Any

from callgate.emulator.scenario import Party, Scenario, Side
from callgate.emulator.sinch.habits import DEFAULT, Habits
from callgate.emulator.sinch.rooms import Rooms
from callgate.emulator.sinch.steps import Input

ALL_EVENTS = frozenset(("ice", "ace", "pie", "dice"))


class State(StrEnum):
    """Where a call is, for those who look at it."""

    ASKING = "asking"
    RINGING = "ringing"
    TALKING = "talking"
    IN_MENU = "in a menu"
    IN_CONFERENCE = "in a conference"
    PARKED = "parked"
    LISTENING = "listening"
    ENDED = "ended"


class OnContinue(StrEnum):
    """What `continue` goes on with, from where the call is."""

    NOTHING = "nothing"
    DIAL = "dial"
    TALK = "talk"
    SPEAK = "speak"
    JOIN = "join"


@dataclass(frozen=True, kw_only=True)
class Callout:
    """What a callout was asked for, beside its destination. `text` has the prompts too, as one text."""

    method: str
    text: str = ""
    conference_id: str = ""
    conference_options: Mapping[str, Any] = field(default_factory=dict)
    max_duration_s: int | None = None
    dtmf: str = ""


@dataclass
class OngoingCall:
    """One call. `at` is its own time, `failures` says which events did not arrive.

    `wants` are the events that the backend is to be told; `routes` where one of them is answered from instead of the
    application's callback URL: a URL, or decoded SVAML that was given with the callout.
    """

    scenario: Scenario
    call_id: str
    application_key: str
    at: datetime
    connected_to: Party
    habits: Habits = DEFAULT
    rooms: Rooms = field(default_factory=Rooms)
    resource_base: str = "https://calling-euc1.api.sinch.com"
    callout: Callout | None = None
    wants: frozenset[str] = ALL_EVENTS
    routes: Mapping[str, str | Mapping[str, Any]] = field(default_factory=dict)
    granted_s: int | None = None
    state: State = State.ASKING
    on_continue: OnContinue = OnContinue.NOTHING
    taken_at: datetime | None = None
    answered_at: datetime | None = None
    conference_id: str = ""
    call_headers: Mapping[str, str] = field(default_factory=dict)
    recording: Mapping[str, Any] | None = None
    cookies: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    fingers: deque[Input] = field(default_factory=deque)
    keys_used: int = 0
    questions: int = 0
    is_illegal: bool = False  # an answer could not be taken

    @property
    def person(self) -> Side:
        """Whose phone it is that plays prompts and takes keys: the one that is called by a callout, else the caller's."""
        return Side.CALLER if self.callout is None else Side.CALLEE

    @property
    def is_taken(self) -> bool:
        """Whether the leg towards us is answered, by the callee's answer or by the platform itself."""
        return self.taken_at is not None or self.answered_at is not None

    def take(self) -> None:
        """The platform itself answers the leg towards us, if nobody has."""
        if self.taken_at is None:
            self.taken_at = self.at

    def seconds_of(self, result: str) -> int | None:
        """Duration that an end with this result reports: of the leg to the callee, else of our own; begun seconds count."""
        since = self.answered_at or self.taken_at
        if result != "ANSWERED" or since is None:
            return None
        return ceil(round((self.at - since) / timedelta(seconds=1), 3))
