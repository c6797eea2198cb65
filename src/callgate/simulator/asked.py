"""The platform when it is asked about a call: it knows the truth, tells it late, or not at all, or has forgotten the call."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from callgate.errors import PlatformFailed
from callgate.protocol import sinch
from callgate.protocol.call import CallEnded, CallKey, CallOngoing, PlaceCall
from callgate.service.signing import referred
from callgate.simulator import schedule as s
from callgate.simulator.causes import CallId
from callgate.simulator.node import SIGNING
from callgate.simulator.oracle import End

ANSWERS_IN_S = 0.05
"""How long it takes to answer; the server may die meanwhile."""


class Asked:
    """`service.ports.Platform`, of the calls that were placed. Of two calls with one id it knows the first."""

    def __init__(self) -> None:
        self._entries: dict[CallId, s.Place | s.Ring] = {}
        self._ends: dict[CallId, End] = {}
        self._asked: dict[CallId, int] = {}
        self._hang_ups: dict[CallId, Callable[[], None]] = {}
        self._phones: dict[CallId, Callable[[PlaceCall], Awaitable[str]]] = {}
        self.ended: set[CallId] = set()
        """Calls that we were asked to end."""

    def expects(self, key: CallId, ring: Callable[[PlaceCall], Awaitable[str]]) -> None:
        """A call may be asked for by this reference, and then `ring` says what comes of it."""
        self._phones[key] = ring

    def carries(self, key: CallId, entry: s.Place | s.Ring, hang_up: Callable[[], None]) -> None:
        """A call is placed, which `hang_up` ends."""
        self._entries.setdefault(key, entry)
        self._hang_ups.setdefault(key, hang_up)

    def ends(self, key: CallId, entry: s.Place | s.Ring, end: End) -> None:
        if self._entries[key] is entry:
            self._ends[key] = end

    def says(self, key: CallId) -> End | bool:
        """The truth as far as it is told: an end, True while there is none to tell, False for no such call."""
        entry = self._entries.get(key)
        return False if entry is None or entry.is_forgotten else self._ends.get(key, True)

    async def ask(self, call: CallKey, _: str) -> CallEnded | CallOngoing | None:
        self._asked[call] = self._asked.get(call, 0) + 1
        await asyncio.sleep(ANSWERS_IN_S)
        if self._asked[call] <= self._entries[call].asks_fail:
            raise PlatformFailed("no answer, as the simulation has it", is_retryable=True)
        said = self.says(call)
        if said is False:
            return None
        if not isinstance(said, End):
            return CallOngoing()
        return sinch.read_told(call, 200, _final(call.call_id, said))

    async def hang_up(self, call: CallKey, _: str) -> bool:
        self.ended.add(call)
        await asyncio.sleep(ANSWERS_IN_S)
        if self._entries[call].is_forgotten:
            return False
        self._hang_ups[call]()
        return True

    async def put_out(self, call: CallKey, resource: str, conference: str) -> bool:
        del conference
        return await self.hang_up(call, resource)

    async def warn(self, call: CallKey, _: str, text: str, locale: str) -> bool:
        assert text and locale, "something is said, in some language"
        await asyncio.sleep(ANSWERS_IN_S)
        return not self._entries[call].is_forgotten

    async def place(self, application: str, call: PlaceCall) -> str:
        ref = referred(SIGNING.holds, application, call.custom)
        assert ref is not None, "it carries our reference"
        return await self._phones[application, ref](call)


def _final(call: str, end: End) -> bytes:
    info: dict[str, object] = {
        "callId": call,
        "status": "FINAL",
        "result": end.result,
        "reason": end.reason,
        "from": {"type": "username", "endpoint": end.user},
        "to": {"type": end.to_kind, "endpoint": end.to},
    }
    if end.duration_s is not None:
        info["duration"] = end.duration_s
    return msgspec.json.encode(info)
