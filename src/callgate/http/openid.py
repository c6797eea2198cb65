"""Tokens of the operator's own OpenID Connect provider: genuine, meant for us, and still valid. Or not.

Its keys are fetched when they are first needed, kept for an hour, and fetched again for a key that is not known, at most once
a minute, so that nobody makes us ask by making up keys. Source: OpenID Connect Core 1.0, section 3.1.3.7.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from callgate.errors import IdTokenInvalid, OpenIdUnreachable
from callgate.logs import log

KEPT_FOR = timedelta(hours=1)
ASK_AGAIN_AFTER = timedelta(minutes=1)
LEEWAY_S = 60
"""How far clocks may be apart."""

FETCH_S = 5.0
MAX_DOCUMENT_BYTES = 262_144
MAX_TOKEN = 8_192

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Those with a key that only the provider has. With a shared one, whoever can check a token can make one."""


class OpenId:
    """One provider. `claim` is what names the user: `sub`, say, or `preferred_username`."""

    def __init__(self, issuer: str, audience: str, claim: str, clock: Callable[[], datetime]) -> None:
        self._issuer = issuer
        self._audience = audience
        self._claim = claim
        self._clock = clock
        self._keys: KeySet | None = None
        self._fetched_at: datetime | None = None
        self._asked_at: datetime | None = None
        self._fetching = asyncio.Lock()

    async def user_of(self, token: str) -> str:
        """Return whom a token names. Raises `IdTokenInvalid` and `OpenIdUnreachable`."""
        if len(token) > MAX_TOKEN:
            raise IdTokenInvalid("the token is too long")
        claims = await self._claims(token)
        return self._judge(claims)

    async def _claims(self, token: str) -> dict[str, Any]:
        keys = await self._current()
        try:
            return _decode(token, keys)
        except (JoseError, ValueError) as error:
            fresh = await self._refreshed()
            if fresh is keys:
                raise IdTokenInvalid(f"the token is not the provider's: {type(error).__name__}") from error
        try:
            return _decode(token, fresh)
        except (JoseError, ValueError) as error:
            raise IdTokenInvalid(f"the token is not the provider's: {type(error).__name__}") from error

    def _judge(self, claims: dict[str, Any]) -> str:
        now_s = self._clock().timestamp()
        if claims.get("iss") != self._issuer:
            raise IdTokenInvalid("the token is another issuer's")
        audience = claims.get("aud")
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise IdTokenInvalid("the token is meant for somebody else")
        expires_s, begins_s, issued_s = (claims.get(name) for name in ("exp", "nbf", "iat"))
        if not isinstance(expires_s, int | float) or now_s >= expires_s + LEEWAY_S:
            raise IdTokenInvalid("the token has expired")
        for starts_s in (begins_s, issued_s):
            if starts_s is not None and (not isinstance(starts_s, int | float) or now_s < starts_s - LEEWAY_S):
                raise IdTokenInvalid("the token is not valid yet")
        user = claims.get(self._claim)
        if not isinstance(user, str) or not user:
            raise IdTokenInvalid(f"the token has no claim {self._claim} that names a user")
        return user

    async def _current(self) -> KeySet:
        if self._keys is None or self._fetched_at is None or self._clock() - self._fetched_at >= KEPT_FOR:
            return await self._refreshed()
        return self._keys

    async def _refreshed(self) -> KeySet:
        """Keys as they are now, or those of before where it is too soon to ask, or nobody answers."""
        async with self._fetching:
            now = self._clock()
            if self._asked_at is None or now - self._asked_at >= ASK_AGAIN_AFTER:
                self._asked_at = now
                try:
                    self._keys, self._fetched_at = await self._fetch(), now
                except (
                    aiohttp.ClientError,
                    TimeoutError,
                    JoseError,
                    msgspec.MsgspecError,
                    ValueError,
                    KeyError,
                ) as error:
                    log.warning("openid.unreachable", issuer=self._issuer, error=type(error).__name__)
            if self._keys is None:
                raise OpenIdUnreachable("the keys of the OpenID Connect provider cannot be had")
            return self._keys

    async def _fetch(self) -> KeySet:
        timeout = aiohttp.ClientTimeout(total=FETCH_S)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            said = await _document(session, f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
            if said["issuer"] != self._issuer:
                raise ValueError("it says that it is another issuer")
            return KeySet.import_key_set(await _document(session, said["jwks_uri"]))


def _decode(token: str, keys: KeySet) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
    return claims


async def _document(session: aiohttp.ClientSession, url: str) -> Any:
    async with session.get(url, allow_redirects=False) as response:
        response.raise_for_status()
        body = b""
        async for part in response.content.iter_chunked(65_536):
            body += part
            if len(body) > MAX_DOCUMENT_BYTES:
                raise ValueError("more than any such document has")
        return msgspec.json.decode(body)
