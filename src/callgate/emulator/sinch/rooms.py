"""What calls share: conferences, which exist while somebody is in them, and the in-app users that there are."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime


@dataclass
class Participant:
    """One call in a conference. `joined_at` is in the call's own time."""

    call_id: str
    cli: str
    joined_at: datetime
    is_muted: bool = False
    is_on_hold: bool = False


@dataclass
class Rooms:
    """The conferences of one application, by id. `users` None: every in-app user exists."""

    conferences: dict[str, dict[str, Participant]] = field(default_factory=dict)
    users: AbstractSet[str] | None = None

    def join(self, conference: str, participant: Participant) -> None:
        """The first to join makes the conference."""
        self.conferences.setdefault(conference, {})[participant.call_id] = participant

    def leave(self, conference: str, call_id: str) -> None:
        """The last to leave ends the conference."""
        if (inside := self.conferences.get(conference)) is not None:
            inside.pop(call_id, None)
            if not inside:
                del self.conferences[conference]

    def knows(self, user: str) -> bool:
        """Whether there is an in-app user of this name."""
        return self.users is None or user in self.users
