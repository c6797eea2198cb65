"""Conferences that are up: who is in one, and who shall be heard, wait or leave.

Source: Sinch Voice API reference, conferences.
"""

from collections.abc import Iterator
from typing import ClassVar

from msgspec import field

from callgate.protocol.sinch.callbacks import Part, Whole, number_in
from callgate.protocol.sinch.rest.operation import Operation, Order, Reply, document, id_faults, reply_of, segment
from callgate.protocol.sinch.rules import MOH, Fault, encode

COMMANDS = ("mute", "unmute", "onhold", "resume")


class Participant(Part, frozen=True, kw_only=True):
    """One side of a conference, which is a call of its own. `duration` is in seconds."""

    cli_text: str = field(default="", name="cli")
    call_id: str = field(default="", name="id")
    duration: Whole | None = None
    is_muted: bool | None = field(default=None, name="muted")
    is_on_hold: bool | None = field(default=None, name="onhold")

    @property
    def cli(self) -> str:
        """The number as E.164 where it can be read as one, else the text."""
        return number_in(self.cli_text) or self.cli_text


class Conference(Reply, frozen=True, kw_only=True):
    """Who is in a conference now."""

    participants: tuple[Participant, ...] = ()


class ConferenceOrder(Order, frozen=True, kw_only=True):
    """Base of what is done to a conference."""

    conference_id: str

    @property
    def path(self) -> str:
        """The conference's own."""
        return _path(self.conference_id)

    def faults(self, *, strict: bool) -> Iterator[Fault]:
        """Of the id."""
        del strict
        yield from id_faults(self.conference_id, "conference_id")


class GetConference(Operation[Conference], frozen=True, kw_only=True):
    """Ask who is in a conference."""

    conference_id: str

    @property
    def path(self) -> str:
        """The conference's own."""
        return _path(self.conference_id)

    def faults(self, *, strict: bool) -> Iterator[Fault]:
        """Of the id."""
        del strict
        yield from id_faults(self.conference_id, "conference_id")

    def understand(self, body: bytes) -> Conference:
        """Liberally."""
        return reply_of(Conference, document(body))


class KickAll(ConferenceOrder, frozen=True, kw_only=True):
    """End a conference: everybody's call is ended."""

    method: ClassVar[str] = "DELETE"


class KickParticipant(ConferenceOrder, frozen=True, kw_only=True):
    """End one participant's call."""

    method: ClassVar[str] = "DELETE"

    call_id: str

    @property
    def path(self) -> str:
        """The participant's own."""
        return f"{_path(self.conference_id)}/{segment(self.call_id)}"

    def faults(self, *, strict: bool) -> Iterator[Fault]:
        """Of both ids."""
        yield from ConferenceOrder.faults(self, strict=strict)
        yield from id_faults(self.call_id, "call_id")


class UpdateParticipant(KickParticipant, frozen=True, kw_only=True):
    """Mute a participant, or let them wait with music: `command` is `mute`, `unmute`, `onhold` or `resume`."""

    method: ClassVar[str] = "PATCH"

    command: str
    moh: str | None = None

    @property
    def body(self) -> bytes:
        """The command, and the music that goes with `onhold`."""
        return encode({"command": self.command} | ({} if self.moh is None else {"moh": self.moh}))

    def faults(self, *, strict: bool) -> Iterator[Fault]:
        """Of both ids and the command."""
        yield from KickParticipant.faults(self, strict=strict)
        if self.command not in COMMANDS:
            yield Fault("command", repr(self.command[:40]), f"one of {', '.join(COMMANDS)}")
        elif self.moh is not None and self.command != "onhold":
            yield Fault("moh", f"a value beside {self.command}", "none: it goes with onhold alone")
        if self.moh is not None and self.moh not in MOH:
            yield Fault("moh", repr(self.moh[:40]), f"one of {', '.join(sorted(MOH))}")


def _path(conference_id: str) -> str:
    return f"/calling/v1/conferences/id/{segment(conference_id)}"
