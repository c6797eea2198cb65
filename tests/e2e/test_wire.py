"""HTTP as raw bytes: requests that offer an upgrade, come in pieces, never end, or say two things of their own length."""

import json
import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any

import pytest

OFFER = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQCAAAAAAIAAAAA")
"""What the JDK's client sends with its first request of a connection."""

HEALTH = b"GET /healthz HTTP/1.1\r\nhost: gate\r\n\r\n"


def replies(link: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """Read so many replies; fewer where the connection ends before."""
    received, found = b"", []
    while len(found) < count:
        whole = re.match(rb"HTTP/1\.1 (\d+) .*?\r\n\r\n", received, re.DOTALL)
        length = re.search(rb"content-length: (\d+)", whole[0]) if whole else None
        if whole and whole[1] == b"100":
            received = received[whole.end() :]
        elif whole and length and len(received) >= whole.end() + int(length[1]):
            end = whole.end() + int(length[1])
            found.append((int(whole[1]), received[whole.end() : end]))
            received = received[end:]
        else:
            try:
                more = link.recv(65_536)
            except ConnectionError:
                more = b""
            if not more:
                break
            received += more
    return found


def exchange(gate: Any, *pieces: bytes, count: int = 1) -> list[tuple[int, bytes]]:
    """Send pieces in packets of their own, and read the replies."""
    with gate.connect() as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(ConnectionError):
            for piece in pieces:
                link.sendall(piece)
        return replies(link, count)


def statuses(gate: Any, *pieces: bytes, count: int = 1) -> list[int]:
    return [status for status, _ in exchange(gate, *pieces, count=count)]


def is_closed(link: socket.socket, within_s: float = 15) -> bool:
    """Whether the server closes the connection, whatever it says before."""
    link.settimeout(within_s)
    try:
        while link.recv(65_536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


def ice(gate: Any, call: str) -> bytes:
    return json.dumps(gate.ice(call)).encode()


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


OFFERS = [
    OFFER,
    ("connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13"),
    ("connection: upgrade", "upgrade: h2c, x"),
]


@pytest.mark.parametrize("offer", OFFERS, ids=["h2c", "websocket", "two"])
def test_an_offer_to_upgrade_is_passed_over(gate: Any, offer: tuple[str, ...]) -> None:
    """The body behind it is read as HTTP/1.1, and the request answered."""
    body = ice(gate, f"offer-{offer[-1]}")
    [(status, answer)] = exchange(gate, gate.head(body, *offer) + body)
    assert status == 200
    assert b"connectPstn" in answer


def test_an_offer_may_be_split_anywhere(gate: Any) -> None:
    """Each place of the request once, in two packets, and all of it byte by byte."""
    body = b'{"event":"notify","callid":"split"}'
    request = gate.head(body, *OFFER) + body
    with gate.connect() as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place in range(1, len(request)):
            link.sendall(request[:place])
            if place % 16 == 0:
                time.sleep(0.002)  # so that some are sure to come as two
            link.sendall(request[place:])
            assert replies(link, 1) == [(200, b"{}")], place
        for byte in request:
            link.sendall(bytes((byte,)))
        assert replies(link, 1) == [(200, b"{}")]


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_an_offer_with_a_chunked_body(gate: Any, size: int) -> None:
    """Chunks of any size."""
    body = ice(gate, f"chunked-{size}")
    head = gate.head(body, *OFFER, framing="transfer-encoding: chunked")
    assert statuses(gate, head + chunked(body, size)) == [200]


def test_an_offer_among_pipelined_requests(gate: Any) -> None:
    """What is before and behind it in the same packet is answered too, in order, each by its own body."""
    bodies = [ice(gate, f"pipelined-{number}") for number in range(6)]
    bodies[4] = b'{"event":"notify","callid":"pipelined-4"}'
    offers: list[tuple[str, ...]] = [(), OFFER, (), OFFER, OFFER, ()]
    requests = [gate.head(body, *offer) + body for body, offer in zip(bodies, offers, strict=True)]
    answers = exchange(gate, b"".join(requests), count=6)
    assert [status for status, _ in answers] == [200] * 6
    assert [b"connectPstn" in answer for _, answer in answers] == [True, True, True, True, False, True]
    assert statuses(gate, b"".join([HEALTH, requests[1], HEALTH]), count=3) == [200] * 3


def test_the_connection_goes_on_after_an_offer(gate: Any) -> None:
    """Request after request on one connection, each with the offer, as some clients send it."""
    with gate.connect() as link:
        for number in range(20):
            body = ice(gate, f"kept-{number}")
            link.sendall(gate.head(body, *OFFER) + body)
            assert replies(link, 1)[0][0] == 200
        link.sendall(HEALTH)
        assert replies(link, 1)[0][0] == 200


def test_an_offer_does_not_take_a_wish_to_close_away(gate: Any) -> None:
    """`Connection: upgrade, close` still closes."""
    body = ice(gate, "closing")
    with gate.connect() as link:
        link.sendall(gate.head(body, "connection: Upgrade, close", "upgrade: h2c") + body)
        assert replies(link, 1)[0][0] == 200
        assert is_closed(link, 2)


def test_an_offer_does_not_get_a_body_past_its_limits(gate: Any) -> None:
    """It is too large with the offer as without, and a bad signature is a bad signature."""
    body = b'{"x":"' + b"x" * 70_000 + b'"}'
    assert statuses(gate, gate.head(body, *OFFER) + body) == [413]
    assert statuses(gate, gate.head(b"{}", *OFFER, secret="b3RoZXI=") + b"{}") == [401]


def test_nobody_is_connected_through(gate: Any) -> None:
    """We are no proxy; nothing behind CONNECT is taken for a request."""
    body = ice(gate, "connected")
    answers = exchange(gate, b"CONNECT gate:443 HTTP/1.1\r\nhost: gate\r\n\r\n" + gate.head(body) + body, count=2)
    assert [status for status, _ in answers] == [400]
    assert gate.call("calls", "show", "connected").code == 1


def test_bodies_come_in_pieces(gate: Any) -> None:
    """Without an offer too."""
    body = ice(gate, "pieces")
    request = gate.head(body) + body
    assert statuses(gate, *(request[place : place + 3] for place in range(0, len(request), 3))) == [200]
    body = ice(gate, "pieces-chunked")
    assert statuses(gate, gate.head(body, framing="transfer-encoding: chunked"), chunked(body, 5)) == [200]


@pytest.mark.parametrize("wish", [(), ("connection: close",)], ids=["kept", "closed"])
def test_in_one_piece_or_in_two_the_answer_is_the_same(gate: Any, wish: tuple[str, ...]) -> None:
    """Head and body: two ways through the server, of which a client sees nothing."""

    def heard(*pieces: bytes) -> tuple[set[bytes], bytes]:
        with gate.connect() as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in pieces:
                link.sendall(piece)
                time.sleep(0.05)  # so that the pieces are read one by one; read at once they would be one piece
            link.settimeout(0.5)
            received = b""
            with suppress(TimeoutError):
                while more := link.recv(65_536):
                    received += more
        head, _, body = received.partition(b"\r\n\r\n")
        return {line for line in head.lower().split(b"\r\n") if not line.startswith(b"date:")}, body

    for body in (ice(gate, "alike"), b'{"event":"notify","callid":"alike"}', b"[]"):
        head = gate.head(body, *wish)
        at_once = heard(head + body)
        assert at_once == heard(head, body)
        assert (b"connection: close" in at_once[0]) == bool(wish)


def test_a_client_may_wait_to_be_asked_for_the_body(gate: Any) -> None:
    """`Expect: 100-continue`: asked for, unless it is too large anyway."""
    body = ice(gate, "expected")
    with gate.connect() as link:
        link.sendall(gate.head(body, "expect: 100-continue"))
        assert link.recv(100).startswith(b"HTTP/1.1 100 ")
        link.sendall(body)
        assert replies(link, 1)[0][0] == 200
        link.sendall(gate.head(b"x" * 70_000, "expect: 100-continue"))
        assert replies(link, 1)[0][0] == 413


def test_a_body_that_is_too_large_is_refused_however_it_comes(gate: Any) -> None:
    """By its length before it is sent; chunked as soon as it is too long; and the connection is not lost for it."""
    body = b'{"x":"' + b"x" * 70_000 + b'"}'
    assert statuses(gate, gate.head(body)) == [413]
    assert statuses(gate, gate.head(b"", framing="content-length: 1000000000000")) == [413]
    endless = gate.head(body, framing="transfer-encoding: chunked") + b"fffffff\r\n"
    assert statuses(gate, endless + body) == [413]
    with gate.connect() as link:
        for framing, sent in (("", body), ("transfer-encoding: chunked", chunked(body, 1000))):
            link.sendall(gate.head(body, framing=framing or None) + sent)
            assert replies(link, 1)[0][0] == 413
            link.sendall(HEALTH)
            assert replies(link, 1)[0][0] == 200


def test_a_length_that_lies_gets_nobody_in(gate: Any) -> None:
    """Too short: what is behind it is no request. Too long: it never comes whole."""
    body = ice(gate, "lying")
    answers = exchange(gate, gate.head(body, framing=f"content-length: {len(body) - 10}") + body, count=2)
    assert sorted(status for status, _ in answers) in ([400], [400, 401])
    with gate.connect() as link:
        link.sendall(gate.head(body, framing=f"content-length: {len(body) + 10}") + body)
        link.shutdown(socket.SHUT_WR)
        assert replies(link, 1) == []
    assert gate.call("calls", "show", "lying").code == 1


SMUGGLED = b"GET /readyz HTTP/1.1\r\nhost: gate\r\n\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        "content-length: {0}\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: {0}",
        "content-length: {0}\r\ncontent-length: 0",
        "content-length: 0\r\ncontent-length: {0}",
        "content-length: {0}, 0",
        "content-length: +{0}",
        "content-length: -1",
        "content-length: 0x{0}",
        "content-length: {0} 0",
        "content-length: 99999999999999999999999999",
        "content-length : {0}",
        "transfer-encoding: xchunked",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: identity, chunked\r\ncontent-length: {0}",
        "transfer-encoding : chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        "transfer-encoding:\x0bchunked",
        "x: y\r\n folded: z\r\ncontent-length: {0}\r\ncontent-length: 1",
    ],
)
@pytest.mark.parametrize("offer", [(), OFFER], ids=["plain", "offer"])
def test_two_opinions_of_a_length_are_refused(gate: Any, lines: str, offer: tuple[str, ...]) -> None:
    """A proxy and we might disagree where the request ends, so nothing behind it is answered on this connection."""
    body = b"0\r\n\r\n" + SMUGGLED
    head = gate.head(body, *offer, framing=lines.format(len(body)))
    answers = exchange(gate, head + body + HEALTH, count=3)
    assert [status for status, _ in answers] == [400]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /callbacks/sinch HTTP/9.9\r\nhost: x\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nho st: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\x00\r\n\r\n",
        b"GET / HTTP/1.1\nhost: x\n\n",
        b"\x00" * 100,
        b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\n" + b"x: " + b"y" * 40_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\n" + b"".join(b"x-%d: y\r\n" % number for number in range(9_000)) + b"\r\n",
    ],
    ids=range(12),
)
def test_what_is_not_http_is_refused(gate: Any, request_bytes: bytes) -> None:
    """400 and the end of the connection; too much head is the same."""
    assert statuses(gate, request_bytes, count=2) in ([400], [])
    assert "Traceback" not in gate.log


@pytest.mark.parametrize(
    "head",
    [
        b"GET /x HTTP/1.1\r\nx: ",
        b"GET /",
        b"POST /callbacks/sinch HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nx: ",
    ],
    ids=["header", "path", "trailer"],
)
def test_a_line_that_does_not_end_is_cut_off(gate: Any, head: bytes) -> None:
    """Long before it fills the memory."""
    with gate.connect() as link:
        link.sendall(head)
        with pytest.raises(ConnectionError):
            link.sendall(b"y" * 10_000_000)


def test_many_connections_at_once(gate: Any) -> None:
    """Two hundred, each with requests behind one another: every one answered, in order."""
    links = [gate.connect() for _ in range(200)]
    body = b'{"event":"notify","callid":"many"}'
    for link in links:
        link.sendall((gate.head(body) + body + HEALTH) * 2)
    for link in links:
        assert [status for status, _ in replies(link, 4)] == [200] * 4
        link.close()


def test_slow_requests_do_not_block_others(gate: Any) -> None:
    """Fifty that stop half way, and one that does not."""
    body = ice(gate, "slow")
    links = [gate.connect() for _ in range(50)]
    for link in links:
        link.sendall(gate.head(body) + body[:20])
    started = time.monotonic()
    assert gate.request("GET", "/readyz").status == 200
    assert time.monotonic() - started < 2
    for link in links:
        link.close()


def test_slow_requests_end(stuck: dict[str, socket.socket]) -> None:
    """A body that does not come is answered 408; a head that does not come, and silence, end the connection."""
    assert [status for status, _ in replies(stuck["large"], 1)] == [413]
    for name in ("body", "chunk"):
        assert [status for status, _ in replies(stuck[name], 1)] == [408]
    for name, link in stuck.items():
        assert is_closed(link, 5), name


def test_a_client_that_goes_away_is_no_trouble(gate: Any) -> None:
    """In the middle of anything."""
    body = ice(gate, "gone")
    request = gate.head(body, *OFFER) + body
    for place in range(0, len(request), 40):
        with gate.connect() as link:
            link.sendall(request[:place])
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    assert gate.request("GET", "/readyz").status == 200
    assert "Traceback" not in gate.log


def test_requests_come_in_while_the_server_stops(new_gate: Callable[..., AbstractContextManager[Any]]) -> None:
    """Each is answered whole or not at all; none is half done."""
    with new_gate() as gate:
        outcomes: list[str] = []

        def send(worker: int) -> None:
            for number in range(100):
                try:
                    outcomes.append(gate.post(gate.ice(f"stop-{worker}-{number}")).action or "none")
                except (OSError, json.JSONDecodeError):
                    return

        workers = [threading.Thread(target=send, args=(worker,)) for worker in range(4)]
        for worker in workers:
            worker.start()
        time.sleep(0.2)
        assert gate.stop() == 0
        for worker in workers:
            worker.join()
        connected = outcomes.count("connectPstn")
        assert connected > 0
        calls = gate.must("calls", "list", "--limit", "1000", "--json").json
        assert connected <= len(calls)
        assert gate.must("ledger", "verify").code == 0
        assert "Traceback" not in gate.log
