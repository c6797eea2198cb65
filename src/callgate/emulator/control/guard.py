"""Who may control the emulator: programs and pages of this machine, and no page of another site."""

from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

OPEN = ("/calling/", "/v1/")
"""The REST interface of the platform, which proves by itself who asks."""

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def build_guard(*, is_loopback: bool) -> Middleware:
    """Make the middleware. `is_loopback`: served on loopback alone, so that no other host can be meant.

    A page elsewhere may point a name of its own at 127.0.0.1 and have the browser ask us (DNS rebinding): the request then
    still carries that name. What changes something must not come from another site's page either.
    """

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(OPEN):
            if is_loopback and _host_of(f"//{request.host}") not in LOOPBACK:
                raise web.HTTPMisdirectedRequest(text="Only http://localhost is answered here.\n")
            if request.method not in ("GET", "HEAD") and not _is_from_our_page(request):
                raise web.HTTPForbidden(text="This was sent by another site's page.\n")
        response = await handler(request)
        response.headers.update(HEADERS)
        return response

    return guard


def _is_from_our_page(request: web.Request) -> bool:
    """Browsers say where a request comes from; a program that is none says nothing."""
    if (site := request.headers.get("sec-fetch-site")) is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.host


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # such as a bracket without its fellow
        return ""
