"""Why does this signature not match? Signs again with one ingredient changed after another, until one explains it.

Off the hot path: a signature tells nothing about what it was made of, so all that can be done is to guess what the
sender had, and to see whether that gives what came.
"""

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

import msgspec

from callgate.errors import SignatureInvalid
from callgate.protocol.sinch.signature import (
    FRESHNESS_S,
    credentials,
    format_timestamp,
    header,
    is_base64,
    read_timestamp,
    signature_of,
    string_to_sign,
)
from callgate.protocol.wire import WireRequest

METHODS = ("POST", "GET", "PUT", "PATCH", "DELETE")
CONTENT_TYPES = (
    *("", "application/json", "text/plain", "text/html", "application/x-www-form-urlencoded"),
    *(f"application/json;{blank}charset={name}" for blank in ("", " ") for name in ("utf-8", "UTF-8")),
)
PREFIXES = ("/api", "/v1", "/sinch", "/callback", "/callbacks", "/callbacks/sinch", "/webhook", "/webhooks")
MAX_DRIFT_S = 120
"""How many seconds to either side a rewritten timestamp is looked for."""


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a signature.

    `ingredient` is None when the request is genuine, else one of `authorization`, `scheme`, `key`, `method`, `path`,
    `content type`, `timestamp`, `body bytes`, `secret` and `secret encoding`. `explanation` is for the operator.
    """

    ingredient: str | None
    explanation: str


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """What goes into a signature, beside the secret."""

    method: str
    path: str
    content_type: str
    timestamp: str
    body: bytes

    def text(self) -> str:
        """Return the string to sign."""
        return string_to_sign(self.method, self.path, self.body, self.timestamp, self.content_type)


def diagnose(  # noqa: PLR0913 - each of them is something that an operator may know about the request
    request: WireRequest,
    secrets: Mapping[str, str | Sequence[str]],
    now: datetime,
    *,
    freshness_s: int | None = FRESHNESS_S,
    query: str = "",
    paths: Sequence[str] = (),
) -> Diagnosis:
    """Say which single ingredient of a signature differs.

    `query` is what stood behind the `?` of the URL, `paths` are paths that the platform may have requested instead,
    such as that of a public URL. When no guess explains the signature, the body was changed on the way, the path is one
    that we could not guess, or the secret is another application's: from a signature these look the same, and
    `body bytes` is said of all three.
    """
    try:
        key, claimed = credentials(request.headers)
        signed = _signed(request)
        at = read_timestamp(signed.timestamp)
    except SignatureInvalid as error:
        return Diagnosis(ingredient=error.ingredient, explanation=error.explanation)
    if key not in secrets:
        return _unknown_key(key, claimed, signed, secrets)

    own = _several(secrets[key])
    genuine = [signature_of(secret, signed.text()) == claimed for secret in own]
    if any(genuine):
        age_s = abs((now - at).total_seconds())
        if freshness_s is not None and age_s > freshness_s:
            explanation = f"genuine, but {age_s:.0f} seconds from now: it was replayed, or a clock is wrong"
            return Diagnosis(ingredient="timestamp", explanation=explanation)
        old = "" if genuine[0] else f", with secret number {genuine.index(True) + 1} of the application"
        return Diagnosis(ingredient=None, explanation=f"genuine{old}")

    for ingredient, found, guess in _guesses(signed, query, paths):
        if any(signature_of(secret, guess.text()) == claimed for secret in own):
            return Diagnosis(ingredient=ingredient, explanation=found)
    return _of_secret(key, claimed, signed, secrets) or _unexplained(request, claimed)


def _signed(request: WireRequest) -> Signed:
    stamp = header(request.headers, "x-timestamp")
    if not stamp:
        raise SignatureInvalid("timestamp", "the header x-timestamp is missing")
    return Signed(
        method=request.method,
        path=request.path,
        content_type=header(request.headers, "content-type") or "",
        timestamp=stamp,
        body=request.body,
    )


def _guesses(signed: Signed, query: str, paths: Sequence[str]) -> Iterator[tuple[str, str, Signed]]:
    """Yield an ingredient, what would then be the matter, and what would then have been signed."""
    replace = msgspec.structs.replace
    for method in METHODS:
        yield "method", f"signed for {method}, received as {signed.method}", replace(signed, method=method)
    for path in _paths(signed.path, query, paths):
        yield "path", f"signed for {path!r}, received as {signed.path!r}", replace(signed, path=path)
    for kind in CONTENT_TYPES:
        found = f"signed for {kind!r}, received as {signed.content_type!r}"
        yield "content type", found, replace(signed, content_type=kind)
    for stamp in _timestamps(signed):
        found = f"signed for {stamp!r}, received as {signed.timestamp!r}"
        yield "timestamp", found, replace(signed, timestamp=stamp)
    for found, body in _bodies(signed.body):
        yield "body bytes", f"the body was signed {found}: hash the bytes as they came", replace(signed, body=body)


def _paths(path: str, query: str, more: Sequence[str]) -> Iterator[str]:
    bare, _, own_query = path.partition("?")
    yield from more
    yield bare
    yield bare.rstrip("/") or "/"
    yield f"{bare}/"
    yield f"{bare}?{query or own_query}"
    yield unquote(bare)
    yield quote(bare, safe="/+:@")
    yield quote(unquote(bare), safe="/")
    yield bare.lower()
    segments = bare.split("/")[1:]
    for cut in range(1, len(segments)):  # a proxy added a prefix
        yield "/" + "/".join(segments[cut:])
    for prefix in PREFIXES:  # a proxy took one away
        yield prefix + bare
    yield ""


def _timestamps(signed: Signed) -> Iterator[str]:
    try:
        told = json.loads(signed.body)["timestamp"]
    except (ValueError, TypeError, KeyError, RecursionError):
        told = None
    if isinstance(told, str):
        yield told
    at = read_timestamp(signed.timestamp)
    for seconds in sorted(range(-MAX_DRIFT_S, MAX_DRIFT_S + 1), key=abs):
        try:
            moment = at.astimezone(UTC) + timedelta(seconds=seconds)
        except OverflowError:  # the first or the last day that there is
            return
        stamp = format_timestamp(moment)
        whole = stamp[:19]
        yield from (stamp, whole, f"{whole}Z", f"{whole}+00:00", f"{whole}.{moment.microsecond // 1000:03}Z")


def _bodies(body: bytes) -> Iterator[tuple[str, bytes]]:
    yield "as if empty", b""
    yield "without white space at its end", body.rstrip()
    yield "with a line feed at its end", body + b"\n"
    yield "with other line ends", body.replace(b"\r\n", b"\n")
    yield "with other line ends", body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    yield "without a byte order mark", body.removeprefix(b"\xef\xbb\xbf")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return
    for is_ascii in (False, True):
        for is_sorted in (False, True):
            for indent, separators in _SPACINGS:
                text = json.dumps(
                    value, ensure_ascii=is_ascii, sort_keys=is_sorted, indent=indent, separators=separators
                )
                yield "as JSON written anew", text.encode("utf-8", "surrogatepass")


def _of_secret(key: str, claimed: str, signed: Signed, secrets: Mapping[str, str | Sequence[str]]) -> Diagnosis | None:
    """See whether the secret was used otherwise, or another application's."""
    text = signed.text()
    for secret in _several(secrets[key]):
        if _with_key(secret.encode(), text) == claimed:
            return Diagnosis(ingredient="secret encoding", explanation="the secret was not decoded from base64")
        if _with_key(_from_hex(secret), text) == claimed:
            return Diagnosis(ingredient="secret encoding", explanation="the secret was read as hexadecimal")
        if not is_base64(secret):
            return Diagnosis(ingredient="secret encoding", explanation="our own secret is not base64")
    for other, theirs in secrets.items():
        if any(signature_of(secret, text) == claimed for secret in _several(theirs)):
            return Diagnosis(ingredient="secret", explanation=f"signed with the secret of the application {other!r}")
    return None


def _unexplained(request: WireRequest, claimed: str) -> Diagnosis:
    if len(claimed) != _SIGNATURE_LENGTH or not is_base64(claimed):
        explanation = "the signature is not base64 of 32 bytes: it was cut off, or written in another form"
        return Diagnosis(ingredient="authorization", explanation=explanation)
    length = header(request.headers, "content-length")
    if length is not None and length != str(len(request.body)):
        explanation = f"{len(request.body)} bytes came, and content-length says {length[:20]}"
        return Diagnosis(ingredient="body bytes", explanation=explanation)
    return Diagnosis(
        ingredient="body bytes",
        explanation="no guess explains it: the body was changed on the way, the platform was given another path than "
        "we can guess, or our secret is not this application's",
    )


def _unknown_key(key: str, claimed: str, signed: Signed, secrets: Mapping[str, str | Sequence[str]]) -> Diagnosis:
    for known, theirs in secrets.items():
        if known.lower() == key.strip().lower():
            return Diagnosis(ingredient="key", explanation=f"{key[:64]!r} is spelled {known!r} here; keys are exact")
        if any(signature_of(secret, signed.text()) == claimed for secret in _several(theirs)):
            explanation = f"no application has the key {key[:64]!r}, and the secret is that of {known!r}"
            return Diagnosis(ingredient="key", explanation=explanation)
    return Diagnosis(ingredient="key", explanation=f"no application has the key {key[:64]!r}")


def _several(secrets: str | Sequence[str]) -> Sequence[str]:
    return (secrets,) if isinstance(secrets, str) else secrets


def _with_key(key: bytes, text: str) -> str:
    return b64encode(hmac.digest(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256)).decode()


def _from_hex(secret: str) -> bytes:
    try:
        return bytes.fromhex(secret)
    except ValueError:
        return b""


_SIGNATURE_LENGTH = 44
_SPACINGS: tuple[tuple[int | None, tuple[str, str]], ...] = (
    (None, (",", ":")),
    (None, (", ", ": ")),
    (2, (",", ": ")),
    (4, (",", ": ")),
)
