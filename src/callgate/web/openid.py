"""Signing in by way of the operator's OpenID Connect provider: off to it, and back with its answer.

What the answer is compared with is kept by the browser itself, sealed, in a cookie that comes along when another site leads back
here: SameSite=Lax. The session's own cookie is SameSite=Strict and would not, so that the answer is a small page that goes on by
itself, instead of a redirect.
"""

import hmac
from typing import Any

import msgspec
from litestar import Response, get
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.response import Redirect

from callgate.errors import IdTokenInvalid, OpenIdRefused, OpenIdUnreachable, SettingsInvalid
from callgate.logs import log
from callgate.service.openid import BEGUN_LASTS, Begun, begin
from callgate.service.operator import SESSION_LASTS, SignIn, new_session
from callgate.service.operator_rows import Session, SessionKind
from callgate.web.desk import AnyRequest, Desk, OpenIdProvider, strict_cookie
from callgate.web.session import COOKIE

BEGUN = "callgate_openid"
"""The cookie of a sign-in that waits for its answer."""

MAX_BEGUN = 2_000

ELSEWHERE = "This sign-in was begun in another browser, or more than ten minutes ago. Begin it once more."
UNTRUSTED = "The provider's answer cannot be trusted; the server's log says why. Begin once more."
DOWN = "The provider does not answer. Try again in a minute, or sign in with a password or a token."
TOO_MANY = "Too many sign-ins from your address. Try again in {wait_s} s."


@get("/sign-in/openid")
async def begin_openid(house: NamedDependency[Desk], request: AnyRequest) -> Response[Any]:
    """Send the browser to the provider."""
    provider, begun = _provider(house), begin(house.clock())
    try:
        url = await provider.url_for(begun)
    except OpenIdUnreachable:
        return house.sign_in_page(request, status_code=503, openid_fault=DOWN)
    sealed = house.vault.seal(msgspec.json.encode(begun).decode()).decode()
    return Redirect(url, status_code=303, cookies=[_begun_cookie(request, sealed, int(BEGUN_LASTS.total_seconds()))])


@get("/sign-in/openid/callback")
async def finish_openid(house: NamedDependency[Desk], request: AnyRequest) -> Response[Any]:
    """Take the provider's answer; whatever it is, it is good for this once."""
    provider, answer = _provider(house), request.query_params
    begun = _begun(house, request)
    if begun is None or not hmac.compare_digest(begun.state.encode(), answer.get("state", "").encode(errors="replace")):
        return _stopped(house, request, 400, ELSEWHERE, "state")
    address = request.client.host if request.client else ""
    if wait_s := house.openid_tries.begin(address, house.clock()):
        return _stopped(house, request, 429, TOO_MANY.format(wait_s=wait_s), "throttled")
    if error := answer.get("error", ""):
        said = f"{error}: {answer.get('error_description', '')}"[:200].rstrip(": ")
        return _stopped(house, request, 401, f"Your provider says no. Its words: {said}", "provider_refused")
    try:
        person = await provider.person(begun, answer.get("code", ""), answer.get("iss"))
    except IdTokenInvalid as error:
        return _stopped(house, request, 401, UNTRUSTED, str(error))
    except OpenIdRefused as error:
        return _stopped(house, request, 403, str(error), "no_role")
    except OpenIdUnreachable as error:
        return _stopped(house, request, 503, DOWN, str(error))
    session, clear = new_session(SessionKind.OPENID, person.name, house.clock(), person, house.vault.seal)
    await house.store_of(f"openid:{person.name}").perform(SignIn(session=session))
    house.openid_tries.forgive(address)
    log.info("sign_in.done", by="openid", role=person.role, application=person.application)
    response = await house.page("signed_in.html", request)
    response.set_cookie(strict_cookie(request, COOKIE, clear, int(SESSION_LASTS.total_seconds())))
    response.set_cookie(_begun_cookie(request, "", 0))
    return response


async def sign_out_at_provider(desk: Desk, session: Session | None) -> str | None:
    """Where the browser ends the session that it has at the provider, None where there is nothing to end or nobody to ask."""
    if desk.openid is None or session is None or session.kind is not SessionKind.OPENID:
        return None
    try:
        token = "" if session.sealed_id_token is None else desk.vault.unseal(session.sealed_id_token)
        return await desk.openid.sign_out_url(token)
    except (OpenIdUnreachable, SettingsInvalid) as error:
        log.warning("sign_out.only_here", by="openid", reason=str(error))
        return None


def _provider(desk: Desk) -> OpenIdProvider:
    if desk.openid is None or desk.is_open:
        raise NotFoundException(detail="No OpenID Connect provider is set: see the setting dashboard_oidc_issuer.")
    return desk.openid


def _stopped(desk: Desk, request: AnyRequest, status: int, sentence: str, reason: str) -> Response[str]:
    log.warning("sign_in.failed", by="openid", reason=reason)
    response = desk.sign_in_page(request, status_code=status, openid_fault=sentence)
    response.set_cookie(_begun_cookie(request, "", 0))
    return response


def _begun(desk: Desk, request: AnyRequest) -> Begun | None:
    """What this browser began, if that is not too long ago."""
    sealed = request.cookies.get(BEGUN, "")
    if not sealed or len(sealed) > MAX_BEGUN:
        return None
    try:
        begun = msgspec.json.decode(desk.vault.unseal(sealed.encode(errors="replace")), type=Begun)
    except (SettingsInvalid, msgspec.MsgspecError):  # nothing that we sealed
        return None
    return None if begun.is_over(desk.clock()) else begun


def _begun_cookie(request: AnyRequest, value: str, max_age_s: int) -> Cookie:
    is_secure = request.scope["scheme"] == "https"
    return Cookie(key=BEGUN, value=value, max_age=max_age_s, secure=is_secure, httponly=True, samesite="lax")


openid_routes = (begin_openid, finish_openid)
