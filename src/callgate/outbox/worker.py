"""The worker: takes what is due, sends it, writes down what became of it. It holds nothing that it could not lose.

Whatever it claims comes back when it dies: see `service.deliver.Claim`.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from callgate.errors import DeliveryFailed, StorageUnavailable
from callgate.logs import log
from callgate.outbox.schedule import Answer, Fate, conclude, read_status
from callgate.outbox.webhook import Webhooks, webhooks
from callgate.service.catalog import Catalogs
from callgate.service.deliver import Claim, Conclude
from callgate.service.delivery import Delivery
from callgate.service.endpoint import Receiver
from callgate.service.ports import Store

LOOK_S = 0.25
"""How often the worker looks for what is due; what it concludes itself it follows up at once."""

AT_ONCE = 8
"""Deliveries on their way to one endpoint at a time, so that a slow one takes no place from the others."""

LEASE = timedelta(seconds=30)
"""How long a claim lasts: longer than an attempt may take."""

PARTING_S = 2.0
"""How long an orderly stop waits for attempts that are under way; their leases take care of the rest."""

MAX_QUIET = timedelta(hours=1)
"""An endpoint that asks us to wait is left alone as a whole, but never longer than this on one record's word."""


class Worker:
    """Delivers for the endpoints of the catalog. One per server; several would share the work by their claims."""

    def __init__(
        self,
        store: Store,
        catalogs: Catalogs,
        clock: Callable[[], datetime],
        *,
        posts: Callable[[], AbstractAsyncContextManager[Webhooks]] = webhooks,
    ) -> None:
        self._store = store
        self._catalogs = catalogs
        self._clock = clock
        self._posts = posts
        self._wake = asyncio.Event()
        self._under_way: Counter[str] = Counter()
        self._attempts: set[asyncio.Task[None]] = set()
        self._quiet_until: dict[str, datetime] = {}

    async def work(self) -> None:
        """Deliver until cancelled. A store that is down for a while is waited for."""
        async with self._posts() as posts:
            try:
                while True:
                    await self._look(posts)
                    await self._rest()
            finally:
                if self._attempts:
                    await asyncio.wait(self._attempts, timeout=PARTING_S)
                for attempt in self._attempts:
                    attempt.cancel()
                await asyncio.gather(*self._attempts, return_exceptions=True)

    async def _look(self, posts: Webhooks) -> None:
        """Begin an attempt for everything that is due and has room."""
        self._wake.clear()
        for receiver in self._catalogs.now.receivers.values():
            try:
                for delivery in await self._claim(receiver):
                    self._begin(posts, delivery, receiver)
            except StorageUnavailable as error:
                log.warning("outbox.waits", error=str(error))
                return

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(LOOK_S):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _claim(self, receiver: Receiver) -> list[Delivery]:
        now, endpoint = self._clock(), receiver.endpoint.id
        room = AT_ONCE - self._under_way[endpoint]
        if room == 0 or now < self._quiet_until.get(endpoint, now):
            return []
        due = await self._store.due_deliveries(endpoint, now, room)
        if not due:
            return []
        return await self._store.perform(Claim(ids=tuple(due), now=now, until=now + LEASE))

    def _begin(self, posts: Webhooks, delivery: Delivery, receiver: Receiver) -> None:
        self._under_way[receiver.endpoint.id] += 1
        attempt = asyncio.create_task(self._attempt(posts, delivery, receiver))
        self._attempts.add(attempt)
        attempt.add_done_callback(self._attempts.discard)

    async def _attempt(self, posts: Webhooks, delivery: Delivery, receiver: Receiver) -> None:
        endpoint = receiver.endpoint.id
        try:
            answer = await self._send(posts, delivery, receiver)
            now = self._clock()
            if answer.wait:
                self._quiet_until[endpoint] = now + min(answer.wait, MAX_QUIET)
            concluded = conclude(delivery, answer, now, random.random())  # noqa: S311 - it spreads load, it keeps no secret
            disables = answer.why if answer.fate is Fate.GONE else ""
            await self._store.perform(Conclude(claimed=delivery, concluded=concluded, disables=disables))
            _report(concluded, answer)
        except StorageUnavailable as error:  # its lease ends, and it is sent again under the same id
            log.warning("delivery.not_written_down", delivery=delivery.id, endpoint=endpoint, error=str(error))
        finally:
            self._under_way[endpoint] -= 1
            self._wake.set()

    async def _send(self, posts: Webhooks, delivery: Delivery, receiver: Receiver) -> Answer:
        try:
            reply = await posts.post(delivery, receiver, self._clock())
        except DeliveryFailed as error:
            return Answer(Fate.RETRY if error.is_retryable else Fate.DEAD, str(error))
        return read_status(reply.status, reply.retry_after, self._clock())


def _report(concluded: Delivery, answer: Answer) -> None:
    """Log what became of it: ids alone, since a URL may hold a secret and a record holds numbers."""
    facts = {
        "delivery": concluded.id,
        "endpoint": concluded.lane.endpoint,
        "attempt": concluded.attempt_count,
        "state": concluded.state.value,
    }
    if answer.fate is Fate.DELIVERED:
        log.debug("delivery.done", **facts)
    else:
        log.warning("delivery.failed", why=answer.why, **facts)
    if answer.fate is Fate.GONE:
        log.error("endpoint.disabled", endpoint=concluded.lane.endpoint, why=answer.why)
