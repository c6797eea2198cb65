"""Callbacks in a Starlette application. Start it with `uvicorn starlette_app:app`."""

import os

from starlette.applications import Starlette
from starlette.routing import Route

from callgate import Callgate
from callgate.protocol import sinch

gate = Callgate(applications={os.environ["SINCH_KEY"]: os.environ["SINCH_SECRET"]})


@gate.ice
async def incoming(call):
    if call.to.endpoint == "+15612600684":
        return sinch.ConnectPstn(max_duration=600)
    return sinch.Hangup()


app = Starlette(routes=[Route("/callbacks/sinch", gate, methods=["POST"])])
