"""The dashboard as a Litestar app: routes, who may see them, and what every answer carries.

Its framework takes a second to import: whoever mounts it imports this module in a thread, and nobody else does.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from litestar import Litestar, Request, Response, get, post
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie, MutableScopeHeaders, State
from litestar.di import NamedDependency, Provide
from litestar.enums import MediaType
from litestar.exceptions import (
    HTTPException,
    NotAuthorizedException,
    NotFoundException,
    ServiceUnavailableException,
)
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect, Stream
from litestar.types import Message, Scope

from callgate.errors import StorageUnavailable
from callgate.logs import log
from callgate.protocol.call import CallKey
from callgate.service.ports import Store
from callgate.service.reports import MAX_LIST, call_reports, report_call
from callgate.service.token import digest_of
from callgate.web.feed import Feed, Parts
from callgate.web.origin import is_from_our_page, is_loopback_host
from callgate.web.pages import PARTS, Pages, indented, root_of
from callgate.web.session import COOKIE, SESSION_LASTS, Brake, SessionSigner
from callgate.web.view import COUNTED, View, view_calls, view_line

AnyRequest = Request[Any, Any, State]
AnyConnection = ASGIConnection[Any, Any, Any, State]
Form = URLEncodedBody[dict[str, str]]

MAX_FORM_BYTES = 4_096

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
"""On every answer. Pages say besides that nobody may store them, static files that everybody may."""

FOR_EVER = "public, max-age=31536000, immutable"


def build_dashboard(
    store: Store,
    *,
    secret_key: bytes,
    clock: Callable[[], datetime],
    is_open: bool,
    stopping: asyncio.Event,
) -> Litestar:
    """Make the app. `is_open` signs every browser of this machine in; `stopping` ends the streams that pages hold open."""
    desk = Desk(store, SessionSigner(secret_key), clock, is_open, stopping)
    return Litestar(
        [show_calls, sign_in, sign_out, show_call, stream_live, send_asset],
        dependencies={"desk": Provide(lambda: desk, sync_to_thread=False)},
        guards=[desk.refuse_strangers],
        before_send=[add_headers],
        exception_handlers={
            HTTPException: desk.show_problem,
            StorageUnavailable: desk.show_storage_problem,
            Exception: desk.show_failure,
        },
        openapi_config=None,
        logging_config=None,
        request_max_body_size=MAX_FORM_BYTES,
        debug=False,
    )


@dataclass
class Desk:
    """What the routes work with."""

    store: Store
    sessions: SessionSigner
    clock: Callable[[], datetime]
    is_open: bool
    stopping: asyncio.Event
    pages: Pages = field(default_factory=Pages)
    brake: Brake = field(default_factory=Brake)
    feed: Feed = field(init=False)
    drawn: Parts = field(default_factory=dict)
    drawn_view: View | None = None

    def __post_init__(self) -> None:
        self.feed = Feed(self.look, self.clock, self.stopping)

    # -- who may see it ------------------------------------------------------------------------------------------------

    def refuse_strangers(self, connection: AnyConnection, _: BaseRouteHandler) -> None:
        """The guard of every route."""
        if self.is_open and not is_loopback_host(connection.headers.get("host", "")):
            raise HTTPException(
                status_code=421, detail="Here everybody is signed in, so that only http://localhost is answered."
            )
        is_page = connection.scope.get("method") == "GET" and connection.scope["path"] != "/live"
        if not is_page and not is_from_our_page(connection.headers):
            raise HTTPException(status_code=403, detail="This was sent by another site's page.")

    async def is_signed_in(self, request: AnyRequest) -> bool:
        """Whether the browser has shown a token within the last hours, and that token still holds."""
        if self.is_open:
            return True
        token_digest = self.sessions.read(request.cookies.get(COOKIE, ""), self.clock())
        return token_digest is not None and await self.store.token(token_digest) is not None

    # -- what is shown -------------------------------------------------------------------------------------------------

    async def view(self) -> View:
        now = self.clock()
        live = await call_reports(self.store, now, only_live=True, limit=MAX_LIST)
        newest = await call_reports(self.store, now, limit=COUNTED)
        return view_calls(live, newest, now, live_limit=MAX_LIST)

    async def look(self) -> Parts:
        """The parts that change, for those who watch; drawn again only when there is something else to be seen."""
        view = await self.view()
        if view != self.drawn_view:
            self.drawn = {name: self.pages.render(f"{name}.html", view=view, root="./", now=None) for name in PARTS}
            self.drawn_view = view
        return self.drawn

    def page(self, name: str, request: AnyRequest, *, status_code: int = 200, **values: Any) -> Response[str]:
        root = root_of(request.scope["raw_path"])
        html = self.pages.render(name, root=root, is_open=self.is_open, now=self.clock(), **values)
        return Response(html, media_type=MediaType.HTML, status_code=status_code)

    def sign_in_page(self, request: AnyRequest, *, status_code: int = 200, fault: str = "") -> Response[str]:
        return self.page("sign_in.html", request, status_code=status_code, fault=fault)

    def show_problem(self, request: AnyRequest, problem: HTTPException) -> Response[str]:
        """A page for whatever went wrong; details are ours or the framework's, never a trace."""
        response = self.page(
            "problem.html", request, status_code=problem.status_code, status=problem.status_code, detail=problem.detail
        )
        response.headers.update(problem.headers or {})
        return response

    def show_storage_problem(self, request: AnyRequest, _: StorageUnavailable) -> Response[str]:
        detail = "The database does not answer. Calls are refused meanwhile; this page works again when it does."
        return self.page("problem.html", request, status_code=503, status=503, detail=detail)

    def show_failure(self, request: AnyRequest, failure: Exception) -> Response[str]:
        log.error("page.failed", path=request.scope["path"], exc_info=failure)
        detail = "This page could not be made; the server's log says why."
        return self.page("problem.html", request, status_code=500, status=500, detail=detail)


# -- routes ------------------------------------------------------------------------------------------------------------

AtDesk = NamedDependency[Desk]


@get("/")
async def show_calls(desk: AtDesk, request: AnyRequest) -> Response[str]:
    """The first page: calls that are up, and those that were."""
    if not await desk.is_signed_in(request):
        return desk.sign_in_page(request)
    return desk.page("calls.html", request, view=await desk.view())


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
    if await desk.store.token(token_digest) is None:
        desk.brake.note_failure(now)
        fault = "This is not a token of this server. The first one was printed by: callgate init"
        return desk.sign_in_page(request, status_code=401, fault=fault)
    value = desk.sessions.issue(token_digest, now)
    return Redirect("./", status_code=303, cookies=[_cookie(request, value, int(SESSION_LASTS.total_seconds()))])


@post("/sign-out", status_code=303)
async def sign_out(request: AnyRequest) -> Response[Any]:
    """Forget the cookie."""
    return Redirect("./", status_code=303, cookies=[_cookie(request, "", 0)])


@get("/calls/{call_id:path}")
async def show_call(desk: AtDesk, request: AnyRequest, app: FromQuery[str] = "") -> Response[Any]:
    """One call: what was decided and why, what was said, what it cost. `app` is the key of its application.

    The call id is the last part of the path as it was sent: once decoded, a slash within it is like any other.
    """
    if not await desk.is_signed_in(request):
        return Redirect(root_of(request.scope["raw_path"]), status_code=303)
    key = CallKey(app, unquote(request.scope["raw_path"].rpartition(b"/")[2]))
    call = await desk.store.call(key)
    if call is None:
        raise NotFoundException(detail="There is no such call in this application.")
    report = report_call(call, desk.clock())
    callbacks = [
        {"at": heard.at.isoformat(), "name": heard.name, "note": heard.note}
        | {"sent": indented(heard.body), "answer": indented(heard.answer)}
        for heard in await desk.store.callbacks(key)
    ]
    return desk.page("call.html", request, call=report, line=view_line(report), callbacks=callbacks)


@get("/live")
async def stream_live(desk: AtDesk, request: AnyRequest) -> Response[Any]:
    """What changes, as it changes: server-sent events, one for each part of the first page."""
    if not await desk.is_signed_in(request):
        raise NotAuthorizedException(detail="Signed out.")
    if desk.feed.is_full:
        raise ServiceUnavailableException(detail="Too many pages are open.")
    return Stream(desk.feed.watch(lambda: desk.is_signed_in(request)), media_type="text/event-stream")


@get("/static/{name:str}")
async def send_asset(desk: AtDesk, name: FromPath[str]) -> Response[bytes]:
    """A static file by the name that its content gives it; open to everybody."""
    asset = desk.pages.assets.get(name)
    if asset is None:
        raise NotFoundException(detail="There is no such file.")
    return Response(asset.content, media_type=asset.media_type, headers={"cache-control": FOR_EVER})


async def add_headers(message: Message, _: Scope) -> None:
    """What every answer says, errors included."""
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        headers.setdefault("cache-control", "no-store")
        headers.update(HEADERS)


def _cookie(request: AnyRequest, value: str, max_age_s: int) -> Cookie:
    return Cookie(
        key=COOKIE,
        value=value,
        max_age=max_age_s,
        secure=request.scope["scheme"] == "https",
        httponly=True,
        samesite="strict",
    )
