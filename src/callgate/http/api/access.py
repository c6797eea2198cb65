"""Who may call a route: a bearer token and the least role that the route asks for, judged before the body is read."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from callgate.service.token import Role, digest_of

_RANK = {Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMIN: 2}
_CHALLENGE = {"WWW-Authenticate": "Bearer"}

Connection = ASGIConnection[Any, Any, Any, Any]


def at_least(role: Role) -> Guard:
    """A guard that lets tokens of this role or a higher one pass, and leaves the token with the request."""

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        scheme, _blank, clear = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not clear:
            raise NotAuthorizedException("send: Authorization: Bearer TOKEN", headers=_CHALLENGE)
        token = await connection.app.opt["desk"].store.token(digest_of(clear.strip()))
        if token is None:
            raise NotAuthorizedException("this token is not known", headers=_CHALLENGE)
        if _RANK[token.role] < _RANK[role]:
            raise PermissionDeniedException(f"a token of role {token.role} may not do this; it takes {role}")
        connection.scope["auth"] = token

    return guard


may_look = at_least(Role.VIEWER)
may_operate = at_least(Role.OPERATOR)
may_configure = at_least(Role.ADMIN)
