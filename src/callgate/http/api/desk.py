"""What every route works with: the books, the platforms, the time, and the application and token that a request is about."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.datastructures import State
from litestar.di import NamedDependency

from callgate.errors import Error, NotFound
from callgate.http.api.faults import explain
from callgate.rating.deck import Deck
from callgate.service.books import Job
from callgate.service.catalog import Catalog, Catalogs
from callgate.service.idempotent import Asked, Idempotent, check_key
from callgate.service.ports import Platform, Store
from callgate.service.token import Token

T = TypeVar("T")
R = TypeVar("R")

ApiRequest = Request[Any, Token, State]


class Desk:
    """One for the whole API."""

    def __init__(self, store: Store, catalogs: Catalogs, platform: Platform, clock: Callable[[], datetime]) -> None:
        self.store = store
        self.platform = platform
        self.clock = clock
        self._catalogs = catalogs

    @property
    def catalog(self) -> Catalog:
        """What calls are decided by now."""
        return self._catalogs.now

    @property
    def decks(self) -> Mapping[str, Deck]:
        """The decks that calls are priced by now."""
        return self._catalogs.now.decks

    def application(self, named: str | None) -> str:
        """Return the key of the application that is meant; it need not be named while there is only one.

        Raises `NotFound`.
        """
        keys = self._catalogs.now.applications
        if named is not None and named in keys:
            return named
        if named is None and len(keys) == 1:
            return next(iter(keys))
        known = ", ".join(keys) or "none"
        raise NotFound(f"say which application: {'it is not named' if named is None else named}; there are: {known}")

    async def do(self, request: ApiRequest, job: Job[T], render: Callable[[T], R], *, status: int) -> Response[R]:
        """Do a job once for its `Idempotency-Key`, where the request has one, and answer with what it rendered.

        The response holds the bytes of an `R`, so that a repeat gets the same ones.
        """
        key = request.headers.get("idempotency-key")
        if key is None:
            return _reply(status, msgspec.json.encode(render(await self.store.perform(job))))
        scope = f"{request.auth.digest} {request.method} {request.url.path} {check_key(key)}"
        once = Idempotent(
            job=job,
            asked=Asked(scope, hashlib.sha256(await request.body()).hexdigest()),
            now=self.clock(),
            render=lambda result: (status, msgspec.json.encode(render(result))),
            refuse=_refusal,
        )
        kept = await self.store.perform(once)
        return _reply(kept.status, kept.body)


TheDesk = NamedDependency[Desk]
"""How a route asks for it."""


def _refusal(error: Error) -> tuple[int, bytes]:
    problem = explain(error)
    return problem.status, problem.body


def _reply(status: int, body: bytes) -> Response[Any]:
    is_problem = status >= 400  # noqa: PLR2004 - HTTP's own line between done and not done
    return Response(
        body, status_code=status, media_type="application/problem+json" if is_problem else "application/json"
    )
