"""Take a lease, keep it, give it back: work that only one server does at a time, whichever servers there are.

Clocks may differ by `SKEW`: who holds a lease stops at its end, measured from when it was asked for and by a clock that
nobody sets; whoever else wants it waits for that much longer.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from callgate.errors import StorageUnavailable
from callgate.logs import log
from callgate.service.books import Books, Keys
from callgate.service.lease import Lease
from callgate.service.ports import Store

LENGTH = timedelta(seconds=12)
SKEW = timedelta(seconds=4)
RENEW_S = 3.0
"""How often a lease is renewed, or asked for. A server that died is replaced after `LENGTH`, `SKEW` and this much at most."""


@dataclass(frozen=True, kw_only=True)
class TakeLease:
    """Take the lease or renew it. Safe to repeat."""

    name: str
    holder: str
    now: datetime

    def keys(self) -> Keys:
        return Keys(leases=(self.name,))

    def run(self, books: Books) -> bool:
        """Return whether it is ours."""
        lease = books.leases.get(self.name)
        if lease is not None and lease.holder != self.holder and self.now <= lease.until + SKEW:
            return False
        books.leases.put(self.name, Lease(name=self.name, holder=self.holder, until=self.now + LENGTH))
        return True


@dataclass(frozen=True, kw_only=True)
class LeaveLease:
    """Let the next one have it at once. Nothing happens where it is somebody else's."""

    name: str
    holder: str
    now: datetime

    def keys(self) -> Keys:
        return Keys(leases=(self.name,))

    def run(self, books: Books) -> None:
        lease = books.leases.get(self.name)
        if lease is not None and lease.holder == self.holder:
            books.leases.put(self.name, Lease(name=self.name, holder=self.holder, until=self.now - SKEW - LENGTH))


class Holder:
    """One server's part in all leases. `holder` is a name that no other server has."""

    def __init__(self, store: Store, holder: str, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._holder = holder
        self._clock = clock

    async def work(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work for as long as its lease is ours, for ever; what the work raises ends it."""
        if not self._store.is_shared:
            return await work()
        while True:
            until = await self._gain(name)
            log.info("lease.taken", lease=name)
            try:
                await self._while_held(name, work, until)
            finally:
                with suppress(StorageUnavailable):
                    await self._store.perform(LeaveLease(name=name, holder=self._holder, now=self._clock()))

    async def _while_held(self, name: str, work: Callable[[], Awaitable[None]], until: float) -> None:
        """Return when the lease is lost."""
        doing = asyncio.ensure_future(work())
        try:
            while (left_s := until - time.monotonic()) > 0:
                done, _ = await asyncio.wait({doing}, timeout=min(RENEW_S, left_s))
                if done:
                    return doing.result()
                until = await self._take(name) or until
            log.warning("lease.lost", lease=name)
        finally:
            doing.cancel()
            await asyncio.gather(doing, return_exceptions=True)
        return None

    async def _gain(self, name: str) -> float:
        while (until := await self._take(name)) is None:  # noqa: ASYNC110 - the database has no event for it
            await asyncio.sleep(RENEW_S)
        return until

    async def _take(self, name: str) -> float | None:
        """Return until when it is ours, None while it is not, or where nobody can say."""
        asked_at = time.monotonic()
        with suppress(StorageUnavailable, TimeoutError):
            async with asyncio.timeout(RENEW_S):
                if await self._store.perform(TakeLease(name=name, holder=self._holder, now=self._clock())):
                    return asked_at + LENGTH.total_seconds()
        return None
