"""The authorization code flow with PKCE, against the operator's OpenID Connect provider: where a browser is sent, and what the
provider then says of whoever comes back with a code.

Sources: OpenID Connect Core 1.0, sections 3.1.2 to 3.1.3 and 5.3; OpenID Connect RP-Initiated Logout 1.0; RFC 7636; RFC 9207;
RFC 6749, section 2.3.1.
"""

import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import aiohttp
import msgspec

from callgate.errors import IdTokenInvalid, OpenIdUnreachable
from callgate.http.openid import FAULTS, MAX_TOKEN, Claims, Issuer, asking, body_of, document
from callgate.logs import log
from callgate.service.openid import Begun, Person, Terms, person_of

MAX_CODE = 4_096


class OpenIdSignIn:
    """One provider, at which this server is a client. `redirect_url` is where browsers come back to, as the provider knows it,
    and `signed_out_url` where they do after they signed out there.
    """

    def __init__(  # noqa: PLR0913 - what a client of a provider is made of
        self,
        issuer: Issuer,
        terms: Terms,
        *,
        client_id: str,
        client_secret: str,
        scopes: str,
        redirect_url: str,
        signed_out_url: str,
    ) -> None:
        self._issuer = issuer
        self._terms = terms
        self._client_id = client_id
        self._client_secret = client_secret
        self._scopes = scopes
        self._redirect_url = redirect_url
        self._signed_out_url = signed_out_url
        self.name = urlsplit(issuer.url).hostname or issuer.url

    async def url_for(self, begun: Begun) -> str:
        """Return where to send the browser. Raises `OpenIdUnreachable`."""
        endpoint = _endpoint(await self._issuer.said(), "authorization_endpoint")
        asked = urlencode(
            {
                "response_type": "code",
                "client_id": self._client_id,
                "redirect_uri": self._redirect_url,
                "scope": self._scopes,
                "state": begun.state,
                "nonce": begun.nonce,
                "code_challenge": begun.challenge,
                "code_challenge_method": "S256",
            }
        )
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{asked}"

    async def sign_out_url(self, id_token: str) -> str | None:
        """Return where to send a browser to end the provider's own session, which is the one that `id_token` was given in; empty
        where that is not known, so that the provider asks. None for a provider that offers no such thing.

        Raises `OpenIdUnreachable`.
        """
        said = await self._issuer.said()
        if said.get("end_session_endpoint") is None:
            return None
        endpoint = _endpoint(said, "end_session_endpoint")
        asked = {"client_id": self._client_id, "post_logout_redirect_uri": self._signed_out_url}
        asked |= {"id_token_hint": id_token} if id_token else {}
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(asked)}"

    async def person(self, begun: Begun, code: str, issuer: str | None) -> Person:
        """Return who came back with this code. `issuer` is the one that the answer names, None where it names none.

        Raises `IdTokenInvalid`, `OpenIdRefused` and `OpenIdUnreachable`.
        """
        said = await self._issuer.said()
        names_itself = said.get("authorization_response_iss_parameter_supported") is True
        if issuer != self._issuer.url and (issuer is not None or names_itself):
            raise IdTokenInvalid("the answer is another issuer's")
        if not 0 < len(code) <= MAX_CODE:
            raise IdTokenInvalid("the answer has no code")
        try:
            async with asking() as session:
                told = await self._redeem(session, said, begun, code)
                claims = await self._judged(told, begun)
                if self._terms.misses(claims):
                    claims = await self._completed(session, said, told, claims)
        except FAULTS as error:
            log.warning("openid.unreachable", issuer=self._issuer.url, error=type(error).__name__)
            raise OpenIdUnreachable("the OpenID Connect provider does not answer as it should") from error
        return msgspec.structs.replace(person_of(claims, self._terms), id_token=told["id_token"])

    async def _redeem(
        self, session: aiohttp.ClientSession, said: Mapping[str, Any], begun: Begun, code: str
    ) -> Mapping[str, Any]:
        """Give the code, and get the tokens."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_url,
            "code_verifier": begun.verifier,
        }
        headers: dict[str, str] = {}
        if not self._client_secret:
            form["client_id"] = self._client_id
        elif "client_secret_basic" in said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]):
            named = aiohttp.encode_basic_auth(quote_plus(self._client_id), quote_plus(self._client_secret))
            headers["authorization"] = named
        else:
            form |= {"client_id": self._client_id, "client_secret": self._client_secret}
        endpoint = _endpoint(said, "token_endpoint")
        async with session.post(endpoint, data=form, headers=headers, allow_redirects=False) as response:
            body = await body_of(response)
            if response.status in (400, 401):
                raise IdTokenInvalid(f"the provider does not take the code: {_error_in(body)}")
            response.raise_for_status()
        told = msgspec.json.decode(body)
        if not isinstance(told, dict) or not isinstance(told.get("id_token"), str):
            raise IdTokenInvalid("the provider gave no token that says who it is")
        return told

    async def _judged(self, told: Mapping[str, Any], begun: Begun) -> Claims:
        claims = await self._issuer.claims_of(told["id_token"], self._client_id)
        nonce, party = claims.get("nonce"), claims.get("azp")
        if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), begun.nonce.encode()):
            raise IdTokenInvalid("the token was made for another sign-in")
        if party is not None and party != self._client_id:
            raise IdTokenInvalid("the token was made for another party")
        if not isinstance(claims.get("sub"), str) or not claims["sub"]:
            raise IdTokenInvalid("the token names nobody")
        return claims

    async def _completed(
        self, session: aiohttp.ClientSession, said: Mapping[str, Any], told: Mapping[str, Any], claims: Claims
    ) -> Claims:
        """What the token leaves out, some providers say when they are asked. The token counts where both say something."""
        bearer = told.get("access_token")
        if "userinfo_endpoint" not in said or not isinstance(bearer, str) or not 0 < len(bearer) <= MAX_TOKEN:
            return claims
        more = await document(session, _endpoint(said, "userinfo_endpoint"), authorization=f"Bearer {bearer}")
        if not isinstance(more, dict) or more.get("sub") != claims["sub"]:
            raise IdTokenInvalid("the provider speaks of somebody else")
        return more | claims


def _endpoint(said: Mapping[str, Any], name: str) -> str:
    """Where the provider does something. Raises `OpenIdUnreachable` where it does not say, or says anything but a web address."""
    found = said.get(name)
    if not isinstance(found, str) or not found.startswith(("https://", "http://")) or not found.isprintable():
        raise OpenIdUnreachable(f"the OpenID Connect provider names no {name}")
    return found


def _error_in(body: bytes) -> str:
    """The provider's own word for what is wrong, such as `invalid_grant`."""
    try:
        word = msgspec.json.decode(body)["error"]
    except (msgspec.MsgspecError, KeyError, TypeError):
        return "without a reason"
    return word[:60] if isinstance(word, str) and word.isprintable() else "without a reason"
