"""The worker: takes what is due, sends it, writes down what became of it. It holds nothing that it could not lose.

Whatever it claims comes back when it dies: see `service.ports.Store.claim_deliveries`.
"""

import asyncio
import random
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from datetime import datetime, timedelta
from functools import partial

from callgate.errors import StorageUnavailable
from callgate.logs import log
from callgate.outbox.line import AT_ONCE, CRM_AT_ONCE, Line
from callgate.outbox.pace import Pace
from callgate.outbox.schedule import Answer, Fate, conclude
from callgate.outbox.senders import Senders, senders
from callgate.service.catalog import Catalogs
from callgate.service.deliver import Conclude, Concluded, News
from callgate.service.delivery import Delivery
from callgate.service.endpoint import PER_S, WEBHOOK, Endpoint, Receiver
from callgate.service.ports import Store
from callgate.service.take_lease import Holder

LOOK_S = 0.25
"""How often the worker looks for what is due; what it concludes itself it follows up at once."""

CLAIMED_FOR = timedelta(seconds=30)
"""How long a claim lasts: longer than an attempt may take."""

PARTING_S = 2.0
"""How long an orderly stop waits for attempts that are under way; their claims take care of the rest."""

ATTEMPT = timedelta(seconds=16)
"""What an attempt may take, and a little more: what is in hand is only sent while so much is left of its claim."""

BESIDE_CALLS = 4
"""Deliveries on their way to one endpoint at a time while calls are being decided, which then never wait for many of them."""

WRITTEN_AT_ONCE, WRITTEN_BESIDE_CALLS = 128, 32
"""Conclusions in one job of the store; while calls are being decided, which then wait for one such job at most."""

GATHERED_S = 0.03
"""How long conclusions are gathered while calls are being decided, so that few commits are longer for them."""


class Worker:
    """Delivers for the endpoints of the catalog. Several share the work, each with a server of its own: by their claims, and
    by `leases`, under which an endpoint that bears only a certain pace is served by one of them alone.

    `is_busy` says whether the server has more important things to do just now, `heard` how many callbacks it has had.
    """

    def __init__(  # noqa: PLR0913 - what it works on, and what it is considerate of
        self,
        store: Store,
        catalogs: Catalogs,
        clock: Callable[[], datetime],
        *,
        posts: Callable[[Callable[[], datetime]], AbstractAsyncContextManager[Senders]] = senders,
        leases: Holder | None = None,
        is_busy: Callable[[], bool] = lambda: False,
        heard: Callable[[], int] = lambda: 0,
    ) -> None:
        self._store = store
        self._catalogs = catalogs
        self._clock = clock
        self._posts = posts
        self._turns = Turns(leases)
        self._is_busy = is_busy
        self._wake = asyncio.Event()
        self._attempts: set[asyncio.Task[None]] = set()
        self._lines: dict[str, tuple[Endpoint, Line]] = {}
        self._hands: defaultdict[str, deque[Delivery]] = defaultdict(deque)  # claimed, by endpoint, and not begun
        self._concluded: list[Concluded] = []
        self._is_concluded = asyncio.Event()
        self._looked_at = 0.0
        self._turn = asyncio.Lock()
        self._pace = Pace(heard)

    async def work(self) -> None:
        """Deliver until cancelled. A store that is down for a while is waited for."""
        async with self._posts(self._clock) as posts:
            writing = asyncio.create_task(self._write())
            try:
                while True:
                    await self._look(posts)
                    await self._rest()
            finally:
                for hand in self._hands.values():
                    self._let_go(hand)
                if self._attempts:
                    await asyncio.wait(self._attempts, timeout=PARTING_S)
                for attempt in self._attempts:
                    attempt.cancel()
                writing.cancel()
                await asyncio.gather(writing, *self._attempts, return_exceptions=True)
                await self._turns.close()
                await self._write_down()

    async def _look(self, posts: Senders) -> None:
        """Begin an attempt for everything that is due and has room."""
        self._wake.clear()
        is_worth_while = self._is_time_to_look()
        receivers = self._catalogs.now.receivers
        self._lines = {name: line for name, line in self._lines.items() if name in receivers}
        self._turns.want({name for name, each in receivers.items() if _is_paced(each.endpoint)})
        for receiver in receivers.values():
            if not self._turns.has(receiver.endpoint.id):
                continue
            try:
                await self._take(posts, receiver, is_worth_while=is_worth_while)
            except StorageUnavailable as error:
                log.warning("outbox.waits", error=str(error))
                return

    async def _take(self, posts: Senders, receiver: Receiver, *, is_worth_while: bool) -> None:
        """Claim and begin, the one with the other even when told to stop between them: what is claimed and not begun would
        wait until its claim ends.
        """
        claim = asyncio.ensure_future(self._claim(receiver, is_worth_while=is_worth_while))
        try:
            await asyncio.shield(claim)
        except asyncio.CancelledError:
            with suppress(StorageUnavailable):
                await claim
            raise
        finally:
            if claim.done() and claim.exception() is None:
                self._hands[receiver.endpoint.id].extend(claim.result())
                self._begin(posts, receiver.endpoint.id)

    def _is_time_to_look(self) -> bool:
        """Whether a claim of one is worth while: every now and then, so that slow ones hold nobody up. Else claims that bring
        few would cost more than sending.
        """
        now_s = asyncio.get_running_loop().time()
        if now_s - self._looked_at < LOOK_S:
            return False
        self._looked_at = now_s
        return True

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

    async def _claim(self, receiver: Receiver, *, is_worth_while: bool) -> Sequence[Delivery]:
        now, name = self._clock(), receiver.endpoint.id
        line, in_hand = self._line(receiver.endpoint), len(self._hands[name])
        wanted = line.wanted(now, in_hand, is_worth_while=is_worth_while, at_most=self._at_most())
        if wanted == 0:
            return []
        until, is_busy = now + CLAIMED_FOR, self._is_busy()
        return await self._store.claim_deliveries(name, now, until, wanted, is_patient=is_busy)

    def _at_most(self) -> int:
        return BESIDE_CALLS if self._is_busy() else AT_ONCE

    def _begin(self, posts: Senders, name: str) -> None:
        """Begin as many attempts at this endpoint as have room."""
        while (next_one := self._next(name)) is not None:
            attempt = asyncio.create_task(self._attempts_at(posts, name, *next_one))
            self._attempts.add(attempt)
            attempt.add_done_callback(self._attempts.discard)

    async def _attempts_at(self, posts: Senders, name: str, delivery: Delivery, receiver: Receiver, line: Line) -> None:
        """One attempt after the other, for as long as there is something in hand."""
        next_one: tuple[Delivery, Receiver, Line] | None = (delivery, receiver, line)
        while next_one is not None:
            if self._is_busy():
                await self._give_way()
            await self._attempt(posts, *next_one)
            next_one = self._next(name)
        if not self._hands[name]:
            self._wake.set()

    def _next(self, name: str) -> tuple[Delivery, Receiver, Line] | None:
        """Whose turn it is, if anybody's: it counts as under way. What cannot be sent while it is ours is let go."""
        hand = self._hands[name]
        if not hand:
            return None
        receiver, now = self._catalogs.now.receivers.get(name), self._clock()
        if receiver is None or not self._turns.has(name) or hand[0].due_at - now < ATTEMPT:
            self._let_go(hand)
            return None
        line = self._line(receiver.endpoint)
        if line.room(now, at_most=self._at_most()) == 0:
            if line.is_resting(now):
                self._let_go(hand)
            return None
        line.begin(1)
        return hand.popleft(), receiver, line

    async def _give_way(self) -> None:
        """While calls are being decided, attempts begin one after the other, with time between them."""
        async with self._turn:
            await asyncio.sleep(self._pace.pause_s(time.monotonic(), len(self._lines)))
            self._pace.begin(time.monotonic())

    def _let_go(self, hand: deque[Delivery]) -> None:
        """What was claimed and not begun is due again, as if it had never been claimed."""
        now = self._clock()
        self._concluded += [Concluded(each, conclude(each, Answer(Fate.HELD, each.why), now, 0)) for each in hand]
        hand.clear()
        self._is_concluded.set()

    async def _attempt(self, posts: Senders, delivery: Delivery, receiver: Receiver, line: Line) -> None:
        is_answered, began_at = False, self._clock()
        try:
            answer = await posts.send(delivery, receiver)
            is_answered, now = True, self._clock()
            news = line.end(receiver.endpoint, answer, now, (now - began_at).total_seconds())
            concluded = conclude(delivery, answer, now, random.random())  # noqa: S311 - it spreads load, it keeps no secret
            self._concluded.append(Concluded(delivery, concluded, news))
            self._is_concluded.set()
            _report(concluded, answer, news)
        finally:
            if not is_answered:
                line.drop()

    async def _write(self) -> None:
        """Write down what came of attempts, together what comes together."""
        while True:
            await self._is_concluded.wait()
            if self._is_busy():
                await asyncio.sleep(GATHERED_S)
            self._is_concluded.clear()
            await self._write_down()
            self._wake.set()

    async def _write_down(self) -> None:
        """All that there is; in one commit what is not too much for one, each of another lane. While calls are being decided
        it goes with them and has no commits of its own.
        """
        concluded, self._concluded = self._concluded, []
        while concluded:
            is_busy = self._is_busy()
            count = WRITTEN_BESIDE_CALLS if is_busy else WRITTEN_AT_ONCE
            job = Conclude(of=tuple(concluded[:count]), endpoints=self._catalogs.now.endpoints)
            try:
                await self._store.perform(job, is_patient=is_busy)
            except asyncio.CancelledError:  # perhaps before it began: it may be said twice, and not never
                self._concluded[:0] = concluded
                raise
            except StorageUnavailable as error:  # their claims end, and they are sent again under the same ids
                log.warning("deliveries.not_written_down", count=len(job.of), error=str(error))
            del concluded[:count]


class Turns:
    """Which of the endpoints that one worker alone may serve are this one's. Without leases all are."""

    def __init__(self, leases: Holder | None) -> None:
        self._leases = leases
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._held: set[str] = set()

    def want(self, names: set[str]) -> None:
        """From now on these are waited for, and no others."""
        if self._leases is None:
            return
        for gone in self._waiting.keys() - names:
            self._waiting.pop(gone).cancel()
        for name in names - self._waiting.keys():
            work = self._leases.work(f"outbox/{name}", partial(self._hold, name))
            self._waiting[name] = asyncio.create_task(work)

    def has(self, name: str) -> bool:
        """Whether it is this worker's to serve: not waited for, or held."""
        return name not in self._waiting or name in self._held

    async def close(self) -> None:
        for waiting in self._waiting.values():
            waiting.cancel()
        await asyncio.gather(*self._waiting.values(), return_exceptions=True)

    async def _hold(self, name: str) -> None:
        """For as long as the lease is ours."""
        self._held.add(name)
        try:
            await asyncio.Event().wait()
        finally:
            self._held.discard(name)


def _is_paced(endpoint: Endpoint) -> bool:
    """Whether several workers would send it more than it bears: connectors keep the pace of their CRM."""
    return endpoint.kind != WEBHOOK or PER_S in endpoint.options


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
