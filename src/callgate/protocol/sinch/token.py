"""The token with which an app's user registers with the platform: a JWT, signed with a key of the day.

Source: Sinch in-app calling, application authentication. Despite `hkdf` in the key's name this is plain HMAC.
"""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from callgate.errors import Invalid, SignatureInvalid
from callgate.protocol.sinch.signature import decode_secret

MIN_TTL_S = 60
MAX_TOKEN = 2_048
"""Longest token that we read, in characters; ours have a few hundred."""
MIN_INSTANCE_S = 48 * 3600
"""Shortest life of a registration that is limited at all, in seconds."""


def registration_token(  # noqa: PLR0913, PLR0917 - the claims of a token are many, and each is its own
    key: str,
    secret: str,
    user: str,
    now: datetime,
    nonce: str,
    ttl_s: int = 600,
    instance_exp: int | None = None,
) -> str:
    """Return a token for a user of an application.

    `nonce` is never used twice. The client has `ttl_s` seconds, and no longer than the UTC day of `now`, to register
    with it. `instance_exp`, in seconds since 1970, ends the registration itself; without it there is no end. Raises
    `Invalid` for a user whose name would need escaping and for times that are too short, `SignatureInvalid` for a
    secret that holds no bytes.
    """
    issued_at = int(now.timestamp())
    if not _USER.fullmatch(user):
        raise Invalid("user", repr(user[:64]), "letters, digits and any of - . _ ~ @ + = ! $ & ' ( ) * , : at most 255")
    if ttl_s < MIN_TTL_S:
        raise Invalid("ttl_s", str(ttl_s), f"at least {MIN_TTL_S}")
    if instance_exp is not None and instance_exp < issued_at + MIN_INSTANCE_S:
        raise Invalid("instance_exp", str(instance_exp), f"at least {MIN_INSTANCE_S} seconds from now")
    issuer = f"//rtc.sinch.com/applications/{key}"
    claims: dict[str, str | int] = {
        "iss": issuer,
        "sub": f"{issuer}/users/{user}",
        "iat": issued_at,
        "exp": issued_at + ttl_s,
        "nonce": nonce,
    }
    if instance_exp is not None:
        claims["sinch:rtc:instance:exp"] = instance_exp
    return encode(claims, secret, now)


def encode(claims: Mapping[str, str | int], secret: str, now: datetime) -> str:
    """Return the claims, in their order, as a token signed with the key of `now`'s UTC day."""
    day = now.astimezone(UTC).strftime("%Y%m%d")
    head = _part(msgspec.json.encode({"alg": "HS256", "kid": f"hkdfv1-{day}"}))
    signed = f"{head}.{_part(msgspec.json.encode(claims))}"
    return f"{signed}.{_part(hmac.digest(derive_key(secret, day), signed.encode(), 'sha256'))}"


def user_of_token(token: str, key: str, secrets: Sequence[str], now: datetime) -> str | None:
    """Return whose token of ours this is, None for one that is not ours, of another application, or no longer valid."""
    signed, _, proof = token.rpartition(".")
    head, _, body = signed.partition(".")
    if len(token) > MAX_TOKEN or not token.isascii() or not head or not body:
        return None
    try:
        kid = str(msgspec.json.decode(_bytes(head), type=dict[str, Any])["kid"])
        claims = msgspec.json.decode(_bytes(body), type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, KeyError, RecursionError):
        return None
    day = kid.removeprefix("hkdfv1-")
    proofs = [_part(hmac.digest(derive_key(secret, day), signed.encode(), "sha256")) for secret in secrets]
    if not any(hmac.compare_digest(each, proof) for each in proofs):
        return None
    prefix, subject, ends_at = f"//rtc.sinch.com/applications/{key}/users/", claims.get("sub"), claims.get("exp")
    is_valid = isinstance(ends_at, int) and now.timestamp() < ends_at
    return (
        subject.removeprefix(prefix) if is_valid and isinstance(subject, str) and subject.startswith(prefix) else None
    )


def derive_key(secret: str, day: str) -> bytes:
    """Return the key of a UTC day, written `20180102`."""
    key = decode_secret(secret)
    if not key:
        raise SignatureInvalid("secret", "our own is not base64: paste it as the platform shows it")
    return hmac.digest(key, day.encode(), "sha256")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _part(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


_USER = re.compile(r"[A-Za-z0-9\-._~@+=!$&'()*,:]{1,255}")
