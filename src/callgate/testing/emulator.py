"""The emulated platform as a test holds it: blocking, in a thread of its own, in front of one callback server."""

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import msgspec

from callgate.emulator import demo, scenario
from callgate.emulator.applications import Application, CallbackUrls
from callgate.emulator.clock import OwnTime
from callgate.emulator.conformance.report import Conformance
from callgate.emulator.conformance.run import check_conformance
from callgate.emulator.courier import CALLBACK_TIMEOUT_S, Came, Courier, Parcel
from callgate.emulator.emulated import Platform
from callgate.emulator.faults import Fault, FaultKind, parse_fault
from callgate.emulator.journal import Entry
from callgate.emulator.ladder import describe_answer, describe_sent
from callgate.emulator.place import opened
from callgate.emulator.sinch import NAMES, Ending, Exchange
from callgate.emulator.target import check_secret
from callgate.emulator.transport import HttpTransport, NoAnswer, Transport, open_transport
from callgate.errors import Invalid

T = TypeVar("T")

NEEDS_A_SERVER = frozenset((FaultKind.BROKEN,))
"""Faults of the connection, of which there is none into an application in the same process."""


class PlacedCall(NamedTuple):
    """A call that was played: what was sent, what was answered, how it ended."""

    call_id: str
    ending: Ending
    events: Sequence[Exchange]

    @property
    def outcome(self) -> str:
        """`answered`, `busy` and so on as the call was meant, `refused` by the server, or `error` where it answered wrongly."""
        return str(self.ending.outcome)

    @property
    def duration_s(self) -> int | None:
        """How long they talked; None where nobody did."""
        return self.ending.duration_s

    @property
    def granted_s(self) -> int | None:
        """The limit that the server set; None where it set none."""
        return self.ending.granted_s

    @property
    def kinds(self) -> list[str]:
        """The events in their order, such as `["ice", "ace", "dice"]`."""
        return [str(each.sent["event"]) for each in self.events]

    def sent(self, kind: str) -> Mapping[str, Any]:
        """Return the first event of this kind. Raises `LookupError` when there was none."""
        return self._first(kind).sent

    def answer(self, kind: str) -> Any:
        """Return the decoded answer to the first event of this kind; None where it was no JSON. Raises `LookupError`."""
        return self._first(kind).answer

    def status(self, kind: str) -> int | None:
        """Return the HTTP status of the answer to the first event of this kind. Raises `LookupError`."""
        return self._first(kind).status

    def action(self, kind: str) -> str | None:
        """Return the name of the SVAML action that was answered; None where none was. Raises `LookupError`."""
        answer = self.answer(kind)
        action = answer.get("action") if isinstance(answer, dict) else None
        return action.get("name") if isinstance(action, dict) else None

    def _first(self, kind: str) -> Exchange:
        found = next((each for each in self.events if each.sent["event"] == kind), None)
        if found is None:
            raise LookupError(f"the call had no {kind}, only {', '.join(self.kinds)}: {self.ending.summary}")
        return found


class Emulator:
    """An emulated platform with one application, whose callbacks go to `app`: a URL, or an ASGI or WSGI application.

    Calls take no time, however long they last. `path` is where an application in this process is asked, `key` and `secret`
    what callbacks are signed with. Close it, or use it in a `with` block.
    """

    def __init__(
        self,
        app: object,
        *,
        path: str = "/callbacks/sinch",
        key: str = demo.KEY,
        secret: str = demo.SECRET,
        timeout_s: float = CALLBACK_TIMEOUT_S,
    ) -> None:
        self.key, self.secret = key, check_secret(secret, "secret")
        self._transport = open_transport(app, path)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="callgate-emulator", daemon=True)
        self._thread.start()
        self._open = AsyncExitStack()
        self._platform = self._do(self._start(timeout_s))

    async def _start(self, timeout_s: float) -> Platform:
        session = await self._open.enter_async_context(opened())
        platform = Platform(session, OwnTime(), timeout_s=timeout_s)
        if not isinstance(self._transport, HttpTransport):
            platform.courier = _InProcess(session, platform.journal, platform.faults, timeout_s=timeout_s)
            platform.courier.transport = self._transport
        urls = CallbackUrls(primary=self._transport.url, fallback="")
        platform.add(Application(key=self.key, secret=self.secret, urls=urls))
        return platform

    @property
    def url(self) -> str:
        """The callback URL, as it is signed and shown."""
        return self._transport.url

    @property
    def journal(self) -> Sequence[Entry]:
        """Everything that was sent, byte for byte, and what came back, oldest first."""
        return self._platform.journal.entries()

    def call(  # noqa: PLR0913 - what a call is made of
        self,
        caller: str,
        callee: str,
        *,
        talk: str = "60s",
        outcome: str = "answered",
        keys: Sequence[str] = (),
        cli: str | None = None,
        custom: str = "",
        call_headers: Mapping[str, str] | None = None,
        faults: Iterable[Fault | str] = (),
    ) -> PlacedCall:
        """Place one call and play it to its end; the words are those of `callgate call`, without the dashes.

        `faults` strike this call alone: `Fault`s, or words such as `duplicate:dice`. Raises `Invalid` for words that cannot
        be read, `TargetUnreachable` and `TargetUnfit` where there is no callback server.
        """
        meant = scenario.Scenario(
            caller=scenario.parse_caller(caller, "caller"),
            callee=scenario.parse_callee(callee, "callee"),
            talk_s=scenario.parse_talk_s(talk, "talk"),
            outcome=scenario.parse_outcome(outcome, "outcome"),
            keys=tuple(keys),
            cli=None if cli is None else scenario.parse_cli(cli, "cli"),
            custom=custom,
            call_headers=dict(call_headers or {}),
        )
        timeline = self._do(self._with_faults(faults, self._platform.place(meant)))
        return PlacedCall(timeline.call_id, timeline.ending, timeline.events)

    def send(self, event: Mapping[str, Any], faults: Iterable[Fault | str] = ()) -> Exchange:
        """Send one event as it is given, signed, or with faults; for what no call of the platform would hold."""
        deliver = self._platform.courier.deliver(self._platform.application(), event)
        return self._do(self._with_faults(faults, deliver))

    def conformance(self, *, caller: str = "alice", number: str = "+12025550143") -> Conformance:
        """Ask the server everything that `callgate conformance` asks."""
        return check_conformance(self._transport, self.key, self.secret, caller=caller, number=number)

    def told(self) -> str:
        """Return the journal as text: what was sent, and what came back, two lines an event."""
        return "\n".join(_tell(entry) for entry in self.journal)

    def close(self) -> None:
        """Close connections, and an application in this process with its shutdown."""
        if self._loop.is_closed():
            return
        try:
            self._transport.close()
        finally:
            self._do(self._open.aclose())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _with_faults(self, faults: Iterable[Fault | str], steps: Coroutine[Any, Any, T]) -> T:
        """Let the faults hold for these steps and no longer."""
        try:
            for each in faults:
                self._platform.faults.add(self._usable(each))
            return await steps
        finally:
            steps.close()
            self._platform.faults.clear()

    def _usable(self, fault: Fault | str) -> Fault:
        read = parse_fault(fault, "faults") if isinstance(fault, str) else fault
        if read.kind in NEEDS_A_SERVER and not isinstance(self._transport, HttpTransport):
            raise Invalid(
                "faults", str(read.kind), "a URL instead of an application: in one process nothing is in between"
            )
        return read

    def _do(self, steps: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(steps, self._loop).result()


class _InProcess(Courier):
    """Carries callbacks straight into an application."""

    transport: Transport

    async def _post(self, parcel: Parcel, headers: Mapping[str, str]) -> Came:
        send = self.transport.send
        try:
            received = await asyncio.to_thread(
                send, "POST", self.transport.requested, list(headers.items()), parcel.body, self.timeout_s
            )
        except NoAnswer as error:
            return Came(fault=str(error))
        return Came(received.status, received.body, received.headers)


def _tell(entry: Entry) -> str:
    """Say one entry in two lines, as a ladder has them."""
    try:
        sent = msgspec.json.decode(entry.body)
        what = describe_sent(sent)
    except (msgspec.DecodeError, KeyError, TypeError):
        sent, what = {}, entry.body[:200].decode(errors="replace")
    try:
        answer = msgspec.json.decode(entry.answer) if entry.answer else None
    except msgspec.DecodeError:
        answer = entry.answer[:500].decode(errors="replace")
    exchange = Exchange(sent=sent, status=entry.status, answer=answer, ms=entry.ms, fault=None)
    came = entry.fault if entry.status is None else describe_answer(exchange)
    note = f"  ({entry.note.replace('_', ' ')} on purpose)" if entry.note else ""
    return f"{NAMES.get(entry.event, entry.event):6}  {what}{note}\n{'':8}{entry.status or 'none'}  {came}"
