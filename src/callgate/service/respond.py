"""From an event to its use case: queue the job, wait for it no longer than the platform does, answer.

A decision that is not made in time is answered with the fallback, and then that is the decision: whatever the late job
still does is overruled.
"""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any, TypeVar

from callgate.errors import CLOSED, StorageOverloaded, StorageUnavailable
from callgate.logs import log
from callgate.policy.rules.facts import Value
from callgate.protocol import Provider, WireReply
from callgate.protocol.call import (
    CallAnswered,
    CallArrived,
    CallEnded,
    CallEvent,
    CallInput,
    CallKey,
    EndpointKind,
    GoOn,
    HangUp,
)
from callgate.service.answer_input import AnswerInput
from callgate.service.answered import GoAhead
from callgate.service.authorize import Authorize
from callgate.service.books import Job
from callgate.service.catalog import Catalog
from callgate.service.did import Did, DidKey
from callgate.service.elastic import DEFAULT_TERMS, ElasticTerms
from callgate.service.emergency import dials_emergency, say_emergency
from callgate.service.hooks import HOOK_LIMIT_S, ask_hooks, hooks_in
from callgate.service.limited import Limited
from callgate.service.meter import Meter
from callgate.service.name_callout import NotNamedHere
from callgate.service.note import Note
from callgate.service.outcome import Decided, Outcome
from callgate.service.overrule import Overrule
from callgate.service.ports import Store
from callgate.service.record_limited import RecordLimited
from callgate.service.redirect import NOWHERE
from callgate.service.settle import Settle
from callgate.service.signing import Signing, referred
from callgate.service.ticket import Presented, find_ticket, hide_tickets, read_ticket, without_ticket, without_tickets

T = TypeVar("T")

REPORT_DEADLINE_S = 4.0
"""How long any other callback may wait for the store: inside the five seconds that platforms are believed to wait."""

DRAIN_S = 1.0
"""How long an orderly stop waits for late answers to be written."""

NAMED_WITHIN_S = (0.02, 0.05, 0.1)
"""Pauses between looks for a call that we place whose row another server is just giving the platform's id."""

OVERRULE_RETRY_S = 1.0

HURRIED_RETRY_S = 0.05
"""The same, while an orderly stop waits for it."""

OVERRULE_LIMIT = 10_000
"""Late answers that wait to be written while the store is down; beyond it those whose decision failed are dropped, since
nothing can be held for them."""


class Responder:
    """Answers callbacks from the books. One per server."""

    def __init__(  # noqa: PLR0913 - what an operator can set of it
        self,
        store: Store,
        clock: Callable[[], datetime],
        *,
        decision_deadline_s: float,
        orphan_after: timedelta,
        elastic: ElasticTerms = DEFAULT_TERMS,
        signing: Signing | None = None,
        on_callout: Callable[[], None] = lambda: None,
        meter: Meter | None = None,
    ) -> None:
        """Without `signing` no ticket is good, and events of calls that we place match by their ids alone. `on_callout` is
        called when there was news of such a call, which may have another side.
        """
        self._store = store
        self._clock = clock
        self._decision_deadline_s = decision_deadline_s
        self._orphan_after = orphan_after
        self._elastic = elastic
        self._signing = signing
        self._on_callout = on_callout
        self.meter = meter if meter is not None else Meter()
        self._limited, self._is_down = Limited(), False
        self._deciding: dict[CallKey, asyncio.Future[None]] = {}
        self._overruling: set[asyncio.Task[None]] = set()
        self._unwritten: Counter[CallKey] = Counter()  # calls that were told the fallback, by how many of those wait
        self._is_hurried = asyncio.Event()
        self.asked_at = 0.0
        """When the last call arrived, by the clock of the event loop."""

    async def respond(self, event: CallEvent, body: bytes, provider: Provider, catalog: Catalog) -> WireReply:
        """Answer one genuine callback. Raises `StorageUnavailable` for all but an arriving call: the platform may retry."""
        body, now = hide_tickets(body), self._clock()
        self.meter.heard(type(event))
        match event:
            case CallArrived():
                return await self._one_at_a_time(event, body, provider, catalog)
            case CallAnswered():
                answered = GoAhead(
                    answered=event, body=body, provider=provider, now=now, reference=self._reference(event)
                )
                try:
                    outcome = await self._report_of_ours(answered)
                except StorageUnavailable:
                    if not self._is_told_later(answered):
                        raise
                    return provider.answer(event, GoOn())
            case CallEnded():
                self._limited.is_over(event.key)
                settle = Settle(
                    ended=without_ticket(event),
                    body=body,
                    provider=provider,
                    now=now,
                    endpoints=catalog.endpoints,
                    reference=self._reference(event),
                )
                try:
                    outcome = await self._report_of_ours(settle)
                except StorageUnavailable:
                    self._is_told_later(settle)  # and may be told again: the platform is not answered well
                    raise
            case CallInput():
                outcome = await self._report(self._input(event, body, provider, catalog))
            case _:
                outcome = await self._report(Note(event=event, body=body, provider=provider, now=now))
        return self._reply(event, outcome)

    async def drain(self) -> None:
        """Wait until what was answered late is undone. For an orderly stop."""
        if self._overruling:
            self._is_hurried.set()
            await asyncio.wait(self._overruling, timeout=DRAIN_S)
            self._is_hurried.clear()

    async def _one_at_a_time(self, call: CallArrived, body: bytes, provider: Provider, catalog: Catalog) -> WireReply:
        """A repeat that comes while the first is being decided waits for it, so that it sees what was answered.

        That wait counts: each is answered before its own deadline, however many came before it.
        """
        self.asked_at = asyncio.get_running_loop().time()
        deadline = self.asked_at + self._decision_deadline_s
        while (first := self._deciding.get(call.key)) is not None:
            await asyncio.shield(first)
        decided = self._deciding[call.key] = asyncio.get_running_loop().create_future()
        try:
            return await self._decide(call, body, provider, catalog, deadline)
        finally:
            del self._deciding[call.key]
            decided.set_result(None)

    async def _decide(
        self, call: CallArrived, body: bytes, provider: Provider, catalog: Catalog, deadline: float
    ) -> WireReply:
        presented = self._presented(call)
        call = without_tickets(call)
        job = authorize_job(
            call,
            body,
            provider,
            catalog,
            now=self._clock(),
            orphan_after=self._orphan_after,
            elastic=self._elastic,
            presented=presented,
            hooks=await hooks_of(call, catalog, (deadline - asyncio.get_running_loop().time()) / 2),
        )
        if (sent := self._limited.find(call.key)) is not None:
            is_repeat = sent.fingerprint == call.fingerprint
            return WireReply(body=sent.answer) if is_repeat else provider.answer(call, HangUp())
        if call.key in self._unwritten:  # the store does not know of it: asked again, it would decide anew
            return self._fall_back(job, provider, "Unwritten", may_be_held=False)
        began_at = perf_counter()
        try:
            async with asyncio.timeout_at(deadline):
                outcome = await self._perform(job)
            if isinstance(outcome, Decided):
                self.meter.decided(outcome.decision, perf_counter() - began_at)
            return self._reply(call, outcome)
        except (TimeoutError, StorageUnavailable) as error:
            if (limited := self._let_through(job)) is not None:
                return limited
            return self._fall_back(job, provider, type(error).__name__, may_be_held=isinstance(error, TimeoutError))

    def _fall_back(self, job: Authorize, provider: Provider, why: str, *, may_be_held: bool) -> WireReply:
        """Hang up, or put an emergency call through, and have that written down as the decision."""
        self.meter.fell_back()
        log.error("decision.fallback", call_id=job.call.key.call_id, error=why)
        if dials_emergency(job.call, job.application.settings):
            return self._put_through(job, provider)
        fallback = provider.answer(job.call, HangUp())
        overrule = self._overrule_of(job, fallback)
        self._overrule(overrule, may_be_held=may_be_held)
        return fallback

    def _put_through(self, job: Authorize, provider: Provider) -> WireReply:
        """An emergency call connects whatever the store does. What is told of it meanwhile is written down behind that."""
        answer = provider.answer(job.call, say_emergency(job.call, None))
        if len(self._overruling) >= OVERRULE_LIMIT:
            log.error("overrule.dropped", call_id=job.call.key.call_id)
            return answer
        overrule = self._overrule_of(job, answer, is_emergency=True)
        self._limited.remember(job.call, answer.body, self._in_time(self._until_done(overrule)))
        return answer

    def _overrule_of(self, job: Authorize, answer: WireReply, *, is_emergency: bool = False) -> Overrule:
        """That this was answered in the place of what the job decides."""
        return Overrule(
            call=job.call,
            decided_at=job.now,
            body=job.body,
            answer=answer.body,
            now=self._clock(),
            endpoints=job.endpoints,
            is_emergency=is_emergency,
        )

    def _let_through(self, job: Authorize) -> WireReply | None:
        """Answer a call from memory while the store is down, where its application wants that; never where it is only slow."""
        call = job.call
        is_down = self._is_down or self._store.is_lost
        if not is_down or job.presented is not None or len(self._overruling) >= OVERRULE_LIMIT:
            return None  # a ticket is good for one call, which only the store knows
        connect = self._limited.grant(call, job.application, job.lists, job.now)
        if connect is None:
            return None
        answer = job.provider.answer(call, connect)
        record = RecordLimited(
            call=call,
            decided_at=job.now,
            body=job.body,
            answer=answer.body,
            application=job.application,
            decks=job.decks,
            endpoints=job.endpoints,
        )
        self._limited.remember(call, answer.body, self._in_time(self._until_done(record)))
        self.meter.fell_back()
        log.warning("decision.limited", call_id=call.key.call_id)
        return answer

    def _is_told_later(self, report: GoAhead | Settle) -> bool:
        """Whether it is of a call that was let through from memory: then it is written down behind that."""
        key = report.answered.key if isinstance(report, GoAhead) else report.ended.key
        sent = self._limited.find(key)
        if sent is None:
            return False

        async def behind() -> None:
            await asyncio.wait({sent.recorded})
            await self._until_done(report)

        self._in_time(behind())
        return True

    def _in_time(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Work that an orderly stop waits for."""
        task = asyncio.ensure_future(work)
        self._overruling.add(task)
        task.add_done_callback(self._overruling.discard)
        return task

    def _input(self, chosen: CallInput, body: bytes, provider: Provider, catalog: Catalog) -> AnswerInput:
        application = chosen.key.application
        return AnswerInput(
            chosen=chosen,
            body=body,
            provider=provider,
            application=catalog.applications[application].row,
            decks=catalog.decks,
            dids=catalog.dids,
            rented=catalog.rented,
            now=self._clock(),
            endpoints=catalog.endpoints,
            elastic=self._elastic,
            lists=catalog.lists.get(application, ()),
            rules=catalog.rules.get(application),
        )

    def _presented(self, call: CallArrived) -> Presented | None:
        """The ticket that a call carries, if any."""
        if not (call.headers or call.custom) or self._signing is None:
            return None
        text = find_ticket(call.headers, call.custom)
        return read_ticket(self._signing.tickets, text, call.key.application, self._clock()) if text else None

    def _reference(self, event: CallEvent) -> CallKey | None:
        """By what name a call goes that we place, until the platform's own id is known: it is in the event's `custom`."""
        if not event.custom or self._signing is None:
            return None
        application = event.key.application
        ref = referred(self._signing.holds, application, event.custom)
        return None if ref is None else CallKey(application, ref)

    async def _report_of_ours(self, job: GoAhead | Settle) -> Outcome:
        """A row that is being named at this moment is found a moment later; where it is not, the event is a stranger's."""
        if job.reference is None:
            return await self._report(job)
        try:
            for pause_s in NAMED_WITHIN_S:
                try:
                    return await self._report(job)
                except NotNamedHere:
                    await asyncio.sleep(pause_s)
            return await self._report(dataclasses.replace(job, reference=None))
        finally:
            self._on_callout()

    async def _report(self, job: "Report") -> Outcome:
        """Past the deadline the platform gets no answer from us, but the job stays queued and is done."""
        task = asyncio.ensure_future(self._perform(job))
        task.add_done_callback(_ignore_outcome)
        done, _ = await asyncio.wait({task}, timeout=REPORT_DEADLINE_S)
        if not done:
            raise StorageUnavailable("not written in time; it is still queued")
        return task.result()

    def _overrule(self, job: Overrule, *, may_be_held: bool) -> None:
        """Have the answer that was sent written down. Only a decision that was late may hold money; one that failed, or
        was not even queued, wrote nothing.
        """
        if not may_be_held and len(self._overruling) >= OVERRULE_LIMIT:
            log.error("overrule.dropped", call_id=job.call.key.call_id)
            return
        self._unwritten[job.call.key] += 1
        self._in_time(self._write_down(job))

    async def _write_down(self, job: Overrule) -> None:
        await self._until_done(job)
        self._unwritten[job.call.key] -= 1
        if not self._unwritten[job.call.key]:
            del self._unwritten[job.call.key]

    async def _until_done(self, job: "Overrule | RecordLimited | GoAhead | Settle") -> None:
        """Whatever is wrong with the store now, what was answered must come to stand in it."""
        while True:
            with suppress(StorageUnavailable):
                await self._perform(job, is_urgent=True)
                return
            await asyncio.sleep(HURRIED_RETRY_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(OVERRULE_RETRY_S):
                    await self._is_hurried.wait()

    async def _perform(self, job: Job[T], *, is_urgent: bool = False) -> T:
        """Perform a job, and note whether the store is there at all. One that is slow, or has too much to do, is there."""
        try:
            done = await self._store.perform(job, is_urgent=is_urgent)
        except StorageOverloaded:
            raise
        except StorageUnavailable as error:
            self._is_down = error.state != CLOSED
            raise
        self._is_down = False
        return done

    def _reply(self, event: CallEvent, outcome: Outcome) -> WireReply:
        if outcome.note:
            log.warning("callback.odd", callback=event.name, call_id=event.key.call_id, note=str(outcome.note))
        return WireReply(body=outcome.answer)


Report = GoAhead | Settle | AnswerInput | Note
"""Use cases of callbacks that do not begin a call."""


def _did(call: CallArrived, catalog: Catalog) -> Did | None:
    """The rented number that is called, if one is."""
    if call.destination.kind is not EndpointKind.DID:
        return None
    return catalog.dids.get(DidKey(call.key.application, call.destination.address))


def _ignore_outcome(task: asyncio.Task[Outcome]) -> None:
    """Perhaps nobody waits any more when it fails; the store has logged it."""
    if not task.cancelled():
        task.exception()


async def hooks_of(call: CallArrived, catalog: Catalog, limit_s: float = HOOK_LIMIT_S) -> Mapping[str, Value]:
    """What hooks say of a call, where the rules of its application ask any. Takes no longer than hooks may, nor than that."""
    rules = catalog.rules.get(call.key.application)
    if rules is None or dials_emergency(call, catalog.applications[call.key.application].row.settings):
        return {}
    asked = hooks_in(rules.names)
    return await ask_hooks(asked, call, limit_s=min(limit_s, HOOK_LIMIT_S)) if asked else {}


def authorize_job(  # noqa: PLR0913 - a call, and what it is decided by
    call: CallArrived,
    body: bytes,
    provider: Provider,
    catalog: Catalog,
    *,
    now: datetime,
    orphan_after: timedelta,
    elastic: ElasticTerms,
    presented: Presented | None = None,
    hooks: Mapping[str, Value] = {},
) -> Authorize:
    """The use case of an arriving call, with all of the snapshot that it is decided by."""
    return Authorize(
        call=call,
        body=body,
        provider=provider,
        application=catalog.applications[call.key.application].row,
        decks=catalog.decks,
        now=now,
        orphan_after=orphan_after,
        endpoints=catalog.endpoints,
        elastic=elastic,
        presented=presented,
        hooks=hooks,
        rules=catalog.rules.get(call.key.application),
        lists=catalog.lists.get(call.key.application, ()),
        did=_did(call, catalog),
        rented=catalog.rented,
        redirections=catalog.redirections.get(call.key.application, NOWHERE),
    )
