"""The first page: calls that are up and calls that were, as they change."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotAuthorizedException, ServiceUnavailableException
from litestar.response import Stream

from callgate.service.records import Call
from callgate.service.reports import report_call
from callgate.service.watch import LiveCall
from callgate.web.desk import AnyRequest, AtDesk, Desk
from callgate.web.feed import Feed, Part
from callgate.web.view import SHOWN_LIVE, SHOWN_RECENT, WINDOW, Line, counters_of, live_line, recent_lines

DRAWN_AT_ONCE = 50
"""Rows that are drawn before callbacks have a turn: two milliseconds or so."""

FIRST_ROWS = 100
"""Rows that the page has before its stream brings all of them."""


class LiveDesks:
    """One for those who may see all applications, and one for each application that somebody is bound to."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._desks: dict[str | None, LiveDesk] = {}

    def of(self, application: str | None) -> "LiveDesk":
        if application not in self._desks:
            self._desks[application] = LiveDesk(self._desk, application)
        return self._desks[application]


class LiveDesk:
    """What is shown of now, drawn once for all who watch: a row is drawn again when its call has changed, and only then."""

    def __init__(self, desk: Desk, application: str | None) -> None:
        self._desk = desk
        self._application = application
        self._live: dict[str, tuple[LiveCall, str]] = {}
        self._recent: dict[str, tuple[Line, str]] = {}
        self.feed = Feed(self.look, desk.clock, desk.stopping)

    async def look(self) -> Mapping[str, Part]:
        """The parts that change. A call that ends is told of among the recent ones before it leaves those that are up, so
        that it is never on neither list.
        """
        now = self._desk.clock()
        live = await self._desk.store.live_calls(self._application, SHOWN_LIVE)
        recent = await self._desk.store.recent_calls(self._application, SHOWN_RECENT)
        counters = counters_of(live, await self._desk.store.tallies(self._application, now - WINDOW), now)
        return {
            "counters": self._desk.pages.render("counters.html", counters=counters, root="./"),
            "recent": await self._draw_recent(recent),
            "live": await self._draw_live(live),
        }

    async def _draw_live(self, calls: Iterable[LiveCall]) -> dict[str, str]:
        before, self._live = self._live, {}
        fresh = 0
        for call in calls:
            key = f"{call.key.application}/{call.key.call_id}"
            known = before.get(key)
            if known is None or known[0] is not call:
                known = (call, self._desk.pages.render("live_row.html", line=live_line(call), root="./"))
                fresh += 1
                if fresh % DRAWN_AT_ONCE == 0:
                    await asyncio.sleep(0)
            self._live[key] = known
        return {key: html for key, (_, html) in self._live.items()}

    async def _draw_recent(self, calls: Iterable[Call]) -> dict[str, str]:
        before, self._recent = self._recent, {}
        now = self._desk.clock()
        for line in recent_lines(report_call(call, now) for call in calls):
            known = before.get(line.key)
            if known is None or known[0] != line:
                known = (line, self._desk.pages.render("recent_row.html", line=line, root="./"))
            self._recent[line.key] = known
        return {key: html for key, (_, html) in self._recent.items()}


AtLive = NamedDependency[LiveDesks]


@get("/")
async def show_live(desk: AtDesk, live: AtLive, request: AnyRequest) -> Response[str]:
    """Calls that are up, and those that were."""
    desk.who()
    parts = await live.of(desk.bound).feed.parts()
    rows = {name: list(part.values())[:FIRST_ROWS] for name, part in parts.items() if isinstance(part, dict)}
    return desk.page("live.html", request, counters=parts["counters"], rows=rows)


@get("/live")
async def stream_live(desk: AtDesk, live: AtLive, request: AnyRequest) -> Response[Any]:
    """What changes, as it changes: server-sent events, one for each part of the first page."""
    if desk.token is None:
        raise NotAuthorizedException(detail="Signed out.")
    feed = live.of(desk.bound).feed
    if feed.is_full:
        raise ServiceUnavailableException(detail="Too many pages are open.")

    async def is_welcome() -> bool:
        return await desk.visitor(request) is not None

    return Stream(feed.watch(is_welcome), media_type="text/event-stream")


live_routes = (show_live, stream_live)
