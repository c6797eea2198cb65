"""The dashboard as a Litestar app: its routes, and what every answer carries.

Its framework takes a second to import: whoever mounts it imports this module in a thread, and nobody else does.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

from litestar import Litestar, Response, get
from litestar.datastructures import MutableScopeHeaders
from litestar.di import NamedDependency, Provide
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import FromPath
from litestar.types import Message, Scope

from callgate.errors import NotFound, StorageUnavailable
from callgate.service.catalog import Catalogs
from callgate.service.ports import ManagedPlatform, Store
from callgate.service.token_use import TokenUses
from callgate.service.tools import Tools
from callgate.settings import Settings
from callgate.vault import Vault
from callgate.web.accounts import account_routes
from callgate.web.applications import application_routes
from callgate.web.audit import list_audit
from callgate.web.backtest import backtest_routes
from callgate.web.calls import call_routes
from callgate.web.deck_upload import deck_upload_routes
from callgate.web.deliveries import delivery_routes
from callgate.web.desk import Desk, ForeignForm, OpenIdProvider, SignedOut
from callgate.web.endpoints import endpoint_routes
from callgate.web.faults import list_faults
from callgate.web.figures import show_figures
from callgate.web.health import show_health
from callgate.web.live import LiveDesks, live_routes
from callgate.web.number_lists import number_list_routes
from callgate.web.numbers import number_routes
from callgate.web.openid import openid_routes
from callgate.web.rates import rate_routes
from callgate.web.rules import rule_routes
from callgate.web.sign_in import sign_in, sign_out
from callgate.web.start import show_start

MAX_FORM_BYTES = 131_072

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


def build_dashboard(  # noqa: PLR0913 - all that pages are about
    store: Store,
    catalogs: Catalogs,
    platform: ManagedPlatform,
    *,
    vault: Vault,
    settings: Settings,
    clock: Callable[[], datetime],
    is_open: bool,
    stopping: asyncio.Event,
    uses: TokenUses | None = None,
    openid: OpenIdProvider | None = None,
    tools: Tools | None = None,
) -> Litestar:
    """Make the app. `is_open` signs every browser of this machine in; `stopping` ends the streams that pages hold open;
    `openid` is the provider at which people sign in, where there is one. Endpoints are set up with the `tools`.
    """
    desk = Desk(
        store, catalogs, platform, vault, settings, clock, is_open, stopping, uses or TokenUses(), openid, tools
    )
    live = LiveDesks(desk)
    return Litestar(
        [
            *live_routes,
            *call_routes,
            *account_routes,
            *rate_routes,
            *deck_upload_routes,
            *rule_routes,
            *backtest_routes,
            *number_list_routes,
            *delivery_routes,
            *endpoint_routes,
            *application_routes,
            list_faults,
            *number_routes,
            list_audit,
            show_figures,
            show_health,
            show_start,
            *openid_routes,
            sign_in,
            sign_out,
            send_asset,
        ],
        dependencies={
            "desk": Provide(desk.at),
            "house": Provide(lambda: desk, sync_to_thread=False),
            "live": Provide(lambda: live, sync_to_thread=False),
        },
        guards=[desk.refuse_strangers],
        before_send=[add_headers],
        exception_handlers={
            HTTPException: desk.show_problem,
            SignedOut: desk.show_signed_out,
            ForeignForm: desk.show_foreign_form,
            NotFound: desk.show_not_found,
            StorageUnavailable: desk.show_storage_problem,
            Exception: desk.show_failure,
        },
        openapi_config=None,
        logging_config=None,
        request_max_body_size=MAX_FORM_BYTES,
        debug=False,
    )


@get("/static/{name:str}")
async def send_asset(house: NamedDependency[Desk], name: FromPath[str]) -> Response[bytes]:
    """A static file by the name that its content gives it; open to everybody."""
    asset = house.pages.assets.get(name)
    if asset is None:
        raise NotFoundException(detail="There is no such file.")
    return Response(asset.content, media_type=asset.media_type, headers={"cache-control": FOR_EVER})


async def add_headers(message: Message, _: Scope) -> None:
    """What every answer says, errors included."""
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        headers.setdefault("cache-control", "no-store")
        headers.update(HEADERS)
