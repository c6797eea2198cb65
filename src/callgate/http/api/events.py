"""The live feed: each call as it is decided and as it ends, as server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import msgspec
from litestar import get
from litestar.exceptions import ServiceUnavailableException
from litestar.response import Stream

from callgate.errors import StorageUnavailable
from callgate.http.api.access import may_look
from callgate.http.api.accounts import InApp
from callgate.http.api.desk import ApiRequest, Desk, TheDesk
from callgate.service.follow import Follower
from callgate.service.reports import report_call

LOOK_S = 0.5
"""How often the store is looked at for news."""

HEART_BEAT_S = 15.0
"""A quiet stream says at least this often that it is alive, and makes sure that its token still is."""

MAX_STREAMS = 64
"""Streams open at once, each with a connection and looks of its own."""


@get("/events", guards=[may_look], media_type="text/event-stream")
async def stream_events(request: ApiRequest, desk: TheDesk, app: InApp = None) -> Stream:
    """Follow calls from now on: events `decided` and `ended`, each with the call as it stands then, until the caller goes
    away. After a pause, ask `/calls` for what was missed.
    """
    application = desk.scope(app)
    if len(desk.streams) >= MAX_STREAMS:
        raise ServiceUnavailableException("too many streams are open", headers={"Retry-After": "10"})
    follower = Follower(desk.store, desk.clock(), application)
    await follower.look()
    return Stream(_events(desk, request.auth.digest, follower), media_type="text/event-stream")


async def _events(desk: Desk, digest: str, follower: Follower) -> AsyncIterator[bytes]:
    """Until the server stops, the store fails, or the token is worth nothing any more."""
    loop, mark = asyncio.get_running_loop(), object()
    beats_at = loop.time() + HEART_BEAT_S
    desk.streams.add(mark)
    try:
        yield b": welcome\n\n"
        while not desk.stopping.is_set():
            for news in await follower.look():
                report = msgspec.json.encode(report_call(news.call, desk.clock()))
                yield b"event: %s\ndata: %s\n\n" % (news.what.encode(), report)
                beats_at = loop.time() + HEART_BEAT_S
            if loop.time() >= beats_at:
                token = await desk.store.token(digest)
                if token is None or not token.is_valid(desk.clock()):
                    return
                yield b": alive\n\n"
                beats_at = loop.time() + HEART_BEAT_S
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await desk.stopping.wait()
    except StorageUnavailable:
        return  # who follows comes back, and asks for what was missed
    finally:
        desk.streams.discard(mark)
