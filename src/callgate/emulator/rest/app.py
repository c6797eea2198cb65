"""The routes of the REST interface, and what happens around each: who asks, what is written down, what is answered."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from aiohttp import web

from callgate.emulator.applications import Application
from callgate.emulator.emulated import Platform
from callgate.emulator.journal import Entry
from callgate.emulator.rest.access import identify
from callgate.emulator.rest.callouts import place_callout
from callgate.emulator.rest.calls import show_call, update_call, update_leg
from callgate.emulator.rest.conferences import end_conference, kick_participant, manage_participant, show_conference
from callgate.emulator.rest.configuration import (
    assign_numbers,
    list_numbers,
    query_number,
    set_callbacks,
    show_callbacks,
    unassign_number,
)
from callgate.emulator.rest.errors import ILLEGAL, ApiError
from callgate.errors import Conflict

Handler = Callable[[Platform, Application, web.Request], Awaitable[web.Response]]

MAX_BODY_BYTES = 65_536
"""Longest request that is read."""

NUMBERS = "/v1/configuration/numbers"
CALLBACKS = "/v1/configuration/callbacks/applications/{key}"
CALL = "/calling/v1/calls/id/{call_id}"
CONFERENCE = "/calling/v1/conferences/id/{conference_id}"

ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/calling/v1/callouts", place_callout),
    ("GET", CALL, show_call),
    ("PATCH", CALL, update_call),
    ("PATCH", f"{CALL}/leg/{{leg}}", update_leg),
    ("GET", CONFERENCE, show_conference),
    ("DELETE", CONFERENCE, end_conference),
    ("PATCH", f"{CONFERENCE}/{{call_id}}", manage_participant),
    ("DELETE", f"{CONFERENCE}/{{call_id}}", kick_participant),
    ("GET", NUMBERS, list_numbers),
    ("POST", NUMBERS, assign_numbers),
    ("DELETE", NUMBERS, unassign_number),
    ("GET", CALLBACKS, show_callbacks),
    ("POST", CALLBACKS, set_callbacks),
    ("GET", "/v1/calling/query/number/{number}", query_number),
)
"""Every route; older pages print some of them with a slash at the end, which is taken too."""


def add_rest(app: web.Application, platform: Platform) -> None:
    """Serve the platform's REST interface in an app."""
    for method, path, handler in ROUTES:
        app.router.add_route(method, path, _around(platform, handler))
        app.router.add_route(method, f"{path}/", _around(platform, handler))


def _around(platform: Platform, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        began = time.perf_counter()
        key = ""
        try:
            application = await identify(platform, request)
            key = application.key
            response = await handler(platform, application, request)
        except ApiError as error:
            response = error.response()
        except Conflict as error:
            response = ApiError(ILLEGAL, str(error)).response()
        await _write(platform, request, response, key, (time.perf_counter() - began) * 1000)
        return response

    return answer


async def _write(platform: Platform, request: web.Request, response: web.Response, key: str, ms: float) -> None:
    """The request in the journal, but for what is secret in it: HTTP Basic carries the application's secret."""
    body = await request.read()
    headers = dict(request.headers)
    for name, value in headers.items():
        if name.lower() == "authorization" and value[:6].lower() == "basic ":
            headers[name] = "Basic ***"
    answered = response.body if isinstance(response.body, bytes) else b""
    platform.journal.add(
        lambda number: Entry(
            number=number,
            way="in",
            at=datetime.now(UTC),
            method=request.method,
            url=request.raw_path,
            headers=headers,
            body=body,
            status=response.status,
            answer_headers=dict(response.headers),
            answer=answered,
            ms=round(ms, 1),
            application=key,
            call_id=request.match_info.get("call_id", ""),
        )
    )
