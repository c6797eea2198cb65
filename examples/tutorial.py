"""A whole callback server: one number may be called, for ten minutes. Start it with `uvicorn tutorial:gate`."""

from callgate import Callgate
from callgate.protocol import sinch

gate = Callgate(applications={"KEY": "SECRET"})


@gate.ice
async def incoming(call):
    is_allowed = call.to.endpoint == "+15612600684"
    return sinch.ConnectPstn(max_duration=600) if is_allowed else sinch.Hangup()
