"""Every limit refuses with its own reason, and of several that apply the earliest step wins."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from callgate.policy.limits import BY_DEFAULT, bounds_of, change_limits
from callgate.policy.permissions import NAMES as PERMISSIONS
from callgate.policy.refusal import Refusal
from callgate.service.block import BlockAccount, VerifyAccount
from callgate.service.hang_up import hang_up_application
from callgate.service.set_account import SetAccount
from callgate.service.set_limits import SetAccountLimits
from callgate.storage.sqlite import SqliteStore

if TYPE_CHECKING:
    from tests.conftest import House

PREMIUM = "+469001234567"
STRANGER = "+46709999999"


def limit(house: "House", *words: str) -> None:
    limits, permissions = sorted_out(words)
    if limits or not permissions:
        house.perform(SetAccountLimits(application=house.app, account="alice", words=limits))
    if permissions:
        house.perform(SetAccount(application=house.app, account="alice", words=permissions))


def limit_application(house: "House", *words: str) -> None:
    """As servers see it within a second."""
    own, permissions = sorted_out(words)
    limits = change_limits(house.application.limits, own) if own else house.application.limits
    settings = house.application.settings.changed(list(permissions))
    house.application = msgspec.structs.replace(house.application, limits=limits, settings=settings)


def sorted_out(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Words of limits, and those of permissions."""
    permissions = tuple(word for word in words if word.partition("=")[0] in PERMISSIONS)
    return tuple(word for word in words if word not in permissions), permissions


def lift(house: "House", word: str) -> None:
    name = word.partition("=")[0]
    limit(house, f"{name}={'default' if name in PERMISSIONS else 'none'}")


def call(house: "House", name: str, to: str | None = None) -> Refusal | None:
    """Let a call arrive that wants to show a stranger's number, and say why it is refused."""
    house.hear(house.arrived(name, to=to or house.sweden, cli=STRANGER))
    return house.call(name).refusal


REFUSALS = {
    Refusal.BLOCKED: [],
    Refusal.COUNTRY_BLOCKED: ["countries=NO"],
    Refusal.NUMBER_TYPE_BLOCKED: ["number_types=fixed_line"],
    Refusal.CALLER_ID_NOT_ALLOWED: ["caller_id=refuse"],
    Refusal.OUTSIDE_HOURS: ["hours=off"],
    Refusal.RATE_TOO_HIGH: ["ceiling_price=0.01"],
    Refusal.TOO_MANY_CONCURRENT_CALLS: ["concurrent_calls=1"],
    Refusal.TOO_MANY_CALLS: ["calls_per_minute=1"],
    Refusal.TOO_MANY_DESTINATIONS: ["destinations_per_hour=0"],
    Refusal.REPEATED_DESTINATION: ["repeats_per_hour=1"],
    Refusal.SPEND_CAP_REACHED: ["spend_per_day=0.01"],
}
"""In the order of the decision, each with what brings it about for the second call of alice to one number."""


def provoke(house: "House", refusal: Refusal) -> None:
    if refusal is Refusal.BLOCKED:
        until = house.now + timedelta(hours=1)
        house.perform(BlockAccount(application=house.app, account="alice", until=until))


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("level", ["account", "application"])
def test_each_limit_refuses(house: "House", refusal: Refusal, level: str) -> None:
    """Set on the account or on the application; the call holds nothing, and the trace ends with the step that refused."""
    house.open("alice", "5")
    limit(
        house, "repeats_per_hour=100", "calls_per_minute=100", "destinations_per_hour=100"
    )  # so that the first counts
    assert call(house, "first") is None
    held = house.wallet().held_micros
    (limit if level == "account" else limit_application)(house, *REFUSALS[refusal])
    provoke(house, refusal)
    assert call(house, "second") is refusal
    assert house.wallet().held_micros == held
    trace = msgspec.json.decode(house.call("second").trace)
    assert [step["refusal"] for step in trace] == [None] * (len(trace) - 1) + [refusal]
    assert house.faults() == ()


def test_the_earlier_step_wins(house: "House") -> None:
    """With everything refused at once, each reason shows as those before it are lifted; credit comes last."""
    house.open("alice", "0.02")
    limit(house, "repeats_per_hour=100", "calls_per_minute=100", "destinations_per_hour=100")
    assert call(house, "first") is None
    limit(house, *(word for words in REFUSALS.values() for word in words))
    provoke(house, Refusal.BLOCKED)
    told = []
    for number, refusal in enumerate([*REFUSALS, Refusal.INSUFFICIENT_CREDIT]):
        told.append(call(house, f"c{number}"))
        if refusal is Refusal.BLOCKED:
            house.perform(BlockAccount(application=house.app, account="alice", until=None))
        for word in REFUSALS.get(refusal, []):
            lift(house, word)
    assert told == [*REFUSALS, Refusal.INSUFFICIENT_CREDIT]


def test_lifting_one_does_not_lift_the_other(house: "House") -> None:
    """The application's limit holds for an account without limits."""
    house.open("alice", "5")
    limit_application(house, "concurrent_calls=1")
    limit(house, "open")
    assert [call(house, "a"), call(house, "b")] == [None, Refusal.TOO_MANY_CONCURRENT_CALLS]


def test_caps_shorten_the_grant_and_count_what_is_held(house: "House") -> None:
    """0.10 a day at 0.02 a minute: five minutes in all, spent and held together; what is left below a minute refuses."""
    house.open("alice", "5")
    limit(house, "spend_per_day=0.10", "max_seconds=180")
    grants = [house.granted_s(house.hear(house.arrived(name)).answer) for name in ("a", "b", "c")]
    assert grants == [180, 120, 0]
    house.hear(house.answered("a"))
    house.hear(house.ended("a", 61))
    assert house.granted_s(house.hear(house.arrived("d")).answer) == 60  # a was charged 0.04, b holds 0.04
    assert house.faults() == ()


def test_the_day_begins_anew_at_midnight_utc(house: "House") -> None:
    """What was charged before does not count; a call that was up holds on to its room."""
    house.open("alice", "5")
    limit(house, "spend_per_day=0.04", "max_seconds=60", "spend_per_month=0.08")
    for name in ("a", "b"):
        house.hear(house.arrived(name))
        house.hear(house.answered(name))
        house.hear(house.ended(name, 60))
    assert call(house, "c") is Refusal.SPEND_CAP_REACHED
    house.tick(12 * 3600)
    for name in ("d", "e"):
        assert call(house, name) is None
        house.hear(house.answered(name))
        house.hear(house.ended(name, 60))
    house.tick(24 * 3600)
    assert call(house, "f") is Refusal.SPEND_CAP_REACHED  # the month
    house.tick(31 * 24 * 3600)
    assert call(house, "g") is None


def test_by_default_half_of_the_funds(house: "House") -> None:
    """A new account with three dollars may lose one fifty, in calls that are up too; what is paid in later counts at once."""
    house.open("alice", "3")
    limit(house, "defaults")
    assert house.granted_s(house.hear(house.arrived("a")).answer) == 75 * 60
    assert call(house, "b", house.sweden_too) is Refusal.SPEND_CAP_REACHED
    house.top_up("alice", "0.04", "more")
    assert house.granted_s(house.hear(house.arrived("c")).answer) == 60
    limit(house, "spend_per_day=5")
    house.hear(house.ended("a"))
    assert house.granted_s(house.hear(house.arrived("d")).answer) == 9_060  # 3.02 of the 3.04 is left, as c holds 0.02


def test_a_new_account_ramps_up(house: "House") -> None:
    """Two calls at once, ten once it is verified."""
    house.open("alice", "5")
    limit(house, "defaults")
    limit(house, "spend_per_day=none", "max_seconds=60", "repeats_per_hour=none", "calls_per_minute=none")
    assert [call(house, f"a{n}") for n in range(3)] == [None, None, Refusal.TOO_MANY_CONCURRENT_CALLS]
    house.perform(VerifyAccount(application=house.app, account="alice"))
    told = [call(house, f"b{n}") for n in range(9)]
    assert told == [None] * 8 + [Refusal.TOO_MANY_CONCURRENT_CALLS]
    house.hear(house.ended("a0"))
    assert call(house, "c") is None


def test_a_new_application_allows_no_country(house: "House") -> None:
    """Not even at home."""
    house.open("alice", "5")
    house.application = msgspec.structs.replace(house.application, limits=BY_DEFAULT)
    assert call(house, "a") is Refusal.COUNTRY_BLOCKED
    limit_application(house, "countries=SE")
    assert call(house, "b") is None


def test_another_currency_must_be_set() -> None:
    """There a dollar says nothing: the operator must."""
    assert bounds_of(BY_DEFAULT, BY_DEFAULT, "SEK", is_verified=True).ceiling_price_micros == 0
    assert bounds_of(BY_DEFAULT, BY_DEFAULT, "EUR", is_verified=True).ceiling_price_micros == 1_000_000


def test_repeats_of_one_call_id_do_not_count(house: "House") -> None:
    """The stored answer costs nothing; attempts that were refused count."""
    house.open("alice", "5")
    limit(house, "calls_per_minute=3", "countries=SE")
    for _ in range(5):
        assert call(house, "a") is None
    assert call(house, "b", house.germany) is Refusal.COUNTRY_BLOCKED
    assert call(house, "c") is None
    assert call(house, "d") is Refusal.TOO_MANY_CALLS


def test_many_calls_are_flagged_before_they_are_refused(house: "House") -> None:
    """More than the warning level in a minute."""
    house.open("alice", "5")
    limit(house, "calls_per_minute_warn=2", "max_seconds=60")
    for name in ("a", "b", "c"):
        call(house, name)
    assert [house.call(name).flags for name in ("a", "b", "c")] == [(), (), ("near_limit",)]


def test_an_elastic_call_grows_within_its_caps(house: "House") -> None:
    """It is warned when the day has nothing left, though there is money."""
    house.open("alice", "5")
    house.set_elastic()
    limit(house, "spend_per_day=0.20")
    house.hear(house.arrived("a"))
    house.hear(house.answered("a"))
    house.tick(250)
    assert house.extend() == []
    assert house.wallet().held_micros == 200_000
    house.tick(300)
    assert house.extend() == [("warn", "a@a")]
    assert house.wallet().held_micros == 200_000


def test_calls_of_who_is_at_the_limit_are_asked_about_first(house: "House") -> None:
    """Lost ends keep a caller from calling: theirs come before others that have waited longer."""
    house.open("bob", "5", "user:bob")
    house.hear(house.arrived("older", user="bob"))
    house.open("alice", "5")
    limit(house, "concurrent_calls=1")
    assert call(house, "lost") is None
    house.tick(15_000)
    assert [key.call_id for key in house.run(house.store.calls_to_ask(house.now, 10))] == ["older", "lost"]
    assert call(house, "new") is Refusal.TOO_MANY_CONCURRENT_CALLS
    assert [key.call_id for key in house.run(house.store.calls_to_ask(house.now, 10))] == ["lost", "older"]
    assert [key.call_id for key in house.run(house.store.calls_to_ask(house.now, 1))] == ["lost"]
    assert house.heal(None) == 2
    assert call(house, "again") is None


def test_the_kill_switch_ends_every_call(house: "House", monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the whole application, at the platform."""
    monkeypatch.setattr("callgate.service.hang_up.SEEN_S", 0.0)
    for name in ("alice", "bob"):
        house.open(name, "5")
        house.hear(house.arrived(f"of {name}", user=name))
    exchange = house.exchange()
    done = house.run(hang_up_application(house.store, exchange, house.app))
    assert done.ended == ("of alice", "of bob")
    assert {what for what, _ in exchange.done} == {"hang up"}


def test_blocked_accounts_are_listed(house: "House") -> None:
    """Until their block has run out, or was lifted."""
    house.open("alice", "5")
    until = house.now + timedelta(minutes=30)
    house.perform(BlockAccount(application=house.app, account="alice", until=until))
    assert house.run(house.store.blocked_accounts(house.app, house.now, 10)) == [("alice", until)]
    assert house.run(house.store.blocked_accounts(house.app, until, 10)) == []


def test_windows_outlive_the_server(new_house: Callable[..., AbstractContextManager["House"]], tmp_path: Path) -> None:
    """They are rows like the wallet."""
    file = str(tmp_path / "gate.db")
    store = SqliteStore(file)
    asyncio.run(store.migrate())
    with new_house(store) as house:
        house.open("alice", "5")
        limit(house, "calls_per_minute=1")
        assert call(house, "a") is None
        house.run(house.store.close())
        house.store = SqliteStore(file)
        house.run(house.store.open())
        assert call(house, "b") is Refusal.TOO_MANY_CALLS
