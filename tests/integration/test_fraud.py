"""Thefts as they happen, with numbers: each test says what it would have cost without limits, and what it did cost.

The clock is the test's own; the store, the holds and the windows are real. Calls of a thief are answered at once and talk for
as long as they are granted.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pytest

from callgate.ledger.wallet import Wallet
from callgate.money import MICROS, format_micros
from callgate.policy.limits import BY_DEFAULT, change_limits
from callgate.policy.refusal import Refusal
from callgate.service.set_limits import SetAccountLimits

if TYPE_CHECKING:
    from tests.conftest import House

CREDIT = "500"
"""What the stolen account has."""

TALK_S = 3_600
"""How long a thief lets a call run, where nobody stops it."""


class Attempt(NamedTuple):
    """One call of the thief, so many seconds after the one before."""

    number: str
    wait_s: float


class Theft(NamedTuple):
    """What came of it. `at_risk_micros` is charged and held together, at its highest."""

    refusals: tuple[Refusal | None, ...]
    at_risk_micros: int
    unlimited_micros: int


@pytest.fixture
def bank(house: "House") -> "House":
    """An account with money, with the limits that a new one has; prices as a carrier has them."""
    house.open("alice", CREDIT)
    house.perform(SetAccountLimits(application=house.app, account="alice", words=("defaults",)))
    house.application = msgspec.structs.replace(house.application, limits=change_limits(BY_DEFAULT, ["countries=SE"]))
    house.deck(
        house.rate("46", "0.02"),
        house.rate("46900", "2.50"),
        house.rate("46939", "2.50"),
        house.rate("371", "0.45"),
        house.rate("49", "0.03"),
    )
    return house


def steal(house: "House", attempts: Iterable[Attempt], per_minute: str) -> Theft:
    """Let a thief dial, and print what it would have cost."""
    refusals, at_risk = [], 0
    start = wealth(house.wallet())
    for number, attempt in enumerate(attempts):
        house.tick(attempt.wait_s)
        event = house.arrived(f"c{number}", to=attempt.number)
        house.perform(house.job(event))
        refusals.append(house.call(f"c{number}").refusal)
        wallet = house.wallet()
        at_risk = max(at_risk, start - wealth(wallet))
    unlimited = int(float(per_minute) * MICROS) * TALK_S // 60 * len(refusals)
    let_through = refusals.count(None)
    print(  # noqa: T201 - the figures are what the page about fraud quotes
        f"{len(refusals)} calls at {per_minute} a minute: {format_micros(unlimited)} USD without limits,"
        f" {format_micros(at_risk)} with them, {let_through} let through, then {refusals[-1]}"
    )
    assert house.faults() == ()
    return Theft(tuple(refusals), at_risk, unlimited)


def wealth(wallet: Wallet) -> int:
    return wallet.posted_micros - wallet.held_micros


def open_limits(house: "House", *words: str) -> None:
    """The operator opens premium numbers and all countries, and leaves the other defaults on."""
    house.perform(SetAccountLimits(application=house.app, account="alice", words=words))
    house.application = msgspec.structs.replace(house.application, limits=change_limits(BY_DEFAULT, ["open"]))


PREMIUM = [Attempt(f"+46900123{number:04}", 0.05) for number in range(500)]
"""500 premium destinations at 20 calls a second."""


def test_premium_numbers_are_stopped_at_the_first_call(bank: "House") -> None:
    """By default nothing is lost, and after fifty attempts the account is blocked."""
    theft = steal(bank, PREMIUM, "2.50")
    assert theft.refusals[0] is Refusal.NUMBER_TYPE_BLOCKED
    assert theft.refusals[50:] == (Refusal.BLOCKED,) * 450
    assert (theft.at_risk_micros, theft.unlimited_micros) == (0, 75_000 * MICROS)


def test_premium_numbers_are_stopped_within_the_day_cap_where_they_are_open(bank: "House") -> None:
    """Two calls at once, and what they hold counts: 20 dollars are the most, however fast they are dialled."""
    open_limits(bank, "number_types=all", "ceiling_price=none", "concurrent_calls=none", "calls_per_minute=none")
    theft = steal(bank, PREMIUM, "2.50")
    assert theft.refusals.count(None) == 1
    assert theft.refusals[1] is Refusal.SPEND_CAP_REACHED
    assert 17_500_000 <= theft.at_risk_micros <= 20_000_000


def test_short_premium_calls_do_not_pass_the_day_cap_either(bank: "House") -> None:
    """Calls of a minute, fifty times as many: together they stay within it."""
    open_limits(
        bank,
        "number_types=all",
        "ceiling_price=none",
        "concurrent_calls=none",
        "calls_per_minute=none",
        "max_seconds=60",
    )
    theft = steal(bank, PREMIUM, "2.50")
    assert theft.refusals.count(None) == 8
    assert theft.at_risk_micros == 20_000_000


CALL_BACKS = [Attempt("+37121234567", 60) for _ in range(20)]
"""Call-backs to one ring from abroad (wangiri), one a minute."""


def test_wangiri(bank: "House") -> None:
    """The country is closed."""
    theft = steal(bank, CALL_BACKS, "0.45")
    assert set(theft.refusals) == {Refusal.COUNTRY_BLOCKED}
    assert (theft.at_risk_micros, theft.unlimited_micros) == (0, 540 * MICROS)


def test_wangiri_where_the_country_is_open(bank: "House") -> None:
    """Calls of three minutes at most: the fifth within an hour is the last to one number."""
    open_limits(bank, "max_seconds=180", "concurrent_calls=none")
    theft = steal(bank, CALL_BACKS, "0.45")
    assert theft.refusals == (None,) * 5 + (Refusal.REPEATED_DESTINATION,) * 15
    assert (theft.at_risk_micros, theft.unlimited_micros) == (6_750_000, 540 * MICROS)


def test_wangiri_where_it_is_open_and_dear(bank: "House") -> None:
    """A price above the ceiling refuses them all."""
    open_limits(bank)
    bank.deck(bank.rate("371", "1.05"))
    theft = steal(bank, CALL_BACKS, "1.05")
    assert set(theft.refusals) == {Refusal.RATE_TOO_HIGH}
    assert (theft.at_risk_micros, theft.unlimited_micros) == (0, 1_260 * MICROS)


def test_one_number_over_and_over(bank: "House") -> None:
    """Traffic pumping: five calls of a minute an hour, day and night."""
    open_limits(bank, "max_seconds=60", "concurrent_calls=none")
    theft = steal(bank, [Attempt("+46701740605", 30) for _ in range(240)], "0.02")
    assert theft.refusals[5] is Refusal.REPEATED_DESTINATION
    assert theft.refusals.count(None) == 5  # who goes on trying stays refused
    assert Refusal.BLOCKED in theft.refusals


def test_a_range_is_scanned_slowly(bank: "House") -> None:
    """One number after the other, below every limit by the minute: thirty an hour, and then the account is blocked."""
    open_limits(bank, "max_seconds=60", "concurrent_calls=none")
    theft = steal(bank, [Attempt(f"+46701740{number:03}", 15) for number in range(200)], "0.02")
    assert theft.refusals[:30] == (None,) * 30
    assert theft.refusals[30] is Refusal.TOO_MANY_DESTINATIONS
    assert theft.refusals[-1] is Refusal.BLOCKED
    assert theft.at_risk_micros == 600_000


def test_a_burst_at_night(bank: "House") -> None:
    """A hundred calls within five minutes around midnight: two are up, and a new day makes no room for more."""
    bank.tick(12 * 3_600 - 150)
    theft = steal(bank, [Attempt(f"+46701740{number:03}", 3) for number in range(100)], "0.02")
    assert theft.refusals.count(None) <= 2
    assert {Refusal.TOO_MANY_CONCURRENT_CALLS, Refusal.TOO_MANY_CALLS} & set(theft.refusals[2:12])
    assert theft.at_risk_micros <= 20_000_000
