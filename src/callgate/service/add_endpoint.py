"""Add an endpoint, give it a new secret, stop and start sending to it. A secret is returned once and kept encrypted."""

import base64
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from callgate.errors import Conflict, Invalid, NotFound
from callgate.service.books import Books, Keys
from callgate.service.endpoint import (
    MAX_ENDPOINTS,
    SECRET_BYTES,
    SECRET_PREFIX,
    Endpoint,
    EndpointState,
    is_public,
    read_types,
    read_url,
)
from callgate.service.ports import Store

Seal = Callable[[str], bytes]
Resolve = Callable[[str], Awaitable[Sequence[str]]]

ID_PREFIX = "ep_"


@dataclass(frozen=True, kw_only=True)
class KeepEndpoint:
    """Store a new endpoint."""

    endpoint: Endpoint

    def keys(self) -> Keys:
        return Keys(endpoints=(self.endpoint.id,))

    def run(self, books: Books) -> Endpoint:
        books.endpoints.put(self.endpoint.id, self.endpoint)
        return self.endpoint


@dataclass(frozen=True, kw_only=True)
class RotateEndpoint:
    """Sign with a new secret, and until `old_until` with the one before it too."""

    id: str
    sealed: bytes
    old_until: datetime

    def keys(self) -> Keys:
        return Keys(endpoints=(self.id,))

    def run(self, books: Books) -> Endpoint:
        """Raises `NotFound`."""
        endpoint = _known(books, self.id)
        rotated = msgspec.structs.replace(
            endpoint, sealed_secrets=(self.sealed, endpoint.sealed_secrets[0]), old_secret_until=self.old_until
        )
        books.endpoints.put(self.id, rotated)
        return rotated


@dataclass(frozen=True, kw_only=True)
class SetEndpointState:
    """Stop sending to an endpoint, or start again. What waits for it meanwhile stays."""

    id: str
    state: EndpointState

    def keys(self) -> Keys:
        return Keys(endpoints=(self.id,))

    def run(self, books: Books) -> Endpoint:
        """Raises `NotFound`."""
        endpoint = _known(books, self.id)
        if endpoint.state is self.state:
            return endpoint
        why = "" if self.state is EndpointState.ACTIVE else "disabled by the operator"
        changed = msgspec.structs.replace(endpoint, state=self.state, why=why)
        books.endpoints.put(self.id, changed)
        return changed


def _known(books: Books, named: str) -> Endpoint:
    endpoint = books.endpoints.get(named)
    if endpoint is None:
        raise NotFound(f"there is no endpoint {named}; see: callgate endpoint list")
    return endpoint


async def add_endpoint(  # noqa: PLR0913 - what is said of an endpoint, and what it takes to check and keep it
    store: Store,
    url: str,
    types: Sequence[str],
    *,
    allow_private: bool,
    seal: Seal,
    resolve: Resolve,
    now: datetime,
) -> tuple[Endpoint, str]:
    """Add an endpoint and return it with its secret. Raises `Invalid`, `Conflict`.

    `resolve` gives the addresses that a host has now, none when it is not known: the check here is for the operator, who
    sees at once what would be refused later. What is sent is checked when it is sent.
    """
    wanted, host = read_types(types), read_url(url).hostname or ""
    private = [] if allow_private else [address for address in await resolve(host) if not is_public(address)]
    if private:
        found = host if host == private[0] else f"{host}, which is {private[0]}"
        raise Invalid(
            "endpoint URL",
            f"{found}: not a public address",
            "a public one, or --allow-private if it is your own network",
        )
    if len(await store.endpoints()) >= MAX_ENDPOINTS:
        raise Conflict(f"there are {MAX_ENDPOINTS} endpoints already, and no more can be had")
    secret = new_secret()
    endpoint = Endpoint(
        id=ID_PREFIX + secrets.token_hex(8),
        url=url,
        types=wanted,
        allow_private=allow_private,
        created_at=now,
        sealed_secrets=(seal(secret),),
    )
    return await store.perform(KeepEndpoint(endpoint=endpoint)), secret


async def rotate_endpoint(store: Store, named: str, *, seal: Seal, old_until: datetime) -> str:
    """Give an endpoint a new secret and return it. Raises `NotFound`."""
    secret = new_secret()
    await store.perform(RotateEndpoint(id=named, sealed=seal(secret), old_until=old_until))
    return secret


def new_secret() -> str:
    """A fresh secret as Standard Webhooks show it."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
