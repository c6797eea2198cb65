"""Errors of the API as problem documents: what was found, where, and what would do."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from callgate.errors import (
    AmountInvalid,
    Conflict,
    Error,
    Invalid,
    ListInvalid,
    NotFound,
    PlatformFailed,
    RateDeckInvalid,
    RulesInvalid,
    Stale,
    StorageUnavailable,
)
from callgate.http.problems import INTERNAL, Fault, problem
from callgate.logs import log
from callgate.protocol import WireReply

_STATUS: tuple[tuple[type[Error], int, str, str], ...] = (
    (AmountInvalid, 400, "amount-invalid", "The amount cannot be used."),
    (Invalid, 400, "invalid", "A value cannot be used."),
    (RateDeckInvalid, 400, "deck-invalid", "The rate deck cannot be imported."),
    (RulesInvalid, 400, "rules-invalid", "The document of rules cannot be used."),
    (ListInvalid, 400, "list-invalid", "Entries of the list cannot be used."),
    (NotFound, 404, "not-found", "It does not exist."),
    (Conflict, 409, "conflict", "It contradicts what is already so."),
    (Stale, 412, "precondition-failed", "It was changed since it was read."),
    (PlatformFailed, 502, "platform-failed", "The platform did not do it."),
    (StorageUnavailable, 503, "store-unavailable", "The store did not take it; try again."),
)
"""Families of errors, the special before the general."""

_NAMES = {413: "too-large", 429: "too-many-requests", 500: "internal"}
"""Where the name is not the phrase of the status."""

_FIELDS = {
    "account id": "id",
    "account setting": "settings",
    "application key": "key",
    "application secret": "secret",
    "endpoint URL": "url",
    "identity": "identities",
    "token name": "name",
}
"""What a value is called in the API, where a command says it otherwise."""

_MISSING = re.compile(r"Object missing required field `([^`]*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")
_OTHER = re.compile(r"Expected (.+?)(?:, got (.+?))?$")
_PATH = re.compile(r" - at `\$?\.?([^`]*)`$")


def explain(error: Error) -> WireReply:
    """Return the problem document of an error that we raise on purpose."""
    for family, status, name, title in _STATUS:
        if isinstance(error, family):
            return problem(status, name, title, str(error), list(_faults_of(error)))
    return problem(400, "invalid", "It cannot be used.", str(error))


def _faults_of(error: Error) -> Iterator[Fault]:
    if isinstance(error, Invalid):
        yield Fault(field=_FIELDS.get(error.where, error.where), found=error.found, expected=error.expected)
    elif isinstance(error, RateDeckInvalid):
        for each in error.faults[:100]:
            where = f"line {each.line}, {each.column}" if each.column else f"line {each.line}"
            yield Fault(field=where, found=each.found, expected=each.expected)
    elif isinstance(error, RulesInvalid):
        for fault in error.faults:
            where = f"line {fault.line}, column {fault.column}"
            yield Fault(field=where, found=fault.found, expected=fault.expected)
    elif isinstance(error, ListInvalid):
        for entry in error.faults[:100]:
            yield Fault(field=entry.place, found=entry.found, expected=entry.expected)


def on_error(_: Request[Any, Any, Any], error: Error) -> Response[bytes]:
    return _response(explain(error))


def on_http_error(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """What the framework refuses: paths, methods, bodies that are not what a route takes."""
    phrase = HTTPStatus(error.status_code).phrase
    name = _NAMES.get(error.status_code, phrase.lower().replace(" ", "-"))
    detail, faults = error.detail, list[Fault]()
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        faults = [_read_fault(str(each.get("key") or ""), str(each["message"])) for each in error.extra]
        detail = "; ".join(f"{fault.field}: found {fault.found}; expected {fault.expected}" for fault in faults)
    elif error.status_code == HTTPStatus.BAD_REQUEST:
        faults = [_read_fault("body", detail)]
    reply = _response(problem(error.status_code, name, phrase, detail, faults))
    for header, value in (error.headers or {}).items():
        reply.headers[header] = value
    return reply


def _read_fault(field: str, message: str) -> Fault:
    """Take apart what msgspec says of a value that is not of its type."""
    if path := _PATH.search(message):
        field, message = path[1] or field, message[: path.start()]
    if missing := _MISSING.search(message):
        return Fault(field=missing[1], found="nothing", expected="a value")
    if unknown := _UNKNOWN.search(message):
        return Fault(field=unknown[1], found="a field that is not known", expected="only fields of the reference")
    if other := _OTHER.search(message):
        return Fault(
            field=field or "body", found=(other[2] or "something else").strip("`"), expected=other[1].strip("`")
        )
    return Fault(field=field or "body", found=message, expected="what the reference says")


def on_bug(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Our own fault: logged with its traceback, answered without."""
    log.error("api.bug", method=request.method, route=_route_of(request), exc_info=error)
    return _response(INTERNAL)


def _route_of(request: Request[Any, Any, Any]) -> str:
    """The path as it is declared: as it was sent, it may hold a number."""
    return str(request.scope.get("path_template", ""))


def _response(reply: WireReply) -> Response[bytes]:
    return Response(reply.body, status_code=reply.status, media_type=reply.content_type)
