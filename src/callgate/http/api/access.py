"""Who may call a route: a bearer token and the least role that the route asks for, judged before the body is read.

A token that is bound to one application is let in only where a route says whose things it is about: it has a parameter
`app`, or `opt={"is_for_bound": True}` because it looks after that itself. All other routes are closed to it.
"""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException, TooManyRequestsException
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from callgate.service.token import Role, Token, digest_of

RANK = {Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMIN: 2}
_CHALLENGE = {"WWW-Authenticate": "Bearer"}

Connection = ASGIConnection[Any, Any, Any, Any]


class AtLeast:
    """A guard that lets tokens of this role or a higher one pass, and leaves the token with the request."""

    def __init__(self, role: Role) -> None:
        self.role = role

    async def __call__(self, connection: Connection, handler: BaseRouteHandler) -> None:
        desk = connection.app.opt["desk"]
        scheme, _blank, clear = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not clear.strip():
            raise NotAuthorizedException("send: Authorization: Bearer TOKEN", headers=_CHALLENGE)
        digest, now = digest_of(clear.strip()), desk.clock()
        _slow_down(desk.pace.wait_s(digest if digest in desk.uses else ""))
        token = await desk.store.token(digest)
        if token is None or not token.is_valid(now):
            why = "this token is not known" if token is None else "this token has expired"
            raise NotAuthorizedException(why, headers=_CHALLENGE)
        desk.uses.note(digest, now)
        self._judge(token, handler)
        connection.scope["auth"] = token

    def _judge(self, token: Token, handler: BaseRouteHandler) -> None:
        if RANK[token.role] < RANK[self.role]:
            raise PermissionDeniedException(f"a token of role {token.role} may not do this; it takes {self.role}")
        if token.application is not None and not is_for_bound(handler):
            raise PermissionDeniedException(
                f"this concerns all applications, and this token is bound to {token.application}"
            )


def is_for_bound(handler: BaseRouteHandler) -> bool:
    """Whether a token that is bound to one application may call this route."""
    return bool(handler.opt.get("is_for_bound")) or "app" in handler.parsed_fn_signature.parameters


def _slow_down(wait_s: float) -> None:
    if wait_s > 0:
        after = str(max(1, round(wait_s)))
        raise TooManyRequestsException(f"too many requests; try again in {after} s", headers={"Retry-After": after})


may_look: Guard = AtLeast(Role.VIEWER)
may_operate: Guard = AtLeast(Role.OPERATOR)
may_configure: Guard = AtLeast(Role.ADMIN)
