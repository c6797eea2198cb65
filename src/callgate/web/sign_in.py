"""Signing in and out: a token for a cookie, and the end of it."""

from typing import Any

from litestar import Response, post
from litestar.datastructures import Cookie
from litestar.response import Redirect

from callgate.service.token import digest_of
from callgate.web.desk import AnyRequest, AtDesk, Form
from callgate.web.session import COOKIE, SESSION_LASTS


@post("/sign-in", status_code=303)
async def sign_in(desk: AtDesk, request: AnyRequest, data: Form) -> Response[Any]:
    """Show a token, get a cookie."""
    now = desk.clock()
    if wait_s := desk.brake.wait_s(now):
        fault = f"Too many wrong tokens. Try again in {wait_s} s."
        response = desk.sign_in_page(request, status_code=429, fault=fault)
        response.headers["retry-after"] = str(wait_s)
        return response
    token_digest = digest_of(data.get("token", "").strip())
    token = await desk.store.token(token_digest)
    if token is None or not token.is_valid(now):
        desk.brake.note_failure(now)
        fault = "This is not a token of this server. The first one was printed by: callgate init"
        return desk.sign_in_page(request, status_code=401, fault=fault)
    value = desk.sessions.issue(token_digest, now)
    return Redirect("./", status_code=303, cookies=[_cookie(request, value, int(SESSION_LASTS.total_seconds()))])


@post("/sign-out", status_code=303)
async def sign_out(request: AnyRequest) -> Response[Any]:
    """Forget the cookie."""
    return Redirect("./", status_code=303, cookies=[_cookie(request, "", 0)])


def _cookie(request: AnyRequest, value: str, max_age_s: int) -> Cookie:
    return Cookie(
        key=COOKIE,
        value=value,
        max_age=max_age_s,
        secure=request.scope["scheme"] == "https",
        httponly=True,
        samesite="strict",
    )
