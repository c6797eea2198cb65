"""What every route works with: the books, the platforms, the time, who is asking, and how an answer is made of it."""

import asyncio
import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, cast
from urllib.parse import quote, unquote

from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie, State
from litestar.di import NamedDependency
from litestar.enums import MediaType
from litestar.exceptions import HTTPException, NotFoundException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.params import URLEncodedBody
from litestar.response import Redirect

from callgate.errors import NotFound, StorageUnavailable
from callgate.logs import log
from callgate.rating.deck import Deck
from callgate.service.application import Application
from callgate.service.audit_entry import Actor, AuditEntry, Via
from callgate.service.audited import NoteAction, audited
from callgate.service.catalog import Catalogs
from callgate.service.figures import Figures
from callgate.service.openid import Begun, Person
from callgate.service.ports import ManagedPlatform, Store
from callgate.service.throttle import Throttle
from callgate.service.token import Role, Token
from callgate.service.token_use import TokenUses
from callgate.service.tools import Tools
from callgate.settings import Settings
from callgate.vault import Vault
from callgate.web import form_token
from callgate.web.form_token import SAFE, FormTokens
from callgate.web.navigation import navigation
from callgate.web.origin import is_from_our_page, is_loopback_host
from callgate.web.pages import Pages, root_of
from callgate.web.session import COOKIE, Brakes, Visitor, signed_in
from callgate.web.uploads import Uploads

AnyRequest = Request[Any, Any, State]
AnyConnection = ASGIConnection[Any, Any, Any, State]
Form = URLEncodedBody[dict[str, str]]

SAID = "callgate_said"
"""The cookie that carries one sentence from the page that did something to the page that shows it."""

SAID_LASTS_S = 20
MAX_SAID = 600

OPENID_TRIES, OPENID_WINDOW = 30, timedelta(minutes=1)
"""Answers of a provider that one address may bring: each has us ask the provider."""

STALE_SIGN_IN = "This page was older than your browser's cookies. Nothing was sent; try once more."
STALE_FORM = (
    "Nothing was changed: this form was not made for the session that you are signed in with. Go back, load the page again, "
    "and send it once more."
)

RANK = {Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMIN: 2}


class SignedOut(Exception):
    """Nobody is signed in: the sign-in page is shown instead."""


class ForeignForm(Exception):
    """A form without the token of a page that this server made for this browser."""


class OpenIdProvider(Protocol):
    """Whoever can send a browser to the operator's provider, and say who came back. `name` is for people."""

    name: str

    async def url_for(self, begun: Begun) -> str:
        """Raises `OpenIdUnreachable`."""

    async def person(self, begun: Begun, code: str, issuer: str | None) -> Person:
        """Raises `IdTokenInvalid`, `OpenIdRefused` and `OpenIdUnreachable`."""

    async def sign_out_url(self, id_token: str) -> str | None:
        """Where the provider's own session ends, None where it does not offer that. Raises `OpenIdUnreachable`."""


@dataclass
class Desk:
    """One for the whole dashboard, and a copy of it for each request (`at`), whose store writes in the audit log who changed
    what. `is_open` signs every browser of this machine in; `stopping` ends open streams.
    """

    store: Store
    catalogs: Catalogs
    platform: ManagedPlatform
    vault: Vault
    settings: Settings
    clock: Callable[[], datetime]
    is_open: bool
    stopping: asyncio.Event
    uses: TokenUses = field(default_factory=TokenUses)
    openid: OpenIdProvider | None = None
    endpoint_tools: Tools | None = None
    token: Visitor | None = None
    pages: Pages = field(default_factory=Pages)
    brakes: Brakes = field(default_factory=Brakes)
    openid_tries: Throttle = field(default_factory=lambda: Throttle(OPENID_TRIES, OPENID_WINDOW))
    uploads: Uploads = field(init=False)
    figures: Figures = field(init=False)
    tokens: FormTokens = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = FormTokens(self.vault.derived("callgate form tokens"))
        self.uploads = Uploads(self.settings.secret_key)
        self.figures = Figures(self.store, self.clock)

    # -- who may see it, and do what -------------------------------------------------------------------------------------

    async def refuse_strangers(self, connection: AnyConnection, _: BaseRouteHandler) -> None:
        """The guard of every route."""
        if self.is_open and not is_loopback_host(connection.headers.get("host", "")):
            raise HTTPException(
                status_code=421, detail="Here everybody is signed in, so that only http://localhost is answered."
            )
        is_page = connection.scope.get("method") == "GET" and connection.scope["path"] != "/live"
        if not is_page and not is_from_our_page(connection.headers):
            raise HTTPException(status_code=403, detail="This was sent by another site's page.")
        if connection.scope.get("method") not in SAFE:
            await self._refuse_foreign_forms(cast("AnyRequest", connection))

    async def _refuse_foreign_forms(self, request: AnyRequest) -> None:
        browser = _browser_of(request)
        if not browser:
            raise ForeignForm  # before the body is read
        form = await request.form()
        token = form.get(form_token.FIELD)
        if not isinstance(token, str) or not self.tokens.is_ours(token, browser):
            await form.close()
            raise ForeignForm

    async def at(self, request: AnyRequest) -> "Desk":
        """The desk for one request. What is changed at it is the doing of whoever is signed in."""
        token = await self.visitor(request)
        mine = copy.copy(self)
        mine.token = token
        if token is not None:
            request.scope["auth"] = token
            mine.store = self.store_of(token.who)
        return mine

    def store_of(self, who: str) -> Store:
        """The store for somebody: `operator:NAME`, `openid:NAME` or `token:NAME`."""
        return audited(self.store, Actor(who=who, via=Via.DASHBOARD), self.clock)

    async def visitor(self, request: AnyRequest) -> Visitor | None:
        """The token that the browser has shown within the last hours, if it still holds. Of an open dashboard, everybody's."""
        now = self.clock()
        if self.is_open:
            return Visitor(
                who="operator:dashboard", digest="", name="dashboard", role=Role.ADMIN, hint="", created_at=now
            )
        clear = request.cookies.get(COOKIE, "")
        has_openid = self.openid is not None
        token = await signed_in(self.store, clear, now, has_openid=has_openid) if clear else None
        if token is not None and token.digest:
            self.uses.note(token.digest, now)
        return token

    def who(self) -> Visitor:
        """Who is signed in. Raises `SignedOut`."""
        if self.token is None:
            raise SignedOut
        return self.token

    def at_least(self, role: Role) -> Visitor:
        """Who is signed in, if they may do this. Raises `SignedOut`, `PermissionDeniedException`."""
        token = self.who()
        if RANK[token.role] < RANK[role]:
            raise PermissionDeniedException(
                detail=f"This takes a token of role {role}; you are signed in as {token.role}."
            )
        return token

    def over_all(self, role: Role = Role.VIEWER) -> Visitor:
        """Who is signed in, if they may do this to what all applications share. Raises as `at_least`."""
        token = self.at_least(role)
        if token.application is not None:
            detail = f"This concerns all applications, and your token is bound to {token.application}."
            raise PermissionDeniedException(detail=detail)
        return token

    async def note(self, action: str, kind: str, subject: str, application: str = "") -> None:
        """Write in the audit log what was done outside of the books."""
        entry = AuditEntry(
            at=self.clock(),
            who=self.who().who,
            via=Via.DASHBOARD,
            action=action,
            kind=kind,
            subject=subject,
            application=application,
        )
        await self.store.perform(NoteAction(entry=entry))

    @property
    def tools(self) -> Tools:
        """What setting up endpoints takes."""
        assert self.endpoint_tools is not None, "a desk where endpoints are set up has its tools"
        return self.endpoint_tools

    # -- what a request is about -------------------------------------------------------------------------------------------

    @property
    def bound(self) -> str | None:
        """The one application that whoever is signed in may see, None for all."""
        return None if self.token is None else self.token.application

    @property
    def applications(self) -> Mapping[str, Application]:
        """Those that whoever is signed in may see."""
        found = self.catalogs.now.applications
        return found if self.bound is None else {key: found[key] for key in (self.bound,) if key in found}

    @property
    def decks(self) -> Mapping[str, Deck]:
        """The decks that calls are priced by now."""
        return self.catalogs.now.decks

    def application(self, named: str) -> str:
        """The key of the application that is meant: the one that is named, or the first. Raises `NotFoundException`."""
        keys = self.applications
        if named in keys:
            return named
        if named or not keys:
            raise NotFoundException(detail="There is no such application." if named else "There is no application yet.")
        return next(iter(keys))

    # -- answers -----------------------------------------------------------------------------------------------------------

    async def page(self, name: str, request: AnyRequest, *, status_code: int = 200, **values: Any) -> Response[str]:
        """Render a page, with what every page shows: who is signed in, where one can go, and what has just been done."""
        html = await self.pages.draw(name, **self._on_every_page(request), **values)
        return self._answer(request, html, status_code)

    def short_page(self, name: str, request: AnyRequest, *, status_code: int = 200, **values: Any) -> Response[str]:
        """The same at once, for what is said of errors."""
        html = self.pages.render(name, **self._on_every_page(request), **values)
        return self._answer(request, html, status_code)

    def _on_every_page(self, request: AnyRequest) -> dict[str, Any]:
        token: Token | None = request.scope.get("auth")
        return {
            "root": root_of(request.scope["raw_path"]),
            "is_open": self.is_open,
            "now": self.clock(),
            "visitor": token,
            "may_operate": token is not None and RANK[token.role] >= RANK[Role.OPERATOR],
            "may_configure": token is not None and RANK[token.role] >= RANK[Role.ADMIN],
            "navigation": navigation(request.scope["path"], is_bound=token.application is not None) if token else (),
            "said": _said(request),
        }

    def _answer(self, request: AnyRequest, html: str, status_code: int) -> Response[str]:
        fresh = ""
        if form_token.has_forms(html):
            browser = _browser_of(request) or (fresh := form_token.new_browser())
            html = form_token.with_token(html, self.tokens.make(browser))
        response = Response(html, media_type=MediaType.HTML, status_code=status_code)
        if fresh:
            response.set_cookie(strict_cookie(request, form_token.COOKIE, fresh))
        if _said(request):
            response.set_cookie(strict_cookie(request, SAID, "", 0))
        return response

    def done(self, request: AnyRequest, path: str, sentence: str) -> Redirect:
        """After something was done: on to a page, from the first one's place, which says so at its top."""
        value = quote(sentence[:MAX_SAID], safe="")
        cookies = [strict_cookie(request, SAID, value, SAID_LASTS_S)]
        return Redirect(root_of(request.scope["raw_path"]) + path, status_code=303, cookies=cookies)

    def sign_in_page(
        self, request: AnyRequest, *, status_code: int = 200, fault: str = "", tried: str = "", openid_fault: str = ""
    ) -> Response[str]:
        """`tried` is the name under which signing in failed, empty for a token; `openid_fault` what is wrong at the provider."""
        return self.short_page(
            "sign_in.html",
            request,
            status_code=status_code,
            fault=fault,
            tried=tried,
            provider=None if self.openid is None else self.openid.name,
            openid_fault=openid_fault,
        )

    # -- answers to what went wrong ------------------------------------------------------------------------------------------

    def show_signed_out(self, request: AnyRequest, _: SignedOut) -> Response[Any]:
        """The form in place of the first page; any other page leads there."""
        if request.scope["path"] == "/live":
            return self.problem(request, 401, "Signed out.")
        if request.scope["path"] == "/":
            return self.sign_in_page(request)
        return Redirect(root_of(request.scope["raw_path"]), status_code=303)

    def show_foreign_form(self, request: AnyRequest, foreign: ForeignForm) -> Response[Any]:
        """Nearly always one of our own pages that is older than the sign-in: loaded again, it works."""
        if request.scope["path"] == "/sign-in":
            return self.sign_in_page(request, status_code=403, fault=STALE_SIGN_IN)
        if not self.is_open and not request.cookies.get(COOKIE):
            return self.show_signed_out(request, SignedOut(*foreign.args))
        return self.problem(request, 403, STALE_FORM)

    def show_problem(self, request: AnyRequest, problem: HTTPException) -> Response[str]:
        """A page for whatever went wrong; details are ours or the framework's, never a trace."""
        response = self.problem(request, problem.status_code, problem.detail)
        response.headers.update(problem.headers or {})
        return response

    def show_not_found(self, request: AnyRequest, error: NotFound) -> Response[str]:
        return self.problem(request, 404, f"{str(error)[:1].upper()}{str(error)[1:]}.")

    def show_storage_problem(self, request: AnyRequest, _: StorageUnavailable) -> Response[str]:
        detail = "The database does not answer. Calls are refused meanwhile; this page works again when it does."
        return self.problem(request, 503, detail)

    def show_failure(self, request: AnyRequest, failure: Exception) -> Response[str]:
        log.error("page.failed", path=request.scope["path"], exc_info=failure)
        return self.problem(request, 500, "This page could not be made; the server's log says why.")

    def problem(self, request: AnyRequest, status: int, detail: str) -> Response[str]:
        return self.short_page("problem.html", request, status_code=status, status=status, detail=detail)


def _said(request: AnyRequest) -> str:
    """What whoever is signed in has just done."""
    return unquote(request.cookies.get(SAID, "")) if request.scope.get("auth") is not None else ""


def _browser_of(request: AnyRequest) -> str:
    """The cookie that form tokens are bound to; empty for a browser that has none."""
    return request.cookies.get(COOKIE, "") or request.cookies.get(form_token.COOKIE, "")


def strict_cookie(request: AnyRequest, key: str, value: str, max_age_s: int | None = None) -> Cookie:
    """A cookie that no script reads and no other site's page has sent; kept until the browser is closed, where no age is said."""
    is_secure = request.scope["scheme"] == "https"
    return Cookie(key=key, value=value, max_age=max_age_s, secure=is_secure, httponly=True, samesite="strict")


def name_of(who: Token) -> str:
    """How the books name somebody who works with the dashboard."""
    return f"web:{who.name}"


AtDesk = NamedDependency[Desk]
"""How a route asks for it."""
