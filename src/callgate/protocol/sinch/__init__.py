"""Sinch Voice, version 1: the wire, its signature, and its translation to neutral words.

What asks the platform (`rest`, and the functions of `orders`) is loaded when it is first used: who only answers callbacks
starts without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from callgate.errors import CallbackMalformed, SignatureInvalid
from callgate.protocol.sinch import prompts
from callgate.protocol.sinch.callbacks import (
    Ace,
    Amd,
    Destination,
    Dice,
    Ice,
    MenuResult,
    Money,
    Notify,
    Other,
    Pair,
    Pie,
    UnknownEvent,
    read,
    write,
)
from callgate.protocol.sinch.check import check
from callgate.protocol.sinch.doctor import Diagnosis, diagnose
from callgate.protocol.sinch.rules import Fault
from callgate.protocol.sinch.signature import (
    header,
    sign,
    signature_of,
    signing_key,
    string_to_sign,
    verify,
    verify_basic,
)
from callgate.protocol.sinch.svaml import (
    Action,
    Address,
    AmdOptions,
    Answer,
    ConferenceDtmfOptions,
    ConnectConf,
    ConnectMxp,
    ConnectPstn,
    ConnectSip,
    ConnectStream,
    Continue,
    Hangup,
    Instruction,
    Menu,
    Option,
    Park,
    PlayFiles,
    RecordingOptions,
    ReportCallStatus,
    RunMenu,
    Say,
    SendDtmf,
    SetCookie,
    StartRecording,
    StopRecording,
    StreamingOptions,
    Svaml,
    TranscriptionOptions,
)
from callgate.protocol.sinch.token import registration_token
from callgate.protocol.sinch.translate import answer, owner, translate, understand, unusable

if TYPE_CHECKING:
    from callgate.protocol.sinch import rest
    from callgate.protocol.sinch.orders import (
        REGIONS,
        ask,
        base_url,
        hang_up,
        read_done,
        read_told,
        resource_of,
        warn,
    )

__all__ = [
    "REGIONS",
    "Ace",
    "Action",
    "Address",
    "Amd",
    "AmdOptions",
    "Answer",
    "CallbackMalformed",
    "ConferenceDtmfOptions",
    "ConnectConf",
    "ConnectMxp",
    "ConnectPstn",
    "ConnectSip",
    "ConnectStream",
    "Continue",
    "Destination",
    "Diagnosis",
    "Dice",
    "Fault",
    "Hangup",
    "Ice",
    "Instruction",
    "Menu",
    "MenuResult",
    "Money",
    "Notify",
    "Option",
    "Other",
    "Pair",
    "Park",
    "Pie",
    "PlayFiles",
    "RecordingOptions",
    "ReportCallStatus",
    "RunMenu",
    "Say",
    "SendDtmf",
    "SetCookie",
    "SignatureInvalid",
    "StartRecording",
    "StopRecording",
    "StreamingOptions",
    "Svaml",
    "TranscriptionOptions",
    "UnknownEvent",
    "answer",
    "ask",
    "base_url",
    "check",
    "diagnose",
    "hang_up",
    "header",
    "owner",
    "prompts",
    "read",
    "read_done",
    "read_told",
    "registration_token",
    "resource_of",
    "rest",
    "sign",
    "signature_of",
    "signing_key",
    "string_to_sign",
    "translate",
    "understand",
    "unusable",
    "verify",
    "verify_basic",
    "warn",
    "write",
]

_OF_ORDERS = frozenset({"REGIONS", "ask", "base_url", "hang_up", "read_done", "read_told", "resource_of", "warn"})


def __getattr__(name: str) -> object:
    """Load what asks the platform, once."""
    if name == "rest":
        return import_module(f"{__name__}.rest")
    if name not in _OF_ORDERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.orders"), name)
    globals()[name] = found
    return found
