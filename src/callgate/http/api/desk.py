"""What every route works with: the books, the platforms, the time, and the application and token that a request is about.

There is one desk for the whole API, and a copy of it for each request (`at`), whose store writes in the audit log who changed
what, and which keeps a token that is bound to an application inside of it.
"""

import asyncio
import copy
import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.exceptions import PermissionDeniedException

from callgate.errors import Conflict, Error, NotFound
from callgate.http.api.faults import explain
from callgate.http.api.pace import Pace
from callgate.protocol import PROVIDERS
from callgate.rating.deck import Deck
from callgate.service.audit_entry import Actor, AuditEntry, Via
from callgate.service.audited import NoteAction, audited
from callgate.service.books import Books, Job
from callgate.service.call_out import Prepared, Wanted, prepare
from callgate.service.catalog import Catalog, Catalogs
from callgate.service.idempotent import Asked, Idempotent, check_key
from callgate.service.matched import Matched
from callgate.service.ports import Platform, Store
from callgate.service.signing import Signing
from callgate.service.token import Token
from callgate.service.token_use import TokenUses
from callgate.service.tools import Tools

T = TypeVar("T")
R = TypeVar("R")

ApiRequest = Request[Any, Token, State]


class Desk:
    """`per_s` is how many requests a second a token may make, 0 for as many as it likes."""

    def __init__(
        self,
        store: Store,
        catalogs: Catalogs,
        platform: Platform,
        clock: Callable[[], datetime],
        *,
        tools: Tools | None = None,
        per_s: float = 0.0,
        uses: TokenUses | None = None,
        signing: Signing | None = None,
        stopping: asyncio.Event | None = None,
        default_currency: str = "USD",
    ) -> None:
        self.store = self.plain_store = store
        self.platform = platform
        self.clock = clock
        self.pace = Pace(per_s)
        self.uses = uses if uses is not None else TokenUses()
        self.stopping = stopping if stopping is not None else asyncio.Event()
        self.streams: set[object] = set()  # those that are open
        self.token: Token | None = None
        self.default_currency = default_currency
        self._catalogs = catalogs
        self._signing = signing
        self._tools = tools

    @property
    def tools(self) -> Tools:
        assert self._tools is not None, "a desk of configuration has its tools"
        return self._tools

    def at(self, token: Token | None) -> "Desk":
        """The desk for one request. What is changed at it is this token's doing."""
        if token is None:
            return self
        mine = copy.copy(self)
        mine.token = token
        mine.store = audited(self.store, Actor(who=f"token:{token.name}", via=Via.API), self.clock)
        return mine

    @property
    def catalog(self) -> Catalog:
        """What calls are decided by now."""
        return self._catalogs.now

    @property
    def decks(self) -> Mapping[str, Deck]:
        """The decks that calls are priced by now."""
        return self._catalogs.now.decks

    async def prepare_callout(self, wanted: Wanted, application: str) -> Prepared:
        """Read a call that is to be placed. Raises `Invalid` and `NotFound`."""
        if self._signing is None:
            raise Conflict("this API has no key to sign references with, without which no call is placed")
        catalog = self._catalogs.now
        return await prepare(
            self.store,
            wanted,
            application,
            catalog=catalog,
            provider=PROVIDERS[catalog.applications[application].row.provider],
            key=self._signing.holds,
            now=self.clock(),
        )

    async def refresh(self) -> None:
        """An application was added: the next request may name it."""
        await self._catalogs.refresh()

    def application(self, named: str | None) -> str:
        """Return the key of the application that is meant; it need not be named while there is only one, or where the token
        is bound to one.

        Raises `NotFound`, and 403 where the token is bound to another.
        """
        keys = self._catalogs.now.applications
        named = self.scope(named)
        if named is not None and named in keys:
            return named
        if named is None and len(keys) == 1:
            return next(iter(keys))
        known = ", ".join(keys if self.scope(None) is None else ()) or "none"
        raise NotFound(f"say which application: {'it is not named' if named is None else named}; there are: {known}")

    def scope(self, named: str | None) -> str | None:
        """Return the key of the application that a list is limited to; None for all. Raises 403 as `application` does."""
        bound = self.token.application if self.token is not None else None
        if bound is not None and named not in (None, bound):
            raise PermissionDeniedException(f"this token is bound to application {bound}")
        return bound or named

    async def do(
        self,
        request: ApiRequest,
        job: Job[T],
        render: Callable[[T], R],
        *,
        status: int,
        secret: Callable[[T], R] | None = None,
        tag: Callable[[Books], str | None] | None = None,
    ) -> Response[R]:
        """Do a job once for its `Idempotency-Key`, where the request has one, and answer with what it rendered.

        The response holds the bytes of an `R`, so that a repeat gets the same ones; `secret` renders what only the first
        one gets, and is not kept. `tag` makes the entity tag of what the job changes: with it `If-Match` is judged.
        """
        if tag is not None and (wanted := request.headers.get("if-match")) is not None:
            job = Matched(job=job, wanted=wanted, tag=tag)
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        if key is None:
            result = await self.store.perform(job)
            return reply_of(status, msgspec.json.encode((secret or render)(result)))
        scope = f"{request.auth.digest} {request.method} {request.url.path} {check_key(key)}"
        asked = request.url.query.encode() + b"\n" + await request.body()
        once = Idempotent(
            job=job,
            asked=Asked(scope, hashlib.sha256(asked).hexdigest()),
            now=self.clock(),
            render=lambda result: (status, msgspec.json.encode(render(result))),
            refuse=refusal_of,
            reveal=None if secret is None else lambda result: msgspec.json.encode(secret(result)),
        )
        kept = await self.store.perform(once)
        return reply_of(kept.status, kept.body)

    async def note(self, action: str, kind: str, subject: str, application: str = "") -> None:
        """Write in the audit log what was done outside of the books."""
        assert self.token is not None, "every route that does something has a guard"
        entry = AuditEntry(
            at=self.clock(),
            who=f"token:{self.token.name}",
            via=Via.API,
            action=action,
            kind=kind,
            subject=subject,
            application=application,
        )
        await self.store.perform(NoteAction(entry=entry))


TheDesk = NamedDependency[Desk]
"""How a route asks for it."""


def refusal_of(error: Error) -> tuple[int, bytes]:
    """What is kept and answered for work that failed."""
    problem = explain(error)
    return problem.status, problem.body


def reply_of(status: int, body: bytes) -> Response[Any]:
    """A reply of bytes that are made already."""
    is_problem = status >= 400  # noqa: PLR2004 - HTTP's own line between done and not done
    return Response(
        body, status_code=status, media_type="application/problem+json" if is_problem else "application/json"
    )
