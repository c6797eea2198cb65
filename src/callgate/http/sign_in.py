"""An app's own users sign in: by the password that the operator keeps, or by a token of the operator's OpenID Connect provider.

`POST /auth/sinch/token` answers with the platform's registration token and a ticket for the first call, `POST /auth/sinch/ticket`
with a ticket for each further one; that takes the registration token too, as `Authorization: Bearer`, so that a page needs to
keep no password. Browsers of other origins are let in only where the operator names them. A bare ASGI callable.
"""

import asyncio
import secrets
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import NamedTuple, Protocol

import msgspec

from callgate.errors import Error, IdTokenInvalid, Invalid, OpenIdUnreachable, StorageUnavailable
from callgate.http import problems
from callgate.http.asgi import Receive, Scope, Send
from callgate.http.callbacks import MAX_BODY_WAIT_S, read_body
from callgate.http.problems import problem
from callgate.logs import log
from callgate.numbers import parse_e164
from callgate.passwords import is_password
from callgate.protocol import WireReply, sinch
from callgate.service.application import Application
from callgate.service.books import AccountKey, UserKey
from callgate.service.catalog import Catalogs
from callgate.service.ports import Store
from callgate.service.reports import rfc3339
from callgate.service.sign_in import FindPayer, SignInRefused, ticket_for
from callgate.service.signing import Signing
from callgate.service.throttle import Throttle
from callgate.service.ticket import LIVES

PREFIX = "/auth/sinch/"
PROVIDER = "sinch"

WINDOW = timedelta(minutes=15)
TRIES_OF_USER, TRIES_OF_ADDRESS = 10, 50
"""Passwords that may be wrong in that time, before nobody may try for this user, or from this address."""

HASHED_AT_ONCE, MOST_WAITING = 2, 32
"""Passwords that are compared at a time, each 20 ms of a core, and that may wait for that: calls are decided beside it."""

MAX_TO = 64


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user sends. `to` binds the ticket to one number."""

    user: str = ""
    password: str = ""
    id_token: str = ""
    app: str | None = None
    to: str = ""


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a user gets. Times are RFC 3339."""

    token: str = ""
    expires_at: str = ""
    ticket: str
    ticket_expires_at: str


class Proven(NamedTuple):
    """Who it is."""

    user: str


class IdTokens(Protocol):
    """Whoever can tell whom a token of the operator's provider names."""

    async def user_of(self, token: str) -> str:
        """Raises `IdTokenInvalid` and `OpenIdUnreachable`."""


_UNKNOWN = problem(401, "sign-in-failed", "This is nobody who may sign in here.")
_NOT_POSTED = problem(405, "method-not-allowed", "It is posted.")
_BUSY = problem(503, "busy", "Too many sign in at once. Try again.")


class SignIn:
    """ASGI callable for paths below `PREFIX`. `openid` is the operator's provider, where there is one."""

    def __init__(  # noqa: PLR0913 - what an operator can set of it
        self,
        store: Store,
        catalogs: Catalogs,
        clock: Callable[[], datetime],
        signing: Signing,
        *,
        token_s: int,
        origins: AbstractSet[str] = frozenset(),
        openid: IdTokens | None = None,
    ) -> None:
        self._store = store
        self._catalogs = catalogs
        self._clock = clock
        self._signing = signing
        self._token_s = token_s
        self._origins = origins
        self._openid = openid
        self._of_user = Throttle(TRIES_OF_USER, WINDOW)
        self._of_address = Throttle(TRIES_OF_ADDRESS, WINDOW)
        self._hashing = asyncio.Semaphore(HASHED_AT_ONCE)
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        more = [(b"cache-control", b"no-store"), (b"vary", b"Origin"), *self._allowed(headers.get("origin", ""))]
        if scope["method"] == "OPTIONS":
            reply = WireReply(status=204, content_type="text/plain", body=b"")
        else:
            try:
                reply = await self._reply(scope, receive, headers)
            except StorageUnavailable:
                reply = problems.UNAVAILABLE
            except Invalid as error:
                reply = problem(400, "invalid", "A value cannot be used.", str(error))
        if reply.status == 429:  # noqa: PLR2004 - HTTP's own number
            more.append((b"retry-after", str(int(WINDOW.total_seconds())).encode()))
        fixed = [
            (b"content-type", reply.content_type.encode()),
            (b"content-length", str(len(reply.body)).encode()),
        ]
        await send({"type": "http.response.start", "status": reply.status, "headers": [*fixed, *more]})
        await send({"type": "http.response.body", "body": reply.body})

    def _allowed(self, origin: str) -> list[tuple[bytes, bytes]]:
        """What tells a browser that a page of this origin may read the answer. Nothing here rests on cookies."""
        if origin.lower() not in self._origins:
            return []
        return [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-allow-methods", b"POST"),
            (b"access-control-allow-headers", b"authorization, content-type"),
            (b"access-control-max-age", b"600"),
        ]

    async def _reply(self, scope: Scope, receive: Receive, headers: dict[str, str]) -> WireReply:
        asked = scope["path"].removeprefix(PREFIX)
        if asked not in ("token", "ticket"):
            return problems.NOT_FOUND
        if scope["method"] != "POST":
            return _NOT_POSTED
        try:
            async with asyncio.timeout(MAX_BODY_WAIT_S):
                body = await read_body(receive)
        except TimeoutError:
            return problems.TOO_SLOW
        if isinstance(body, WireReply):
            return body
        wanted = _read(body)
        application = self._application(wanted.app)
        if isinstance(application, WireReply):
            return application
        bearer = headers.get("authorization", "")
        bearer = bearer[7:].strip() if bearer[:7].lower() == "bearer " and asked == "ticket" else ""
        proven = await self._prove(wanted, bearer, application, _address(scope))
        if isinstance(proven, WireReply):
            return proven
        return await self._tell(asked, wanted, application, proven.user)

    def _application(self, named: str | None) -> Application | WireReply:
        known = {key: each for key, each in self._catalogs.now.applications.items() if each.row.provider == PROVIDER}
        if named is None and len(known) == 1:
            return next(iter(known.values()))
        found = known.get(named or "")
        return found or problem(404, "not-found", "There is no such application.", "say which with `app`")

    async def _prove(self, wanted: Wanted, bearer: str, application: Application, address: str) -> Proven | WireReply:
        """Say who it is, by whatever they sent: exactly one thing."""
        given = [name for name in ("password", "id_token") if getattr(wanted, name)] + ["bearer"] * bool(bearer)
        if len(given) != 1 or bool(wanted.user) is not bool(wanted.password):
            raise Invalid("body", ", ".join(given) or "nothing that proves anybody", "user and password, or id_token")
        if bearer:
            user = sinch.user_of_token(
                bearer, application.row.key, application.secrets_at(self._clock()), self._clock()
            )
            return _UNKNOWN if user is None else Proven(user)
        if wanted.id_token:
            return await self._prove_by_provider(wanted.id_token)
        return await self._prove_by_password(wanted, application.row.key, address)

    async def _prove_by_provider(self, token: str) -> Proven | WireReply:
        if self._openid is None:
            raise Invalid("id_token", "a token", "user and password: no OpenID Connect provider is set")
        try:
            return Proven(await self._openid.user_of(token))
        except IdTokenInvalid as error:
            log.warning("sign_in.failed", by="id_token", reason=str(error))
            return _UNKNOWN
        except OpenIdUnreachable as error:
            return problem(503, "openid-unreachable", "Try again.", str(error))

    async def _prove_by_password(self, wanted: Wanted, application: str, address: str) -> Proven | WireReply:
        """Throttled before anything is compared, and equally slow for users that there are not."""
        now, name = self._clock(), f"{application} {wanted.user[:80]}"
        wait_s = max(self._of_user.begin(name, now), self._of_address.begin(address, now))
        if wait_s:
            log.warning("sign_in.throttled", application=application)
            return problem(429, "too-many-tries", "Too many tries.", f"try again in {wait_s} s")
        if self._waiting >= MOST_WAITING:
            return _BUSY
        self._waiting += 1
        try:
            user = await self._store.user(UserKey(application, wanted.user[:80]))
            async with self._hashing:
                kept = None if user is None else user.password
                is_right = await asyncio.to_thread(is_password, kept, wanted.password)
        finally:
            self._waiting -= 1
        if not is_right:
            log.warning("sign_in.failed", by="password", application=application)
            return _UNKNOWN
        self._of_user.forgive(name)
        self._of_address.forgive(address)
        return Proven(wanted.user)

    async def _tell(self, asked: str, wanted: Wanted, application: Application, user: str) -> WireReply:
        now, key = self._clock(), application.row.key
        try:
            account = await self._store.perform(FindPayer(application=application.row, user=user))
        except SignInRefused as error:
            return problem(
                403, str(error.refusal).replace("_", "-"), "You may not call.", str(error), refusal=error.refusal
            )
        to = _number(wanted.to)
        payer, named = AccountKey(key, account), secrets.token_urlsafe(12)
        ticket = ticket_for(payer, named, to, key=self._signing.tickets, now=now)
        told = Told(ticket=ticket, ticket_expires_at=rfc3339(now + LIVES))
        if asked == "token":
            try:
                secret = application.secrets_at(now)[0]
                token = sinch.registration_token(key, secret, user, now, secrets.token_hex(16), self._token_s)
            except Error as error:
                log.error("sign_in.no_token", application=key, error=type(error).__name__)
                return problem(403, "user-unfit", "This user cannot register with the platform.")
            expires_at = rfc3339(now + timedelta(seconds=self._token_s))
            told = msgspec.structs.replace(told, token=token, expires_at=expires_at)
        log.info("sign_in.done", application=key, account=account, gave=asked)
        return WireReply(body=msgspec.json.encode(told))


def _read(body: bytes) -> Wanted:
    try:
        return msgspec.json.decode(body, type=Wanted) if body else Wanted()
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Invalid("body", str(error), "a JSON object with user and password, or id_token") from None


def _number(to: str) -> str:
    """What the ticket is bound to, as a call names it."""
    if len(to) > MAX_TO or not to.isprintable():
        raise Invalid("to", repr(to[:40]), f"a number, or at most {MAX_TO} printable characters")
    return parse_e164(to) or to


def _address(scope: Scope) -> str:
    """Whose tries count together: an address, or the network that one house has of IPv6."""
    host = (scope.get("client") or ("",))[0]
    try:
        address = ip_address(host)
    except ValueError:
        return str(host)
    return str(address) if address.version == 4 else str(ip_network(f"{address}/64", strict=False))  # noqa: PLR2004
