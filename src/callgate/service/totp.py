"""Codes of an authenticator app: a secret that both sides know, and a new code each half minute.

Source: RFC 6238 with its defaults, SHA-1, 6 digits and 30 seconds, which are all that common apps understand.
"""

import base64
import hmac
import secrets
from datetime import datetime
from urllib.parse import quote

STEP_S = 30
DIGITS = 6
SECRET_BYTES = 20

SKEW_STEPS = 1
"""Clocks of phones may be off by so many steps."""


def new_secret() -> str:
    """A fresh secret in base32, as authenticator apps take it."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def uri_of(secret: str, name: str) -> str:
    """What a QR code for the app holds."""
    return f"otpauth://totp/Callgate:{quote(name, safe='')}?secret={secret}&issuer=Callgate"


def code_at(secret: str, step: int) -> str:
    """The code of one step."""
    digest = hmac.digest(base64.b32decode(secret), step.to_bytes(8, "big"), "sha1")
    start = digest[-1] & 0x0F
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def matching_step(secret: str, code: str, now: datetime, *, after: int) -> int | None:
    """The step whose code this is, near now and later than the last one that was used; None for no such step."""
    current = int(now.timestamp()) // STEP_S
    steps = (current + skew for skew in range(-SKEW_STEPS, SKEW_STEPS + 1))
    given = code.replace(" ", "").encode(errors="replace")
    found = [step for step in steps if hmac.compare_digest(code_at(secret, step).encode(), given)]
    return next((step for step in found if step > after), None)
