"""The worker: takes what is due, sends it, writes down what became of it. It holds nothing that it could not lose.

Whatever it claims comes back when it dies: see `service.deliver.Claim`.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from callgate.errors import StorageUnavailable
from callgate.logs import log
from callgate.outbox.line import CRM_AT_ONCE, Line
from callgate.outbox.schedule import Answer, Fate, conclude
from callgate.outbox.senders import Senders, senders
from callgate.service.catalog import Catalogs
from callgate.service.deliver import Claim, Conclude, News
from callgate.service.delivery import Delivery
from callgate.service.endpoint import PER_S, WEBHOOK, Endpoint, Receiver
from callgate.service.ports import Store

LOOK_S = 0.25
"""How often the worker looks for what is due; what it concludes itself it follows up at once."""

CLAIMED_FOR = timedelta(seconds=30)
"""How long a claim lasts: longer than an attempt may take."""

PARTING_S = 2.0
"""How long an orderly stop waits for attempts that are under way; their claims take care of the rest."""


class Worker:
    """Delivers for the endpoints of the catalog. One per server; several would share the work by their claims."""

    def __init__(
        self,
        store: Store,
        catalogs: Catalogs,
        clock: Callable[[], datetime],
        *,
        posts: Callable[[Callable[[], datetime]], AbstractAsyncContextManager[Senders]] = senders,
    ) -> None:
        self._store = store
        self._catalogs = catalogs
        self._clock = clock
        self._posts = posts
        self._wake = asyncio.Event()
        self._attempts: set[asyncio.Task[None]] = set()
        self._lines: dict[str, tuple[Endpoint, Line]] = {}

    async def work(self) -> None:
        """Deliver until cancelled. A store that is down for a while is waited for."""
        async with self._posts(self._clock) as posts:
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

    async def _look(self, posts: Senders) -> None:
        """Begin an attempt for everything that is due and has room."""
        self._wake.clear()
        receivers = self._catalogs.now.receivers
        self._lines = {name: line for name, line in self._lines.items() if name in receivers}
        for receiver in receivers.values():
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

    def _line(self, endpoint: Endpoint) -> Line:
        """The way to this endpoint. One that an operator has changed begins anew, at once."""
        known, line = self._lines.get(endpoint.id, (None, None))
        if known is None or line is None or _is_changed(known, endpoint):
            is_webhook = endpoint.kind == WEBHOOK
            line = Line(float(endpoint.options.get(PER_S, 0))) if is_webhook else Line(at_once=CRM_AT_ONCE)
        self._lines[endpoint.id] = (endpoint, line)
        return line

    async def _claim(self, receiver: Receiver) -> list[Delivery]:
        now, line = self._clock(), self._line(receiver.endpoint)
        room = line.room(now)
        if room == 0:
            return []
        due = await self._store.due_deliveries(receiver.endpoint.id, now, room)
        if not due:
            return []
        return await self._store.perform(Claim(ids=tuple(due), now=now, until=now + CLAIMED_FOR))

    def _begin(self, posts: Senders, delivery: Delivery, receiver: Receiver) -> None:
        line = self._line(receiver.endpoint)
        line.begin(1)
        attempt = asyncio.create_task(self._attempt(posts, delivery, receiver, line))
        self._attempts.add(attempt)
        attempt.add_done_callback(self._attempts.discard)

    async def _attempt(self, posts: Senders, delivery: Delivery, receiver: Receiver, line: Line) -> None:
        is_answered = False
        try:
            answer = await posts.send(delivery, receiver)
            is_answered, now = True, self._clock()
            news = line.end(receiver.endpoint, answer, now)
            concluded = conclude(delivery, answer, now, random.random())  # noqa: S311 - it spreads load, it keeps no secret
            await self._store.perform(Conclude(claimed=delivery, concluded=concluded, news=news))
            _report(concluded, answer, news)
        except StorageUnavailable as error:  # its claim ends, and it is sent again under the same id
            log.warning(
                "delivery.not_written_down", delivery=delivery.id, endpoint=receiver.endpoint.id, error=str(error)
            )
        finally:
            if not is_answered:
                line.drop()
            self._wake.set()


def _is_changed(before: Endpoint, now: Endpoint) -> bool:
    """Whether an operator has changed it, or enabled it again: what else changes is only how it is."""
    said = ("url", "options", "allow_private", "sealed_secrets", "created_at")
    return any(getattr(before, name) != getattr(now, name) for name in said)


def _report(concluded: Delivery, answer: Answer, news: News) -> None:
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
    if news.disables:
        log.error("endpoint.disabled", endpoint=concluded.lane.endpoint, why=news.disables)
    elif news.failing:
        log.error("endpoint.failing", endpoint=concluded.lane.endpoint, why=news.failing)
    elif news.is_well:
        log.info("endpoint.well", endpoint=concluded.lane.endpoint)
