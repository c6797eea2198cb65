"""The connections that webhooks go out on, against receivers that behave and that do not, byte for byte."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from mail_server import write_certificate

from callgate.outbox import connections as module
from callgate.outbox.connections import HEARD, MAX_HEAD, Connections, NameUnknown, NoAnswer, Reply, target_of

PATIENCE_S = 10.0
LINES = b"webhook-id: msg_1\r\n"
BODY = b'{"type":"call.ended"}'
OK = b"HTTP/1.1 204 No Content\r\n\r\n"


class Raw:
    """A receiver that answers the requests on its connections by what it is told, in turn; None hangs up."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connection_count = 0
        self.url = ""
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connection_count += 1
        self.writers.append(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                answer = self.answers.pop(0) if self.answers else OK
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        writer.close()

    @asynccontextmanager
    async def running(self, context: ssl.SSLContext | None = None) -> AsyncIterator["Raw"]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=context)
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?a=b%20c"
        try:
            yield self
        finally:
            server.close()
            for writer in self.writers:
                writer.close()


@asynccontextmanager
async def opened(resolver: AbstractResolver | None = None) -> AsyncIterator[Connections]:
    made = Connections(resolver)
    try:
        yield made
    finally:
        made.close()


async def post(made: Connections, url: str, timeout_s: float = PATIENCE_S) -> Reply:
    return await made.post(url, LINES, BODY, timeout_s)


def run(raw: Raw, steps: Callable[[Connections], Awaitable[Any]]) -> Any:
    async def all_of_it() -> Any:
        async with raw.running(), opened() as made:
            return await steps(made)

    return asyncio.run(all_of_it())


def test_a_request_is_what_the_wire_wants() -> None:
    """Path and query as they were given, the receiver's name with its port, and the length of the body."""
    raw = Raw()
    assert run(raw, lambda made: post(made, raw.url)) == Reply(204, None)
    head, _, body = raw.requests[0].partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    assert first == "POST /hook?a=b%20c HTTP/1.1"
    named = dict(line.split(": ", 1) for line in lines)
    assert named.pop("host") == raw.url.split("/")[2]
    assert named.pop("user-agent").startswith("callgate/")
    assert named == {
        "content-type": "application/json", "accept": "*/*", "content-length": "21", "webhook-id": "msg_1",
    }  # fmt: skip
    assert body == BODY


def test_names_are_spelled_as_the_wire_spells_them() -> None:
    """Other scripts by their ASCII form, usual ports left out, IPv6 in brackets."""
    assert target_of("https://bücher.example/a b").head.startswith(
        b"POST /a%20b HTTP/1.1\r\nhost: xn--bcher-kva.example\r\n"
    )
    assert target_of("https://example.com").head.startswith(b"POST / HTTP/1.1\r\nhost: example.com\r\n")
    six = target_of("http://[2001:db8::1]:8080/x")
    assert (six.host, six.port) == ("2001:db8::1", 8080)
    assert b"host: [2001:db8::1]:8080\r\n" in six.head


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "reply", "is_kept"),
    [
        (OK, Reply(204, None), True),
        (CHUNKED, Reply(200, None), True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", Reply(200, None), True),
        (b"HTTP/1.1 429 x\r\nRetry-After: 7\r\ncontent-length: 0\r\n\r\n", Reply(429, "7"), True),
        (b"HTTP/1.1 103 Early\r\nretry-after: 9\r\n\r\nHTTP/1.1 202 x\r\ncontent-length: 0\r\n\r\n", Reply(202, None), True),
        (b"HTTP/1.1 204 x\r\nconnection: close\r\n\r\n", Reply(204, None), False),
        (b"HTTP/1.0 204 x\r\n\r\n", Reply(204, None), False),
        (b"HTTP/1.1 101 x\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\nstrange", Reply(101, None), False),
        (OK + b"HTTP/1.1 500 x\r\ncontent-length: 0\r\n\r\n", Reply(204, None), False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + b"x" * (HEARD + 1), Reply(200, None), False),
    ],
)  # fmt: skip
def test_what_an_answer_leaves_of_its_connection(answer: bytes, reply: Reply, *, is_kept: bool) -> None:
    """It is used again where nothing of the last answer can be left on it, and nowhere else."""
    raw = Raw(answer)

    async def steps(made: Connections) -> tuple[Reply, Reply]:
        return await post(made, raw.url), await post(made, raw.url)

    assert run(raw, steps) == (reply, Reply(204, None))
    assert raw.connection_count == (1 if is_kept else 2)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "it hung up"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * (MAX_HEAD + 1), "its head is too long"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_HEAD // 20), "its head is too long"),
    ],
)
def test_what_is_no_answer_says_so(answer: bytes | None, why: str) -> None:
    """And is asked once: on a new connection nothing tells whether the request was taken."""
    raw = Raw(answer)

    async def steps(made: Connections) -> None:
        with pytest.raises(NoAnswer, match=why):
            await post(made, raw.url)

    run(raw, steps)
    assert len(raw.requests) == 1


def test_a_kept_connection_that_was_closed_is_replaced() -> None:
    """Also where the receiver closes it while our request is on its way: it is sent again, once."""
    raw = Raw(OK, None)

    async def steps(made: Connections) -> list[Reply]:
        return [await post(made, raw.url), await post(made, raw.url)]

    assert run(raw, steps) == [Reply(204, None)] * 2
    assert (len(raw.requests), raw.connection_count) == (3, 2)
    raw = Raw(OK, None, None)

    async def twice(made: Connections) -> None:
        await post(made, raw.url)
        with pytest.raises(NoAnswer, match="hung up"):
            await post(made, raw.url)

    run(raw, twice)
    assert len(raw.requests) == 3


def test_a_receiver_that_begins_to_answer_has_answered() -> None:
    """Whatever becomes of its body: too slow, or cut off. One that says nothing in time has not."""
    begun = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nxx"
    raw = Raw(begun)
    assert run(raw, lambda made: post(made, raw.url, 0.3)) == Reply(200, None)
    silent = Raw(b"HTTP/1.1 200 OK\r\ncont")

    async def steps(made: Connections) -> None:
        with pytest.raises(TimeoutError):
            await post(made, silent.url, 0.3)
        assert await post(made, silent.url) == Reply(204, None)

    run(silent, steps)
    assert silent.connection_count == 2


def test_a_cancelled_request_leaves_no_connection_behind() -> None:
    """Its answer would come to whoever asked next."""
    raw = Raw(b"HTTP/1.1 200 OK\r\ncont")

    async def steps(made: Connections) -> None:
        asked = asyncio.create_task(post(made, raw.url))
        while not raw.requests:  # noqa: ASYNC110 - the receiver has no event for it
            await asyncio.sleep(0.005)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert await post(made, raw.url) == Reply(204, None)

    run(raw, steps)
    assert raw.connection_count == 2


def test_connections_that_are_not_needed_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, and those that are needed go on."""
    monkeypatch.setattr(module, "KEPT_S", 0.05)
    raw = Raw()

    async def steps(made: Connections) -> None:
        await asyncio.gather(*(post(made, raw.url) for _ in range(3)))
        async with asyncio.timeout(PATIENCE_S):
            while made.idle_count:  # noqa: ASYNC110 - closed by the clock
                await asyncio.sleep(0.01)
        await post(made, raw.url)
        assert made.idle_count == 1

    run(raw, steps)
    assert raw.connection_count == 4


class Names(AbstractResolver):
    """Counts how often it is asked, and knows one name."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:  # noqa: ARG002
        self.asked.append(host)
        await asyncio.sleep(0)
        if host != "known.example":
            raise OSError("nobody knows it")
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is open."""


def test_a_name_is_looked_up_once_for_all_who_ask() -> None:
    """A dead one is asked for again the next time."""
    raw, names = Raw(), Names()

    async def steps() -> None:
        async with raw.running(), opened(names) as made:
            known = raw.url.replace("127.0.0.1", "known.example")
            assert await asyncio.gather(*(post(made, known) for _ in range(8))) == [Reply(204, None)] * 8
            assert names.asked == ["known.example"]
            for _ in range(2):
                with pytest.raises(NameUnknown):
                    await post(made, known.replace("known", "gone"))
            assert names.asked[1:] == ["gone.example"] * 2

    asyncio.run(steps())


def test_a_certificate_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that nobody vouches for is not sent to; where the system trusts it, the record goes out encrypted."""
    certificate = write_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    raw = Raw()

    async def steps() -> None:
        async with raw.running(context):
            async with opened() as made:
                with pytest.raises(ssl.SSLCertVerificationError):
                    await post(made, raw.url)
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            async with opened() as made:
                assert await post(made, raw.url) == await post(made, raw.url) == Reply(204, None)
        assert len(raw.requests) == 2

    asyncio.run(steps())
