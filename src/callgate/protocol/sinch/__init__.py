"""Sinch Voice, version 1: the wire, its signature, and its translation to neutral words."""

from callgate.errors import CallbackMalformed, SignatureInvalid
from callgate.protocol.sinch.callbacks import (
    Ace,
    Amd,
    Callback,
    Destination,
    Dice,
    Ice,
    MenuResult,
    Money,
    Notify,
    Pair,
    Pie,
    UnknownEvent,
    read,
)
from callgate.protocol.sinch.signature import sign, signature_of, signing_key, string_to_sign, verify, verify_basic
from callgate.protocol.sinch.svaml import ConnectPstn, Continue, Hangup, Svaml
from callgate.protocol.sinch.translate import answer, translate, understand

__all__ = [
    "Ace",
    "Amd",
    "Callback",
    "CallbackMalformed",
    "ConnectPstn",
    "Continue",
    "Destination",
    "Dice",
    "Hangup",
    "Ice",
    "MenuResult",
    "Money",
    "Notify",
    "Pair",
    "Pie",
    "SignatureInvalid",
    "Svaml",
    "UnknownEvent",
    "answer",
    "read",
    "sign",
    "signature_of",
    "signing_key",
    "string_to_sign",
    "translate",
    "understand",
    "verify",
    "verify_basic",
]
