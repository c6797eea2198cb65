"""Drives a load: calls fall due evenly, whoever is still waiting for an answer, and each goes its way from ICE to DiCE.

Open loop: latency counts from when an event was due and not from when it could be sent, so that a server which stalls
cannot hide it by holding up the calls behind. Talk is warped: the next event is due as soon as the last is answered.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from time import perf_counter
from typing import NamedTuple

import msgspec

from callgate.emulator.load.events import Scribe
from callgate.emulator.load.figures import Generator, Histogram, LoadReport, Wrong
from callgate.emulator.load.judge import Judge, Judged
from callgate.emulator.load.links import Links
from callgate.emulator.load.mix import DrawnCall, Fate, Mix, draw_calls
from callgate.emulator.load.talk_log import NO_TALK, NOT_ENDED, TalkLog
from callgate.emulator.target import Target, must_be_fit
from callgate.emulator.transport import HttpTransport, NoAnswer
from callgate.errors import TargetUnfit, TargetUnreachable
from callgate.protocol import sinch

CONNECTIONS = 64

TICK_S = 0.001
"""How often calls that have fallen due are looked for, at the rates where that matters."""

PROGRESS_EVERY_S = 0.5

LAST_ANSWERS_S = 15.0
"""How long to wait for calls that are under way when the time is over."""

LAGGING_MS = 10.0
BUSY_SHARE = 0.9
"""Beyond either of these the figures say more about the generator than about the target."""

CUT_AT_ANSWER_S = 1
"""Duration of a call that the ACE's answer ends: the callee has picked up, so that the first second has begun."""

_ENDS = {
    Fate.NO_ANSWER: (b"TIMEOUT", b"NOANSWER"),
    Fate.BUSY: (b"N/A", b"BUSY"),
    Fate.CANCEL: (b"CANCEL", b"NOANSWER"),
    Fate.FAILED: (b"CONGESTION", b"FAILED"),
}


def probe(plan: "LoadPlan") -> None:
    """Look what answers at the target, before thousands are sent: one event, about no call that there is.

    Raises `TargetUnreachable` where nothing does, `TargetUnfit` where it is no callback server, or not of this application.
    """
    transport = HttpTransport(plan.target)
    body = b'{"event":"notify","callid":"%b","type":"callgate_load","version":1}' % secrets.token_hex(16).encode()
    headers = sinch.sign("POST", plan.target.path, body, plan.key, plan.secret, datetime.now(UTC))
    try:
        answer = transport.send("POST", transport.requested, list(headers.items()), body)
    except NoAnswer as error:
        raise TargetUnreachable(plan.target.url, str(error)) from None
    must_be_fit(plan.target.url, answer.status, answer.headers, answer.body)
    if answer.status in (401, 403):
        raise TargetUnfit(
            plan.target.url,
            f"refuses our signature with {answer.status}",
            "its own --key and --secret, and its own path",
        )


class LoadPlan(NamedTuple):
    """What is asked for. Without a rate each connection carries one call after the other, as fast as the target goes.

    `seconds` is for how long calls begin, `calls` the most of them.
    """

    target: Target
    key: str
    secret: str
    rate_per_s: float | None
    seconds: float
    seed: int
    mix: Mix
    connections: int = CONNECTIONS
    calls: int | None = None


class Progress(NamedTuple):
    """A load under way. Rates are of the time since the last progress."""

    elapsed_s: float
    calls_per_s: float
    callbacks_per_s: float
    p99_ms: float
    wrong: int
    waiting: int


class _Call:
    """One call under way: an errand of `Links`, sent again and again with another event."""

    __slots__ = (
        "answer",
        "at",
        "body",
        "call_id",
        "drawn",
        "due_at",
        "event",
        "first",
        "index",
        "is_sent_again",
        "load",
        "number",
    )

    def __init__(self, load: "Load", index: int, drawn: DrawnCall, number: str, due_at: float) -> None:
        self.load = load
        self.index = index
        self.drawn = drawn
        self.call_id = load.talk_log.call_id(index).encode()
        self.number = number
        self.due_at = due_at
        self.at = int(time.time())
        self.event = "ice"
        self.body = b""
        self.is_sent_again = False
        self.first: tuple[int, bytes] | None = None  # the answer that a repeat has to give again
        self.answer: Judged | None = None  # of the ICE

    def compose(self) -> bytes:
        return self.load.scribe.request(self.body)

    def take(self, status: int, body: bytes, now: float) -> None:
        self.load.take(self, status, body, now)

    def miss(self, kind: str, words: str, now: float) -> None:
        self.load.miss(self, kind, words, now)


class Load:
    """One run against one target. `talk_log` is complete when `run` has returned."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._mix = plan.mix
        self._drawn = draw_calls(plan.seed, plan.mix)
        self._users = [msgspec.json.encode(user) for user in plan.mix.callers]
        self._judge = Judge()
        self._links = Links(plan.target, plan.connections)
        self._latency = {"ice": Histogram(), "ace": Histogram(), "dice": Histogram()}
        self._all = Histogram()
        self._lag = Histogram()
        self._wrong: dict[str, list[int | str]] = {}
        self._ended_as: Counter[str] = Counter()
        self._under_way = 0
        self._repeats = 0
        self._talked_s = 0
        self._ended = 0
        self._is_stopped = False
        self._call_ended = asyncio.Event()
        self.scribe = Scribe(plan.target, plan.key, plan.secret)
        self.talk_log = TalkLog(plan.mix)

    async def run(self, on_progress: Callable[[Progress], None] | None = None) -> LoadReport:
        """Send every call of the time, or until `stop`, and wait for the last answers. Raises `TargetUnreachable`."""
        await self._links.open()
        beside = [asyncio.ensure_future(self._sweep())]
        if on_progress is not None:
            beside.append(asyncio.ensure_future(self._tell(on_progress)))
        try:
            began, busy = perf_counter(), time.process_time()
            await (self._send_in_turn(began) if self._plan.rate_per_s is None else self._send_evenly(began))
            sent_s = perf_counter() - began
            busy_s = time.process_time() - busy
            answered, ended = self._all.count, self._ended
            await self._last_answers()
        finally:
            for task in beside:
                task.cancel()
            self._links.close()
        return self._report(sent_s, busy_s, answered, ended)

    def stop(self) -> None:
        """Let no more calls begin; those that are under way go on to their ends."""
        self._is_stopped = True

    # -- the way of a call ---------------------------------------------------------------------------------------------

    def _begin(self, due_at: float) -> None:
        drawn = next(self._drawn)
        numbers = self._mix.unassigned if drawn.fate is Fate.REFUSED else self._mix.numbers
        call = _Call(self, self.talk_log.open(drawn), drawn, numbers[drawn.number], due_at)
        call.body = self.scribe.ice(call.call_id, self._users[drawn.caller], call.number.encode(), call.at)
        self._under_way += 1
        self._links.send_new(call, due_at)

    def take(self, call: _Call, status: int, body: bytes, now: float) -> None:
        """An answer: time it, judge it, and let the call go on."""
        took_s = now - call.due_at
        self._latency[call.event].add(took_s)
        self._all.add(took_s)
        judged = self._judge.judge(call.event, status, body)
        if judged.kind:
            self._note(judged.kind, judged.words, call)
        if call.first is not None:
            if call.first != (status, body):
                words = f"{call.event.upper()} was first answered {_shown(call.first)}, then {_shown((status, body))}"
                self._note("another answer to a repeat", words, call)
            call.first = None
        elif call.drawn.is_repeated:
            self._repeats += 1
            call.first = (status, body)
            self._send(call, call.event, call.body, now)
            return
        self._go_on(call, judged, now)

    def miss(self, call: _Call, kind: str, words: str, now: float) -> None:
        """No answer: the platform would end a call at its ICE, and go on at its ACE."""
        if kind == "unsent":
            self.talk_log.close(call.index, NO_TALK)
            self._under_way -= 1
            self._call_ended.set()
            return
        self._note(kind, f"{call.event.upper()}: {words}", call)
        call.first = None
        self._go_on(call, Judged(kind, words), now)

    def _go_on(self, call: _Call, judged: Judged, now: float) -> None:
        match call.event:
            case "ice":
                call.answer = judged
                self._after_ice(call, judged, now)
            case "ace":
                self._after_ace(call, judged, now)
            case _:
                self._after_dice(call, judged)

    def _after_ice(self, call: _Call, judged: Judged, now: float) -> None:
        fate = call.drawn.fate
        if judged.kind:
            self._hang_up(call, (b"CALLBACKERROR", b"FAILED"), None, now)
        elif judged.action == "hangup":
            self._hang_up(call, (b"MANAGERHANGUP", b"FAILED"), None, now)
        elif fate is Fate.REFUSED:
            self._note(
                "connected nobody", f"ICE to {call.number}, which is nobody's, was answered {judged.action}", call
            )
            self._hang_up(call, _ENDS[Fate.FAILED], None, now)
        elif fate is Fate.ANSWERED:
            call.at += call.drawn.ring_s
            self._send(call, "ace", self.scribe.ace(call.call_id, self._users[call.drawn.caller], call.at), now)
        else:
            call.at += call.drawn.ring_s
            self._hang_up(call, _ENDS[fate], None, now)

    def _after_ace(self, call: _Call, judged: Judged, now: float) -> None:
        assert call.answer is not None, "an ACE comes after an ICE"
        most = call.answer.max_duration_s
        if judged.action == "hangup":
            self._hang_up(call, (b"MANAGERHANGUP", b"ANSWERED"), CUT_AT_ANSWER_S, now)
        elif most is not None and call.drawn.talk_s > most:
            self._hang_up(call, (b"TIMEOUT", b"ANSWERED"), most, now)
        else:
            by = b"CALLERHANGUP" if call.drawn.talk_s % 2 else b"CALLEEHANGUP"
            self._hang_up(call, (by, b"ANSWERED"), call.drawn.talk_s, now)

    def _hang_up(self, call: _Call, pair: tuple[bytes, bytes], duration_s: int | None, now: float) -> None:
        call.at += duration_s or 0
        to = (call.answer and call.answer.number) or call.number
        body = self.scribe.dice(call.call_id, self._users[call.drawn.caller], to.encode(), call.at, pair, duration_s)
        self._send(call, "dice", body, now)
        self._is_ending(call, pair, duration_s)

    def _is_ending(self, call: _Call, pair: tuple[bytes, bytes], duration_s: int | None) -> None:
        """Note how it ends; whether that was heard, `_after_dice` knows."""
        answer = call.answer
        assert answer is not None, "nothing ends before its ICE is answered"
        is_through = not answer.kind and answer.action != "hangup"
        to = answer.number if answer.number is not None and answer.number != call.number else None
        if is_through and call.drawn.fate is not Fate.REFUSED:
            self.talk_log.close(call.index, duration_s or 0, to)
        elif not answer.kind and not is_through:
            self.talk_log.close(call.index, NO_TALK)
        self._talked_s += duration_s or 0
        self._ended_as[_name_end(call, pair)] += 1

    def _after_dice(self, call: _Call, judged: Judged) -> None:
        if judged.kind:
            self.talk_log.close(call.index, NOT_ENDED)
        self._ended += 1
        self._under_way -= 1
        self._call_ended.set()

    def _send(self, call: _Call, event: str, body: bytes, due_at: float) -> None:
        call.event, call.body, call.due_at, call.is_sent_again = event, body, due_at, False
        self._links.send(call)

    def _note(self, kind: str, words: str, call: _Call) -> None:
        """Count a wrong answer; the first of its kind is kept in words."""
        noted = self._wrong.setdefault(kind, [0, f"call {call.call_id.decode()}: {words}"])
        noted[0] = int(noted[0]) + 1

    # -- the time ------------------------------------------------------------------------------------------------------

    async def _send_in_turn(self, began: float) -> None:
        """Each connection begins its next call when its last has ended."""
        most, until = self._plan.calls, began + self._plan.seconds
        while not self._is_stopped and (now := perf_counter()) < until:
            while self._under_way < self._plan.connections:
                if most is not None and len(self.talk_log) >= most:
                    return
                self._begin(now)
            self._call_ended.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(until - now):
                    await self._call_ended.wait()

    async def _send_evenly(self, began: float) -> None:
        """All calls of the time, one at least, also when we were held up ourselves: each counts from its own moment."""
        rate = self._plan.rate_per_s
        assert rate is not None, "without a rate they are sent in turn"
        total, sent = max(1, round(rate * self._plan.seconds)), 0
        total = total if self._plan.calls is None else min(total, self._plan.calls)
        while sent < total and not self._is_stopped:
            now = perf_counter()
            while sent < total and (due_at := began + sent / rate) <= now:
                self._lag.add(now - due_at)
                self._begin(due_at)
                sent += 1
            await asyncio.sleep(max(TICK_S, min(0.1, began + sent / rate - perf_counter())))

    async def _last_answers(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_ANSWERS_S):
                while self._under_way:
                    self._call_ended.clear()
                    await self._call_ended.wait()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            self._links.sweep()

    async def _tell(self, on_progress: Callable[[Progress], None]) -> None:
        began = last = perf_counter()
        calls = callbacks = 0
        while True:
            await asyncio.sleep(PROGRESS_EVERY_S)
            now = perf_counter()
            ended, answered = self._ended, self._all.count
            wrong = sum(int(noted[0]) for noted in self._wrong.values())
            on_progress(
                Progress(
                    elapsed_s=now - began,
                    calls_per_s=(ended - calls) / (now - last),
                    callbacks_per_s=(answered - callbacks) / (now - last),
                    p99_ms=self._all.percentile_ms(99),
                    wrong=wrong,
                    waiting=self._under_way,
                )
            )
            last, calls, callbacks = now, ended, answered

    def _report(self, sent_s: float, busy_s: float, answered: int, ended: int) -> LoadReport:
        if self._under_way:
            words = f"{self._under_way} calls had no last answer {LAST_ANSWERS_S:g} s after the time was over"
            self._wrong.setdefault("never ended", [self._under_way, words])
        cpu_share = round(min(1.0, busy_s / sent_s), 2)
        lag_p99_ms = self._lag.percentile_ms(99)
        return LoadReport(
            target=self._plan.target.url,
            seed=self._plan.seed,
            asked_per_s=self._plan.rate_per_s,
            seconds=round(sent_s, 3),
            calls=len(self.talk_log),
            calls_per_s=round(ended / sent_s, 1),
            callbacks=self._all.count,
            callbacks_per_s=round(answered / sent_s, 1),
            ended_as=dict(sorted(self._ended_as.items())),
            repeats=self._repeats,
            unsent=self._links.unsent,
            talked_s=self._talked_s,
            reconnects=self._links.reopened,
            latency={"all": self._all.summary(), **{name: each.summary() for name, each in self._latency.items()}},
            wrong=[Wrong(kind=kind, count=int(noted[0]), first=str(noted[1])) for kind, noted in self._wrong.items()],
            generator=Generator(
                lag_p99_ms=round(lag_p99_ms, 2),
                lag_worst_ms=round(self._lag.worst_s * 1_000, 2),
                cpu_share=cpu_share,
                verdict=verdict_on(lag_p99_ms=lag_p99_ms, cpu_share=cpu_share),
            ),
        )


def verdict_on(*, lag_p99_ms: float, cpu_share: float) -> str:
    """Say when the generator was the bottleneck; nothing when it was not."""
    if cpu_share >= BUSY_SHARE:
        return f"the generator used {cpu_share:.0%} of its core: the target may be faster than these figures"
    if lag_p99_ms >= LAGGING_MS:
        return (
            f"the generator came to its own calls up to {lag_p99_ms:.0f} ms late, though it used only {cpu_share:.0%} of a core:"
            " it was kept waiting for one, and the latencies hold that wait"
        )
    return ""


def _name_end(call: _Call, pair: tuple[bytes, bytes]) -> str:
    match pair:
        case (b"CALLBACKERROR", _):
            return "error"
        case (b"MANAGERHANGUP", b"FAILED"):
            return "refused"
        case (b"MANAGERHANGUP", _):
            return "hung up at answer"
        case (b"TIMEOUT", b"ANSWERED"):
            return "cut at its limit"
        case _:
            return str(call.drawn.fate)


def _shown(answer: tuple[int, bytes]) -> str:
    return f"{answer[0]} {answer[1][:200].decode(errors='replace')}"
