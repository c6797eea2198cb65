"""Add an endpoint, give it a new secret, stop and start sending to it. A secret is returned once and kept encrypted."""

import base64
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import msgspec

from callgate.errors import Conflict, Invalid, NotFound
from callgate.service.books import Books, Keys
from callgate.service.endpoint import (
    ED25519,
    EMAIL,
    HMAC,
    MAX_ENDPOINTS,
    MAX_NAMED,
    OF_CONNECTORS,
    OF_EMAIL,
    PRIVATE_PREFIX,
    PUBLIC_PREFIX,
    REMOVED,
    SECRET_BYTES,
    SECRET_PREFIX,
    SIGNING,
    WEBHOOK,
    Endpoint,
    EndpointState,
    RecordType,
    is_public,
    read_mailto,
    read_options,
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
        if endpoint.kind != WEBHOOK:  # the new credentials alone, and another chance
            rotated = msgspec.structs.replace(
                endpoint, sealed_secrets=(self.sealed,), old_secret_until=None, why="", failing_since=None
            )
        books.endpoints.put(self.id, rotated)
        return rotated


BY_OPERATOR = "disabled by the operator"
"""Why an endpoint is disabled that has done nothing wrong."""


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
        why = "" if self.state is EndpointState.ACTIVE else BY_OPERATOR
        changed = msgspec.structs.replace(endpoint, state=self.state, why=why, failing_since=None)
        books.endpoints.put(self.id, changed)
        return changed


@dataclass(frozen=True, kw_only=True)
class RemoveEndpoint:
    """Forget an endpoint, but for its id: a call that is being settled by what was looked up before may yet queue a record
    for it, and must not fail for that. What was queued is forgotten before, see `remove_endpoint`.
    """

    id: str

    def keys(self) -> Keys:
        return Keys(endpoints=(self.id,))

    def run(self, books: Books) -> None:
        """Raises `NotFound`; `Conflict` where it may still be sent something."""
        endpoint = _known(books, self.id)
        if endpoint.state is not EndpointState.DISABLED:
            raise Conflict(f"endpoint {self.id} was enabled meanwhile")
        nothing = Endpoint(
            id=self.id, url="", types=(), allow_private=False, created_at=endpoint.created_at, sealed_secrets=(),
            state=EndpointState.DISABLED, kind=REMOVED,
        )  # fmt: skip
        books.endpoints.put(self.id, nothing)


def _known(books: Books, named: str) -> Endpoint:
    endpoint = books.endpoints.get(named)
    if endpoint is None or endpoint.kind == REMOVED:
        raise _unknown(named)
    return endpoint


def _unknown(named: str) -> NotFound:
    return NotFound(f"there is no endpoint {named}; see: callgate endpoint list")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What may be said of a new endpoint. `secret` is what a connector proves itself with; webhooks get one. `applications`
    and `accounts` are what it is limited to.
    """

    kind: str = WEBHOOK
    options: Mapping[str, str] = {}
    secret: str = ""
    applications: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Wanted({self.kind})"


WEBHOOK_FOR_ALL = Wanted()


async def add_endpoint(  # noqa: PLR0913 - as below
    store: Store,
    url: str,
    types: Sequence[str],
    *,
    wanted: Wanted = WEBHOOK_FOR_ALL,
    allow_private: bool,
    seal: Seal,
    resolve: Resolve,
    now: datetime,
) -> tuple[Endpoint, str]:
    """Add an endpoint and return it with its secret: of an ed25519 pair the public half, empty for e-mail. Raises `Invalid`,
    `Conflict`.
    """
    job, secret = await new_endpoint(
        store, url, types, wanted=wanted, allow_private=allow_private, seal=seal, resolve=resolve, now=now
    )
    return await store.perform(job), secret


async def new_endpoint(  # noqa: PLR0913 - what is said of an endpoint, and what it takes to check and keep it
    store: Store,
    url: str,
    types: Sequence[str],
    *,
    wanted: Wanted = WEBHOOK_FOR_ALL,
    allow_private: bool,
    seal: Seal,
    resolve: Resolve,
    now: datetime,
) -> tuple[KeepEndpoint, str]:
    """Check an endpoint and make it: the job that keeps it, and what the receiver needs to know. Raises `Invalid`, `Conflict`.

    `resolve` gives the addresses that a host has now, none when it is not known: the check here is for the operator, who
    sees at once what would be refused later. What is sent is checked when it is sent.
    """
    checked = await check_endpoint(url, types, wanted=wanted, allow_private=allow_private, resolve=resolve)
    if len(await store.endpoints()) >= MAX_ENDPOINTS:
        raise Conflict(f"there are {MAX_ENDPOINTS} endpoints already, and no more can be had")
    secret = "" if wanted.kind == EMAIL else wanted.secret or new_secret(checked.options.get(SIGNING, HMAC))
    endpoint = Endpoint(
        id=ID_PREFIX + secrets.token_hex(8),
        url=url,
        types=checked.types,
        allow_private=checked.allow_private,
        created_at=now,
        sealed_secrets=(seal(secret),),
        kind=wanted.kind,
        options=checked.options,
        applications=wanted.applications,
        accounts=wanted.accounts,
    )
    return KeepEndpoint(endpoint=endpoint), shown(secret)


class Checked(NamedTuple):
    """What is kept of what was said of an endpoint."""

    types: tuple[RecordType, ...]
    options: Mapping[str, str]
    allow_private: bool


async def check_endpoint(
    url: str, types: Sequence[str], *, wanted: Wanted, allow_private: bool, resolve: Resolve
) -> Checked:
    """Check what is said of an endpoint, new or changed. Raises `Invalid`."""
    kinds, options = read_types(types), wanted.options
    if wanted.kind == EMAIL:
        read_mailto(url)
        kinds, host, allow_private = kinds or OF_EMAIL, "", True  # it is the operator's own server that is spoken to
        if options:
            raise Invalid("option", repr(next(iter(options))[:40]), "none for e-mail")
    else:
        host = read_url(url).hostname or ""
        options = read_options(options) if wanted.kind == WEBHOOK else options
        kinds = kinds if wanted.kind == WEBHOOK else _of_connector(kinds)
    private = [] if allow_private else [address for address in await resolve(host) if not is_public(address)]
    if private:
        found = host if host == private[0] else f"{host}, which is {private[0]}"
        raise Invalid(
            "endpoint URL",
            f"{found}: not a public address",
            "a public one, or --allow-private if it is your own network",
        )
    if max(len(wanted.applications), len(wanted.accounts)) > MAX_NAMED:
        raise Invalid("endpoint", f"more than {MAX_NAMED} applications or accounts", "fewer, or all of them")
    return Checked(kinds, options, allow_private)


def _of_connector(types: tuple[RecordType, ...]) -> tuple[RecordType, ...]:
    """A CRM has one entry for a call: what else is told of it would be a second one. Raises `Invalid`."""
    for kind in types:
        if kind not in OF_CONNECTORS:
            raise Invalid("events", repr(str(kind)), f"for a connector only {', '.join(OF_CONNECTORS)}")
    return types or OF_CONNECTORS


async def rotate_endpoint(
    store: Store, named: str, *, seal: Seal, old_until: datetime, credentials: str | None = None
) -> str:
    """Give an endpoint a new secret and return it, as `new_rotation` makes it. Raises `NotFound`, `Invalid`."""
    job, secret = await new_rotation(store, named, seal=seal, old_until=old_until, credentials=credentials)
    await store.perform(job)
    return secret


async def new_rotation(
    store: Store, named: str, *, seal: Seal, old_until: datetime, credentials: str | None = None
) -> tuple[RotateEndpoint, str]:
    """Make a new secret: the job that keeps it, and what is shown of it, of an ed25519 pair the public half. A connector gets
    `credentials`, and those before are dropped. Raises `NotFound`, `Invalid`.
    """
    endpoint = await known_endpoint(store, named)
    is_webhook = endpoint.kind == WEBHOOK
    if endpoint.kind == EMAIL:
        raise Invalid("endpoint", f"{named}, which is of kind {EMAIL}", "another one: its login is in the settings")
    if is_webhook == (credentials is not None):
        expected = "callgate endpoint rotate" if is_webhook else "callgate endpoint token"
        raise Invalid("endpoint", f"{named}, which is of kind {endpoint.kind}", f"for that one {expected}")
    secret = credentials or new_secret(endpoint.options.get(SIGNING, HMAC))
    return RotateEndpoint(id=named, sealed=seal(secret), old_until=old_until), shown(secret)


async def remove_endpoint(store: Store, named: str) -> None:
    """Forget an endpoint and every delivery to it: first nothing more is queued, then what is there goes, then itself.

    Raises `NotFound`, `Conflict`.
    """
    await store.perform(SetEndpointState(id=named, state=EndpointState.DISABLED))
    await store.drop_deliveries(named)
    await store.perform(RemoveEndpoint(id=named))


async def known_endpoint(store: Store, named: str) -> Endpoint:
    """Return the endpoint. Raises `NotFound`."""
    for endpoint in await store.endpoints():
        if endpoint.id == named:
            return endpoint
    raise _unknown(named)


def new_secret(signing: str = HMAC) -> str:
    """A fresh secret as Standard Webhooks show it."""
    prefix = PRIVATE_PREFIX if signing == ED25519 else SECRET_PREFIX
    return prefix + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def shown(secret: str) -> str:
    """What the receiver needs to know of it."""
    if not secret.startswith(PRIVATE_PREFIX):
        return secret
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - few need it

    private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret.removeprefix(PRIVATE_PREFIX)))
    return PUBLIC_PREFIX + base64.b64encode(private.public_key().public_bytes_raw()).decode()
