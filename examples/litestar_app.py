"""Callbacks in a Litestar application. Start it with `uvicorn litestar_app:app`."""

import os

from litestar import Litestar, asgi
from litestar.types import Receive, Scope, Send

from callgate import Callgate
from callgate.protocol import sinch

gate = Callgate(applications={os.environ["SINCH_KEY"]: os.environ["SINCH_SECRET"]})


@gate.ice
async def incoming(call):
    if call.to.endpoint == "+15612600684":
        return sinch.ConnectPstn(max_duration=600)
    return sinch.Hangup()


@asgi("/callbacks/sinch", copy_scope=True)
async def callbacks(scope: Scope, receive: Receive, send: Send) -> None:
    await gate(scope, receive, send)


app = Litestar([callbacks])
