"""Is the server alive, and is it able to decide. Open to everybody, and free of anything about anybody."""

import asyncio

from callgate.errors import StorageUnavailable
from callgate.http.asgi import Receive, Scope, Send, send_reply
from callgate.protocol import WireReply
from callgate.service.ports import Store
from callgate.service.probe import Probe

HEALTH_PATHS = frozenset({"/healthz", "/readyz"})

READY_WITHIN_S = 2.0


class Health:
    """ASGI callable for `HEALTH_PATHS`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's own shape
        state = None if scope["path"] == "/healthz" else await self._look()
        body = b'{"status":"ok"}' if state is None else f'{{"status":"unavailable","store":"{state}"}}'.encode()
        await send_reply(send, WireReply(status=200 if state is None else 503, body=body))

    async def _look(self) -> str | None:
        """A job that goes through the queue and a commit: what a decision needs. Return how the store is, None when well."""
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await self._store.perform(Probe())
        except StorageUnavailable as error:
            return error.state
        except TimeoutError:
            return "slow"
        return None
