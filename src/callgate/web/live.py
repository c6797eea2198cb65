"""The first page: calls that are up and calls that were, as they change."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from html import unescape
from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotAuthorizedException, NotFoundException, ServiceUnavailableException
from litestar.response import Stream

from callgate.errors import Invalid
from callgate.protocol.call import CallKey
from callgate.service.records import Call
from callgate.service.reports import CallReport, report_call
from callgate.service.watch import CallFilter, LiveCall, Tally
from callgate.web.calls import read_time
from callgate.web.desk import AnyRequest, AtDesk, Desk
from callgate.web.feed import Feed, Part
from callgate.web.lists import as_file, form_of, given, query
from callgate.web.search import fragment_of, holds
from callgate.web.turns import Turns
from callgate.web.view import SHOWN_LIVE, SHOWN_RECENT, WINDOW, Line, counters_of, live_line, recent_lines

FILED = 1_000
"""Calls in a file, which says where the next ones are."""

FIRST_ROWS = 100
"""Rows that the page has before its stream brings all of them."""

HEARD_AT_ONCE = 2_000
"""Callbacks since the last look that are followed call by call; were there more, all calls are looked at."""

WHOLE_AFTER = timedelta(seconds=4)
"""How often all calls that are up are looked at: some change without a callback, as their time is over or their hold grows."""

STILL_COUNTED = timedelta(seconds=5)
"""Seconds this far back are counted anew at each look: what was decided in them may not have been written by then."""


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
    """What is shown of now, drawn once for all who watch: a row is drawn again when its call has changed, and only then.

    A look costs by what has happened since the last one, and not by how many calls are up.
    """

    def __init__(self, desk: Desk, application: str | None) -> None:
        self._desk = desk
        self._application = application
        self._up: dict[CallKey, LiveCall] = {}  # newest first
        self._mark = 0  # the last callback that `_up` knows of
        self._whole_at: datetime | None = None
        self._tallies: list[Tally] = []
        self._tallied_at: datetime | None = None
        self._drawn: dict[str, tuple[LiveCall, str]] = {}
        self._reports: dict[CallKey, tuple[Call, CallReport]] = {}
        self._recent: dict[str, tuple[Line, str]] = {}
        self.feed = Feed(self.look, desk.clock, desk.stopping)

    async def look(self) -> Mapping[str, Part]:
        """The parts that change. A call that ends is told of among the recent ones before it leaves those that are up, so
        that it is never on neither list.
        """
        now = self._desk.clock()
        await self._follow(now)
        live = list(self._up.values())[:SHOWN_LIVE]
        recent = await self._desk.store.recent_calls(self._application, SHOWN_RECENT)
        counters = counters_of(live, await self._count(now), now)
        return {
            "counters": await self._desk.pages.draw("counters.html", counters=counters, root="./"),
            "recent": await self._draw_recent(recent, now),
            "live": await self._draw_live(live),
        }

    async def _follow(self, now: datetime) -> None:
        """Bring the calls that are up to what they are now: those that were heard of since, or every few seconds all."""
        store = self._desk.store
        is_whole = self._whole_at is None or now - self._whole_at >= WHOLE_AFTER
        heard = [] if is_whole else await store.heard_since(self._mark, HEARD_AT_ONCE)
        if is_whole or len(heard) == HEARD_AT_ONCE:
            self._mark = await store.last_callback()  # before the look: what comes meanwhile is looked at once more
            self._up = {call.key: call for call in await store.live_calls(self._application, SHOWN_LIVE)}
            self._whole_at = now
        elif heard:
            self._mark = heard[-1][0]
            keys = dict.fromkeys(key for _, key in heard if self._application in (None, key.application))
            found = {call.key: call for call in await store.live_named(list(keys))}
            fresh = sorted((call for key, call in found.items() if key not in self._up), key=_decided_at, reverse=True)
            kept = {key: found.get(key, call) for key, call in self._up.items() if key not in keys or key in found}
            self._up = {call.key: call for call in fresh} | kept

    async def _count(self, now: datetime) -> list[Tally]:
        """Decisions of the last minute by second. Most of it was counted by earlier looks."""
        since = now - WINDOW
        if self._tallied_at is not None:
            since = max(since, self._tallied_at - STILL_COUNTED)
        since = since.replace(microsecond=0)
        first, oldest = int(since.timestamp()), int((now - WINDOW).timestamp())
        known = [tally for tally in self._tallies if oldest <= tally.second < first]
        self._tallies = [*known, *await self._desk.store.tallies(self._application, since)]
        self._tallied_at = now
        return self._tallies

    async def _draw_live(self, calls: Iterable[LiveCall]) -> dict[str, str]:
        before, self._drawn = self._drawn, {}
        turns = Turns()
        for call in calls:
            await turns.another()
            key = f"{call.key.application}/{call.key.call_id}"
            known = before.get(key)
            if known is None or known[0] != call:
                known = (call, await self._desk.pages.draw("live_row.html", line=live_line(call), root="./"))
            self._drawn[key] = known
        return {key: html for key, (_, html) in self._drawn.items()}

    async def _draw_recent(self, calls: Iterable[Call], now: datetime) -> dict[str, str]:
        before, self._recent = self._recent, {}
        reports, self._reports = self._reports, {}
        turns = Turns()
        for call in calls:
            await turns.another()
            reported = reports.get(call.key)
            is_known = reported is not None and reported[0] == call
            self._reports[call.key] = reported if reported and is_known else (call, report_call(call, now))
        for line in recent_lines(report for _, report in self._reports.values()):
            await turns.another()
            known = before.get(line.key)
            if known is None or known[0] != line:
                known = (line, await self._desk.pages.draw("recent_row.html", line=line, root="./"))
            self._recent[line.key] = known
        return {key: html for key, (_, html) in self._recent.items()}


def _decided_at(call: LiveCall) -> datetime:
    return call.decided_at


AtLive = NamedDependency[LiveDesks]


@get("/")
async def show_live(desk: AtDesk, live: AtLive, request: AnyRequest) -> Response[str]:
    """Calls that are up, and those that were: with a part of a `number`, a name or an account, or all."""
    desk.who()
    number = given(request, ("number",))["number"]
    parts = await live.of(desk.bound).feed.parts()
    rows = {
        name: [row for row in part.values() if _has_it(row, fragment_of(number))][:FIRST_ROWS]
        for name, part in parts.items()
        if isinstance(part, dict)
    }
    return await desk.page(
        "live.html", request, counters=parts["counters"], rows=rows, number=number, same=query(request)
    )


def _has_it(row: str, fragment: str) -> bool:
    """Whether a row that is drawn is wanted. It says itself what it is found by, for the browser too."""
    if not fragment:
        return True
    found = _FIND.search(row)
    return found is not None and holds(fragment, unescape(found[1]))


_FIND = re.compile(r'data-find="([^"]*)"')


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


@get(["/live.json", "/live.csv"])
async def list_live(desk: AtDesk, request: AnyRequest) -> Response[Any]:
    """Calls that are up, newest first, for programs: with a part of a `number` on either side, of one `account` or `app`."""
    desk.who()
    filters, now = given(request, ("number", "account", "app", "before")), desk.clock()
    wanted = CallFilter(
        application=desk.bound or filters["app"] or None,
        account=filters["account"] or None,
        fragment=fragment_of(filters["number"]),
        outcome="live",
    )
    try:
        before = read_time(filters["before"], "before", now)
    except Invalid as error:
        raise NotFoundException(detail="There is no such page of this list.") from error
    found = await desk.store.search_calls(wanted, before=before, limit=FILED)
    following = query(request, before=found.looked_until.isoformat()) if found.looked_until is not None else None
    return as_file(form_of(request), [report_call(call, now) for call in found.calls], following, "live")


live_routes = (show_live, stream_live, list_live)
