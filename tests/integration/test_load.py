"""A load against servers that answer well, wrongly, slowly, or not at all: what it reports is what was done to it."""

import asyncio
import json
import re
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from datetime import UTC, datetime
from queue import Queue
from typing import Any

import pytest

from callgate.cli.load import load as load_command
from callgate.emulator.load import links
from callgate.emulator.load.drive import Load, LoadPlan, Progress, probe
from callgate.emulator.load.figures import LoadReport
from callgate.emulator.load.mix import Fate, Mix
from callgate.emulator.target import read_target
from callgate.errors import TargetUnfit, TargetUnreachable
from callgate.protocol import WireRequest, sinch

KEY, SECRET = "key", "c2VjcmV0"

CONNECT = b'{"action":{"name":"connectPstn","number":"+46701740605","maxDuration":100}}'
CONTINUE, HANGUP, EMPTY = b'{"action":{"name":"continue"}}', b'{"action":{"name":"hangup"}}', b"{}"
WELL = {"ice": CONNECT, "ace": CONTINUE, "dice": EMPTY}

Frame = Callable[[bytes], bytes]
Reply = Callable[[dict[str, Any]], Awaitable[bytes | None]]


def sized(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status.encode(), len(body), body)


def chunked(body: bytes) -> bytes:
    half = len(body) // 2
    parts = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:]) if part)
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n"


def parting(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def unsized(body: bytes) -> bytes:
    return b"HTTP/1.0 200 OK\r\n\r\n" + body


class Server:
    """A callback server that answers as it is told. `heard` are the events, `is_genuine` whether all were signed well."""

    def __init__(self, reply: Reply | None = None, frame: Frame = sized) -> None:
        self.heard: list[dict[str, Any]] = []
        self.is_genuine = True
        self.tasks: set[asyncio.Task[None] | None] = set()
        self._reply = reply or self._well
        self._frame = frame

    async def _well(self, event: dict[str, Any]) -> bytes | None:
        return WELL.get(event["event"], EMPTY)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.add(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError), closing(writer):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
                assert length is not None
                body = await reader.readexactly(int(length[1]))
                headers = dict(re.findall(r"^([\w-]+): (.*)\r$", head, re.MULTILINE))
                request = WireRequest(method="POST", path=head.split()[1], headers=headers, body=body)
                try:
                    sinch.verify(request, {KEY: SECRET}, datetime.now(UTC))
                except sinch.SignatureInvalid:
                    self.is_genuine = False
                self.heard.append(json.loads(body))
                answer = await self._reply(self.heard[-1])
                if answer is None:
                    break
                framed = answer if answer.startswith(b"HTTP") else self._frame(answer)
                writer.write(framed)
                await writer.drain()
                if (b"content-length" not in framed and b"chunked" not in framed) or b"connection: close" in framed:
                    break


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[str]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/callbacks"
    finally:
        listener.close()
        tasks = [task for task in server.tasks if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # they close their connections
        await asyncio.sleep(0.01)  # which is done a turn of the loop later


def plan(url: str, **changes: Any) -> LoadPlan:
    usual: dict[str, Any] = {
        "rate_per_s": 400.0, "seconds": 0.25, "seed": 1, "mix": Mix(repeat_percent=20), "connections": 8
    }  # fmt: skip
    return LoadPlan(target=read_target(url), key=KEY, secret=SECRET, **(usual | changes))


def run(server: Server, **changes: Any) -> tuple[LoadReport, Load]:
    async def steps() -> tuple[LoadReport, Load]:
        async with serving(server) as url:
            load = Load(plan(url, **changes))
            return await load.run(), load

    return asyncio.run(steps())


@pytest.mark.parametrize("frame", [sized, chunked, parting, unsized])
def test_every_call_goes_its_way(frame: Frame) -> None:
    """Whatever way a server has to say where its answer ends; each event signed, repeated ones byte for byte."""
    server = Server(frame=frame)
    report, load = run(server)
    assert server.is_genuine
    assert report.wrong == []
    assert (report.calls, report.unsent) == (100, 0)
    assert report.callbacks == len(server.heard) == report.latency["all"].count
    assert set(report.ended_as) <= {*Fate, "cut at its limit"}
    assert sum(report.ended_as.values()) == 100
    by_call: dict[str, list[dict[str, Any]]] = {}
    for event in server.heard:
        by_call.setdefault(event["callid"], []).append(event)
    assert len(by_call) == 100
    assert report.repeats == sum(len(events) - len({each["event"] for each in events}) for events in by_call.values())
    assert report.repeats > 0
    for index, talk in load.talk_log.talks():
        end = by_call[load.talk_log.call_id(index)][-1]
        assert (end["event"], end.get("duration", 0)) == ("dice", talk.seconds)
        assert talk.seconds <= 100


def test_the_same_seed_sends_the_same_calls() -> None:
    """But for their ids and times."""

    def told(server: Server) -> list[tuple[Any, ...]]:
        return sorted(
            (each["event"], each["user"], each.get("duration", 0), str(each.get("to"))) for each in server.heard
        )

    first, second = Server(), Server()
    run(first)
    run(second)
    assert told(first) == told(second)


def test_wrong_answers_are_counted_by_kind() -> None:
    """Each kind with its first case in words; a refused call is no wrong answer."""
    turns = iter(range(10**9))
    bodies = [
        HANGUP,
        b"<html>",
        CONTINUE,
        sized(b"oops", "500 Internal Server Error"),
        None,
        b"HTTP? What is that?\r\n\r\n",
    ]
    of_call: dict[str, bytes | None] = {}

    async def reply(event: dict[str, Any]) -> bytes | None:
        if event["event"] != "ice":
            return WELL[event["event"]]
        if event["callid"] not in of_call:
            of_call[event["callid"]] = bodies[next(turns) % len(bodies)]
        return of_call[event["callid"]]

    report, load = run(Server(reply), mix=Mix(repeat_percent=0))
    counts = {wrong.kind: wrong.count for wrong in report.wrong}
    assert set(counts) == {"no JSON", "illegal SVAML", "status 500", "connection closed", "no HTTP"}
    assert sum(counts.values()) + report.ended_as["refused"] == 100
    assert report.ended_as["error"] == sum(counts.values())
    assert any("oops" in wrong.first for wrong in report.wrong)
    assert list(load.talk_log.talks()) == []


def test_another_answer_to_a_repeat_is_wrong() -> None:
    """The same call is to be told the same, byte for byte."""
    seen: set[str] = set()

    async def reply(event: dict[str, Any]) -> bytes | None:
        again = event["callid"] in seen
        if event["event"] == "ice":
            seen.add(event["callid"])
            return HANGUP if again else CONNECT
        return WELL[event["event"]]

    report, _ = run(Server(reply), mix=Mix(repeat_percent=100), seconds=0.05)
    assert [(wrong.kind, wrong.count) for wrong in report.wrong] == [("another answer to a repeat", 20)]


def test_nobody_is_to_be_connected() -> None:
    """A server that lets a call to a number of nobody through is told."""
    report, load = run(Server(), mix=Mix(fates={Fate.REFUSED: 1}), seconds=0.05)
    assert [(wrong.kind, wrong.count) for wrong in report.wrong] == [("connected nobody", 20)]
    assert list(load.talk_log.talks()) == []


@contextmanager
def serving_elsewhere(server: Server) -> Iterator[str]:
    """Serve in a thread and a loop of its own, so that a server which blocks does not hold up whoever asks it."""
    urls: Queue[str] = Queue()
    done = threading.Event()

    async def serve() -> None:
        async with serving(server) as url:
            urls.put(url)
            while not done.is_set():  # noqa: ASYNC110 - it is set from another thread
                await asyncio.sleep(0.01)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        yield urls.get(timeout=10)
    finally:
        done.set()
        thread.join(10)


def test_latency_counts_from_when_a_call_was_due() -> None:
    """A server that stalls once for 300 ms has held up every call that fell due meanwhile: a closed loop would see one."""
    stalls = iter([0.3])

    async def reply(event: dict[str, Any]) -> bytes | None:
        time.sleep(next(stalls, 0.0))  # noqa: ASYNC251 - nobody is served meanwhile, which is what this is about
        return WELL[event["event"]]

    with serving_elsewhere(Server(reply)) as url:
        mix = Mix(fates={Fate.BUSY: 1}, repeat_percent=0)
        report = asyncio.run(Load(plan(url, seconds=0.6, mix=mix)).run())
    held_up = report.latency["ice"]
    assert held_up.worst_ms >= 250
    assert held_up.p90_ms >= 150  # of 240 calls 120 fell due during the stall, evenly


def test_silence_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that is never answered is given up, and so is one that never finds a free connection."""
    monkeypatch.setattr(links, "ANSWER_WITHIN_S", 0.3)

    async def reply(_: dict[str, Any]) -> bytes | None:
        await asyncio.sleep(1)
        return None

    report, _ = run(Server(reply), connections=2, seconds=0.2, mix=Mix(repeat_percent=0, fates={Fate.BUSY: 1}))
    kinds = {wrong.kind for wrong in report.wrong}
    assert "no answer" in kinds
    assert report.unsent > 0
    assert report.reconnects > 0


def test_without_a_rate_it_goes_as_fast_as_the_server() -> None:
    """One call a connection at a time, so many calls and no more."""
    server = Server()
    report, load = run(server, rate_per_s=None, seconds=30.0, calls=150, connections=3)
    assert (report.calls, len(load.talk_log), report.wrong) == (150, 150, [])
    assert report.asked_per_s is None


def test_a_load_that_is_stopped_reports_what_was() -> None:
    """No more calls begin, those under way end; progress is told meanwhile."""

    async def steps() -> tuple[LoadReport, list[Progress]]:
        told: list[Progress] = []
        async with serving(Server()) as url:
            load = Load(plan(url, seconds=60.0, rate_per_s=100.0))
            asyncio.get_running_loop().call_later(0.7, load.stop)
            return await load.run(told.append), told

    report, told = asyncio.run(steps())
    assert 0 < report.calls < 200
    assert sum(report.ended_as.values()) == report.calls
    assert len(told) == 1 and told[0].callbacks_per_s > 0


def test_an_unfit_target_is_told_before_anything_is_sent() -> None:
    """A page for people, a redirect, no such path, a secret of somebody else; and nobody at all."""

    async def refuse(answer: bytes) -> str:
        async def reply(_: dict[str, Any]) -> bytes | None:
            return answer

        async with serving(Server(reply)) as url:
            with pytest.raises(TargetUnfit) as error:
                await asyncio.to_thread(probe, plan(url))
            return str(error.value).replace(url, "URL")

    page = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 33\r\n\r\n<html><title>Welcome</title></html>"[
            :-2
        ]
    )
    assert "URL answers with HTML ('Welcome')" in asyncio.run(refuse(page))
    assert "redirects to /else with 302" in asyncio.run(
        refuse(b"HTTP/1.1 302 Found\r\nlocation: /else\r\ncontent-length: 0\r\n\r\n")
    )
    assert "answers a POST with 404" in asyncio.run(refuse(sized(b"", "404 Not Found")))
    assert "refuses our signature with 401" in asyncio.run(refuse(sized(b"", "401 Unauthorized")))
    with pytest.raises(TargetUnreachable, match="nothing answers at"):
        probe(plan("http://127.0.0.1:1/x"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"rate": "0"}, "--rate: found '0'"),
        ({"rate": "nan"}, "--rate: found 'nan'"),
        ({"lasting": "soon"}, "--for: found 'soon'"),
        ({"lasting": "0"}, "--for: found '0'"),
        ({"mix": "x=1"}, "--mix: found 'x=1'"),
        ({"callers": "a b"}, "--from: found 'a b'"),
        ({"numbers": "12"}, "--to: found '12'"),
        ({"repeats": 101}, "--repeats: found 101"),
        ({"connections": 0}, "--connections: found 0"),
        ({"target": "here"}, "--target: found 'here'"),
        ({"secret": "!"}, "--secret: found text that is not base64"),
        ({"target": "http://127.0.0.1:1/x"}, "nothing answers at http://127.0.0.1:1/x"),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(
    words: dict[str, Any], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And exits 2, since nothing was loaded."""
    assert load_command(**words) == 2
    assert capsys.readouterr().err.startswith(told)
