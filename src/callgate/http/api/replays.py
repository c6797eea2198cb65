"""The route that judges a recorded call again, by what is in force today. Nothing is written."""

from litestar import get
from litestar.params import FromPath

from callgate.http.api.access import may_look
from callgate.http.api.accounts import InApp
from callgate.http.api.desk import TheDesk
from callgate.protocol.call import CallKey
from callgate.service.elastic import DEFAULT_TERMS
from callgate.service.replay import Replay, replay_call


@get("/calls/{call_id:str}/replay", guards=[may_look])
async def show_replay(desk: TheDesk, call_id: FromPath[str], app: InApp = None) -> Replay:
    """Judge a call again by today's rules: with the money and the price of then, and as if it came now. `steps` has the three
    side by side, `first_then` and `first_now` name the first step that differs.
    """
    key = CallKey(desk.application(app), call_id)
    return await replay_call(desk.store, desk.catalog, key, now=desk.clock(), elastic=DEFAULT_TERMS)
