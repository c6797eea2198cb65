"""A callback server of fixed answers, for scenarios that show what the platform does and not what a backend decides."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec
from aiohttp import web

from callgate.emulator import demo
from callgate.emulator.applications import Application, CallbackUrls
from callgate.emulator.scenario_files.wording import SaidPart
from callgate.errors import SignatureInvalid
from callgate.protocol import WireRequest, sinch


@asynccontextmanager
async def stand_in(said: Sequence[SaidPart]) -> AsyncIterator[Application]:
    """Serve the answers on a loopback port, to genuine callbacks only."""
    asked: Counter[tuple[str, str]] = Counter()

    async def answer(request: web.Request) -> web.Response:
        body = await request.read()
        wire = WireRequest(method="POST", path=request.raw_path, headers=dict(request.headers), body=body)
        try:
            sinch.verify(wire, {demo.KEY: demo.SECRET}, datetime.now(UTC))
        except SignatureInvalid:
            return web.json_response({}, status=401)
        event = msgspec.json.decode(body)
        kind = event["event"]
        given = [each for each in said if each.event == kind]
        nth = asked[event["callid"], kind]
        asked[event["callid"], kind] += 1
        if not given:
            return web.json_response({})
        chosen = given[min(nth, len(given) - 1)]
        return web.Response(
            body=msgspec.json.encode(chosen.svaml), status=chosen.status, content_type="application/json"
        )

    app = web.Application()
    app.router.add_post("/callbacks", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/callbacks"
        yield Application(key=demo.KEY, secret=demo.SECRET, urls=CallbackUrls(primary=url))
    finally:
        await runner.cleanup()
