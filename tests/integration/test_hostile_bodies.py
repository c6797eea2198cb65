"""Tens of thousands of bodies that no platform sends, through the whole server as an ASGI callable, on a real database.

Seeded, so that what fails once fails again. Whatever comes: no 5xx, no exception, nothing slow, and sound books after it.
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from callgate.app import build_store, build_vault
from callgate.policy.limits import UNLIMITED
from callgate.protocol import sinch
from callgate.protocol.call import CallKey
from callgate.rating.deck_csv import read_deck
from callgate.rating.deck_merge import ImportMode
from callgate.server import Gate
from callgate.service.add_application import AddApplication
from callgate.service.expire import expire_parked
from callgate.service.import_deck import import_deck
from callgate.service.open_account import OpenAccount
from callgate.service.reports import call_report, call_reports, ledger_verdict
from callgate.service.top_up import TopUp
from callgate.settings import Settings

KEY, SECRET = "5f1c7a2e-93d0-4b57-8a6e-0c2b7d4e9f10", "c2VjcmV0"
PATH = "/callbacks/sinch"
DECK = b"prefix,destination,rate_per_min,connect_fee,first_s,next_s,effective_from\n46,Sweden,0.02,0,60,60,2020-01-01\n"

COUNT = 10_000
AT_ONCE = 64
MOST_S = 2.0
"""Longest time that one answer may take; usual is a hundredth of it."""


class House:
    """A whole server without its sockets."""

    def __init__(self, folder: Path) -> None:
        self._runner = asyncio.Runner()
        settings = Settings(
            database_url=f"sqlite:///{folder}/gate.db", secret_key="c2VjcmV0LWtleS1vZi1jYWxsZ2F0ZS1pbi10ZXN0cy4="
        )
        self.store = build_store(settings)
        self.statuses: Counter[int] = Counter()
        self.slowest_s = 0.0
        self.run(self._open(settings))

    async def _open(self, settings: Settings) -> None:
        await self.store.migrate()
        await self.store.open()
        now, seal = datetime.now(UTC), build_vault(settings).seal
        for job in (
            AddApplication(provider="sinch", key=KEY, secret=SECRET, name="", seal=seal, now=now, limits=UNLIMITED),
            OpenAccount(application=KEY, account="alice", currency="USD", limits=UNLIMITED),
            TopUp(application=KEY, account="alice", amount_micros=10**12, reference="first", now=now),
        ):
            await self.store.perform(job)  # type: ignore[arg-type]
        rates = read_deck(DECK, "deck", now).rows
        await import_deck(self.store, "standard", "USD", rates, mode=ImportMode.REPLACE, is_dry_run=False, now=now)
        self.gate = Gate(settings, self.store)
        await self.gate.catalogs.refresh()

    def close(self) -> None:
        self.run(self.store.close())
        self._runner.close()

    def run(self, steps: Any) -> Any:
        return self._runner.run(steps)

    async def post(self, body: bytes, *, is_signed: bool = True) -> tuple[int, bytes]:
        headers = sinch.sign("POST", PATH, body, KEY, SECRET, datetime.now(UTC)) if is_signed else {}
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": PATH,
            "raw_path": PATH.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        started = time.perf_counter()
        await self.gate(scope, receive, send)
        self.slowest_s = max(self.slowest_s, time.perf_counter() - started)
        self.statuses[sent[0]["status"]] += 1
        return sent[0]["status"], sent[1]["body"]

    async def flood(self, make: Callable[[], bytes], *, is_signed: bool = True) -> None:
        """Post very many, some at once, and say which body it was that went wrong."""

        async def one() -> None:
            body = make()
            try:
                status, _ = await self.post(body, is_signed=is_signed)
            except Exception as error:
                raise AssertionError(body) from error
            assert status < 500, body

        for _ in range(COUNT // AT_ONCE + 1):
            await asyncio.gather(*(one() for _ in range(AT_ONCE)))

    def check_afterwards(self, logs: list[Any]) -> None:
        """Nothing was slow or logged as an error, the books are sound, every call can be shown, and calls go on."""
        assert self.slowest_s < MOST_S
        assert [entry for entry in logs if entry["log_level"] in ("error", "critical") or "exc_info" in entry] == []
        assert self.run(ledger_verdict(self.store)).faults == ()
        now = datetime.now(UTC)
        for call in self.run(call_reports(self.store, now, limit=1000)):
            assert self.run(call_report(self.store, CallKey(KEY, call.call_id), now)) is not None
        status, answer = self.run(self.post(json.dumps(ice(f"after-{self.statuses.total()}")).encode()))
        assert (status, json.loads(answer)["action"]["name"]) == (200, "connectPstn")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One server and one database for all of this file."""
    house = House(tmp_path_factory.mktemp("house"))
    yield house
    house.close()


def ice(call: str) -> dict[str, Any]:
    return {
        "event": "ice",
        "callid": call,
        "timestamp": "2026-11-23T12:00:00Z",
        "version": 1,
        "applicationKey": KEY,
        "user": "alice",
        "userRate": {"currencyId": "USD", "amount": 0.0095},
        "cli": "",
        "to": {"type": "number", "endpoint": "+46701740605"},
        "domain": "pstn",
        "originationType": "MXP",
        "duration": 0,
        "rdnis": "",
        "callHeaders": [{"key": "a", "value": "b"}],
    }


def dice(call: str, duration: object = 61) -> dict[str, Any]:
    return {
        "event": "dice",
        "callid": call,
        "timestamp": "2026-11-23T12:00:00Z",
        "version": 1,
        "applicationKey": KEY,
        "reason": "CALLERHANGUP",
        "result": "ANSWERED",
        "duration": duration,
        "debit": {"currencyId": "USD", "amount": 0.019},
        "to": {"type": "number", "endpoint": "+46701740605"},
        "from": "alice",
        "user": "alice",
    }


def ace(call: str) -> dict[str, Any]:
    return {
        "event": "ace",
        "callid": call,
        "applicationKey": KEY,
        "amd": {"status": "human", "reason": "n/a", "duration": 3},
    }


def pie(call: str) -> dict[str, Any]:
    menu = {"menuId": "main", "type": "return", "value": "1", "inputMethod": "dtmf"}
    return {"event": "pie", "callid": call, "applicationKey": KEY, "menuResult": menu}


def notify(call: str) -> dict[str, Any]:
    return {"event": "notify", "callid": call, "type": "recording_finished", "destination": "s3://x"}


EVENTS = (ice, ice, ace, dice, dice, pie, notify)

VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**29, 10**40, 1.5, -0.0, 1e308, 5e-324,
    "", "x" * 300, "\x00", "\ud800", "é", "😀" * 50, "\u202e", "\r\n", "\x1b[31m", "private", "+46701740605", "+46701740[605",
    "tel:+46701740605;ext=1", "0", "9" * 400, "٤٦٧٠", "null", "2026-13-45T99:99:99Z", "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59", [], {}, [[]], [None], {"a": {}}, [1, 2], {"type": "number"}, {"endpoint": 5},
    {"type": "number", "endpoint": "abc"}, {"type": "username", "endpoint": "bob"}, {"type": "sip", "endpoint": "a@b"},
    {"amount": "1e999999999"}, {"amount": "NaN"}, {"amount": -1, "currencyId": "USD"}, {"key": 1}, [{"key": "a", "value": None}],
]  # fmt: skip

TOKENS = [
    b"1e999999999", b"-1e999999999", b"1E-999999999", b"1e400", b"NaN", b"Infinity", b"-Infinity", b"0." + b"1" * 500,
    b"9" * 5000, b"-" + b"9" * 30, b"1." + b"0" * 60, b'"\\ud800"', b'"\\udfff\\ud800"', b'"\\u0000"', b'"\xff\xfe"',
    b'"\xed\xa0\x80"',

    b"[" * 50 + b"]" * 50, b"[" * 20_000, b'{"a":' * 300 + b"1" + b"}" * 300, b"01", b"+1", b".5", b"1.", b"'x'", b"/**/1", b"",
    b"tru", b'"\x00"', b'"\n"', b"\xef\xbb\xbf1", b"0x10", b"1_000", b"{}{}",
    b'{"a":1,"a":2}', b'{"amount":1e31,"currencyId":"USD"}',
]  # fmt: skip

MORE_NAMES = [
    "x", "callId", "event", "applicationKey", "user", "callHeaders", "cookies", "amd", "custom", "to", "duration", "debit",
    "result", "reason", "menuResult", "timestamp", "cli", "\x00", "", "é", "other", "__class__",
]  # fmt: skip

PLACEHOLDER = "@token@"


def mutated(pick: random.Random) -> bytes:
    """An event with a few things wrong: fields gone, of other types or doubled, tokens that are no JSON, bytes changed."""
    event: dict[str, Any] = pick.choice(EVENTS)(f"c{pick.randrange(400)}")
    for _ in range(pick.randrange(4)):
        name = pick.choice([*event, *MORE_NAMES])
        match pick.randrange(5):
            case 0:
                event.pop(name, None)
            case 1 | 2:
                event[name] = pick.choice(VALUES)
            case 3 if isinstance(event.get(name), dict) and event[name]:
                event[name] = {**event[name], pick.choice(list(event[name])): pick.choice(VALUES)}
            case _:
                event[name] = PLACEHOLDER
    body = json.dumps(event, ensure_ascii=pick.random() < 0.5).encode("utf-8", "surrogatepass")
    while (token := f'"{PLACEHOLDER}"'.encode()) in body:
        body = body.replace(token, pick.choice(TOKENS), 1)
    if pick.random() < 0.1:
        body = body[:-1] + b"," + json.dumps(pick.choice(EVENTS)("twice")).encode()[1:]
    return damaged(body, pick) if pick.random() < 0.3 else body


def damaged(body: bytes, pick: random.Random) -> bytes:
    """A few bytes are changed, gone or new."""
    changed = bytearray(body)
    for _ in range(pick.randrange(1, 4)):
        place = pick.randrange(len(changed) + 1)
        match pick.randrange(3):
            case 0:
                changed[place : place + 1] = pick.randbytes(1)
            case 1:
                del changed[place : place + pick.randrange(8)]
            case _:
                changed[place:place] = pick.choice([b'"', b"{", b"[", b",", b"\\", b"\x00", b"\xff", b"1e9999999"])
    return bytes(changed)


def noise(pick: random.Random) -> bytes:
    return pick.randbytes(pick.choice((0, 1, 10, 100, 1000, 9000)))


def test_random_bodies_are_refused(house: House) -> None:
    """Ten thousand unsigned ones are 401; as many signed ones are 400."""
    pick = random.Random(1)  # noqa: S311 - a seed, not a secret
    with capture_logs() as logs:
        house.statuses.clear()
        house.run(house.flood(lambda: noise(pick), is_signed=False))
        assert set(house.statuses) == {401}
        house.statuses.clear()
        house.run(house.flood(lambda: noise(pick)))
        assert set(house.statuses) == {400}
        house.check_afterwards(logs)


def test_mutated_events_are_refused_or_handled(house: House) -> None:
    """Ten thousand genuine requests with events that are nearly right."""
    pick = random.Random(2)  # noqa: S311 - a seed, not a secret
    with capture_logs() as logs:
        house.statuses.clear()
        house.run(house.flood(lambda: mutated(pick)))
        assert set(house.statuses) == {200, 400, 401}
        assert min(house.statuses.values()) > COUNT // 100
        house.check_afterwards(logs)


@pytest.mark.parametrize("make", [ice, ace, pie, dice, notify])
def test_every_field_may_hold_anything(house: House, make: Callable[[str], dict[str, Any]]) -> None:
    """Each field of each event with each strange value, and each strange token."""
    with capture_logs() as logs:
        house.statuses.clear()

        async def post_all() -> None:
            for name in make(""):
                events = [make(f"{name}-{number}") | {name: value} for number, value in enumerate(VALUES)]
                bodies = [json.dumps(event).encode("utf-8", "surrogatepass") for event in events]
                whole = json.dumps(make(name) | {name: PLACEHOLDER}).encode()
                bodies += [whole.replace(f'"{PLACEHOLDER}"'.encode(), token) for token in TOKENS]
                answers = await asyncio.gather(*map(house.post, bodies))
                assert {status for status, _ in answers} <= {200, 400, 401}, name

        house.run(post_all())
        house.check_afterwards(logs)


@pytest.mark.parametrize("token", TOKENS, ids=lambda token: token[:20])
def test_hostile_json_is_answered_at_once(house: House, token: bytes) -> None:
    """A number that would take for ever to compute, nesting without end: refused before anything is done with it."""
    started = time.perf_counter()
    for body in (token, b'{"event":"dice","callid":"h","duration":' + token + b"}", b"[" + token + b"]"):
        status, _ = house.run(house.post(body))
        assert status in (200, 400)
    assert time.perf_counter() - started < 1


def test_strange_ends_without_a_start_are_given_up(house: House) -> None:
    """What waited for its start in vain is charged or flagged: no destination, however strange, stops the sweep."""

    async def sweep() -> int:
        bodies = []
        for number, value in enumerate(VALUES):
            for to in (value, {"type": "number", "endpoint": value}):
                body = json.dumps(dice(f"orphan-{number}-{type(to).__name__}") | {"to": to}).encode(
                    "utf-8", "surrogatepass"
                )
                bodies.append(body)
        await asyncio.gather(*map(house.post, bodies))
        later = datetime.now(UTC) + timedelta(seconds=1)
        swept = 0
        while done := await expire_parked(house.store, house.gate.catalogs.now, before=later):
            swept += done
        return swept

    assert house.run(sweep()) > len(VALUES)
    assert house.run(ledger_verdict(house.store)).faults == ()
