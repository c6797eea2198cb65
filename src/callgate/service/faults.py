"""Callbacks that are not proven genuine: a few of them are kept, with what differed, for the operator and never for the sender.

Whoever sends them is a stranger and may send as many as he likes. So noting one costs next to nothing, a window of time holds
few, all else of it is only counted, diagnosing and writing go on beside the callbacks, and the store keeps the newest only.
Strangers who know no key cannot push out those that name one of our applications.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec

from callgate.errors import SignatureInvalid, StorageUnavailable
from callgate.logs import log
from callgate.protocol import Provider, WireRequest
from callgate.service.ports import Store
from callgate.service.signature_fault import SignatureFault

WINDOW_S = 10.0

HELD = 5
"""Failures of one window that are logged, diagnosed and stored: of those with a known key, and of the others."""

KEPT = 100
"""Failures that the store keeps, of each of the two."""

MAX_BODY_BYTES = 8_192
"""What is larger is not diagnosed, so that diagnosing costs milliseconds; no callback of a call is."""

MAX_TEXT = 300
"""Characters of anything that the sender wrote."""


class _Held(msgspec.Struct, frozen=True, kw_only=True):
    fault: SignatureFault
    request: WireRequest
    provider: Provider
    secrets: Mapping[str, Sequence[str]]


class FaultWatch:
    """Notes failures, and keeps what it noted once a window. One per server."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._held: dict[bool, list[_Held]] = {True: [], False: []}
        self._more_count = 0

    def note(  # noqa: PLR0913 - everything that is known of it
        self,
        request: WireRequest,
        error: SignatureInvalid,
        *,
        name: str,
        provider: Provider,
        key: str,
        secrets: Mapping[str, Sequence[str]],
    ) -> None:
        """A request to the provider of this name failed. `secrets` is what it was verified with."""
        held = self._held[bool(secrets)]
        if len(held) >= HELD:
            self._more_count += 1
            return
        fault = SignatureFault(
            at=self._clock(),
            provider=name,
            application=_printable(key),
            is_known=bool(secrets),
            path=_printable(request.path),
            ingredient=error.ingredient,
            explanation=_printable(error.explanation),
        )
        log.warning(
            "callback.not_genuine", ingredient=fault.ingredient, reason=fault.explanation, key=fault.application
        )
        held.append(_Held(fault=fault, request=request, provider=provider, secrets=secrets))

    async def work(self) -> None:
        """Keep what was noted, for ever. A store that is down for a while loses it: the log has it."""
        while True:
            await asyncio.sleep(WINDOW_S)
            try:
                await self.keep()
            except StorageUnavailable as error:
                log.warning("faults.not_stored", error=str(error))
            except Exception:  # noqa: BLE001 - diagnosing must not stop for one request
                log.exception("faults.not_diagnosed")

    async def keep(self) -> None:
        """Diagnose and store what was noted since the last time. Raises `StorageUnavailable`."""
        held, self._held = [*self._held[True], *self._held[False]], {True: [], False: []}
        more_count, self._more_count = self._more_count, 0
        if more_count:
            log.warning("callback.not_genuine_more", count=more_count, window_s=WINDOW_S)
        if held:
            now = self._clock()
            faults = [await asyncio.to_thread(_diagnosed, each, more_count, now) for each in held]
            await self._store.keep_faults(faults, KEPT)


def _diagnosed(held: _Held, more_count: int, now: datetime) -> SignatureFault:
    """Say more than the verdict does, where that is cheap enough."""
    fault = msgspec.structs.replace(held.fault, more_count=more_count)
    if fault.ingredient != "signature" or len(held.request.body) > MAX_BODY_BYTES:
        return fault
    diagnosis = held.provider.diagnose(held.request, held.secrets, now, freshness_s=None)
    if diagnosis.ingredient is None:
        return fault
    return msgspec.structs.replace(
        fault, ingredient=diagnosis.ingredient, explanation=_printable(diagnosis.explanation)
    )


def _printable(text: str) -> str:
    """What the sender wrote, fit for a terminal and a log."""
    return "".join(char if char.isprintable() else "?" for char in text[:MAX_TEXT])
