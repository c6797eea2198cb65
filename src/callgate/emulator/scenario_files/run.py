"""Plays a scenario file in leaping time, does what it says, and judges what came of it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from callgate.emulator.applications import Application, CallbackUrls
from callgate.emulator.clock import Inbox, VirtualClock
from callgate.emulator.emulated import LiveCall, Platform
from callgate.emulator.rest import add_rest
from callgate.emulator.scenario_files.books import Books
from callgate.emulator.scenario_files.judge import has, judge_account, judge_books, judge_call, judge_records, miss
from callgate.emulator.scenario_files.read import Plan, PlannedCall, inputs_of, value_at
from callgate.emulator.scenario_files.stand_in import stand_in
from callgate.emulator.scenario_files.wording import ActPart
from callgate.errors import Error, Invalid
from callgate.protocol import sinch

LISTENER = "127.0.0.1"


class PlayedCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a file, as it went; None where it could not be placed."""

    name: str
    live: Any


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a file. `misses` are expectations that were not met, `unseen` those that nobody could look at."""

    plan: Plan
    calls: Sequence[PlayedCall]
    misses: Sequence[str]
    unseen: Sequence[str]

    @property
    def is_as_expected(self) -> bool:
        return not self.misses


async def play_plan(plan: Plan, session: aiohttp.ClientSession, target: Application | Books) -> Result:
    """Play a file against a server: our own with its books, or any other as an application whose callbacks go there.

    A file that has its own backend is played against that, unless another server was named.
    Raises `TargetUnreachable` and `TargetUnfit` where no callback server is, `Invalid` for what our server would not take.
    """
    if plan.file.backend and not isinstance(target, Application):
        async with stand_in(plan.file.backend) as application:
            return await play_plan(plan, session, application)
    words = plan.file.platform
    clock = VirtualClock(datetime.now(UTC).replace(microsecond=0))
    platform = Platform(session, clock, timeout_s=words.timeout_s, seed=words.seed)
    platform.habits = words.habits
    platform.phones.update(words.phones)
    app = web.Application()
    add_rest(app, platform)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, LISTENER, 0).start()
        url = f"http://{LISTENER}:{runner.addresses[0][1]}"
        platform.resource_base = url
        books = None if isinstance(target, Application) else target
        application = target if isinstance(target, Application) else await _prepare(target, plan, url)
        if words.fallback and not application.urls.fallback:
            urls = CallbackUrls(primary=application.urls.primary, fallback=application.urls.primary)
            application = msgspec.structs.replace(application, urls=urls)
        platform.add(application)
        platform.rooms_of(application).users = None if words.users is None else frozenset(words.users)
        run = _Run(plan, platform, clock, session, application, books, url)
        await run.play()
        await run.judge()
        calls = [PlayedCall(name=call.name, live=run.placed.get(call.name)) for call in plan.calls]
        return Result(plan=plan, calls=calls, misses=run.misses, unseen=run.unseen)
    finally:
        await platform.reset()
        await runner.cleanup()


async def _prepare(books: Books, plan: Plan, url: str) -> Application:
    """Set our server up. Raises `Invalid` with the name of the file."""
    try:
        return await books.prepare(plan.file, url)
    except Error as error:
        raise Invalid(plan.source, str(error), "accounts and words that the server takes") from None


@dataclass
class _Run:
    """One file while it is played."""

    plan: Plan
    platform: Platform
    clock: VirtualClock
    session: aiohttp.ClientSession
    application: Application
    books: Books | None
    url: str
    placed: dict[str, LiveCall] = field(default_factory=dict)
    misses: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    async def play(self) -> None:
        """Start and do everything at its time; what is done comes before calls that begin at the same one."""
        steps: list[tuple[float, int, ActPart | PlannedCall]] = [
            *((act.at_s, 0, act) for act in self.plan.file.act),
            *((call.part.at_s, 1, call) for call in self.plan.calls),
        ]
        self.clock.began()
        try:
            for at_s, _, step in sorted(steps, key=lambda each: each[:2]):
                if at_s > self.clock.seconds():
                    await self.clock.wait(at_s - self.clock.seconds(), Inbox())
                if isinstance(step, ActPart):
                    await self._act(step)
                else:
                    await self._begin(step)
        finally:
            self.clock.ended()
        tasks = [live.task for live in self.placed.values() if live.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            if (error := task.exception()) is not None:
                raise error

    async def _begin(self, call: PlannedCall) -> None:
        if call.scenario is None:
            status, reply = await self._request("POST", "/calling/v1/callouts", call.part.callout)
            if status != 200:  # noqa: PLR2004 - what the platform answers
                self.misses.append(f"{call.name}: the callout was answered with {status}: {reply}")
                return
            live = self.platform.calls[str(value_at("callId", reply))]
            self._strike(call, live.call.call_id)
        else:
            made = self.platform.new_call(call.scenario, self.application)
            self._strike(call, made.call_id)
            live = self.platform.start(made, self.application, must_reach=True)
        self.placed[call.name] = live

    def _strike(self, call: PlannedCall, call_id: str) -> None:
        for fault in call.part.faults:
            self.platform.faults.add(msgspec.structs.replace(fault, call=call_id))

    async def _act(self, act: ActPart) -> None:
        if act.stall_s or act.operator_hangs_up:
            await self._operate(act)
        elif act.request:
            method, _, path = act.request.partition(" ")
            status, reply = await self._request(method, self._named(path.strip()), act.body)
            self._check(act, act.request, status, reply)
        elif act.replay:
            await self._replay(act)
        elif (live := self.placed.get(act.call)) is None or not live.is_up:
            self.misses.append(f"at {act.at_s:g} s: the call {act.call!r} is not up")
        else:
            for what in inputs_of(act):
                live.inbox.put(what)

    async def _operate(self, act: ActPart) -> None:
        """What only our own server can be told."""
        if self.books is None:
            self.unseen.append("a stalled store" if act.stall_s else "an operator who hangs up")
        elif act.stall_s:
            await self.books.stall(act.stall_s)
        elif (live := self.placed.get(act.operator_hangs_up)) is None:
            self.misses.append(f"at {act.at_s:g} s: the call {act.operator_hangs_up!r} is not up")
        elif why := await self.books.hang_up(self.application.key, live.call.call_id):
            self.misses.append(f"at {act.at_s:g} s: the operator could not hang up: {why}")

    async def _replay(self, act: ActPart) -> None:
        live = self.placed.get(act.call)
        entries = self.platform.journal.entries(call_id=live.call.call_id) if live is not None else []
        found = next((each for each in entries if each.event == act.replay), None)
        if found is None:
            self.misses.append(f"at {act.at_s:g} s: no {act.replay} of {act.call!r} was sent yet")
            return
        body = msgspec.json.decode(found.body)
        for path, value in act.change.items():
            _set(body, path.split("."), value)
        sent = await self.platform.courier.send_again(
            found, self.application, msgspec.json.encode(body) if act.change else None, is_same=False
        )
        try:
            reply = msgspec.json.decode(sent.answer)
        except msgspec.DecodeError:
            reply = None
        self._check(act, f"{act.replay} of {act.call} again", sent.status, reply)

    def _check(self, act: ActPart, what: str, status: int | None, reply: Any) -> None:
        expected = act.status
        if expected is None and (status is None or status // 100 != 2):  # noqa: PLR2004 - the class of codes
            self.misses.append(f"{what}: answered with {status}: {reply}")
        elif expected is not None and (differs := miss(f"{what}, status", expected, status)):
            self.misses.append(differs)
        self.misses += has(what, act.has, reply)

    def _named(self, path: str) -> str:
        for name, live in self.placed.items():
            path = path.replace(f"{{{name}}}", live.call.call_id)
        return path.replace("{application}", self.application.key)

    async def _request(self, method: str, path: str, body: Mapping[str, Any] | None) -> tuple[int, Any]:
        """Ask the platform's REST interface, as the backend would."""
        data = b"" if body is None else msgspec.json.encode(body)
        key, secret = self.application.key, self.application.secret
        headers = sinch.sign(method, path, data, key, secret, datetime.now(UTC), "application/json")
        async with self.session.request(method, self.url + path, data=data, headers=headers) as response:
            raw = await response.read()
        try:
            return response.status, msgspec.json.decode(raw) if raw else None
        except msgspec.DecodeError:
            return response.status, raw.decode("utf-8", "replace")

    async def judge(self) -> None:
        """Look at what came, at the platform and in the books."""
        for call in self.plan.calls:
            live, expect = self.placed.get(call.name), call.part.expect
            if live is None or live.ending is None:
                continue
            self.misses += judge_call(call.name, expect, live.events, live.ending)
            asks_books = any(getattr(expect, what) is not None for what in ("refusal", "charge", "hold", "flags"))
            asks_records = expect.record is not None or expect.delivered is not None
            if self.books is None:
                self.unseen += [f"the books of {call.name}"] * asks_books + [
                    f"the records of {call.name}"
                ] * asks_records
                continue
            if asks_books:
                known = await self.books.call(self.application.key, live.call.call_id)
                self.misses += judge_books(call.name, expect, known)
            if asks_records:
                least = expect.delivered if expect.delivered is not None else 1
                records = await self.books.records(self.application.key, live.call.call_id, least)
                self.misses += judge_records(call.name, expect, records)
        await self._judge_accounts()

    async def _judge_accounts(self) -> None:
        if self.books is None:
            self.unseen += [f"account {each.id}" for each in self.plan.file.expect]
            return
        for expect in self.plan.file.expect:
            self.misses += judge_account(expect, await self.books.account(self.application.key, expect.id))
        self.misses += [f"ledger: {each}" for each in await self.books.verify()]


def _set(node: Any, path: list[str], value: Any) -> None:
    """Change what stands at a path; None takes it away."""
    for part in path[:-1]:
        node = node.setdefault(part, {})
    if value is None:
        node.pop(path[-1], None)
    else:
        node[path[-1]] = value
