"""Calls that we place, on a real server: against the emulated platform, and against one that answers late, twice or never."""

import contextlib
import http.server
import itertools
import json
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

ANNA, BERT = "+46701740605", "+46701740606"
WITHIN_S = 60.0


def until(look: Callable[[], Any], within_s: float = WITHIN_S) -> Any:
    """Wait until something is so, and return it."""
    end = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.03)
    return found


accounts = itertools.count(1)


class Operator:
    """A server, and a program that holds a token of it. `open` gives it an account of its own: servers are dear, and shared."""

    def __init__(self, gate: Any, platform_url: str) -> None:
        self.gate = gate
        self.account = ""
        gate.must("app", "set", gate.key, f"platform={platform_url}")
        self.token = gate.must("token", "create", "shop", "--role", "operator", "--json").json["token"]
        self.start()

    def open(self, credit: str) -> "Operator":
        """From here on it is about another account, with so much in it."""
        self.account = f"shop{next(accounts)}"
        self.gate.account(self.account, credit)
        return self

    def start(self) -> None:
        """And wait until its API has loaded."""
        self.gate.start()
        until(lambda: self.gate.request("GET", "/api/v1/openapi.json").status == 200)

    def place(self, key: str | None = None, **body: Any) -> Any:
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        headers |= {"idempotency-key": f"{self.account} {key}"} if key else {}
        said = json.dumps({"account": self.account, "kind": "bridge", "from": ANNA, "to": BERT} | body).encode()
        return self.gate.request("POST", "/api/v1/callouts", said, headers)

    def call(self, call_id: str) -> Any:
        reply = self.gate.request("GET", f"/api/v1/calls/{call_id}", b"", {"authorization": f"Bearer {self.token}"})
        return reply.json if reply.status == 200 else None

    def live(self) -> list[Any]:
        path = f"/api/v1/calls?state=live&account={self.account}"
        reply = self.gate.request("GET", path, b"", {"authorization": f"Bearer {self.token}"})
        return list(reply.json["items"])

    @property
    def held(self) -> Decimal:
        path = f"/api/v1/accounts/{self.account}"
        reply = self.gate.request("GET", path, b"", {"authorization": f"Bearer {self.token}"})
        return Decimal(reply.json["held"])

    def is_settled(self) -> bool:
        return not self.live() and self.held == 0

    def custom(self, reference: str) -> str:
        """What the platform was asked to repeat, or would have been."""
        with contextlib.closing(sqlite3.connect(self.gate.folder / "gate.db")) as db:
            (answer,) = db.execute("SELECT answer FROM calls WHERE reference = ?", (reference,)).fetchone()
        return str(json.loads(answer)["custom"])


class Emulator:
    """`callgate emulate` in a process of its own, ten times as fast as real phones."""

    def __init__(self, gate: Any) -> None:
        words = ("--port", "0", "--key", gate.key, "--secret", gate.secret, "--pace", "0.1")
        target = f"http://127.0.0.1:{gate.port}{gate.path}"
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "callgate", "emulate", *words, "--target", target],
            env=gate.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = next(
            found[1] for line in self.process.stdout if (found := re.search(r"journal  (http://\S+)/$", line))
        )

    def ask(self, method: str, path: str, body: object = None) -> Any:
        link = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=10)
        with contextlib.closing(link):
            link.request(method, f"/control/v1{path}", None if body is None else json.dumps(body))
            return json.loads(link.getresponse().read() or b"null")

    def phone(self, number: str, **manner: Any) -> None:
        self.ask("PUT", f"/phones/{number}", manner)

    def calls(self) -> list[Any]:
        calls = self.ask("GET", "/calls")
        return list(calls.get("items", calls))

    def begin(self) -> "Emulator":
        """What was dialled before does not count any more."""
        self.before = len(self.calls())
        return self

    def dialled(self) -> list[str]:
        calls = self.calls()
        numbers = [each["to"].removeprefix("number:") for each in calls]
        return sorted(numbers[: len(numbers) - self.before])

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def emulating(new_gate: Any) -> Iterator[tuple[Operator, Emulator]]:
    with new_gate(is_serving=False) as gate:
        emulator = Emulator(gate)
        try:
            yield Operator(gate, emulator.url), emulator
        finally:
            emulator.stop()


@pytest.fixture
def emulated(emulating: tuple[Operator, Emulator]) -> tuple[Operator, Emulator]:
    """With an account of this test's own, and nobody dialled yet."""
    shop, emulator = emulating
    return shop.open("1"), emulator.begin()


def test_click_to_call(emulated: tuple[Operator, Emulator]) -> None:
    """Both sides are held for before the first is rung; whoever hangs up ends both; both are paid for; nothing stays held."""
    shop, emulator = emulated
    for hangs_up, stays in ((ANNA, BERT), (BERT, ANNA)):
        emulator.phone(hangs_up, ring_s=5, talk_s=30)
        emulator.phone(stays, ring_s=5, talk_s=3000)
        held = Decimal(shop.gate.wallet(shop.account)["available"]) // Decimal("0.04") * Decimal("0.04")
        placed = shop.place(f"button-{hangs_up}")
        assert placed.status == 201, placed
        assert shop.held == held
        first = shop.call(placed.json["call_id"])
        assert (first["state"], first["destination"], first["decision"]["granted_s"]) == (
            "arrived", ANNA, placed.json["granted_s"]
        )  # fmt: skip
        until(lambda: [call["state"] for call in shop.live()] == ["answered"] * 2)
        repeat = shop.place(f"button-{hangs_up}")
        assert (repeat.status, repeat.body) == (201, placed.body)
        until(shop.is_settled)
        assert shop.call(first["call_id"])["charge"] == "0.02"
    assert emulator.dialled() == [ANNA, ANNA, BERT, BERT]
    lines = shop.gate.must("cdr", "export", "--since", "1d", "--format", "ndjson").out.splitlines()
    records = [record for record in map(json.loads, lines) if record["account"] == shop.account]
    assert [each["charge"] for each in records] == ["0.02"] * 4
    assert shop.gate.must("ledger", "verify").code == 0


def test_who_is_not_there_is_not_connected(emulated: tuple[Operator, Emulator]) -> None:
    """The first side does not answer: the second is never rung. The second does not: the first is hung up."""
    shop, emulator = emulated
    emulator.phone(ANNA, ring_s=3, outcome="noanswer")
    assert shop.place().status == 201
    until(shop.is_settled)
    assert emulator.dialled() == [ANNA]
    emulator.phone(ANNA, ring_s=1, talk_s=3000)
    emulator.phone(BERT, ring_s=1, outcome="busy")
    assert shop.place().status == 201
    until(shop.is_settled)
    assert emulator.dialled() == [ANNA, ANNA, BERT]
    assert shop.gate.wallet(shop.account)["posted"] == Decimal("0.98")
    assert shop.gate.must("ledger", "verify").code == 0


def test_messages_and_conferences(emulated: tuple[Operator, Emulator]) -> None:
    """By API and by command; a conference is cut by the platform, a message by our timer, neither costs more than is held."""
    shop, emulator = emulated
    emulator.phone(ANNA, ring_s=1, talk_s=None)
    emulator.phone(BERT, ring_s=1, talk_s=3000)
    message = shop.place(kind="tts", to=ANNA, text="Your code is 1 2 3 4", **{"from": "+46846500400"})
    room = shop.gate.must(
        "callout",
        "conference",
        "--account",
        shop.account,
        "--to",
        BERT,
        "--conference",
        "team",
        "--max-duration",
        "60",
        "--json",
    ).json
    assert (message.status, message.json["granted_s"], room["granted_s"]) == (201, 300, 60)
    until(shop.is_settled)
    spoken, met = shop.call(message.json["call_id"]), shop.call(room["call_id"])
    assert [each["charge"] for each in (spoken, met)] == ["0.02", "0.02"]
    assert (met["reason"], met["billed_s"]) == ("timeout", 60)
    assert shop.gate.must("ledger", "verify").code == 0


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"to": "+33123456789"}, 409, "no_rate"),
        ({"to": "+461"}, 409, "destination_invalid"),
        ({"to": "user:bob"}, 409, "no_route"),
        ({"from": "bob"}, 400, "from"),
        ({"text": "?"}, 400, "text"),
        ({"kind": "tts", "from": "", "text": ""}, 400, "text"),
        ({"kind": "tts", "text": "x" * 601}, 400, "601 characters"),
        ({"kind": "conference", "conference": "callgate-mine"}, 400, "conference"),
        ({"kind": "fax"}, 400, "fax"),
        ({"account": "nobody"}, 404, "nobody"),
        ({"max_duration_s": 0}, 400, "max_duration_s"),
        ({"colour": "red"}, 400, "colour"),
    ],
)
def test_what_cannot_be_placed(gate: Any, body: dict[str, Any], status: int, told: str) -> None:
    """A problem document that says why, and nobody is rung."""
    until(lambda: gate.request("GET", "/api/v1/openapi.json").status == 200)
    token = gate.must("token", "create", "shop", "--role", "operator", "--json").json["token"]
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    said = {"account": "alice", "kind": "bridge", "from": ANNA, "to": BERT} | body
    reply = gate.request("POST", "/api/v1/callouts", json.dumps(said).encode(), headers)
    assert (reply.status, reply.json["status"]) == (status, status)
    assert told in reply.body.decode(), reply
    assert reply.json.get("refusal") == (told if status == 409 else None)


class Played:
    """A platform of which this test knows everything: what it was asked, and what it answers, when."""

    def __init__(self) -> None:
        self.tests = 0
        self.begin()
        played = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                played.asked.append(body[body["method"]])
                call_id = played.answer(len(played.asked))
                if call_id is not None:
                    self._reply(200, {"callId": call_id})

            def do_PATCH(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                played.hung_up.append(self.path.rpartition("/")[2])
                self._reply(200, {})

            def _reply(self, status: int, document: object) -> None:
                said = json.dumps(document).encode()
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    self.send_header("content-length", str(len(said)))
                    self.end_headers()
                    self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def begin(self) -> "Played":
        """Another test: nothing was asked yet, and ids are others."""
        self.tests += 1
        self.asked: list[dict[str, Any]] = []
        self.hung_up: list[str] = []
        self.answer: Callable[[int], str | None] = self.id
        return self

    def id(self, number: int) -> str:
        """What the call is called that was asked for as the first, the second and so on."""
        return f"call-{self.tests}-{number}"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def playing(new_gate: Any) -> Iterator[tuple[Operator, Played]]:
    with new_gate(is_serving=False) as gate:
        platform = Played()
        try:
            yield Operator(gate, platform.url), platform
        finally:
            platform.stop()


@pytest.fixture
def played(playing: tuple[Operator, Played]) -> tuple[Operator, Played]:
    """With an account of this test's own, and nothing asked yet."""
    shop, platform = playing
    return shop.open("1"), platform.begin()


def test_the_same_request_rings_once(played: tuple[Operator, Played]) -> None:
    """However often it comes, at the same time or later; another body under the same key is a conflict."""
    shop, platform = played
    platform.answer = lambda number: time.sleep(0.5) or platform.id(number)
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda _: shop.place("once"), range(20)))
    assert {(reply.status, reply.body) for reply in replies} == {(201, replies[0].body)}
    assert (len(platform.asked), replies[0].json["call_id"]) == (1, platform.id(1))
    assert shop.place("once", to=ANNA).status == 409
    (asked,) = platform.asked
    assert (asked["enableAce"], asked["enableDice"], asked["destination"]["endpoint"]) == (True, True, ANNA)
    assert asked["custom"] == shop.custom(replies[0].json["reference"])


def test_a_platform_that_answers_twice_and_rings_twice(played: tuple[Operator, Played]) -> None:
    """The first call has the hold; the other is hung up as soon as it says that it was answered, and costs nobody anything."""
    shop, platform = played
    placed = shop.place(kind="conference", to=ANNA, conference="room", **{"from": ""}).json
    custom = platform.asked[0]["custom"]
    gate = shop.gate
    for _ in range(2):
        assert gate.post(gate.ace(platform.id(1), custom=custom)).json["action"] == {
            "name": "connectConf", "conferenceId": "room"
        }  # fmt: skip
        assert gate.post(gate.ace(platform.id(9), custom=custom)).action == "hangup"
    for call_id in (platform.id(1), platform.id(9), platform.id(1)):
        assert gate.post(gate.dice(call_id, 61, custom=custom)).status == 200
    assert (shop.call(placed["call_id"])["charge"], shop.held) == ("0.04", 0)
    assert gate.wallet(shop.account)["posted"] == Decimal("0.96")
    assert gate.must("ledger", "verify").code == 0


def test_a_platform_that_answers_too_late(played: tuple[Operator, Played]) -> None:
    """Nobody is rung again; the call's own events name it, and from then on it is the same request's reply."""
    shop, platform = played
    stuck = threading.Event()
    platform.answer = lambda number: stuck.wait(30) and platform.id(number)
    reply = shop.place("slow", kind="conference", to=ANNA, conference="room", **{"from": ""})
    reference = reply.json["reference"]
    assert (reply.status, reply.json["call_id"]) == (202, reference)
    assert (shop.call(reference)["state"], shop.held) == ("arrived", 1)
    gate, custom = shop.gate, platform.asked[0]["custom"]
    assert gate.post(gate.ace(platform.id(1), custom=custom)).action == "connectConf"
    repeat = shop.place("slow", kind="conference", to=ANNA, conference="room", **{"from": ""})
    assert (repeat.status, repeat.json["call_id"], repeat.json["reference"]) == (201, platform.id(1), reference)
    stuck.set()
    gate.post(gate.dice(platform.id(1), 10, custom=custom))
    assert (shop.call(reference)["charge"], shop.call(platform.id(1))["charge"], shop.held) == ("0.02", "0.02", 0)
    assert len(platform.asked) == 1


def test_a_server_that_is_killed_while_it_asks(played: tuple[Operator, Played]) -> None:
    """What was held stays held, the platform is not asked again, and what it sends is matched by our reference."""
    shop, platform = played
    asked, go_on = threading.Event(), threading.Event()
    platform.answer = lambda _: asked.set() or (go_on.wait(30) and None)
    with ThreadPoolExecutor(1) as pool:
        lost = pool.submit(shop.place, "killed")
        assert asked.wait(WITHIN_S)
        shop.gate.stop(signal.SIGKILL)
        assert lost.exception(WITHIN_S) is not None
    go_on.set()
    shop.start()
    assert shop.held == 1
    repeat = shop.place("killed")
    assert (repeat.status, len(platform.asked)) == (202, 1)
    platform.answer = platform.id
    gate, custom = shop.gate, platform.asked[0]["custom"]
    assert gate.post(gate.ace(platform.id(1), custom=custom)).action == "connectConf"
    until(lambda: len(platform.asked) == 2)
    until(lambda: shop.call(platform.id(2)))
    assert shop.place("killed").json["call_id"] == platform.id(1)
    gate.post(gate.dice(platform.id(1), 10, custom=custom))
    until(lambda: platform.hung_up == [platform.id(2)])
    gate.post(gate.dice(platform.id(2), 0))
    assert shop.is_settled()
    assert gate.wallet(shop.account)["posted"] == Decimal("0.98")
    assert (len(platform.asked), gate.must("ledger", "verify").code) == (2, 0)


def test_a_server_that_is_killed_before_the_second_side_is_rung(played: tuple[Operator, Played]) -> None:
    """The first side answered just before: the server that comes up rings the second one, once, without a word from anybody."""
    shop, platform = played
    shop.place("killed")
    shop.gate.stop(signal.SIGKILL)
    with contextlib.closing(sqlite3.connect(shop.gate.folder / "gate.db")) as db:  # as its ACE leaves the row
        db.execute("UPDATE calls SET state = 'answered', answered_at = decided_at WHERE call_id = ?", (platform.id(1),))
        db.commit()
    shop.start()
    until(lambda: len(platform.asked) == 2)
    assert platform.asked[1]["destination"]["endpoint"] == BERT
    assert platform.asked[0]["conferenceId"] == platform.asked[1]["conferenceId"]
    shop.gate.stop(signal.SIGKILL)
    shop.start()
    time.sleep(1.5)
    assert len(platform.asked) == 2


def test_no_platform_there(new_gate: Any) -> None:
    """Nobody is rung and nothing stays held; the same request may be tried again."""
    with new_gate(is_serving=False) as gate:
        platform = Played()
        platform.stop()
        shop = Operator(gate, platform.url).open("1")
        for _ in range(2):
            reply = shop.place("again")
            assert (reply.status, reply.json["type"].rpartition("/")[2]) == (502, "platform-failed")
            assert shop.is_settled()
        assert gate.must("ledger", "verify").code == 0
