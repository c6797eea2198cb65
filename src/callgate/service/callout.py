"""Calls that we place. Plain code: what is kept of one beside the call itself, and by what name it goes.

Its money is held before the platform is asked to dial, so that the call is in the books before the platform has an id for it.
Until then it goes by its reference, which we signed into its `custom`; as soon as the platform's answer or a first event names
the call, the row takes that id, see `placed_as`.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from callgate.protocol.call import PlaceCall

PREFIX: Final = "callout-"
"""How references begin."""


class CalloutKind(StrEnum):
    """What a call that we place is for."""

    TTS = "tts"  # a text is spoken to whoever answers
    CONFERENCE = "conference"  # whoever answers joins a conference
    BRIDGE = "bridge"  # click-to-call: one side is rung, then the other, both into a private conference


class Callout(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a call that we place.

    `ref` is our name for it. `place` is what the platform is asked for. `peer` is the other side of a bridge, by its ref.
    `is_asked`: the platform was asked to dial, or is about to be; it is never asked again, whatever came of it. `is_over`:
    the other side has gone, so that this one is ended as soon as it can be. `look_at` is the timer that ends the call.
    """

    ref: str
    kind: CalloutKind
    place: PlaceCall
    peer: str = ""
    is_asked: bool = False
    is_over: bool = False
    look_at: datetime | None = None


LONGEST_PARTING_S: Final = 10
"""How long before the end of its grant a call is ended that no platform limits, so that it does not cost more than was held."""


def timed(callout: Callout | None, granted_s: int, answered_at: datetime) -> Callout | None:
    """The call was answered then: where the platform does not end it, our timer does, a moment before the grant is used up."""
    if callout is None or callout.place.is_limited or callout.is_over:
        return callout
    talks_s = granted_s - min(LONGEST_PARTING_S, granted_s // 10)
    return msgspec.structs.replace(callout, look_at=answered_at + timedelta(seconds=talks_s))


def stopped(callout: Callout | None) -> Callout | None:
    """The call has ended: its timer stops."""
    return callout if callout is None or callout.look_at is None else msgspec.structs.replace(callout, look_at=None)
