"""Is the server alive, and is it able to decide. Open to everybody, and free of anything about anybody."""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timedelta

from callgate.errors import StorageUnavailable
from callgate.http.asgi import Receive, Scope, Send, send_reply
from callgate.protocol import WireReply
from callgate.service.application import DEFAULT_FRESHNESS_S
from callgate.service.ports import Store
from callgate.service.probe import SLOW_COMMIT_S, behind_by, commit_s

HEALTH_PATHS = frozenset({"/healthz", "/readyz"})

READY_WITHIN_S = 2.0

FALSE_BY = timedelta(seconds=DEFAULT_FRESHNESS_S)
"""A clock that is behind by more takes the platform's callbacks for stale ones, and refuses them all."""


class Health:
    """ASGI callable for `HEALTH_PATHS`."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's own shape
        status, told = (200, {"status": "ok"}) if scope["path"] == "/healthz" else await self._look()
        await send_reply(send, WireReply(status=status, body=json.dumps(told, separators=(",", ":")).encode()))

    async def _look(self) -> tuple[int, dict[str, object]]:
        """What a decision needs: a job that goes through the queue and a commit, and a clock that can be believed."""
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                took_s = await commit_s(self._store)
                behind = await behind_by(self._store, self._clock())
        except StorageUnavailable as error:
            return 503, {"status": "unavailable", "store": error.state}
        except TimeoutError:
            return 503, {"status": "unavailable", "store": "slow"}
        told: dict[str, object] = {"status": "unavailable" if behind > FALSE_BY else "ok"}
        if took_s > SLOW_COMMIT_S:
            told |= {"store": "slow", "commit_ms": round(took_s * 1000)}
        if behind:
            told |= {"clock": "behind", "behind_s": int(behind.total_seconds())}
        return 503 if behind > FALSE_BY else 200, told
