"""The platform's REST interface as values: what can be asked, the request that asks it, and what the reply says.

Nothing here sends anything; `callgate.platform` does. What the platform's documents call legacy is left out.
"""

from callgate.protocol.sinch.rest.callouts import CalloutPlaced, ConferenceCallout, CustomCallout, TtsCallout
from callgate.protocol.sinch.rest.calls import CallInfo, GetCall, UpdateCall, UpdateLeg
from callgate.protocol.sinch.rest.conferences import (
    Conference,
    GetConference,
    KickAll,
    KickParticipant,
    Participant,
    UpdateParticipant,
)
from callgate.protocol.sinch.rest.configuration import (
    AssignNumbers,
    CallbackUrls,
    GetCallbacks,
    GetNumbers,
    NumberInfo,
    OwnNumber,
    OwnNumbers,
    QueryNumber,
    UnassignNumber,
    UpdateCallbacks,
)
from callgate.protocol.sinch.rest.hosts import CONFIGURATION, REGIONS, base_of
from callgate.protocol.sinch.rest.operation import Operation, basic, check, read, signed

__all__ = [
    "CONFIGURATION",
    "REGIONS",
    "AssignNumbers",
    "CallInfo",
    "CallbackUrls",
    "CalloutPlaced",
    "Conference",
    "ConferenceCallout",
    "CustomCallout",
    "GetCall",
    "GetCallbacks",
    "GetConference",
    "GetNumbers",
    "KickAll",
    "KickParticipant",
    "NumberInfo",
    "Operation",
    "OwnNumber",
    "OwnNumbers",
    "Participant",
    "QueryNumber",
    "TtsCallout",
    "UnassignNumber",
    "UpdateCall",
    "UpdateCallbacks",
    "UpdateLeg",
    "UpdateParticipant",
    "base_of",
    "basic",
    "check",
    "read",
    "signed",
]
