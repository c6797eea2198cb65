"""A call in the words that people write for it, in the control API and in scenario files."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec

from callgate.emulator.scenario import (
    Machine,
    Scenario,
    Side,
    parse_callee,
    parse_caller,
    parse_cli,
    parse_outcome,
    parse_talk_s,
)

MAX_CUSTOM = 1_024
"""Longest `custom`. Source: Sinch Voice API reference, callbacks."""


class CallWords(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"caller": "from"}):
    """Who calls whom, and how it goes; see `Scenario`. An empty `talk` lasts until somebody hangs up."""

    caller: str = ""
    to: str = ""
    talk: str = ""
    outcome: str = "answered"
    ring_s: Annotated[int, msgspec.Meta(ge=0, le=600)] = 3
    ended_by: Side = Side.CALLER
    keys: Sequence[str] = ()
    machine: Machine = Machine()
    cli: str = ""
    custom: Annotated[str, msgspec.Meta(max_length=MAX_CUSTOM)] = ""
    headers: Mapping[str, str] = {}
    call_headers: Mapping[str, str] = {}

    def scenario(self, where: str = "") -> Scenario:
        """The call in the emulator's words. `where` stands before the name of a word that cannot be used. Raises `Invalid`."""
        return Scenario(
            caller=parse_caller(self.caller, f"{where}from"),
            callee=parse_callee(self.to, f"{where}to"),
            talk_s=parse_talk_s(self.talk, f"{where}talk") if self.talk else None,
            outcome=parse_outcome(self.outcome, f"{where}outcome"),
            ring_s=self.ring_s,
            ended_by=self.ended_by,
            keys=self.keys,
            machine=self.machine,
            cli=parse_cli(self.cli, f"{where}cli") if self.cli else None,
            custom=self.custom,
            headers=self.headers,
            call_headers=self.call_headers,
        )
