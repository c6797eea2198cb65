"""Signing in and out: a token, or a name with a password and the code of an authenticator app, for a cookie."""

import asyncio
from typing import Any

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.response import Redirect

from callgate.errors import Conflict, NotFound
from callgate.passwords import is_password
from callgate.service.operator import SESSION_LASTS, EndSessions, SignIn, new_session, session_digest
from callgate.service.operator_rows import SessionKind
from callgate.service.token import digest_of
from callgate.service.totp import matching_step
from callgate.web.desk import AnyRequest, AtDesk, Desk, Form, strict_cookie
from callgate.web.openid import sign_out_at_provider
from callgate.web.session import COOKIE

WRONG_TOKEN = (
    "This is not a token of this server. What would do: one that callgate init or callgate token create printed."  # noqa: S105 - a sentence
)
WRONG_PASSWORD = "Name, password or code are not right."  # noqa: S105 - a sentence

Proven = tuple[str, SignIn | None, str, str]
"""What is wrong; or the job that signs in, what the cookie holds, and who it is."""


@post("/sign-in", status_code=303)
async def sign_in(house: NamedDependency[Desk], request: AnyRequest, data: Form) -> Response[Any]:
    """Prove who you are, get a cookie."""
    name = data.get("name", "").strip()
    brake, now = house.brakes.of(name[:100]), house.clock()
    if wait_s := brake.wait_s(now):
        fault = f"Too many wrong tries. Try again in {wait_s} s."
        response = house.sign_in_page(request, status_code=429, fault=fault, tried=name)
        response.headers["retry-after"] = str(wait_s)
        return response
    brake.note_failure(now)  # before it is looked at: tries at the same moment count too
    fault, job, clear, who = await (_by_password(house, name, data) if name else _by_token(house, data))
    if job is None:
        return house.sign_in_page(request, status_code=401, fault=fault, tried=name)
    try:
        await house.store_of(who).perform(job)
    except (Conflict, NotFound):  # the code was used, or the operator removed, at this very moment
        return house.sign_in_page(request, status_code=401, fault=WRONG_PASSWORD, tried=name)
    house.brakes.forgive(name[:100])
    return Redirect(
        "./", status_code=303, cookies=[strict_cookie(request, COOKIE, clear, int(SESSION_LASTS.total_seconds()))]
    )


async def _by_token(desk: Desk, data: dict[str, str]) -> Proven:
    digest, now = digest_of(data.get("token", "").strip()), desk.clock()
    token = await desk.store.token(digest)
    if token is None or not token.is_valid(now):
        return WRONG_TOKEN, None, "", ""
    session, clear = new_session(SessionKind.TOKEN, digest, now)
    return "", SignIn(session=session), clear, f"token:{token.name}"


async def _by_password(desk: Desk, name: str, data: dict[str, str]) -> Proven:
    """All three are judged whichever is wrong, and one sentence says so: nobody learns which names there are."""
    operator, now = await desk.store.operator(name), desk.clock()
    kept = operator.password_hash if operator is not None and operator.password_hash else None
    is_right = await asyncio.to_thread(is_password, kept, data.get("password", ""))
    if operator is None or not is_right:
        return WRONG_PASSWORD, None, "", ""
    step = None
    if operator.sealed_totp is not None:
        secret = desk.vault.unseal(operator.sealed_totp)
        step = matching_step(secret, data.get("code", ""), now, after=operator.totp_step)
        if step is None:
            return WRONG_PASSWORD, None, "", ""
    session, clear = new_session(SessionKind.OPERATOR, name, now)
    return "", SignIn(session=session, totp_step=step), clear, f"operator:{name}"


@post("/sign-out", status_code=303)
async def sign_out(desk: AtDesk, request: AnyRequest) -> Response[Any]:
    """End the session and forget the cookie. Whoever came in by way of a provider signs out there too, if it offers that: by a
    page that leads on, since a form may not lead to another site.
    """
    clear, url = request.cookies.get(COOKIE, ""), None
    if clear:
        digest = session_digest(clear)
        url = await sign_out_at_provider(desk, await desk.store.session(digest))
        await desk.store.perform(EndSessions(digests=(digest,)))
    forgotten = strict_cookie(request, COOKIE, "", 0)
    if url is None or desk.openid is None:
        return Redirect("./", status_code=303, cookies=[forgotten])
    request.scope["auth"] = None
    response = await desk.page("signed_out.html", request, url=url, provider=desk.openid.name)
    response.set_cookie(forgotten)
    return response
