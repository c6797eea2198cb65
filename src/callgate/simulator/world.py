"""The world around the server: it goes through a schedule, and has the books looked at after each commit.

What the platform and operators do is told in `platform` and `operators`, what goes wrong in `faults`.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from callgate.ledger.verify import verify
from callgate.simulator import schedule as s
from callgate.simulator.asked import Asked
from callgate.simulator.audit import Audit
from callgate.simulator.causes import CallId, Healing, Sweep
from callgate.simulator.disk import Desk, Disk, Step
from callgate.simulator.loop import Agenda, VirtualLoop
from callgate.simulator.node import EPOCH, MICROSECOND, Node
from callgate.simulator.oracle import Oracle
from callgate.simulator.promises import ORPHAN_AFTER_S, OVERRULED_WITHIN_S, Broken

COMMIT_S = 0.002
"""How long a commit takes; meanwhile calls come in."""

REFRESH_S = 0.2
"""How long after a change of the configuration the server looks at it; it does so four times a second."""

HEAL_S = 20.0
"""How often the server looks for calls whose end has not come. It does so every second; here time is short."""

HEAL_LATE_S, LATE_S = 600.0, 3_600.0
"""And how often when for so long nothing else has happened."""

TEND_S = 0.01
"""How soon after news of one side of a bridge the server looks at the other."""

ALONE_S = 900.0
"""How long one side of a bridge may stay when the other has gone, and the server be down or its clock wrong meanwhile."""

OVER_S = 200.0
"""The same, where the clock was right when the server found that it had gone: its timer does not wait for another hour."""

SWEEP_S = 20.0
"""How often the server looks for ends whose start never came."""

OVER_AFTER_S = 36 * 3_600
"""How long after the last event everything must have come to its end: the platform is asked for a day."""

LOOK_EVERY = 250
"""Events between looks at all wallets."""

VERIFY_EVERY = 20_000
"""Events between replays of the whole ledger."""

TRACE_LINES = 40

Does = Callable[["World", Any], None]


class World:
    """One run. `trace` holds the last lines of what happened, all of them where `keep_trace`."""

    def __init__(  # noqa: PLR0913 - what a run is made of
        self,
        plan: s.Plan,
        entries: Iterator[s.AnyEntry],
        does: dict[type, Does],
        platform: Asked,
        *,
        path: Path,
        event_limit: int,
        keep_trace: bool = False,
    ) -> None:
        self.plan = plan
        self._path = str(path)
        self.agenda = Agenda()
        self.oracle = Oracle(plan, orphan_after_s=ORPHAN_AFTER_S)
        self.node: Node | None = None  # None while the server is down
        self.offset = timedelta()  # by which its clock is wrong
        self.desk = self._build_desk()
        self.armed: dict[str, list[s.Crash | s.Slow]] = {}  # for the next time that a seam is passed
        self.outages: list[str] = []
        self.is_set_up = False
        self.events = 0
        self.counts: dict[str, int] = {}
        self.jobs: dict[str, int] = {}  # that were committed, by name
        self.taken: list[s.AnyEntry] = []
        self.trace: deque[str] = deque(maxlen=None if keep_trace else TRACE_LINES)
        self.digest = hashlib.blake2b(digest_size=16)
        self._entries, self._does, self._event_limit = entries, does, event_limit
        self.platform = platform
        self._audit = Audit(self._path, self.oracle)
        self._is_sweeping = self._is_healing = self._is_tending = False
        self._last_at = 0.0
        self._next_look, self._next_verify = LOOK_EVERY, VERIFY_EVERY
        self._broken: Broken | None = None

    # -- a run ---------------------------------------------------------------------------------------------------------

    def run(self, set_up: "Callable[[World], None]") -> None:
        """Raises `Broken`."""
        try:
            self.begin_node()
            self.agenda.run()
            set_up(self)
            self.is_set_up = True
            self._take_next()
            self.agenda.run()
            self._finish()
        finally:
            if self.node is not None:
                self.node.kill()
            self.desk.close()
            self._audit.close()
        if self._broken is not None:
            raise self._broken

    def _take_next(self) -> None:
        self._last_at = self.agenda.now
        if self.events < self._event_limit and (entry := next(self._entries, None)) is not None:
            self.taken.append(entry)
            self.agenda.at(entry.at, self._do, entry)

    def _goes_on(self) -> bool:
        """Whether what the server does by itself may still come to an end."""
        return self.agenda.now < self._last_at + OVER_AFTER_S

    def _do(self, entry: s.AnyEntry) -> None:
        self._does[type(entry)](self, entry)
        self._take_next()

    def _finish(self) -> None:
        if self.node is None or self.node.setup is None:
            self.fail("liveness", "the server did not come back")
        assert self.node is not None
        lost = [delivery for delivery in self.node.fallbacks if not delivery.is_overruled]
        self.check("overrule", f"the fallback was answered and never written down: {lost[:3]}" if lost else "")
        self.check("books", self._audit.everything())
        self.check("books", self._audit.all_calls())
        for what, count in (("hold money", len(self.oracle.live)), ("wait for their start", len(self.oracle.parked))):
            if count:
                self.fail("liveness", f"{count} calls {what} for ever")
        self._verify(self.node)
        self.agenda.run()

    def after(self, delay_s: float, do: Callable[..., object], *args: Any) -> None:
        self.agenda.at(self.agenda.now + delay_s, do, *args)

    # -- telling -------------------------------------------------------------------------------------------------------

    def say(self, *words: object) -> None:
        """Something happened: for people, and for the digest."""
        line = f"{self.agenda.now:.6f} {' '.join(map(str, words))}"
        self.trace.append(line)
        self.digest.update(line.encode())

    def count(self, what: str) -> None:
        """An event of this kind."""
        self.events += 1
        self.counts[what] = self.counts.get(what, 0) + 1
        if self.events >= self._next_look:
            self._next_look = self.events + LOOK_EVERY
            self._look()

    def fail(self, rule: str, explanation: str) -> None:
        """A promise was broken. It is kept as well as raised: asyncio swallows what is raised inside a task."""
        self._fail(Broken(rule, explanation))

    def _fail(self, broken: Broken) -> None:
        if self._broken is None:
            self._broken = broken
            self.say("BROKEN", broken)
        raise self._broken

    def check(self, rule: str, fault: str) -> None:
        if fault:
            self.fail(rule, fault)

    def uncaught(self, message: str, error: BaseException | None) -> None:
        """Nobody expected this exception."""
        if isinstance(error, Broken):
            self._fail(error)
        self.fail("exception", f"{message}: {error!r}")

    # -- looking -------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        self.check("books", self._audit.everything())
        if self.node is not None and self.node.setup is not None:
            self._look_for_lost_overrules(self.node)
            if (alone := self._left_alone()) is not None:
                self.fail("liveness", f"{alone} goes on, although the other side of the bridge has gone")
            if (overdue := self.oracle.overdue(self.now_us())) is not None:
                self.fail("liveness", f"the platform was never asked about {overdue}")
            if self.events >= self._next_verify:
                self._next_verify = self.events + VERIFY_EVERY
                self._verify(self.node)

    def _left_alone(self) -> CallId | None:
        """A side of a bridge that the server should have ended long ago, and did not."""
        latest = self.agenda.now - ALONE_S
        for key, case in self.oracle.live.items():
            side = case.side
            if side is None or case.is_unplaced or key in self.platform.ended:
                continue
            if (side.left_at is not None and side.left_at < latest) or side.over_at + OVER_S < self.agenda.now:
                return key
        return None

    def _look_for_lost_overrules(self, node: Node) -> None:
        if self.outages:
            return
        for delivery, at in list(node.fallbacks.items()):
            if delivery.is_overruled:
                del node.fallbacks[delivery]
            elif max(at, node.trouble_at) < self.agenda.now - OVERRULED_WITHIN_S:
                self.fail("overrule", f"the fallback was answered to {delivery} and never written down")

    def _verify(self, node: Node) -> None:
        """As `callgate ledger verify` does."""

        def looked(task: Any) -> None:
            if (error := task.exception()) is not None:
                self.uncaught("ledger verify", error)
            self.check("verify", next(iter(task.result().faults), ""))

        node.begin(None, node.store.inspect_ledger(verify)).add_done_callback(looked)

    # -- the server's life ---------------------------------------------------------------------------------------------

    def clock(self) -> datetime:
        """The server's clock, which may be wrong."""
        return EPOCH + timedelta(seconds=self.agenda.now) + self.offset

    def now_us(self) -> int:
        """The server's clock, in microseconds since the beginning."""
        return (self.clock() - EPOCH) // MICROSECOND

    def _build_desk(self) -> Desk:
        disk = Disk(self.agenda, lambda _: None, self._committed, self.now_us)
        desk = Desk(self._path, disk, VirtualLoop(self.agenda, fail=self.uncaught, threads=disk.thread))
        desk.open()
        return desk

    def begin_node(self) -> None:
        """The server starts."""
        disk = Disk(self.agenda, self._pass_seam, self._committed, self.now_us)
        disk.failing = self.outages[-1] if self.outages else ""
        loop = VirtualLoop(self.agenda, fail=self.uncaught, threads=disk.thread)
        self.node = node = Node(self.agenda, self._path, disk, loop, self.clock, self.platform, self._hear_of_callout)
        node.begin(None, node.start()).add_done_callback(partial(self._started, node))

    def _started(self, node: Node, task: Any) -> None:
        if (error := task.exception()) is not None:
            self.uncaught("the server did not start", error)
        node.setup = self.oracle.setup
        self.say("ready")
        self.check("books", self._audit.everything())

    def kill_node(self, at: str, down_s: float) -> None:
        """The process dies, and is started again after a while."""
        if (node := self.node) is not None:
            self.say("killed", at)
            self.node = None
            node.kill()
            self.after(down_s, self.begin_node)

    def _pass_seam(self, seam: str) -> None:
        """The engine is between two steps of a transaction: the world goes on meanwhile."""
        if self._broken is not None:
            raise self._broken
        node = self.node
        assert node is not None, "only a living process has a thread"
        if seam == "failed":
            node.trouble_at = self.agenda.now
        if not self.is_set_up:
            return
        if seam == "commit":
            self.agenda.run(self.agenda.now + COMMIT_S, unless_dead=node.loop)
        for entry in self.armed.pop(seam, ()):
            if isinstance(entry, s.Slow):
                self.say("slow", seam, entry.by_s)
                self.agenda.run(self.agenda.now + entry.by_s, unless_dead=node.loop)
            elif self.node is node:
                self.kill_node(seam, entry.down_s)
        node.check_alive()

    # -- what the server does by itself --------------------------------------------------------------------------------

    def _committed(self, steps: list[Step]) -> None:
        """Called as soon as a transaction is durable, before anybody can be answered."""
        oracle = self.oracle
        setup = oracle.setup
        oracle.time, oracle.is_clock_right = self.agenda.now, not self.offset
        for step in steps:
            self.say("commit", step.name, step.cause, type(step.error).__name__ if step.error else "")
            self.jobs[step.name] = self.jobs.get(step.name, 0) + 1
            try:
                step.cause.committed(step, oracle)
            except Broken as broken:
                self._fail(broken)
        if steps:
            self.check("books", self._audit.commit())
        if oracle.setup is not setup and self.is_set_up and self.node is not None:
            self.after(REFRESH_S, self.refresh, self.node)
        if oracle.parked and not self._is_sweeping and self._goes_on():
            self._is_sweeping = True
            self.after(SWEEP_S, self._sweep)
        if oracle.live and not self._is_healing and self._goes_on():
            self._is_healing = True
            self.after(HEAL_S, self._heal)

    def refresh(self, node: Node) -> None:
        """The server looks at its configuration."""
        if self.node is node and node.setup is not None:
            node.begin(None, node.catalogs.refresh()).add_done_callback(partial(self._refreshed, node))

    def _refreshed(self, node: Node, task: Any) -> None:
        if (error := task.exception()) is not None:
            self.uncaught("looking at the configuration", error)
        if node.setup is not None:
            node.setup = self.oracle.setup

    def _sweep(self) -> None:
        node = self.node
        if node is not None and node.setup is not None:
            cause = Sweep(node.setup, self.now_us() - ORPHAN_AFTER_S * 1_000_000)
            node.begin(cause, node.sweep()).add_done_callback(partial(self._swept, node))
        self._is_sweeping = bool(self.oracle.parked) and self._goes_on()
        if self._is_sweeping:
            self.after(SWEEP_S, self._sweep)

    def _heal(self) -> None:
        node = self.node
        if node is not None and node.setup is not None:
            cause = Healing(self.platform.says, self.now_us(), self.platform.ended.__contains__)
            node.begin(cause, node.healer.ask_due()).add_done_callback(partial(self._swept, node))
            node.begin(cause, node.healer.extend_due()).add_done_callback(partial(self._swept, node))
            self._tend()
        self._is_healing = bool(self.oracle.live) and self._goes_on()
        if self._is_healing:
            is_late = self.agenda.now > self._last_at + LATE_S
            self.after(HEAL_LATE_S if is_late else HEAL_S, self._heal)

    def _hear_of_callout(self) -> None:
        """There was news of a call that we place: the server looks at its other side at once."""
        if not self._is_tending:
            self._is_tending = True
            self.after(TEND_S, self._tend)

    def _tend(self) -> None:
        self._is_tending = False
        node = self.node
        if node is not None and node.setup is not None:
            cause = Healing(self.platform.says, self.now_us(), self.platform.ended.__contains__)
            node.begin(cause, node.healer.tend_bridges()).add_done_callback(partial(self._swept, node))

    def _swept(self, node: Node, task: Any) -> None:
        if (error := task.exception()) is not None and not node.is_excused(error):
            self.uncaught("the sweep", error)
