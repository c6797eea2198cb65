"""What we sign ourselves, with keys made of the operator's secret key: tickets, and the references that calls carry."""

import hmac
from base64 import urlsafe_b64encode
from typing import Final

import msgspec

REFERENCE: Final = "cgh1_"
"""How a reference begins."""

MAX_LENGTH: Final = 200


class Signing(msgspec.Struct, frozen=True, kw_only=True):
    """One key for each purpose, so that what was signed for one is worth nothing for another."""

    tickets: bytes
    holds: bytes

    def __repr__(self) -> str:
        return "Signing(***)"


def refer(key: bytes, application: str, ref: str) -> str:
    """Sign the reference of a hold, for the `custom` of the call that it is for."""
    return f"{REFERENCE}{ref}.{_proof(key, application, ref)}"


def referred(key: bytes, application: str, custom: str) -> str | None:
    """Return the reference that an event of this application carries, None where it carries none of ours."""
    if not custom.startswith(REFERENCE) or len(custom) > MAX_LENGTH or not custom.isascii():
        return None
    ref, _, proof = custom.removeprefix(REFERENCE).partition(".")
    return ref if hmac.compare_digest(_proof(key, application, ref), proof) else None


def _proof(key: bytes, application: str, ref: str) -> str:
    digest = hmac.digest(key, f"{application}\n{ref}".encode(), "sha256")
    return urlsafe_b64encode(digest[:18]).decode()
