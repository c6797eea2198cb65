"""The API as one ASGI app: its routes, and its errors as problem documents."""

from typing import Any

from litestar import Litestar, MediaType, Request, Response, Router, get
from litestar.datastructures import MutableScopeHeaders
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import Message, Scope

from callgate import __version__
from callgate.errors import Error
from callgate.http.api import limits, nearness
from callgate.http.api.accounts import change_account, create_account, list_accounts, show_account, top_up_account
from callgate.http.api.applications import add_application, change_application, list_applications, show_application
from callgate.http.api.audit import list_audit
from callgate.http.api.callouts import place_callout
from callgate.http.api.calls import hang_up, list_calls, show_call
from callgate.http.api.cdrs import list_records
from callgate.http.api.decks import list_decks, list_rates, put_deck, show_deck
from callgate.http.api.deliveries import list_deliveries, resend_deliveries, resend_delivery
from callgate.http.api.desk import Desk
from callgate.http.api.dids import add_did, list_dids, remove_did
from callgate.http.api.endpoints import (
    add_endpoint,
    change_endpoint,
    drop_endpoint,
    list_endpoints,
    rotate_secret,
    show_endpoint,
    test_endpoint,
)
from callgate.http.api.events import stream_events
from callgate.http.api.faults import on_bug, on_error, on_http_error
from callgate.http.api.lists import (
    add_entries,
    delete_list,
    list_lists,
    put_list,
    remove_entry,
    show_list,
)
from callgate.http.api.mappings import forget_mapping, list_mappings
from callgate.http.api.money import adjust_account, refund_call, show_statement
from callgate.http.api.quotes import show_quote
from callgate.http.api.reference import describe_api, methods_of, page_of, policy_of_page
from callgate.http.api.replays import show_replay
from callgate.http.api.rules import ROUTES as RULES
from callgate.http.api.tokens import create_token, list_tokens, revoke_token
from callgate.http.api.users import add_user, list_users, remove_user, set_password
from callgate.service.asyncapi import describe

MAX_BODY_BYTES = 65_536
"""Of every body, but for routes that say `request_max_body_size` themselves."""

HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
"""On every answer that does not say otherwise."""


@get("/openapi.json", include_in_schema=False)
async def show_openapi(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """The reference for programs; open to everybody."""
    return Response(_described(request.app), media_type=MediaType.JSON)


@get("/asyncapi.json", include_in_schema=False)
async def show_asyncapi() -> Response[dict[str, Any]]:
    """What endpoints are sent, for programs; open to everybody."""
    return Response(describe(), media_type=MediaType.JSON)


@get("/api/docs", include_in_schema=False)
async def show_docs(request: Request[Any, Any, Any]) -> Response[str]:
    """The reference for people; open to everybody."""
    page = page_of(_described(request.app))
    return Response(page, media_type=MediaType.HTML, headers={"content-security-policy": policy_of_page()})


def _described(app: Litestar) -> dict[str, Any]:
    """Made once: routes do not change."""
    if "described" not in app.opt:
        app.opt["described"] = describe_api(app)
    found: dict[str, Any] = app.opt["described"]
    return found


async def provide_desk(request: Request[Any, Any, Any]) -> Desk:
    """The desk, for who asks."""
    desk: Desk = request.app.opt["desk"]
    return desk.at(request.scope.get("auth"))


async def add_headers(message: Message, scope: Scope) -> None:
    """What every answer says, errors included. The framework's own answer to OPTIONS knows one method of a path alone."""
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        if scope.get("method") == "OPTIONS" and (path := scope.get("path_template")) is not None:
            headers["allow"] = ", ".join(sorted({*methods_of(scope["litestar_app"], path), "OPTIONS"}))
        for name, value in HEADERS.items():
            headers.setdefault(name, value)


def build_api(desk: Desk) -> Litestar:
    """The API over the books that the desk stands for."""
    version_1 = Router(
        "/api/v1",
        route_handlers=[
            list_applications, add_application, show_application, change_application,
            list_accounts, create_account, show_account, change_account,
            top_up_account, adjust_account, refund_call, show_statement,
            list_decks, show_deck, list_rates, put_deck,
            show_quote,
            list_calls, show_call, show_replay, hang_up, stream_events,
            place_callout,
            list_records,
            list_dids, add_did, remove_did, list_mappings, forget_mapping,
            list_lists, put_list, show_list, delete_list, add_entries, remove_entry,
            list_deliveries, resend_delivery, resend_deliveries,
            list_endpoints, add_endpoint, show_endpoint, change_endpoint, drop_endpoint, rotate_secret, test_endpoint,
            list_tokens, create_token, revoke_token,
            *RULES,
            list_users, add_user, set_password, remove_user,
            list_audit,
            *limits.ROUTES, *nearness.ROUTES,
            show_openapi, show_asyncapi,
        ],
        security=[{"token": []}],
    )  # fmt: skip
    return Litestar(
        [version_1, show_docs],
        dependencies={"desk": Provide(provide_desk)},
        exception_handlers={Error: on_error, HTTPException: on_http_error, Exception: on_bug},
        before_send=[add_headers],
        openapi_config=OpenAPIConfig(
            title="Callgate",
            version=__version__,
            description="The operators' API. Amounts are decimal strings, times RFC 3339 in UTC, errors RFC 9457 problems.",
            path="/api/reference",
            render_plugins=[JsonRenderPlugin(path="/openapi.json")],
            use_handler_docstrings=True,
            components=Components(security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}),
        ),
        request_max_body_size=MAX_BODY_BYTES,
        logging_config=None,
        opt={"desk": desk},
    )
