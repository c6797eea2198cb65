"""Who asks: a signed request, or HTTP Basic where the application allows it. Judged before anything else."""

from datetime import UTC, datetime

from aiohttp import web

from callgate.emulator.applications import Application
from callgate.emulator.emulated import Platform
from callgate.emulator.rest.errors import (
    BAD_CREDENTIALS,
    BAD_SIGNATURE,
    BAD_TIMESTAMP,
    NO_AUTHORIZATION,
    SCHEME_FORBIDDEN,
    ApiError,
)
from callgate.errors import SignatureInvalid
from callgate.protocol import WireRequest, sinch

FRESHNESS_S = 300
"""How far `x-timestamp` may be from now. The reference names no figure."""

_CODES = {
    "authorization": NO_AUTHORIZATION,
    "scheme": NO_AUTHORIZATION,
    "timestamp": BAD_TIMESTAMP,
    "key": BAD_CREDENTIALS,
    "secret": BAD_CREDENTIALS,
    "signature": BAD_SIGNATURE,
}
"""Error by the ingredient of the signature that is wrong."""


async def identify(platform: Platform, request: web.Request) -> Application:
    """Return the application that asks. Raises `ApiError`."""
    wire = WireRequest(
        method=request.method,
        path=request.raw_path.partition("?")[0],
        headers=dict(request.headers),
        body=await request.read(),
    )
    secrets = {key: application.secret for key, application in platform.applications.items()}
    is_basic = request.headers.get("authorization", "")[:6].lower() == "basic "
    try:
        if is_basic:
            sinch.verify_basic(wire, secrets)
        else:
            sinch.verify(wire, secrets, datetime.now(UTC), freshness_s=FRESHNESS_S)
    except SignatureInvalid as error:
        code = _CODES.get(error.ingredient, BAD_SIGNATURE)
        raise ApiError(code, f"{error.ingredient}: {error.explanation}") from None
    application = platform.applications[sinch.signing_key(wire)]
    if is_basic and not application.allows_basic:
        raise ApiError(SCHEME_FORBIDDEN, "this application does not allow HTTP Basic")
    return application
