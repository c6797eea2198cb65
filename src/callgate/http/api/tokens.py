"""Routes of API tokens: made, listed by their first characters, revoked."""

from typing import Annotated

import msgspec
from litestar import Response, delete, get, post
from litestar.exceptions import PermissionDeniedException
from litestar.params import FromPath, JSONBody

from callgate.errors import Conflict, NotFound
from callgate.http.api.access import RANK, may_configure
from callgate.http.api.accounts import IdempotencyKey
from callgate.http.api.desk import ApiRequest, Desk, TheDesk
from callgate.http.api.times import Time, read_time
from callgate.service.issue_token import new_token
from callgate.service.reports import rfc3339
from callgate.service.revoke_token import ForgetTokens
from callgate.service.token import Role, Token

ID_LENGTH = 16


class NewToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`application` binds it to one, outside of which it sees and changes nothing. Without `expires_at` it lasts."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    role: Role
    application: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    expires_at: Time | None = None


class TokenReport(msgspec.Struct, frozen=True, kw_only=True):
    """A token without itself: `hint` is how it begins. `last_used_at` may be half a minute behind."""

    id: str
    name: str
    role: Role
    hint: str
    application: str | None
    created_at: str
    expires_at: str | None
    last_used_at: str | None


class TokenReply(msgspec.Struct, frozen=True, kw_only=True):
    """`token` is in the first reply alone: a repeat with the same `Idempotency-Key` gets null."""

    id: str
    name: str
    role: Role
    hint: str
    token: str | None


@get("/tokens", guards=[may_configure], opt={"is_for_bound": True})
async def list_tokens(desk: TheDesk) -> list[TokenReport]:
    """List the tokens, oldest first."""
    return [report_token(each) for each in await _visible(desk)]


@post("/tokens", guards=[may_configure], opt={"is_for_bound": True})
async def create_token(
    request: ApiRequest, desk: TheDesk, data: JSONBody[NewToken], key: IdempotencyKey = None
) -> Response[TokenReply]:
    """Make a token. It is in this reply, and never shown again."""
    del key  # read by the desk; named here for the reference
    if RANK[data.role] > RANK[request.auth.role]:
        raise PermissionDeniedException(f"a token of role {request.auth.role} makes none of role {data.role}")
    application = desk.scope(data.application)
    expires_at = None if data.expires_at is None else read_time("expires_at", data.expires_at)
    job, clear = new_token(data.name, data.role, desk.clock(), application=application, expires_at=expires_at)
    return await desk.do(
        request, job, lambda kept: _reply(kept, None), secret=lambda kept: _reply(kept, clear), status=201
    )


@delete("/tokens/{token_id:str}", guards=[may_configure], opt={"is_for_bound": True}, status_code=204)
async def revoke_token(request: ApiRequest, desk: TheDesk, token_id: FromPath[str]) -> None:
    """Make a token worthless at once. No token revokes itself, so that nobody locks themselves out by mistake."""
    if request.auth.digest[:ID_LENGTH] == token_id:
        raise Conflict("a token does not revoke itself: use another, or callgate token revoke")
    for token in await _visible(desk):
        if token.digest[:ID_LENGTH] == token_id:
            await desk.store.perform(ForgetTokens(digests=(token.digest,)))
            return
    raise NotFound(f"there is no token {token_id}")


async def _visible(desk: Desk) -> list[Token]:
    mine = desk.scope(None)
    return [token for token in await desk.store.tokens() if mine in (None, token.application)]


def report_token(token: Token) -> TokenReport:
    return TokenReport(
        id=token.digest[:ID_LENGTH],
        name=token.name,
        role=token.role,
        hint=token.hint,
        application=token.application,
        created_at=rfc3339(token.created_at),
        expires_at=None if token.expires_at is None else rfc3339(token.expires_at),
        last_used_at=None if token.last_used_at is None else rfc3339(token.last_used_at),
    )


def _reply(token: Token, clear: str | None) -> TokenReply:
    return TokenReply(id=token.digest[:ID_LENGTH], name=token.name, role=token.role, hint=token.hint, token=clear)
