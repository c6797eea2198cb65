"""Follow calls: each as it is decided, and each as it ends, from a moment on. Never writes."""

from datetime import datetime
from typing import NamedTuple

from callgate.protocol.call import CallKey
from callgate.protocol.life import CallState
from callgate.service.ports import Store
from callgate.service.records import Call

PORTION = 500
"""Callbacks that one look takes."""

MEMORY = 10_000
"""Calls whose news are remembered; a repeated callback of an older one may tell them again."""


class News(NamedTuple):
    """What happened, `decided` or `ended`, and the call as it stands now."""

    what: str
    call: Call


class _Told(NamedTuple):
    decision: str | None
    is_ended: bool


_NOTHING = _Told(None, is_ended=False)


class Follower:
    """Tells of what happens after `since`, in one application or in all."""

    def __init__(self, store: Store, since: datetime, application: str | None = None) -> None:
        self._store = store
        self._since = since
        self._application = application
        self._mark: int | None = None
        self._told: dict[CallKey, _Told] = {}
        self._parked: dict[CallKey, None] = {}  # they end by our own clock, which no callback tells

    async def look(self) -> list[News]:
        """Return what happened since the last look, at most `PORTION` callbacks of it. The first look returns nothing."""
        if self._mark is None:
            self._mark = await self._store.last_callback()
        heard = await self._store.heard_since(self._mark, PORTION)
        if heard:
            self._mark = heard[-1][0]
        keys = dict.fromkeys([*self._parked, *(key for _, key in heard)])
        wanted = [key for key in keys if self._application in (None, key.application)]
        found = {call.key: call for call in await self._store.calls_named(wanted)} if wanted else {}
        return [news for key in wanted if key in found for news in self._news(found[key])]

    def _news(self, call: Call) -> list[News]:
        """What of a call was not told yet. One that was decided and ended between two looks gives both."""
        told = self._told.pop(call.key, _NOTHING)
        decision = (call.refusal or "connect") if call.answer and call.decided_at >= self._since else None
        is_ended = (
            call.state is CallState.ENDED and max(call.decided_at, call.ended_at or call.decided_at) >= self._since
        )
        self._remember(call, _Told(decision, is_ended))
        news = [News("decided", call)] if decision not in (None, told.decision) else []
        return [*news, News("ended", call)] if is_ended and not told.is_ended else news

    def _remember(self, call: Call, told: _Told) -> None:
        self._told[call.key] = told
        if len(self._told) > MEMORY:
            del self._told[next(iter(self._told))]
        if call.state is CallState.PARKED:
            self._parked[call.key] = None
        else:
            self._parked.pop(call.key, None)
