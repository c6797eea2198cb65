"""The server, wired: every room behind one ASGI callable, and what works beside the requests."""

import asyncio
import gc
import signal
import socket
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, cast

import uvicorn

from callgate.app import build_signing, build_store, build_vault, clock, export_place, mail_server, opened
from callgate.errors import SettingsInvalid, StorageUnavailable
from callgate.http.asgi import AsgiApp, Receive, Scope, Send, send_reply
from callgate.http.callbacks import PREFIX, CallbackEdge
from callgate.http.health import HEALTH_PATHS, Health
from callgate.http.metrics import PATH as METRICS_PATH
from callgate.http.metrics import Metrics
from callgate.http.problems import STARTING
from callgate.http.protocol import CallbackProtocol
from callgate.http.sign_in import PREFIX as SIGN_IN_PREFIX
from callgate.http.sign_in import IdTokens, SignIn
from callgate.logs import log
from callgate.service.application import Application
from callgate.service.catalog import Catalogs
from callgate.service.elastic import ElasticTerms
from callgate.service.endpoint import SmtpServer
from callgate.service.expire import expire_parked
from callgate.service.export import FileFormat
from callgate.service.faults import FaultWatch
from callgate.service.heal import Healer
from callgate.service.idempotent import KEPT_FOR
from callgate.service.meter import Meter
from callgate.service.openid import Terms
from callgate.service.ports import ManagedPlatform, Store
from callgate.service.respond import Responder
from callgate.service.scheduled_export import Every
from callgate.service.take_lease import Holder
from callgate.service.ticket import KEPT_USED
from callgate.service.token import Role
from callgate.service.token_use import TokenUses
from callgate.settings import Settings, parse_pairs
from callgate.vault import Vault

if TYPE_CHECKING:
    from callgate.http.openid_sign_in import OpenIdSignIn
    from callgate.service.tools import Tools

API_PREFIX = "/api/"

AGAIN = ((b"retry-after", b"1"), (b"refresh", b"1"))
"""With what is answered before the pages have loaded: programs come again, and so do browsers."""

RESTART_S = 1.0
"""How long work beside the server rests after a fault of our own."""

BUSY_S = 1.0
"""How long after a call arrived the next one is expected."""

SWEEP_S = 5.0
"""How often ends without a start are looked through for those whose time is over."""

TURN_S = 0.000_5
"""How long a thread that computes keeps others waiting. A decision asks for its turn a dozen times, and pages, files and decks
are worked on beside it: with Python's own five milliseconds, one of those made a decision wait for a tenth of a second.
"""

GRACE_S = 2
"""How long requests in flight may take when the server is told to stop: with what is written after them, less than five."""


class Gate:
    """The whole server as one ASGI callable: callbacks at once, the dashboard as soon as it has loaded."""

    def __init__(self, settings: Settings, store: Store, *, is_open: bool = False, meter: Meter | None = None) -> None:
        vault = build_vault(settings)
        self._settings = settings
        self._store = store
        self._is_open = is_open
        self.stopping = asyncio.Event()
        self.catalogs = Catalogs(store, vault.unseal)
        self.faults = FaultWatch(store, clock)
        self._leases = Holder(store, uuid.uuid4().hex, clock)
        self._bridge = asyncio.Event()
        self.signing = build_signing(vault)
        meter = meter if meter is not None else Meter()
        self.responder = Responder(
            store,
            clock,
            meter=meter,
            decision_deadline_s=settings.decision_deadline_ms / 1000,
            orphan_after=timedelta(seconds=settings.orphan_after_s),
            elastic=ElasticTerms(slice_s=settings.elastic_slice_s, max_s=settings.elastic_max_s),
            signing=self.signing,
            on_callout=self._bridge.set,
        )
        self._platform: ManagedPlatform | None = None
        self._uses = TokenUses()
        self.callbacks = CallbackEdge(self.catalogs, self.responder, self.faults, clock, settings.public_prefix)
        self._health: AsgiApp = Health(store, clock)
        self._metrics: AsgiApp = Metrics(store, meter)
        self._sign_in: AsgiApp = SignIn(
            store,
            self.catalogs,
            clock,
            self.signing,
            token_s=settings.app_token_s,
            origins=frozenset(filter(None, settings.app_origins.split(","))),
            openid=build_openid(settings),
        )
        self._pages: AsgiApp | None = None
        self._api: AsgiApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path.startswith((PREFIX, self._settings.public_prefix + PREFIX)):
            await self.callbacks(scope, receive, send)
        elif path in HEALTH_PATHS:
            await self._health(scope, receive, send)
        elif path == METRICS_PATH:
            await self._metrics(scope, receive, send)
        elif path.startswith(SIGN_IN_PREFIX):
            await self._sign_in(scope, receive, send)
        elif self._pages is None or self._api is None:
            await send_reply(send, STARTING, AGAIN)
        elif path.startswith(API_PREFIX):
            await self._api(scope, receive, send)
        else:
            await self._pages(scope, receive, send)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Everything that goes on beside the requests, for as long as the block runs."""
        from callgate.platform.platforms import platforms  # noqa: PLC0415 - commands borrow this module without it

        await self.catalogs.refresh()
        async with platforms(self._application, clock) as self._platform, self._beside():
            yield

    def _application(self, key: str) -> Application | None:
        return self.catalogs.now.applications.get(key)

    @asynccontextmanager
    async def _beside(self) -> AsyncIterator[None]:
        works: dict[str, Callable[[], Awaitable[None]]] = {
            "catalog": self.catalogs.keep_current,
            "sweep": partial(self._leases.work, "sweep", self._sweep),
            "outbox": self._deliver,  # by every server: they share it by their claims
            "ask": partial(self._leases.work, "ask", self._ask),
            "extend": self._extend,  # by every server: a slice cannot wait until a dead server's lease is over
            "bridges": self._tend,  # by every server: whoever hears that the first side answered rings the second
            "faults": self.faults.work,
            "exports": self._export,
            "tokens": partial(self._uses.keep_writing, store=self._store),
            "pages": self._load_pages,
        }
        beside = [asyncio.create_task(_tireless(name, work)) for name, work in works.items()]
        try:
            yield
        finally:
            self.stopping.set()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await self.responder.drain()

    async def _load_pages(self) -> None:
        """Their framework takes a second to import: in a thread, so that callbacks are answered meanwhile."""
        self._api = await asyncio.to_thread(self._build_api)
        self._pages = await asyncio.to_thread(self._build_dashboard)
        gc.freeze()  # what is loaded by now stays: looking through it for garbage held every call up for 150 ms

    def _build_api(self) -> AsgiApp:
        from callgate.http.api.app import build_api  # noqa: PLC0415 - see above
        from callgate.http.api.desk import Desk  # noqa: PLC0415

        assert self._platform is not None, "pages are loaded while the server works"
        per_s = self._settings.api_requests_per_s
        desk = Desk(
            self._store,
            self.catalogs,
            self._platform,
            clock,
            tools=api_tools(self._store, build_vault(self._settings), mail_server(self._settings)),
            per_s=per_s,
            uses=self._uses,
            stopping=self.stopping,
            default_currency=self._settings.default_currency,
            signing=self.signing,
        )
        return cast("AsgiApp", build_api(desk))

    def _build_dashboard(self) -> AsgiApp:
        from callgate.web.app import build_dashboard  # noqa: PLC0415 - see above

        assert self._platform is not None, "pages are loaded while the server works"
        dashboard = build_dashboard(
            self._store,
            self.catalogs,
            self._platform,
            vault=build_vault(self._settings),
            settings=self._settings,
            clock=clock,
            is_open=self._is_open,
            stopping=self.stopping,
            uses=self._uses,
            openid=build_openid_sign_in(self._settings),
            tools=api_tools(self._store, build_vault(self._settings), mail_server(self._settings)),
        )
        return cast("AsgiApp", dashboard)

    async def _deliver(self) -> None:
        """Records to their endpoints. Commands, which only borrow this module, do without an HTTP client."""
        from callgate.outbox.senders import call_link, senders  # noqa: PLC0415 - see above
        from callgate.outbox.worker import Worker  # noqa: PLC0415

        posts = partial(senders, link=call_link(self._settings.public_url), smtp=mail_server(self._settings))
        await Worker(
            self._store,
            self.catalogs,
            clock,
            posts=posts,
            leases=self._leases,
            is_busy=self._is_deciding,
            heard=self.responder.meter.heard_here,
        ).work()

    def _is_deciding(self) -> bool:
        """Whether calls arrive: what else there is to do has time."""
        return asyncio.get_running_loop().time() - self.responder.asked_at < BUSY_S

    async def _export(self) -> None:
        """Files of call records, where somebody wants them."""
        place = export_place(self._settings)
        if place is None:
            return
        from callgate.outbox.exports import export_for_ever  # noqa: PLC0415 - see above

        every, form = Every(self._settings.export_every), FileFormat(self._settings.export_format)
        await self._leases.work("exports", partial(export_for_ever, self._store, place, clock, every, form))

    async def _ask(self) -> None:
        """Calls whose end does not come."""
        await self._healer().ask_for_ever()

    async def _extend(self) -> None:
        """Calls that hold their money in slices."""
        await self._healer().extend_for_ever()

    async def _tend(self) -> None:
        """Calls that we place."""
        await self._healer().tend_for_ever()

    def _healer(self) -> Healer:
        assert self._platform is not None, "the healer works while the server does"
        return Healer(self._store, self._platform, self.catalogs, clock, self._bridge)

    async def _sweep(self) -> None:
        """Ends whose start never came; replies and delivered records that nobody will ask for again."""
        while True:
            before = clock() - timedelta(seconds=self._settings.orphan_after_s)
            try:
                await expire_parked(self._store, self.catalogs.now, before=before)
                await self._store.forget_replies(clock() - KEPT_FOR)
                await self._store.forget_tickets(clock() - KEPT_USED)
                await self._store.forget_sessions(clock())
                await self._store.forget_deliveries(clock() - timedelta(days=self._settings.delivered_kept_days))
            except StorageUnavailable as error:
                log.warning("sweep.failed", error=str(error))
            await asyncio.sleep(SWEEP_S)


def build_openid(settings: Settings) -> IdTokens | None:
    """Whose tokens say who an app's user is, where the operator has a provider of their own."""
    if not settings.app_oidc_issuer:
        return None
    from callgate.http.openid import OpenId  # noqa: PLC0415 - loads what only these operators need

    return OpenId(settings.app_oidc_issuer, settings.app_oidc_audience, settings.app_oidc_claim, clock)


def build_openid_sign_in(settings: Settings) -> "OpenIdSignIn | None":
    """Where people sign in to the dashboard, where the operator has a provider for them."""
    if not settings.dashboard_oidc_issuer:
        return None
    from callgate.http.openid import Issuer  # noqa: PLC0415 - loads what only these operators need
    from callgate.http.openid_sign_in import OpenIdSignIn  # noqa: PLC0415

    url = (settings.dashboard_url or settings.public_url).rstrip("/")
    return OpenIdSignIn(
        Issuer(settings.dashboard_oidc_issuer, clock),
        openid_terms(settings),
        client_id=settings.dashboard_oidc_client_id,
        client_secret=settings.dashboard_oidc_client_secret,
        scopes=settings.dashboard_oidc_scopes,
        redirect_url=f"{url}/sign-in/openid/callback",
        signed_out_url=f"{url}/",
    )


def openid_terms(settings: Settings) -> Terms:
    """What of a provider's claims counts. The settings were checked as they were read."""
    roles = parse_pairs(settings.dashboard_oidc_roles)
    return Terms(
        name_claim=settings.dashboard_oidc_name_claim,
        roles_claim=settings.dashboard_oidc_roles_claim,
        roles={value: Role(role) for value, role in roles.items()},
        tenants_claim=settings.dashboard_oidc_tenants_claim or settings.dashboard_oidc_roles_claim,
        tenants=parse_pairs(settings.dashboard_oidc_tenants),
    )


async def _tireless(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Begin again after a fault of our own: the server must not go on without what works beside it, unnoticed."""
    while True:
        try:
            return await work()
        except Exception:  # noqa: BLE001 - the work must go on
            log.exception("server.work_failed", work=name)
            await asyncio.sleep(RESTART_S)


def api_tools(store: Store, vault: Vault, smtp: SmtpServer | None = None) -> "Tools":
    """What the API and the dashboard need of rooms that they do not see."""
    from callgate.outbox.connectors import check, kinds  # noqa: PLC0415 - commands, which borrow this module, do without
    from callgate.outbox.senders import try_endpoint  # noqa: PLC0415
    from callgate.outbox.webhook import resolve  # noqa: PLC0415
    from callgate.service.tools import Tools  # noqa: PLC0415

    return Tools(
        seal=vault.seal,
        unseal=vault.unseal,
        resolve=resolve,
        check_connector=check,
        try_endpoint=lambda named: try_endpoint(store, named, vault.unseal, clock, smtp),
        connectors=kinds,
    )


class _Server(uvicorn.Server):
    """Told to stop, it first ends the streams that pages hold open, which would otherwise be waited for.

    Uvicorn's own handler raises the signal again as soon as it has stopped, and nothing behind it would be done.
    """

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler's shape
        self._stopping.set()
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def run(work: Coroutine[None, None, None]) -> None:
    """Run a server on the fastest event loop that this system has."""
    sys.setswitchinterval(TURN_S)
    try:
        import uvloop  # noqa: PLC0415 - not made for Windows
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)


async def serve(  # noqa: PLR0913 - what a server may be given
    settings: Settings,
    *,
    is_open: bool = False,
    on_listening: Callable[[], None] | None = None,
    beside: Callable[[], Awaitable[None]] | None = None,
    sockets: list[socket.socket] | None = None,
    meter: Meter | None = None,
) -> None:
    """Serve until told to stop. `beside` runs along with the server: demo traffic. `sockets` listen already. `meter` counts
    for several processes.

    Raises `SettingsInvalid`, also for an address that is taken, and `StorageUnavailable` before anything is served.
    """
    async with opened(build_store(settings)) as store:
        gate = Gate(settings, store, is_open=is_open, meter=meter)
        config = uvicorn.Config(
            gate,
            http=CallbackProtocol,
            ws="none",
            lifespan="off",
            access_log=False,  # lines with query strings could hold numbers
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        async with gate.working():
            sockets = sockets or listen(settings.host, settings.port)
            server = _Server(config, gate.stopping)
            company = asyncio.ensure_future(beside()) if beside is not None else None
            log.info("server.listening", host=settings.host, port=settings.port)
            if on_listening is not None:
                on_listening()
            await server.serve(sockets)
            if company is not None:
                company.cancel()
                await asyncio.gather(company, return_exceptions=True)


def listen(host: str, port: int) -> list[socket.socket]:
    """Open a socket on each address of the host; uvicorn closes them. Its own way says less of what is wrong, and exits.

    Raises `SettingsInvalid`.
    """
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            # Named by its protocol: event loops switch Nagle's delay off only for sockets that say that they are TCP.
            sockets.append(each := socket.socket(family, kind, protocol))
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            each.bind(address)
    except (OSError, UnicodeError) as error:
        for each in sockets:
            each.close()
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        expected = "an address of this machine and a port that nobody listens on"
        raise SettingsInvalid(f"host {host!r}, port {port}", why, expected) from error
    return sockets
