"""SVAML: instructions and actions as they are spelled on the wire."""

import msgspec


class Action(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, tag_field="name"):
    """What happens next with the call; exactly one."""


class Hangup(Action, frozen=True, kw_only=True, tag="hangup"):
    """End the call."""


class Continue(Action, frozen=True, kw_only=True, tag="continue"):
    """Let the call be set up as it was going to be."""


class ConnectPstn(Action, frozen=True, kw_only=True, tag="connectPstn"):
    """Connect to a number of the telephone network."""

    number: str | None = None
    cli: str | None = None
    max_duration: int | None = None


class Svaml(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One reply: instructions in their order, then the action."""

    action: Action

    def to_json(self) -> bytes:
        """Write it with absent fields left out; equal replies are equal bytes."""
        return msgspec.json.encode(self)
