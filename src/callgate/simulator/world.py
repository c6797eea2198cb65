"""The world around the server: a platform that carries calls, operators at work, and everything that goes wrong.

It delivers what the schedule says, holds each answer against the oracle, and has the books looked at after each commit.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from callgate.errors import Error, StorageUnavailable
from callgate.ledger.verify import verify
from callgate.policy.account import Status
from callgate.protocol import WireReply, WireRequest, sinch
from callgate.protocol.call import CallKey
from callgate.rating.deck_change import ImportMode
from callgate.rating.rate import Rate
from callgate.service.add_application import AddApplication, SetApplication
from callgate.service.adjust import Adjust
from callgate.service.import_deck import import_deck
from callgate.service.open_account import OpenAccount
from callgate.service.refund import Refund
from callgate.service.set_account import SetAccount
from callgate.service.set_limits import SetAccountLimits, SetApplicationLimits
from callgate.service.set_status import SetAccountStatus, SetApplicationStatus
from callgate.service.top_up import TopUp
from callgate.simulator import schedule as s
from callgate.simulator.audit import Audit
from callgate.simulator.disk import COMMIT_S, Disk, Step
from callgate.simulator.loop import Agenda, VirtualLoop
from callgate.simulator.node import DEADLINE_S, EPOCH, MICROSECOND, ORPHAN_AFTER_S, Node
from callgate.simulator.oracle import GO_ON, HANG_UP, NOTHING, End, Oracle, Start

PATH = "/callbacks/sinch"
SECRET, WRONG_SECRET = "c2VjcmV0LW9mLXRoZS1hcHA=", "c29tZWJvZHktZWxzZQ=="  # noqa: S105 - of applications that do not exist
FRESH_S = 300

GIVES_UP_S = 5.0
"""How long the platform waits for an answer."""

REPORT_WAIT_S = 4.0
REFRESH_S = 0.2
SWEEP_S = 20.0
OVERRULED_WITHIN_S = 90.0
"""After the last trouble of the store, by when a fallback must have been written down."""

LOOK_EVERY = 500
"""Events between looks at all wallets."""

VERIFY_EVERY = 20_000
"""Events between replays of the whole ledger."""

EXACT = 1e-6


class Broken(BaseException):
    """A promise was broken. `rule` names which, so that a shorter trace is known to break the same."""

    def __init__(self, rule: str, explanation: str) -> None:
        super().__init__(f"{rule}: {explanation}")
        self.rule = rule
        self.explanation = explanation


class Carried:
    """A call as the platform sees it."""

    __slots__ = ("answered_at", "end", "entry", "granted_s", "is_decided", "is_over")

    def __init__(self, entry: s.Place) -> None:
        self.entry = entry
        self.is_decided = False
        self.is_over = False
        self.granted_s: int | None = None
        self.answered_at: float | None = None
        self.end: End | None = None


class Delivery:
    """One callback on its way, and back. `expected` is what must be answered, once it was committed."""

    __slots__ = ("at", "expected", "is_committed", "key", "kind", "says", "secret", "setup", "signed_at", "told")

    def __init__(self, kind: str, key: tuple[str, str], says: Any) -> None:
        self.kind, self.key, self.says = kind, key, says
        self.at = 0.0
        self.secret = SECRET
        self.signed_at: float | None = None  # when it is sent, unless it is a replay
        self.setup: Any = None
        self.is_committed = False
        self.expected: tuple[object, ...] = ()
        self.told: Callable[[tuple[object, ...] | None], None] | None = None

    def __repr__(self) -> str:
        return f"{self.kind} {'/'.join(self.key)}"


class Order:
    """Something that an operator does. `apply` has the oracle do it, and says which error it must raise."""

    __slots__ = ("apply", "expected", "is_committed", "name")

    def __init__(self, name: str, apply: Callable[[], str | None]) -> None:
        self.name, self.apply = name, apply
        self.is_committed = False
        self.expected: str | None = None

    def __repr__(self) -> str:
        return self.name


class Sweep:
    """The server looks for ends that have waited long enough."""

    __slots__ = ("before_us", "setup")

    def __init__(self, setup: Any, before_us: int) -> None:
        self.setup, self.before_us = setup, before_us

    def __repr__(self) -> str:
        return "sweep"


class World:
    """One run. `trace` holds the last lines of what happened, all of them where `keep_trace`."""

    def __init__(
        self, plan: s.Plan, entries: Iterator[s.Any_], *, path: Path, event_limit: int, keep_trace: bool = False
    ) -> None:
        self.agenda = Agenda()
        self.oracle = Oracle(plan, orphan_after_s=ORPHAN_AFTER_S)
        self.audit = Audit(str(path), self.oracle)
        self.events = 0
        self.counts: dict[str, int] = {}
        self.trace: deque[str] = deque(maxlen=None if keep_trace else 40)
        self.digest = hashlib.blake2b(digest_size=16)
        self.taken: list[s.Any_] = []
        self._plan, self._entries, self._path, self._event_limit = plan, entries, str(path), event_limit
        self._node: Node | None = None
        self._offset = timedelta()
        self._armed: dict[str, list[s.Crash | s.Slow]] = {}
        self._outages: list[str] = []
        self._sweeping = False
        self._next_look = LOOK_EVERY
        self._next_verify = VERIFY_EVERY
        self._broken: Broken | None = None
        self._is_set_up = False

    # -- a run ---------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Raises `Broken`."""
        try:
            self._begin_node()
            self.agenda.run()
            self._set_up()
            self.agenda.run()
            self._is_set_up = True
            self._take_next()
            self.agenda.run()
            self._finish()
        finally:
            if self._node is not None:
                self._node.kill()
            self.audit.close()
        if self._broken is not None:
            raise self._broken

    def _take_next(self) -> None:
        if self.events >= self._event_limit or (entry := next(self._entries, None)) is None:
            return
        self.taken.append(entry)
        self.agenda.at(entry.at, self._do, entry)

    def _do(self, entry: s.Any_) -> None:
        _DOES[type(entry)](self, entry)
        self._take_next()

    def _finish(self) -> None:
        node = self._node
        if node is None or node.setup is None:
            raise Broken("liveness", "the server did not come back")
        if node.fallbacks:
            raise Broken("overrule", f"never written down: {list(node.fallbacks)[:3]}")
        self._check("books", self.audit.everything())
        self._check("books", self.audit.all_calls())
        self._verify(node)
        self.agenda.run()

    def _verify(self, node: Node) -> None:
        async def look() -> None:
            verdict = await node.store.inspect_ledger(verify)
            if verdict.faults:
                self._break("verify", verdict.faults[0])

        node.begin(None, look())

    # -- telling -------------------------------------------------------------------------------------------------------

    def _say(self, *words: object) -> None:
        line = f"{self.agenda.now:.6f} {' '.join(map(str, words))}"
        self.trace.append(line)
        self.digest.update(line.encode())

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def _event(self, what: str) -> None:
        self.events += 1
        self._count(what)
        if self.events >= self._next_look:
            self._look()

    def _look(self) -> None:
        self._next_look = self.events + LOOK_EVERY
        self._check("books", self.audit.everything())
        node = self._node
        if node is None or node.setup is None:
            return
        late = min(self.agenda.now - OVERRULED_WITHIN_S, self.agenda.now if not self._outages else -1.0)
        for delivery, at in node.fallbacks.items():
            if max(at, node.trouble_at) < late:
                self._break("overrule", f"the fallback was answered to {delivery} and never written down")
        if self.events >= self._next_verify:
            self._next_verify = self.events + VERIFY_EVERY
            self._verify(node)

    def _check(self, rule: str, fault: str) -> None:
        if fault:
            self._break(rule, fault)

    def _break(self, rule: str, explanation: str) -> None:
        """Wherever it is noticed: asyncio may keep what is raised inside a task."""
        if self._broken is None:
            self._broken = Broken(rule, explanation)
            self._say("BROKEN", rule, explanation)
        raise self._broken

    def _uncaught(self, message: str, error: BaseException | None) -> None:
        if isinstance(error, Broken):
            raise error
        self._break("exception", f"{message}: {error!r}")

    # -- the server's life ---------------------------------------------------------------------------------------------

    def clock(self) -> datetime:
        """The server's clock, which may be wrong."""
        return EPOCH + timedelta(seconds=self.agenda.now) + self._offset

    def now_us(self) -> int:
        return (self.clock() - EPOCH) // MICROSECOND

    def _begin_node(self) -> None:
        disk = Disk(self.agenda, self._pass_seam, self._committed, self.now_us)
        loop = VirtualLoop(self.agenda, fail=self._uncaught, threads=disk.thread)
        self._node = node = Node(self.agenda, self._path, disk, loop, self.clock)
        disk.failing = self._outages[-1] if self._outages else ""
        task = node.begin(None, node.start())
        task.add_done_callback(partial(self._started, node))

    def _started(self, node: Node, task: Any) -> None:
        if (error := task.exception()) is not None:
            self._uncaught("the server did not start", error)
        node.setup = self.oracle.setup
        self._say("ready")
        if self.oracle.parked:
            self._sweep_later()
        self._check("books", self.audit.everything())

    def _pass_seam(self, seam: str) -> None:
        """The engine is between two steps of a transaction."""
        node = self._node
        assert node is not None
        if self._broken is not None:
            raise self._broken
        if seam == "failed":
            node.trouble_at = self.agenda.now
            return
        if not self._is_set_up:
            return
        if seam == "commit":
            self.agenda.run(self.agenda.now + COMMIT_S, unless_dead=node.loop)
        if armed := self._armed.pop(seam, None):
            for entry in armed:
                if isinstance(entry, s.Slow):
                    self._say("slow", seam, entry.by_s)
                    self.agenda.run(self.agenda.now + entry.by_s, unless_dead=node.loop)
                elif self._node is node:
                    self._die(entry)
        node.check_alive()

    def _die(self, entry: s.Crash) -> None:
        node = self._node
        if node is None:
            return
        self._say("killed at", entry.seam)
        self._node = None
        node.kill()
        self.agenda.at(self.agenda.now + entry.down_s, self._begin_node)

    def _stopped(self, node: Node, down_s: float, task: Any) -> None:
        if (error := task.exception()) is not None:
            self._uncaught("the server did not stop", error)
        self._say("stopped")
        if self._node is node:
            self._node = None
            node.loop.kill()
            self.agenda.loop = None
            self.agenda.at(self.agenda.now + down_s, self._begin_node)

    # -- what was committed --------------------------------------------------------------------------------------------

    def _committed(self, steps: list[Step]) -> None:
        for step in steps:
            self._apply(step)
        if steps:
            self._check("books", self.audit.commit())

    def _apply(self, step: Step) -> None:
        job, cause = step.job, step.cause
        name = type(job).__name__
        if isinstance(cause, Delivery):
            if step.error is not None:
                self._break("exception", f"{name} for {cause}: {step.error!r}")
            self._heard(name, cause, step.now_us)
        elif isinstance(cause, Order):
            if name != "Probe":
                self._ordered(cause, step.error)
        elif name == "ExpireParked":
            self._given_up(tuple(job.keys().calls[0]), cause)
        else:
            self._break("unknown", f"{name}, for {cause}")

    def _heard(self, name: str, delivery: Delivery, now_us: int) -> None:
        oracle, key = self.oracle, delivery.key
        self._say("commit", name, *key)
        if name == "Overrule":
            oracle.overruled(key, delivery.says, delivery)
            if (node := self._node) is not None:
                node.fallbacks.pop(delivery, None)
            return
        if delivery.is_committed:
            self._break("repeat", f"{name} for {delivery} was committed twice")
        delivery.is_committed = True
        if name == "Authorize":
            delivery.expected = oracle.starts(key, delivery.says, delivery.setup, delivery, now_us)
        elif name == "GoAhead":
            delivery.expected = oracle.answered(key)
        elif name == "Settle":
            delivery.expected = oracle.ends(key, delivery.says, now_us)
            if oracle.parked:
                self._sweep_later()
        else:
            self._break("unknown", f"{name}, for {delivery}")

    def _ordered(self, order: Order, error: Exception | None) -> None:
        setup = self.oracle.setup
        order.expected = order.apply()
        found = None if error is None else type(error).__name__
        self._say("commit", order, found or "done")
        if found != order.expected:
            self._break("order", f"{order} gave {found or 'no error'}, must give {order.expected or 'none'}: {error}")
        order.is_committed = True
        if self.oracle.setup is not setup and self._is_set_up:
            self._refresh_later()

    def _given_up(self, key: tuple[str, str], sweep: Sweep) -> None:
        self._say("commit", "ExpireParked", *key)
        if not self.oracle.may_give_up(key, sweep.before_us):
            self._break("orphan", f"{key} was given up before its time")
        self.oracle.given_up(key, sweep.setup)

    # -- what the server does by itself --------------------------------------------------------------------------------

    def _refresh_later(self) -> None:
        self.agenda.at(self.agenda.now + REFRESH_S, self._refresh, self._node)

    def _refresh(self, node: Node) -> None:
        if self._node is node and node.setup is not None:
            node.begin(None, node.catalogs.refresh()).add_done_callback(partial(self._refreshed, node))

    def _refreshed(self, node: Node, task: Any) -> None:
        if isinstance(error := task.exception(), StorageUnavailable):
            self._refresh_later()
        elif error is not None:
            self._uncaught("refreshing", error)
        else:
            node.setup = self.oracle.setup

    def _sweep_later(self) -> None:
        if not self._sweeping:
            self._sweeping = True
            self.agenda.at(self.agenda.now + SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = False
        node = self._node
        if node is not None and node.setup is not None:
            cause = Sweep(node.setup, self.now_us() - ORPHAN_AFTER_S * 1_000_000)
            node.begin(cause, node.sweep()).add_done_callback(self._swept)
        if self.oracle.parked:
            self._sweep_later()

    def _swept(self, task: Any) -> None:
        if (error := task.exception()) is not None and not isinstance(error, StorageUnavailable):
            self._uncaught("the sweep", error)

    # -- callbacks -----------------------------------------------------------------------------------------------------

    def _send(self, after_s: float, delivery: Delivery, body: bytes) -> None:
        self.agenda.at(self.agenda.now + after_s, self._deliver, delivery, body)

    def _deliver(self, delivery: Delivery, body: bytes) -> None:
        self._event(delivery.kind)
        node, now = self._node, self.agenda.now
        if node is None or node.setup is None:
            self._say("nobody hears", delivery)
            if delivery.told is not None:
                delivery.told(None)
            return
        signed_at = now if delivery.signed_at is None else delivery.signed_at
        headers = sinch.sign(
            "POST", PATH, body, delivery.key[0], delivery.secret, EPOCH + timedelta(seconds=signed_at)
        )
        delivery.at, delivery.setup = now, node.setup
        is_fresh = abs(self.now_us() / 1_000_000 - signed_at) <= FRESH_S
        task = node.begin(delivery, node.receive(WireRequest(method="POST", path=PATH, headers=headers, body=body)))
        task.add_done_callback(partial(self._replied, node, delivery, is_fresh and delivery.secret is SECRET))

    def _replied(self, node: Node, delivery: Delivery, is_genuine: bool, task: Any) -> None:
        if (error := task.exception()) is not None:
            self._uncaught(f"{delivery}", error)
        reply: WireReply = task.result()
        waited_s = self.agenda.now - delivery.at
        said = _action(reply.body) if reply.status == 200 else None  # noqa: PLR2004
        self._say("answer", delivery, reply.status, said)
        if not is_genuine:
            if reply.status != 401 or delivery.is_committed:  # noqa: PLR2004
                self._break("genuine", f"{delivery} was not genuine, and got {reply.status}")
            said = None
        elif reply.status == 200:  # noqa: PLR2004
            self._check("answer", self._fault_in(node, delivery, said, waited_s))
        elif reply.status != 503 or delivery.kind == "ice" or not self._is_excused(node, delivery, waited_s):  # noqa: PLR2004
            self._break("answer", f"{delivery} got {reply.status}: {reply.body.decode()}")
        if delivery.told is not None:
            delivery.told(said)

    def _is_excused(self, node: Node, delivery: Delivery, waited_s: float) -> bool:
        """Whether the store failed meanwhile, or was too slow."""
        limit_s = DEADLINE_S if delivery.kind == "ice" else REPORT_WAIT_S
        return node.trouble_at >= delivery.at or waited_s >= limit_s - EXACT

    def _fault_in(self, node: Node, delivery: Delivery, said: Any, waited_s: float) -> str:
        limit_s = DEADLINE_S if delivery.kind == "ice" else REPORT_WAIT_S
        if waited_s > limit_s + EXACT:
            return f"{delivery} waited {waited_s:.3f} s"
        if delivery.is_committed and said == delivery.expected:
            return ""
        if delivery.kind == "ice" and said == HANG_UP and self._is_excused(node, delivery, waited_s):
            node.fallbacks[delivery] = self.agenda.now
            return ""
        if not delivery.is_committed:
            return f"{delivery} was answered {said}, and nothing was committed"
        return f"{delivery} was answered {said}, must be {delivery.expected}"

    # -- calls ---------------------------------------------------------------------------------------------------------

    def _place(self, entry: s.Place) -> None:
        call = Carried(entry)
        key = (entry.application, entry.call)
        start = Start(entry.user, entry.cli, entry.to, entry.to_kind, entry.is_valid, entry.origin)
        body = _ice(entry, entry.to)
        for delay_s in entry.ice:
            delivery = Delivery("ice", key, start)
            if entry.is_forged:
                delivery.secret = WRONG_SECRET
            if not entry.is_deaf:
                delivery.told = partial(self._told, call)
            self._send(delay_s, delivery, body)
        if entry.stale_after_s:
            stale = Delivery("ice", key, start)
            stale.signed_at = self.agenda.now
            self._send(entry.stale_after_s, stale, body)
        if entry.other_to:
            other = Delivery("ice", key, Start(entry.user, entry.cli, entry.other_to, "number", True, entry.origin))
            self._send(entry.other_after_s, other, _ice(entry, entry.other_to))
        self.agenda.at(self.agenda.now + GIVES_UP_S, self._give_up, call)

    def _told(self, call: Carried, said: tuple[object, ...] | None) -> None:
        """The platform has an answer; the first one counts."""
        if said is None or call.is_decided:
            return
        call.is_decided = True
        if said[0] == "connectpstn":
            call.granted_s = int(str(said[3]))
            self._ring(call)
        else:
            self._end(call, End("N/A", "CALLERHANGUP", None, *_ends_of(call.entry)))

    def _give_up(self, call: Carried) -> None:
        if call.is_decided:
            return
        call.is_decided = True
        if call.entry.connects_anyway:
            self._ring(call)
        else:
            self._end(call, End("FAILED", "NOCREDITPARTNER", None, *_ends_of(call.entry)))

    def _ring(self, call: Carried) -> None:
        self.agenda.at(self.agenda.now + call.entry.rings_s, self._pick_up, call)

    def _pick_up(self, call: Carried) -> None:
        entry = call.entry
        if entry.talks_s == 0:
            self._end(call, End(entry.result, entry.result, None, *_ends_of(entry)))
            return
        call.answered_at = self.agenda.now
        body = msgspec.json.encode(
            {"event": "ace", "callid": entry.call, "applicationKey": entry.application, "user": entry.user}
        )
        for delay_s in entry.ace:
            delivery = Delivery("ace", (entry.application, entry.call), None)
            delivery.told = partial(self._may_talk, call)
            self._send(delay_s, delivery, body)
        seconds, reason = entry.talks_s, "CALLERHANGUP"
        if call.granted_s is not None and seconds > call.granted_s:
            seconds, reason = call.granted_s + entry.late_s, "TIMEOUT"
        self.agenda.at(self.agenda.now + seconds, self._end, call, End("ANSWERED", reason, seconds, *_ends_of(entry)))

    def _may_talk(self, call: Carried, said: tuple[object, ...] | None) -> None:
        if said == HANG_UP and not call.is_over and call.answered_at is not None:
            seconds = int(self.agenda.now - call.answered_at)
            self._end(call, End("ANSWERED", "CALLEEHANGUP", seconds or 1, *_ends_of(call.entry)))

    def _end(self, call: Carried, end: End) -> None:
        if call.is_over:
            return
        call.is_over, call.end = True, end
        entry, delay_s = call.entry, 0.0
        if entry.muddle:
            muddle = End(entry.muddle, end.reason, entry.muddle_s, *_ends_of(entry))
            self._send_end(entry, muddle, 0.001)
            delay_s = 1.0
        for each in entry.dice:
            self._send_end(entry, end, delay_s + each)

    def _send_end(self, entry: s.Place, end: End, delay_s: float) -> None:
        delivery = Delivery("dice", (entry.application, entry.call), end)
        body: dict[str, Any] = {
            "event": "dice",
            "callid": entry.call,
            "applicationKey": entry.application,
            "result": end.result,
            "reason": end.reason,
            "user": end.user,
            "to": {"type": end.to_kind, "endpoint": end.to},
        }
        if end.duration_s is not None:
            body["duration"] = end.duration_s
        self._send(delay_s, delivery, msgspec.json.encode(body))

    # -- operators -----------------------------------------------------------------------------------------------------

    def _order(self, order: Order, work: Callable[[Node], Any]) -> None:
        self._event("order")
        node = self._node
        if node is None or node.setup is None:
            return
        task = node.begin(order, work(node))
        task.add_done_callback(partial(self._obeyed, node, order, self.agenda.now))

    def _obeyed(self, node: Node, order: Order, at: float, task: Any) -> None:
        error = task.exception()
        if isinstance(error, StorageUnavailable):
            if node.trouble_at < at:
                self._break("order", f"{order}: {error!r}")
        elif error is not None and not isinstance(error, Error):
            self._uncaught(str(order), error)
        elif error is None and not order.is_committed:
            self._break("order", f"{order} was acknowledged, and nothing was committed")
        elif order.is_committed and (type(error).__name__ if error else None) != order.expected:
            self._break("order", f"{order} gave {error!r}, must give {order.expected}")

    def _job(self, name: str, job: Any, apply: Callable[[], str | None]) -> None:
        self._order(Order(name, apply), lambda node: node.store.perform(job))

    def _open(self, e: s.OpenAccount) -> None:
        job = OpenAccount(
            application=e.application, account=e.account, currency=e.currency, deck=e.deck, identities=e.identities,
            credit_limit_micros=e.credit,
        )  # fmt: skip
        self._job(
            f"open {e.account}",
            job,
            lambda: self.oracle.opens(e.application, e.account, e.currency, e.deck, e.identities),
        )

    def _pay(self, e: s.Pay) -> None:
        def pay(micros: int) -> None:
            job = TopUp(
                application=e.application, account=e.account, amount_micros=micros, reference=e.reference, now=self.clock()
            )
            self._job(
                f"topup {e.account} {micros} {e.reference}",
                job,
                lambda: self.oracle.tops_up(e.application, e.account, micros, e.reference),
            )

        pay(e.micros)
        if e.again_after_s:
            self.agenda.at(self.agenda.now + e.again_after_s, pay, e.again_micros or e.micros)

    def _adjust(self, e: s.AdjustBy) -> None:
        def adjust() -> None:
            job = Adjust(
                application=e.application, account=e.account, amount_micros=e.micros, why="simulated",
                reference=e.reference, now=self.clock(), who="simulator",
            )  # fmt: skip
            self._job(
                f"adjust {e.account} {e.micros} {e.reference}",
                job,
                lambda: self.oracle.adjusts(e.application, e.account, e.micros, e.reference),
            )

        adjust()
        if e.again_after_s:
            self.agenda.at(self.agenda.now + e.again_after_s, adjust)

    def _refund(self, e: s.GiveBack) -> None:
        def refund() -> None:
            job = Refund(
                call=CallKey(e.application, e.call), amount_micros=e.micros, why="simulated", reference=e.reference,
                now=self.clock(), who="simulator",
            )  # fmt: skip
            self._job(
                f"refund {e.call} {e.micros} {e.reference}",
                job,
                lambda: self.oracle.refunds((e.application, e.call), e.micros, e.reference),
            )

        refund()
        if e.again_after_s:
            self.agenda.at(self.agenda.now + e.again_after_s, refund)

    def _set_status(self, e: s.Status) -> None:
        if e.account:
            self._job(
                f"{e.status} {e.account}",
                SetAccountStatus(application=e.application, account=e.account, status=Status(e.status)),
                lambda: self.oracle.sets_status(e.application, e.account, e.status),
            )
        else:
            self._job(
                f"{e.status} {e.application}",
                SetApplicationStatus(key=e.application, status=Status(e.status)),
                lambda: self.oracle.suspends(e.application, e.status),
            )

    def _limit(self, e: s.LimitTo) -> None:
        words = (f"max_seconds={e.seconds or 'none'}",)
        if e.account:
            self._job(
                f"limit {e.account} {e.seconds}",
                SetAccountLimits(application=e.application, account=e.account, words=words),
                lambda: self.oracle.limits(e.application, e.account, e.seconds),
            )
        else:
            self._job(
                f"limit {e.application} {e.seconds}",
                SetApplicationLimits(application=e.application, words=words),
                lambda: self.oracle.limits_application(e.application, e.seconds),
            )

    def _lend(self, e: s.Credit) -> None:
        self._job(
            f"credit {e.account} {e.micros}",
            SetAccount(application=e.application, account=e.account, words=(_credit(e.micros),)),
            lambda: self.oracle.lends(e.application, e.account, e.micros),
        )

    def _move_deck(self, e: s.MoveDeck) -> None:
        words = (f"deck={e.deck}", *([_credit(e.credit)] if e.credit >= 0 else []))
        self._job(
            f"deck {e.account} {e.deck} {e.credit}",
            SetAccount(application=e.application, account=e.account, words=words),
            lambda: self.oracle.moves_to_deck(e.application, e.account, e.deck, e.credit),
        )

    def _import(self, e: s.Import) -> None:
        now, now_us = self.clock(), self.now_us()
        base = self.oracle.setup.decks.get(e.deck)

        def apply() -> str | None:
            if self.oracle.setup.decks.get(e.deck) is not base:
                return "Conflict"
            self.oracle.publishes(e.deck, e.currency, self.oracle.merged(e.deck, e.prices, e.mode, now_us))
            return None

        self._order(
            Order(f"import {e.deck} {e.mode}", apply),
            lambda node: import_deck(
                node.store, e.deck, e.currency, list(map(_rate, e.prices)), mode=ImportMode(e.mode), is_dry_run=False,
                now=now,
            ),
        )  # fmt: skip

    def _set_up(self) -> None:
        for key in self._plan.applications:
            self._job(
                f"add {key}",
                AddApplication(provider="sinch", key=key, secret=SECRET, name="", seal=str.encode, now=EPOCH),
                lambda: None,
            )
        self.agenda.run()
        for key in self._plan.trusting:
            self._job(f"trust {key}", SetApplication(key=key, words=("trust=number",)), lambda: None)
        for deck in self._plan.decks:
            if not deck.prices:  # shrunk away
                continue
            self._import(
                s.Import(at=0.0, deck=deck.name, currency=deck.currency, prices=deck.prices, mode="merge")
            )  # fmt: skip
            self.agenda.run()
        assert self._node is not None
        self._refresh(self._node)

    # -- faults --------------------------------------------------------------------------------------------------------

    def _crash(self, e: s.Crash) -> None:
        self._event("crash")
        node = self._node
        if node is None:
            return
        if e.seam == "now":
            self._die(e)
        elif e.seam == "step":
            node.loop.step_limit = e.steps
            node.loop.on_limit = partial(self._die, e)
        else:
            self._armed.setdefault(e.seam, []).append(e)

    def _restart(self, e: s.Restart) -> None:
        self._event("restart")
        node = self._node
        if node is not None and node.setup is not None:
            node.setup = None
            node.begin(None, node.stop()).add_done_callback(partial(self._stopped, node, e.down_s))

    def _jump(self, e: s.Jump) -> None:
        self._event("jump")
        by = timedelta(seconds=e.by_s)
        self._offset += by
        self.agenda.at(self.agenda.now + e.for_s, self._jump_back, by)

    def _jump_back(self, by: timedelta) -> None:
        self._offset -= by

    def _slow(self, e: s.Slow) -> None:
        self._event("slow")
        self._armed.setdefault(e.seam, []).append(e)

    def _fail_disk(self, e: s.Outage) -> None:
        self._event("outage")
        self._outages.append(e.seam)
        self._set_failing()
        self.agenda.at(self.agenda.now + e.for_s, self._mend_disk, e)

    def _mend_disk(self, e: s.Outage) -> None:
        self._outages.remove(e.seam)
        self._set_failing()

    def _set_failing(self) -> None:
        if self._node is not None:
            self._node.disk.failing = self._outages[-1] if self._outages else ""


_DOES: dict[type, Callable[[World, Any], None]] = {
    s.Place: World._place,
    s.OpenAccount: World._open,
    s.Pay: World._pay,
    s.AdjustBy: World._adjust,
    s.GiveBack: World._refund,
    s.Status: World._set_status,
    s.LimitTo: World._limit,
    s.Credit: World._lend,
    s.MoveDeck: World._move_deck,
    s.Import: World._import,
    s.Crash: World._crash,
    s.Restart: World._restart,
    s.Jump: World._jump,
    s.Slow: World._slow,
    s.Outage: World._fail_disk,
}


def _credit(micros: int) -> str:
    return f"credit_limit={micros // 1_000_000}.{micros % 1_000_000:06}"


def _ends_of(entry: s.Place) -> tuple[str, str, str, bool]:
    return entry.user, entry.to, entry.to_kind, entry.is_valid


def _ice(entry: s.Place, to: str) -> bytes:
    kind = entry.to_kind if to == entry.to else "number"
    body = {
        "event": "ice",
        "callid": entry.call,
        "applicationKey": entry.application,
        "cli": entry.cli,
        "user": entry.user,
        "originationType": entry.origin,
        "domain": "pstn",
        "to": {"type": kind, "endpoint": to},
    }
    return msgspec.json.encode(body)


def _action(body: bytes) -> tuple[object, ...]:
    """What an answer says, in the oracle's words."""
    action = msgspec.json.decode(body).get("action")
    if action is None:
        return NOTHING
    if action["name"] == "hangup":
        return HANG_UP
    if action["name"] == "continue":
        return GO_ON
    return (action["name"].lower(), action.get("number"), action.get("cli"), action.get("maxDuration"))


def _rate(price: s.Price) -> Rate:
    return Rate(
        prefix=price.prefix,
        destination=price.prefix,
        rate_nanos_per_min=price.nanos,
        connect_fee_micros=price.fee,
        first_increment_s=price.first_s,
        increment_s=price.next_s,
        minimum_charge_micros=price.minimum,
        grace_s=price.grace_s,
        effective_from=EPOCH + timedelta(seconds=price.from_s),
        is_blocked=price.is_blocked,
    )
