"""The API as one ASGI app: its routes, and its errors as problem documents."""

from typing import Any

from litestar import Litestar, MediaType, Request, Response, Router, get
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from callgate import __version__
from callgate.errors import Error
from callgate.http.api.accounts import create_account, list_accounts, show_account, top_up_account
from callgate.http.api.calls import hang_up, list_calls, show_call
from callgate.http.api.cdrs import list_records
from callgate.http.api.desk import Desk
from callgate.http.api.faults import on_bug, on_error, on_http_error
from callgate.http.api.lists import (
    add_entries,
    delete_list,
    list_lists,
    put_list,
    remove_entry,
    show_list,
)
from callgate.http.api.quotes import show_quote
from callgate.service.asyncapi import describe

MAX_BODY_BYTES = 65_536


@get("/openapi.json", include_in_schema=False)
async def show_openapi(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """The reference for programs; open to everybody."""
    return Response(request.app.openapi_schema.to_schema(), media_type=MediaType.JSON)


@get("/asyncapi.json", include_in_schema=False)
async def show_asyncapi() -> Response[dict[str, Any]]:
    """What endpoints are sent, for programs; open to everybody."""
    return Response(describe(), media_type=MediaType.JSON)


def build_api(desk: Desk) -> Litestar:
    """The API over the books that the desk stands for."""
    version_1 = Router(
        "/api/v1",
        route_handlers=[
            list_accounts, create_account, show_account, top_up_account,
            show_quote,
            list_calls, show_call, hang_up,
            list_records,
            list_lists, put_list, show_list, delete_list, add_entries, remove_entry,
            show_openapi, show_asyncapi,
        ],
        security=[{"token": []}],
    )  # fmt: skip
    return Litestar(
        [version_1],
        dependencies={"desk": Provide(lambda: desk, sync_to_thread=False)},
        exception_handlers={Error: on_error, HTTPException: on_http_error, Exception: on_bug},
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
