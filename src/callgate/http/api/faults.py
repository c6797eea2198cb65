"""Errors of the API as problem documents: what was found, where, and what would do."""

from http import HTTPStatus
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from callgate.errors import (
    AmountInvalid,
    Conflict,
    Error,
    Invalid,
    NotFound,
    PlatformFailed,
    RulesInvalid,
    StorageUnavailable,
)
from callgate.http.problems import problem
from callgate.logs import log
from callgate.protocol import WireReply

_STATUS: tuple[tuple[type[Error], int, str, str], ...] = (
    (AmountInvalid, 400, "amount-invalid", "The amount cannot be used."),
    (Invalid, 400, "invalid", "A value cannot be used."),
    (NotFound, 404, "not-found", "It does not exist."),
    (Conflict, 409, "conflict", "It contradicts what is already so."),
    (PlatformFailed, 502, "platform-failed", "The platform did not do it."),
    (StorageUnavailable, 503, "store-unavailable", "The store did not take it; try again."),
)
"""Families of errors, the special before the general."""


def explain(error: Error) -> WireReply:
    """Return the problem document of an error that we raise on purpose."""
    if isinstance(error, RulesInvalid):
        faults = [fault._asdict() for fault in error.faults]
        return problem(400, "rules-invalid", "The document of rules cannot be used.", str(error), faults)
    for family, status, name, title in _STATUS:
        if isinstance(error, family):
            return problem(status, name, title, str(error))
    return problem(400, "invalid", "It cannot be used.", str(error))


def on_error(_: Request[Any, Any, Any], error: Error) -> Response[bytes]:
    return _response(explain(error))


def on_http_error(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """What the framework refuses: paths, methods, bodies that are not what a route takes."""
    name = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    detail = error.detail
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        detail = "; ".join(f"{each.get('key', 'body')}: {each['message']}" for each in error.extra)
    reply = _response(problem(error.status_code, name, HTTPStatus(error.status_code).phrase, detail))
    for header, value in (error.headers or {}).items():
        reply.headers[header] = value
    return reply


def on_bug(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Our own fault: logged with its traceback, answered without."""
    log.error("api.bug", path=request.url.path, method=request.method, exc_info=error)
    return _response(problem(500, "internal", "Something is wrong on our side; it was logged."))


def _response(reply: WireReply) -> Response[bytes]:
    return Response(reply.body, status_code=reply.status, media_type=reply.content_type)
