"""Sign and verify: who sent this request, over which bytes, and when. Constant time, no I/O, no clock.

The same scheme signs the platform's callbacks and our requests to its REST interface. What differs when a signature
does not match is told by `doctor`, off the hot path. Source: Sinch Voice API reference, authentication.
"""

import binascii
import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from callgate.errors import SignatureInvalid
from callgate.protocol.wire import WireRequest

if TYPE_CHECKING:
    from hashlib import _Hash

SCHEME = "application"
"""First word of the Authorization header; read in any case."""

FRESHNESS_S = 300
"""How far `x-timestamp` may be from now, either way. The platform's documents name no figure; this one is ours."""

JSON_UTF8 = "application/json; charset=utf-8"

_BLOCK_BYTES = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
_URL_SAFE = str.maketrans("-_", "+/")
_NOBODY = "YSBzZWNyZXQgb2Ygbm8gb25l"
"""Tried when the key is unknown, so that an unknown key takes as long to refuse as a known one."""


class Credentials(NamedTuple):
    """What an Authorization header says; every part is empty where the header does not say it."""

    scheme: str
    key: str
    signature: str


def verify(
    request: WireRequest,
    secrets: Mapping[str, str | Sequence[str]],
    now: datetime,
    *,
    freshness_s: int | None = FRESHNESS_S,
) -> None:
    """Return when the request is signed by one of the key's secrets, at most `freshness_s` from `now`.

    `secrets` maps an application key to its secret or secrets, as the platform shows them (base64). `now` is aware.
    `freshness_s` None accepts any age. Raises `SignatureInvalid`, and nothing else whatever the request holds; its
    `ingredient` is one of `authorization`, `scheme`, `key`, `secret`, `timestamp` and `signature`. Age is judged last,
    so that `timestamp: ... seconds` is said of a request that is otherwise genuine: it is the clock, or a replay.
    """
    headers = request.headers
    credentials = _credentials(headers)
    stamp = header(headers, "x-timestamp")
    if not stamp:
        raise SignatureInvalid("timestamp", "the header x-timestamp is missing")
    text = string_to_sign(request.method, request.path, request.body, stamp, header(headers, "content-type") or "")

    configured = secrets.get(credentials.key)
    candidates = (_NOBODY,) if not configured else (configured,) if isinstance(configured, str) else configured
    claimed = credentials.signature.encode("utf-8", "surrogatepass")
    is_genuine = False
    for secret in candidates:  # all of them, always: the time must not tell which one it was
        is_genuine |= hmac.compare_digest(_signature(secret, text), claimed) and _is_usable(secret)
    if configured is None:
        raise SignatureInvalid("key", f"no application has the key {credentials.key[:64]!r}")
    if not configured:
        raise SignatureInvalid("secret", "the application has no secret")
    if not is_genuine:
        if not any(_is_base64(secret) for secret in candidates):
            raise SignatureInvalid("secret", "our own secret is not base64: paste it as the platform shows it")
        raise SignatureInvalid("signature", "it does not match what was received; see `callgate signature verify`")

    age_s = abs((now - read_timestamp(stamp)).total_seconds())
    if freshness_s is not None and age_s > freshness_s:
        raise SignatureInvalid("timestamp", f"{stamp[:40]} is {age_s:.0f} seconds from now, more than {freshness_s}")


def sign(  # noqa: PLR0913, PLR0917 - the ingredients of a signature are many, and each is its own
    method: str,
    path: str,
    body: bytes,
    key: str,
    secret: str,
    now: datetime,
    content_type: str = JSON_UTF8,
    scheme: str = SCHEME,
) -> dict[str, str]:
    """Return the headers to send with the request: `authorization`, `x-timestamp` and, unless empty, `content-type`.

    `path` is without host and query. `now` is aware. Raises `SignatureInvalid` for a secret that holds no bytes.
    """
    if not _is_usable(secret):
        raise SignatureInvalid("secret", "our own secret is not base64: paste it as the platform shows it")
    stamp = format_timestamp(now)
    signature = _signature(secret, string_to_sign(method, path, body, stamp, content_type)).decode()
    signed = {"authorization": f"{scheme} {key}:{signature}", "x-timestamp": stamp}
    return signed | ({"content-type": content_type} if content_type else {})


def signing_key(request: WireRequest) -> str:
    """Return the application key that the Authorization header names, or "" where it names none that can be read."""
    try:
        return _credentials(request.headers).key
    except SignatureInvalid:
        return ""


def string_to_sign(method: str, path: str, body: bytes, timestamp: str, content_type: str) -> str:
    """Return the five lines that are signed. No body leaves its line empty; nothing is normalised but the verb."""
    md5 = b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode() if body else ""
    return f"{method.upper()}\n{md5}\n{content_type}\nx-timestamp:{timestamp}\n{path}"


def signature_of(secret: str, text: str) -> str:
    """Return the signature of a string to sign, as base64."""
    return _signature(secret, text).decode()


def header(headers: Mapping[str, str], name: str) -> str | None:
    """Return a header by its lower-case name, however it is spelled. The lower-case spelling goes before others."""
    value = headers.get(name)
    if value is None:
        return next((value for spelled, value in headers.items() if spelled.lower() == name), None)
    return value


def read_timestamp(text: str) -> datetime:
    """Read `x-timestamp`: ISO 8601, any count of fractional digits, no zone means UTC. Raises `SignatureInvalid`."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise SignatureInvalid("timestamp", f"{text[:40]!r} is not an ISO 8601 time") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def format_timestamp(at: datetime) -> str:
    """Write a time as the platform does: `2024-06-06T17:20:14Z`, with six decimals when there is a fraction."""
    if at.tzinfo is None:
        raise ValueError("a time to sign needs its zone")
    return at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _credentials(headers: Mapping[str, str]) -> Credentials:
    value = header(headers, "authorization")
    if not value:
        raise SignatureInvalid("authorization", "the header is missing")
    scheme, _, rest = value.partition(" ")
    if scheme.lower() != SCHEME:
        raise SignatureInvalid("scheme", f"found {scheme[:32]!r}, expected {SCHEME}")
    key, _, signature = rest.strip().partition(":")
    if not key or not signature:
        raise SignatureInvalid("authorization", f"expected `{SCHEME} KEY:SIGNATURE`")
    return Credentials(scheme, key, signature)


def _signature(secret: str, text: str) -> bytes:
    """Compute HMAC-SHA256 from the two states that depend on the secret alone: half the work of `hmac.digest`."""
    inner, outer = _keyed(secret)
    inner, outer = inner.copy(), outer.copy()
    inner.update(text.encode("utf-8", "surrogatepass"))
    outer.update(inner.digest())
    return binascii.b2a_base64(outer.digest(), newline=False)


@lru_cache(maxsize=1024)
def _keyed(secret: str) -> "tuple[_Hash, _Hash]":
    key = _decode_secret(secret)
    if len(key) > _BLOCK_BYTES:
        key = hashlib.sha256(key).digest()
    block = key.ljust(_BLOCK_BYTES, b"\0")
    return hashlib.sha256(block.translate(_INNER)), hashlib.sha256(block.translate(_OUTER))


def _decode_secret(secret: str) -> bytes:
    """Decode base64 as the platform's own kits do: either alphabet, with or without padding, strangers left out."""
    text = secret.translate(_URL_SAFE)
    digits = "".join(char for char in text if char.isascii() and (char.isalnum() or char in "+/"))
    whole = digits[: len(digits) - 1] if len(digits) % 4 == 1 else digits
    return b64decode(whole + "=" * (-len(whole) % 4))


@lru_cache(maxsize=1024)
def _is_usable(secret: str) -> bool:
    """Whether the secret holds any bytes at all: with none, everybody could sign."""
    return bool(_decode_secret(secret))


def _is_base64(secret: str) -> bool:
    try:
        return bool(b64decode(secret + "=" * (-len(secret) % 4), validate=True))
    except ValueError:
        return False
