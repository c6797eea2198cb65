"""The first page: calls that are up and calls that were, as they change."""

from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotAuthorizedException, ServiceUnavailableException
from litestar.response import Stream

from callgate.service.reports import MAX_LIST, call_reports
from callgate.web.desk import AnyRequest, AtDesk, Desk
from callgate.web.feed import Feed, Parts
from callgate.web.view import COUNTED, View, view_calls

PARTS = ("counters", "recent", "live")
"""The parts of the page that change while it is watched: each has its template, and an element of that id. A call that
ends is told of among the recent ones before it leaves those that are up, so that it is never on neither list.
"""


class LiveDesk:
    """What is shown of now, drawn once for all who watch."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._drawn: Parts = {}
        self._drawn_view: View | None = None
        self.feed = Feed(self.look, desk.clock, desk.stopping)

    async def view(self) -> View:
        now = self._desk.clock()
        live = await call_reports(self._desk.store, now, only_live=True, limit=MAX_LIST)
        newest = await call_reports(self._desk.store, now, limit=COUNTED)
        return view_calls(live, newest, now, live_limit=MAX_LIST)

    async def look(self) -> Parts:
        """The parts that change, for those who watch; drawn again only when there is something else to be seen."""
        view = await self.view()
        if view != self._drawn_view:
            pages = self._desk.pages
            self._drawn = {name: pages.render(f"{name}.html", view=view, root="./", now=None) for name in PARTS}
            self._drawn_view = view
        return self._drawn


AtLive = NamedDependency[LiveDesk]


@get("/")
async def show_live(desk: AtDesk, live: AtLive, request: AnyRequest) -> Response[str]:
    """Calls that are up, and those that were."""
    await desk.who(request)
    return desk.page("live_page.html", request, view=await live.view())


@get("/live")
async def stream_live(desk: AtDesk, live: AtLive, request: AnyRequest) -> Response[Any]:
    """What changes, as it changes: server-sent events, one for each part of the first page."""
    if await desk.visitor(request) is None:
        raise NotAuthorizedException(detail="Signed out.")
    if live.feed.is_full:
        raise ServiceUnavailableException(detail="Too many pages are open.")

    async def is_welcome() -> bool:
        return await desk.visitor(request) is not None

    return Stream(live.feed.watch(is_welcome), media_type="text/event-stream")


live_routes = (show_live, stream_live)
