"""Sinch Voice, version 1: the wire, its signature, and its translation to neutral words.

What a callback can be verified, read and answered without is loaded when it is first asked for: who only answers callbacks
starts without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from callgate.errors import CallbackMalformed, SignatureInvalid
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
from callgate.protocol.sinch.signature import (
    header,
    prove,
    sign,
    signature_of,
    signed_lines,
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
from callgate.protocol.sinch.translate import answer, check_owner, owner, translate, understand, unusable

if TYPE_CHECKING:
    from callgate.protocol.sinch import prompts, rest
    from callgate.protocol.sinch.allowed import check
    from callgate.protocol.sinch.doctor import Diagnosis, diagnose
    from callgate.protocol.sinch.orders import (
        REGIONS,
        ask,
        base_url,
        hang_up,
        place,
        put_out,
        read_done,
        read_placed,
        read_told,
        warn,
    )
    from callgate.protocol.sinch.rules import Fault
    from callgate.protocol.sinch.setup import (
        CONFIGURATION,
        ask_callback_urls,
        read_callback_urls,
        read_set,
        set_callback_urls,
    )
    from callgate.protocol.sinch.token import registration_token, user_of_token

__all__ = [
    "CONFIGURATION",
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
    "ask_callback_urls",
    "base_url",
    "check",
    "check_owner",
    "diagnose",
    "hang_up",
    "header",
    "owner",
    "place",
    "prompts",
    "prove",
    "put_out",
    "read",
    "read_callback_urls",
    "read_done",
    "read_placed",
    "read_set",
    "read_told",
    "registration_token",
    "rest",
    "set_callback_urls",
    "sign",
    "signature_of",
    "signed_lines",
    "signing_key",
    "string_to_sign",
    "translate",
    "understand",
    "unusable",
    "user_of_token",
    "verify",
    "verify_basic",
    "warn",
    "write",
]

_LATER = {
    "Diagnosis": "doctor",
    "Fault": "rules",
    "check": "allowed",
    "diagnose": "doctor",
    "prompts": "prompts",
    **dict.fromkeys(
        ("CONFIGURATION", "ask_callback_urls", "read_callback_urls", "read_set", "set_callback_urls"), "setup"
    ),
    "registration_token": "token",
    "user_of_token": "token",
    "rest": "rest",
    **dict.fromkeys(
        ("REGIONS", "ask", "base_url", "hang_up", "place", "put_out", "read_done", "read_placed", "read_told", "warn"),
        "orders",
    ),
}
"""The module of each name that is loaded later."""


def __getattr__(name: str) -> object:
    """Load it, once."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_LATER[name]}")
    found: object = module if name == _LATER[name] else getattr(module, name)
    globals()[name] = found
    return found
