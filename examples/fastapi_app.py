"""Callbacks in a FastAPI application. Start it with `uvicorn fastapi_app:app`.

Not `app.mount`: what is mounted answers only below its path, and a callback without the last slash is redirected.
"""

import os

from fastapi import FastAPI

from callgate import Callgate
from callgate.protocol import sinch

gate = Callgate(applications={os.environ["SINCH_KEY"]: os.environ["SINCH_SECRET"]})


@gate.ice
async def incoming(call):
    if call.to.endpoint == "+15612600684":
        return sinch.ConnectPstn(max_duration=600)
    return sinch.Hangup()


app = FastAPI()
app.add_route("/callbacks/sinch", gate, methods=["POST"])
