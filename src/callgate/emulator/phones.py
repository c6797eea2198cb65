"""How phones behave that the backend calls: who takes the call, when, and for how long they listen."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec

from callgate.emulator.scenario import MAX_TALK_S, Machine, Outcome, Scenario, Side

RING_S = 7
"""How long the old test numbers ring: 7.5 s in the reference."""


class Manner(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one phone takes calls; as in `Scenario`."""

    outcome: Outcome = Outcome.ANSWERED
    ring_s: Annotated[int, msgspec.Meta(ge=0, le=600)] = 3
    talk_s: Annotated[int, msgspec.Meta(ge=0, le=MAX_TALK_S)] | None = 60
    ended_by: Side = Side.CALLEE
    keys: Sequence[str] = ()
    machine: Machine = Machine()

    def applied(self, scenario: Scenario) -> Scenario:
        """The call, to a phone of this manner."""
        return msgspec.structs.replace(
            scenario,
            outcome=self.outcome,
            ring_s=self.ring_s,
            talk_s=self.talk_s,
            ended_by=self.ended_by,
            keys=self.keys,
            machine=self.machine,
        )


TEST_NUMBERS: Mapping[str, Manner] = {
    "+46000000000": Manner(ring_s=RING_S, talk_s=5),
    **{f"+46000000000{times}": Manner(ring_s=RING_S, talk_s=5 * times) for times in range(2, 10)},
    "+4600000000010": Manner(ring_s=RING_S, talk_s=120),
    "+4600000000020": Manner(ring_s=RING_S, talk_s=50, keys=("0",)),
    "+4600000000030": Manner(outcome=Outcome.REJECTED, ring_s=0),
    "+4600000000031": Manner(outcome=Outcome.REJECTED, ring_s=RING_S),
    "+4600000000040": Manner(outcome=Outcome.NO_ANSWER),
    "+4600000000050": Manner(outcome=Outcome.FAILED, ring_s=0),
    "+4600000000051": Manner(outcome=Outcome.FAILED, ring_s=RING_S),
}
"""The test numbers of the platform's old documents, which behave unless they are told otherwise."""
