"""Checks of what nobody should send: it is refused, it breaks nothing, and everything is answered in time."""

import socket
import time
from contextlib import suppress

from callgate.emulator.conformance.report import Check, Finding, Mark
from callgate.emulator.conformance.sender import Sender
from callgate.emulator.conformance.verdicts import legal, refused, survived, worst
from callgate.emulator.transport import HttpTransport

LARGE_BYTES = 1_048_576
DEEP = 20_000

DEADLINE_S = 5.0
"""How long the platform is believed to wait. Version 1 of the reference names no figure; version 2 says 5 seconds."""

COMFORTABLE_S = 1.0
"""A caller hears silence for as long."""


def checks() -> list[Check]:
    """Every check of this subject, in the order of the report."""
    return [
        Check(
            "malformed",
            "a body that is not JSON is refused",
            "answer 400 to what cannot be read",
            lambda sender: worst(
                [survived(sender.send(body)) for body in (b"{", b'{"event":"ice",}', b"no JSON", b"\xff\xfe{}")]
            ),
        ),
        Check(
            "no-object",
            "JSON that is no object is refused",
            "answer 400 to JSON that is no object",
            lambda sender: worst([survived(sender.send(body)) for body in (b"[]", b'"ice"', b"null", b"7")]),
        ),
        Check(
            "empty",
            "an empty body is refused",
            "answer 400 to an empty body",
            lambda sender: survived(sender.send(b"")),
        ),
        Check(
            "deep",
            "JSON of twenty thousand brackets, one in another, is refused",
            "catch what your JSON reader raises for it, and answer 400",
            lambda sender: survived(sender.send(b'{"event":' + b"[" * DEEP + b"]" * DEEP + b"}")),
        ),
        Check(
            "wrong-types",
            "fields of other types than they should have break nothing",
            "check the type of a field before you use it; answer 400, or `hangup`",
            _wrong_types,
        ),
        Check(
            "large",
            "a body of a megabyte is refused",
            "set a limit to bodies: events have some hundred bytes, 64 KiB are plenty",
            _large,
        ),
        Check(
            "get",
            "only POST is answered",
            "answer 405 to everything but POST",
            lambda sender: refused(sender.post([], b"", method="GET"), Mark.ADVICE),
        ),
        Check(
            "slow-sender",
            "calls are answered while somebody else sends half a request and stops",
            "put a server in front that waits for many at once, and set a limit to how long a body may take",
            _slow_sender,
        ),
    ]


def deadline() -> Check:
    """Ask at the end, when all answers have been timed."""
    return Check(
        "deadline",
        f"every answer came within {COMFORTABLE_S:g} second",
        "answer first and work afterwards: the caller hears silence, and the platform gives up after some seconds",
        _slowest,
    )


def encryption() -> Check:
    """Whether callbacks travel in the clear."""
    return Check(
        "https",
        "callbacks travel encrypted",
        "use https: the signature says who sent a callback, but everybody on the way can read numbers and names in it",
        _encrypted,
    )


def _wrong_types(sender: Sender) -> Finding:
    bodies = [
        sender.event("ice", sender.new_call(), to="+46701740605", cli=7, callHeaders="no list"),
        sender.event("ice", sender.new_call(), to={"type": 1, "endpoint": {"a": 1}}),
        sender.event("dice", sender.new_call(), duration="long", debit=[]),
    ]
    outcomes = [sender.send(body) for body in bodies]
    broken = next((each for each in outcomes if not (each.is_taken or each.is_refused)), None)
    return Finding(Mark.PASS, outcomes[0].shown) if broken is None else Finding(Mark.FAIL, broken.shown)


def _large(sender: Sender) -> Finding:
    outcome = sender.send(sender.event("ice", sender.new_call(), custom="x" * LARGE_BYTES))
    if outcome.status is None:  # it hung up rather than read all of it, which is a refusal too
        alive = legal(sender.send(sender.event("ice", sender.new_call())), "ice")
        return Finding(alive.mark, outcome.shown)
    return refused(outcome, Mark.ADVICE)


def _slow_sender(sender: Sender) -> Finding:
    transport = sender.transport
    if not isinstance(transport, HttpTransport) or transport.target.is_tls:
        return Finding(Mark.PASS, "not tried here: it takes a socket of one's own")
    headers, body = sender.sign(b'{"event":"notify","callid":"half"}')
    lines = [f"POST {transport.requested} HTTP/1.1", f"host: {transport.target.netloc}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    half = "\r\n".join(lines).encode() + b"\r\n\r\n" + body[:10]
    links: list[socket.socket] = []
    try:
        for _ in range(4):
            link = socket.create_connection((transport.target.host, transport.target.port), timeout=DEADLINE_S)
            links.append(link)
            link.sendall(half)
        time.sleep(0.05)  # so that they are being waited for
        return legal(sender.send(sender.event("ice", sender.new_call())), "ice")
    finally:
        for link in links:
            with suppress(OSError):
                link.close()


def _slowest(sender: Sender) -> Finding:
    slowest_s = sender.slowest_s
    found = f"the slowest took {slowest_s * 1_000:.0f} ms"
    if slowest_s >= DEADLINE_S:
        return Finding(Mark.FAIL, found)
    return Finding(Mark.PASS if slowest_s <= COMFORTABLE_S else Mark.ADVICE, found)


def _encrypted(sender: Sender) -> Finding:
    transport = sender.transport
    if not isinstance(transport, HttpTransport):
        return Finding(Mark.PASS, "within this process")
    if transport.target.is_tls:
        return Finding(Mark.PASS, transport.target.netloc)
    if transport.target.is_loopback:
        return Finding(Mark.PASS, f"{transport.target.netloc} is this machine")
    return Finding(Mark.ADVICE, transport.url)
