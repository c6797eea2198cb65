"""Sign and verify: who sent this request, over which bytes, and when. Constant time, no I/O, no clock.

The same scheme signs the platform's callbacks and our requests to its REST interface. What differs when a signature
does not match is told by `doctor`, off the hot path. Source: Sinch Voice API reference, authentication.
"""

import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import md5, sha256
from hmac import compare_digest
from os import urandom
from typing import TYPE_CHECKING

from callgate.errors import SignatureInvalid
from callgate.protocol.wire import WireRequest

if TYPE_CHECKING:
    from hashlib import _Hash

SCHEME = "application"
"""First word of the Authorization header; read in any case."""

FRESHNESS_S = 300
"""How far `x-timestamp` may be from now, either way. The platform's documents name no figure; this one is ours."""

JSON_UTF8 = "application/json; charset=utf-8"

MAX_SECRETS_KEPT = 4096
"""Secrets whose hashed states are kept ready, a kilobyte each; with more in use at once the work is done anew."""

MAX_COVERED = 4_000
"""Longest that is kept of what a signature covers, in characters."""

_LINES = 5
_BLOCK_BYTES = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
_URL_SAFE = str.maketrans("-_", "+/")
_NOBODY = "YSBzZWNyZXQgb2Ygbm8gb25l"
"""Tried when the key is unknown, so that an unknown key takes as long to refuse as a known one."""


def verify(
    request: WireRequest,
    secrets: Mapping[str, str | Sequence[str]],
    now: datetime,
    *,
    freshness_s: int | None = FRESHNESS_S,
) -> None:
    """Return when the request is signed by one of the key's secrets, at most `freshness_s` from `now`.

    `secrets` maps an application key to its secret or secrets, as the platform shows them (base64). `now` is aware.
    `freshness_s` None accepts any age and takes the timestamp as it is. Raises `SignatureInvalid`, and nothing else
    whatever the request holds; its `ingredient` is one of `authorization`, `scheme`, `timestamp`, `key`, `secret` and
    `signature`. Age is judged last: a request said to be too old is otherwise genuine, so it is a clock or a replay.
    """
    prove(request, secrets, now, freshness_s)


def prove(
    request: WireRequest, secrets: Mapping[str, str | Sequence[str]], now: datetime, freshness_s: int | None
) -> str:
    """Return the key that signed the request; raise as `verify` does."""
    headers = request.headers
    key, signature = credentials(headers)
    stamp = headers.get("x-timestamp") or header(headers, "x-timestamp")
    if not stamp:
        raise SignatureInvalid("timestamp", "the header x-timestamp is missing")
    at = read_timestamp(stamp) if freshness_s is not None else now
    content_type = headers.get("content-type") or header(headers, "content-type") or ""
    text = string_to_sign(request.method, request.path, request.body, stamp, content_type)

    configured = secrets.get(key)
    candidates = (configured,) if isinstance(configured, str) else configured or (_NOBODY,)
    signed, claimed = text.encode("utf-8", "surrogatepass"), signature.encode("utf-8", "surrogatepass")
    is_genuine = False
    for secret in candidates:  # all of them, always: the time must not tell which one it was
        is_genuine |= compare_digest(_signature(secret, signed), claimed)
    if not configured:
        known = "no application has the key" if configured is None else "no secret is kept for the key"
        raise SignatureInvalid("key", f"{known} {key[:64]!r}")
    if text.count("\n") != _LINES - 1:  # a line break inside one part could pass for the end of it
        raise SignatureInvalid("signature", "a line break in a header or in the path")
    if not is_genuine:
        if not any(is_base64(secret) for secret in candidates):
            raise SignatureInvalid("secret", "our own is not base64: paste it as the platform shows it")
        raise SignatureInvalid("signature", "it does not match what was received; `diagnose` says what differs")
    if freshness_s is not None and (age_s := abs((now - at).total_seconds())) > freshness_s:
        raise SignatureInvalid("timestamp", f"{stamp[:40]} is {age_s:.0f} seconds from now, more than {freshness_s}")
    return key


def verify_basic(request: WireRequest, secrets: Mapping[str, str | Sequence[str]]) -> None:
    """Return when the request carries a key and one of its secrets as HTTP Basic; raise `SignatureInvalid` when not.

    Only for an application that opted in: this proves neither the body nor its age, and sends the secret along.
    """
    key, secret = _basic(request.headers)
    configured = secrets.get(key) or (_NOBODY,)
    candidates = (configured,) if isinstance(configured, str) else configured
    claimed = secret.encode("utf-8", "surrogatepass")
    is_genuine = False
    for candidate in candidates:
        is_genuine |= compare_digest(candidate.encode(), claimed)
    if not secrets.get(key):
        raise SignatureInvalid("key", f"no application has the key {key[:64]!r}")
    if not is_genuine:
        raise SignatureInvalid("secret", "it is not the one of this application")


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
    if not decode_secret(secret):
        raise SignatureInvalid("secret", "our own is not base64: paste it as the platform shows it")
    stamp = format_timestamp(now)
    signature = signature_of(secret, string_to_sign(method, path, body, stamp, content_type))
    signed = {"authorization": f"{scheme} {key}:{signature}", "x-timestamp": stamp}
    return signed | ({"content-type": content_type} if content_type else {})


def signing_key(request: WireRequest) -> str:
    """Return the application key that the Authorization header names, or "" where it names none that can be read."""
    try:
        return credentials(request.headers)[0]
    except SignatureInvalid:  # of the usual scheme there is none
        try:
            return _basic(request.headers)[0]
        except SignatureInvalid:
            return ""


def credentials(headers: Mapping[str, str]) -> tuple[str, str]:
    """Return the key and the signature of the Authorization header. Raises `SignatureInvalid`."""
    value = headers.get("authorization") or header(headers, "authorization")
    if not value:
        raise SignatureInvalid("authorization", "the header is missing")
    scheme, _, rest = value.partition(" ")
    if scheme != SCHEME and scheme.lower() != SCHEME:
        raise SignatureInvalid("scheme", f"found {scheme[:32]!r}, expected {SCHEME}")
    key, _, signature = rest.strip().partition(":")
    if not key or not signature:
        raise SignatureInvalid("authorization", f"expected `{SCHEME} KEY:SIGNATURE`")
    return key, signature


def string_to_sign(method: str, path: str, body: bytes, timestamp: str, content_type: str) -> str:
    """Return the five lines that are signed. No body leaves its line empty; nothing is normalised but the verb."""
    digest = b2a_base64(md5(body, usedforsecurity=False).digest(), newline=False).decode() if body else ""
    return f"{method.upper()}\n{digest}\n{content_type}\nx-timestamp:{timestamp}\n{path}"


def covered_by_signature(request: WireRequest) -> str:
    """What a request's signature covers beside its verb and its body: a line each for the time, the content type and the
    path. Empty for a request that carries no time, and so no signature of this scheme.
    """
    headers = request.headers
    stamp = headers.get("x-timestamp") or header(headers, "x-timestamp")
    if not stamp:
        return ""
    content_type = headers.get("content-type") or header(headers, "content-type") or ""
    return f"{stamp}\n{content_type}\n{request.path}"[:MAX_COVERED]


def signed_lines(covered: str, body: bytes) -> list[tuple[str, str]]:
    """The five lines of `string_to_sign`, each with what it is; none for what was not signed."""
    stamp, _, rest = covered.partition("\n")
    content_type, _, path = rest.partition("\n")
    if not stamp:
        return []
    names = ("verb", "MD5 of the body, in base64", "content type", "time", "path")
    return list(zip(names, string_to_sign("POST", path, body, stamp, content_type).split("\n"), strict=True))


def signature_of(secret: str, text: str) -> str:
    """Return the signature of a string to sign, in base64."""
    return _signature(secret, text.encode("utf-8", "surrogatepass")).decode()


def header(headers: Mapping[str, str], name: str) -> str | None:
    """Return a header by its lower-case name, however it is spelled. The lower-case spelling goes before others."""
    value = headers.get(name)
    if value is not None:
        return value
    for spelled, other in headers.items():
        if spelled.lower() == name:
            return other
    return None


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


def is_base64(secret: str) -> bool:
    """Whether a secret reads as one, padded or not. One that does not is nevertheless tried; see `decode_secret`."""
    try:
        return bool(a2b_base64(secret + "=" * (-len(secret) % 4), strict_mode=True))
    except ValueError:
        return False


def _basic(headers: Mapping[str, str]) -> tuple[str, str]:
    """Return the key and the secret of HTTP Basic."""
    scheme, _, rest = (header(headers, "authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        raise SignatureInvalid("scheme", f"found {scheme[:32]!r}, expected Basic")
    try:
        key, colon, secret = a2b_base64(rest.strip(), strict_mode=True).decode().partition(":")
    except ValueError:
        key = colon = secret = ""
    if not key or not colon:
        raise SignatureInvalid("authorization", "expected `Basic` and base64 of `KEY:SECRET`")
    return key, secret


def _signature(secret: str, signed: bytes) -> bytes:
    """Compute HMAC-SHA256, in base64, from the two states that depend on the secret alone."""
    inner, outer = _states(secret)
    inner, outer = inner.copy(), outer.copy()
    inner.update(signed)
    outer.update(inner.digest())
    return b2a_base64(outer.digest(), newline=False)


@lru_cache(maxsize=MAX_SECRETS_KEPT)
def _states(secret: str) -> "tuple[_Hash, _Hash]":
    """Hash the first block of each half of the HMAC. With an empty key everybody could sign, so nobody can."""
    key = decode_secret(secret) or urandom(_BLOCK_BYTES)
    block = (sha256(key).digest() if len(key) > _BLOCK_BYTES else key).ljust(_BLOCK_BYTES, b"\0")
    return sha256(block.translate(_INNER)), sha256(block.translate(_OUTER))


def decode_secret(secret: str) -> bytes:
    """Decode base64 as the platform's own kits do: either alphabet, padded or not, other characters skipped."""
    digits = re.sub(r"[^A-Za-z0-9+/]", "", secret.translate(_URL_SAFE))
    whole = digits[:-1] if len(digits) % 4 == 1 else digits
    return a2b_base64(whole + "=" * (-len(whole) % 4))
