"""The operator's own OpenID Connect provider: what it says of itself, its keys, and tokens that are genuine, meant for us, and
still valid. Or not.

What it says is fetched when it is first needed, kept for an hour, and fetched again for a key that is not known, at most once a
minute, so that nobody makes us ask by making up keys. Sources: OpenID Connect Core 1.0, section 3.1.3.7; OpenID Connect
Discovery 1.0, sections 3 and 4.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

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
MAX_TOKEN = 16_384
"""Some providers list every group of a person in it."""

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Those with a key that only the provider has. With a shared one, whoever can check a token can make one."""

FAULTS = (aiohttp.ClientError, TimeoutError, JoseError, msgspec.MsgspecError, ValueError, KeyError, TypeError)
"""What a provider that is away, or answers nonsense, ends in."""

Claims = dict[str, Any]


class Known(NamedTuple):
    """What a provider says of itself, and its keys."""

    said: Mapping[str, Any]
    keys: KeySet


class Issuer:
    """One provider, by the URL that its tokens name it by."""

    def __init__(self, url: str, clock: Callable[[], datetime]) -> None:
        self.url = url
        self._clock = clock
        self._known: Known | None = None
        self._fetched_at: datetime | None = None
        self._asked_at: datetime | None = None
        self._fetching = asyncio.Lock()

    async def claims_of(self, token: str, audience: str) -> Claims:
        """Return what a token says, if it is this provider's, meant for the audience, and valid now.

        Raises `IdTokenInvalid` and `OpenIdUnreachable`.
        """
        if len(token) > MAX_TOKEN:
            raise IdTokenInvalid("the token is too long")
        claims = await self._decoded(token)
        self._judge(claims, audience)
        return claims

    async def said(self) -> Mapping[str, Any]:
        """Return what the provider says of itself: its discovery document. Raises `OpenIdUnreachable`."""
        return (await self._current()).said

    async def look(self) -> None:
        """Ask the provider now, for a person who wants to know why it does not work. Raises `OpenIdUnreachable`."""
        try:
            await self._fetch()
        except FAULTS as error:
            why = str(error)[:200] or type(error).__name__
            raise OpenIdUnreachable(f"the OpenID Connect provider and its keys cannot be had: {why}") from error

    async def _decoded(self, token: str) -> Claims:
        known = await self._current()
        try:
            return _decode(token, known.keys)
        except (JoseError, ValueError) as error:
            fresh = await self._refreshed()
            if fresh is known:
                raise IdTokenInvalid(f"the token is not the provider's: {type(error).__name__}") from error
        try:
            return _decode(token, fresh.keys)
        except (JoseError, ValueError) as error:
            raise IdTokenInvalid(f"the token is not the provider's: {type(error).__name__}") from error

    def _judge(self, claims: Claims, meant_for: str) -> None:
        now_s = self._clock().timestamp()
        if claims.get("iss") != self.url:
            raise IdTokenInvalid("the token is another issuer's")
        audience = claims.get("aud")
        if meant_for not in (audience if isinstance(audience, list) else [audience]):
            raise IdTokenInvalid("the token is meant for somebody else")
        expires_s, begins_s, issued_s = (claims.get(name) for name in ("exp", "nbf", "iat"))
        if not isinstance(expires_s, int | float) or now_s >= expires_s + LEEWAY_S:
            raise IdTokenInvalid("the token has expired")
        for starts_s in (begins_s, issued_s):
            if starts_s is not None and (not isinstance(starts_s, int | float) or now_s < starts_s - LEEWAY_S):
                raise IdTokenInvalid("the token is not valid yet")

    async def _current(self) -> Known:
        if self._known is None or self._fetched_at is None or self._clock() - self._fetched_at >= KEPT_FOR:
            return await self._refreshed()
        return self._known

    async def _refreshed(self) -> Known:
        """What is known now, or what was before where it is too soon to ask, or nobody answers."""
        async with self._fetching:
            now = self._clock()
            if self._asked_at is None or now - self._asked_at >= ASK_AGAIN_AFTER:
                self._asked_at = now
                try:
                    self._known, self._fetched_at = await self._fetch(), now
                except FAULTS as error:
                    log.warning(
                        "openid.unreachable", issuer=self.url, error=type(error).__name__, reason=str(error)[:200]
                    )
            if self._known is None:
                raise OpenIdUnreachable("the OpenID Connect provider and its keys cannot be had")
            return self._known

    async def _fetch(self) -> Known:
        async with asking() as session:
            said = await document(session, f"{self.url.rstrip('/')}/.well-known/openid-configuration")
            if said["issuer"] != self.url:
                raise ValueError("it says that it is another issuer")
            return Known(said, KeySet.import_key_set(await document(session, said["jwks_uri"])))


class OpenId:
    """Tokens of an app's users. `claim` is what names the user: `sub`, say, or `preferred_username`."""

    def __init__(self, issuer: str, audience: str, claim: str, clock: Callable[[], datetime]) -> None:
        self._issuer = Issuer(issuer, clock)
        self._audience = audience
        self._claim = claim

    async def user_of(self, token: str) -> str:
        """Return whom a token names. Raises `IdTokenInvalid` and `OpenIdUnreachable`."""
        user = (await self._issuer.claims_of(token, self._audience)).get(self._claim)
        if not isinstance(user, str) or not user:
            raise IdTokenInvalid(f"the token has no claim {self._claim} that names a user")
        return user


@asynccontextmanager
async def asking() -> AsyncIterator[aiohttp.ClientSession]:
    """A client for a few requests to a provider, which keeps no cookies."""
    timeout = aiohttp.ClientTimeout(total=FETCH_S)
    async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


async def document(session: aiohttp.ClientSession, url: str, **headers: str) -> Any:
    """Fetch a JSON document. Raises one of `FAULTS`."""
    async with session.get(url, headers=headers, allow_redirects=False) as response:
        response.raise_for_status()
        return msgspec.json.decode(await body_of(response))


async def body_of(response: aiohttp.ClientResponse) -> bytes:
    """Raises `ValueError` for more than any document of a provider has."""
    body = b""
    async for part in response.content.iter_chunked(65_536):
        body += part
        if len(body) > MAX_DOCUMENT_BYTES:
            raise ValueError("more than any such document has")
    return body


def _decode(token: str, keys: KeySet) -> Claims:
    claims: Claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
    return claims
