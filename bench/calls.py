"""Who calls whom: the callers, the numbers and the prices of every benchmark, and what a right answer to each call is.

All of it follows from a few figures, so that servers, peers and the generator agree without sharing a file.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

import msgspec

from callgate.protocol import sinch
from callgate.rating.charge import charge_micros
from callgate.rating.rate import Rate

KEY = "be9c0000-0000-4000-8000-000000000001"
SECRET = "YmVuY2htYXJrLXNlY3JldA=="  # noqa: S105 - for scratch databases; it spells benchmark-secret

PATH = "/callbacks/sinch"
DECK = "standard"
CURRENCY = "USD"

HOT = "hot"
"""The one caller of the runs with one hot wallet."""

WALLET_UNITS = 10_000_000
"""What each wallet starts with, in dollars: nobody runs dry, so that every call is to be connected. A hundred thousand such
wallets still add up to less than 64 bits of micros."""

RANGES = ("46701", "46730", "447400", "12123", "4915112", "33612", "61412")
"""Mobile and city ranges in which every further six digits are a valid number."""

AREAS = 1_000
"""Priced prefixes below each range: its first three further digits."""

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)

_GRANTS_S = (300, 360, 420, 480, 540, 600)
_INCREMENTS_S = ((1, 1), (6, 6), (30, 6), (60, 60))


class Caller(NamedTuple):
    """An in-app user with a wallet; `grant_s` is the account's limit, and so what each call is granted."""

    user: str
    grant_s: int


class PlannedCall(NamedTuple):
    """One request, signed, with what its answer must say and what it must have held."""

    request: bytes
    number: str
    grant_s: int
    hold_micros: int


def callers(count: int) -> list[Caller]:
    """Return so many callers; limits differ, so that a right answer depends on who calls."""
    return [Caller(f"caller-{n:05}", _GRANTS_S[n % len(_GRANTS_S)]) for n in range(count)]


def hot_caller() -> Caller:
    """Return the caller who places all calls of a run with one hot wallet."""
    return Caller(HOT, _GRANTS_S[-1])


def number(n: int) -> str:
    """Return the n-th number: n up to seven million gives different ones."""
    return f"+{RANGES[n % len(RANGES)]}{n * 48_271 % 1_000_000:06}"


def rates() -> Iterator[Rate]:
    """Price every range and every area in it; no two neighbours cost the same."""
    for prefix in RANGES:
        yield _rate(prefix, AREAS)
        for area in range(AREAS):
            yield _rate(f"{prefix}{area:03}", area)


def rate_of(number: str) -> Rate:
    """Return the row that prices a number, found without a search."""
    prefix = next(prefix for prefix in RANGES if number.startswith(prefix, 1))
    return _rate(number[1 : len(prefix) + 4], int(number[len(prefix) + 1 : len(prefix) + 4]))


def plan(who: list[Caller], numbers: int, host: str) -> Iterator[PlannedCall]:
    """Plan calls for ever: a caller and one of so many numbers drawn for each, ids as random as the platform's, signed now."""
    draw = random.Random()  # noqa: S311 - draws callers, no keys
    while True:
        caller, to = draw.choice(who), number(draw.randrange(numbers))
        body = _ice(f"{draw.getrandbits(128):032x}", caller.user, to)
        yield PlannedCall(_post(body, host), to, caller.grant_s, _hold_micros(to, caller.grant_s))


@lru_cache(maxsize=1 << 16)
def _rate(prefix: str, area: int) -> Rate:
    first_s, increment_s = _INCREMENTS_S[area % len(_INCREMENTS_S)]
    return Rate(
        prefix=prefix,
        destination="benchmark",
        rate_nanos_per_min=10_000_000 + area * 7_919 % 90_000 * 1_000,
        connect_fee_micros=10_000 if area % 5 == 0 else 0,
        first_increment_s=first_s,
        increment_s=increment_s,
        effective_from=EPOCH,
    )


@lru_cache(maxsize=1 << 18)
def _hold_micros(number: str, grant_s: int) -> int:
    return charge_micros(rate_of(number), grant_s)


def _ice(call_id: str, user: str, to: str) -> bytes:
    """Write the incoming call event of an in-app caller, as long as the platform's own examples."""
    return msgspec.json.encode(
        {
            "event": "ice",
            "callid": call_id,
            "callResourceUrl": f"https://calling-euc1.api.sinch.com/calling/v1/calls/id/{call_id}",
            "timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "version": 1,
            "custom": "",
            "user": user,
            "userRate": {"currencyId": "USD", "amount": 0.0368},
            "cli": "private",
            "to": {"type": "number", "endpoint": to},
            "domain": "pstn",
            "applicationKey": KEY,
            "originationType": "MXP",
            "duration": 0,
            "rdnis": "",
        }
    )


def _post(body: bytes, host: str) -> bytes:
    signed = sinch.sign("POST", PATH, body, KEY, SECRET, datetime.now(UTC))
    lines = [f"POST {PATH} HTTP/1.1", f"host: {host}", "accept: */*", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in signed.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
