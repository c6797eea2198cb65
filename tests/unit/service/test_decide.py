"""The decision: every step refuses with its name and the facts that it saw, and the first that refuses wins."""

from array import array
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from callgate.ledger.wallet import Wallet
from callgate.policy.account import Account, Status
from callgate.policy.limits import UNLIMITED, Limits
from callgate.policy.number_list import ListKind, NumberList, parse_entry
from callgate.policy.pricing import NOTHING_SAID, Pricing
from callgate.protocol.call import Endpoint, EndpointKind, Price
from callgate.rating.deck import Deck
from callgate.rating.rate import Rate
from callgate.service.application import ApplicationRow
from callgate.service.decide import Facts, Verdict, decide

if TYPE_CHECKING:
    from tests.conftest import House

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def facts(house: "House") -> Facts:
    """Facts of a call that is let through: 0.07 at 0.02 a minute, in whole minutes."""
    return Facts(
        call=house.arrived(),
        application=ApplicationRow(
            key="app", provider="sinch", name="app", created_at=NOW, sealed_secrets=(), limits=UNLIMITED
        ),
        account=Account(application="app", id="alice", currency="USD", limits=UNLIMITED),
        wallet=Wallet(application="app", account="alice", currency="USD", posted_micros=70_000),
        deck=house.decks["standard"],
        now=NOW,
    )


def up_to(max_seconds: int | None) -> Limits:
    """Limits with this one and no other."""
    return msgspec.structs.replace(UNLIMITED, max_seconds=max_seconds)


def changed(facts: Facts, **changes: Any) -> Facts:
    """Facts with parts of their parts replaced: `wallet={"held_micros": 1}`."""
    for name, change in changes.items():
        new = msgspec.structs.replace(getattr(facts, name), **change) if isinstance(change, dict) else change
        facts = msgspec.structs.replace(facts, **{name: new})
    return facts


def names(verdict: Verdict) -> list[str]:
    return [step.step for step in verdict.trace]


def priced(*rates: Rate, currency: str = "USD") -> Deck:
    return Deck(name="standard", currency=currency, rows=rates)


STEPS = ["application", "caller", "account", "destination", "lists", "rate", "credit"]


def test_a_call_that_is_let_through_has_passed_every_step(facts: Facts) -> None:
    """The trace has them all in order, with what each saw, and refuses nowhere."""
    verdict = decide(facts)
    assert (verdict.refusal, verdict.granted_s, verdict.hold_micros) == (None, 180, 60_000)
    assert verdict.rate is not None and verdict.rate.prefix == "46"
    assert [(step.step, step.saw, step.refusal) for step in verdict.trace] == [
        ("application", {"status": "active"}, None),
        ("caller", {"user": "alice", "origin": "in_app", "account": "alice"}, None),
        ("account", {"status": "active"}, None),
        ("destination", {"kind": "number"}, None),
        ("lists", {"on": None}, None),
        ("rate", {"deck": "standard", "prefix": "46"}, None),
        ("credit", {"available": "0.07", "affordable_s": 180, "least_s": 60}, None),
    ]


DENY = NumberList(name="swedes", kind=ListKind.DENY, account=None, entries=array("q", [parse_entry("+46*") or 0]))
ALLOW = NumberList(name="danes", kind=ListKind.ALLOW, account=None, entries=array("q", [parse_entry("+45*") or 0]))

BREAKS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "application": ({"application": {"status": Status.SUSPENDED}}, "application_suspended", {"status": "suspended"}),
    "caller": (
        {"account": None, "wallet": None, "deck": None},
        "caller_unknown",
        {"user": "alice", "origin": "in_app", "account": None},
    ),
    "account": ({"account": {"status": Status.SUSPENDED}}, "account_suspended", {"status": "suspended"}),
    "destination": (
        {"call": {"destination": Endpoint(EndpointKind.NUMBER, "+46123")}},
        "destination_invalid",
        {"kind": "number"},
    ),
    "lists": ({"lists": [DENY]}, "destination_blocked", {"on": "swedes"}),
    "rate": ({"deck": None}, "no_rate", {"deck": "standard", "prefix": None}),
    "credit": (
        {"wallet": {"posted_micros": 19_999}},
        "insufficient_credit",
        {"available": "0.019999", "affordable_s": 0, "least_s": 60},
    ),
}


@pytest.mark.parametrize("step", STEPS)
def test_each_step_refuses_with_its_name_and_what_it_saw(facts: Facts, step: str) -> None:
    """It ends the trace, and nothing is granted."""
    changes, refusal, saw = BREAKS[step]
    verdict = decide(changed(facts, **changes))
    assert (verdict.refusal, verdict.rate, verdict.granted_s, verdict.hold_micros) == (refusal, None, 0, 0)
    assert names(verdict) == STEPS[: STEPS.index(step) + 1]
    assert (verdict.trace[-1].saw, verdict.trace[-1].refusal) == (saw, refusal)
    assert [passed.refusal for passed in verdict.trace[:-1]] == [None] * STEPS.index(step)


NEED_AN_ACCOUNT = {"account", "credit"}
"""Without one these have nothing to look at, so that they cannot be broken beside it."""


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (first, second)
        for place, first in enumerate(STEPS)
        for second in STEPS[place + 1 :]
        if not (first == "caller" and second in NEED_AN_ACCOUNT)
    ],
)
def test_of_two_reasons_the_earlier_step_wins(facts: Facts, first: str, second: str) -> None:
    """Whatever comes later in the order is not even looked at."""
    verdict = decide(changed(changed(facts, **BREAKS[second][0]), **BREAKS[first][0]))
    assert (names(verdict)[-1], verdict.refusal) == (first, BREAKS[first][1])


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"account": {"status": Status.CLOSED}}, "account_closed"),
        ({"call": {"destination": Endpoint(EndpointKind.SIP, "bob@example.com")}}, "no_route"),
        ({"call": {"destination": Endpoint(EndpointKind.NUMBER, "+33123456789")}}, "no_rate"),
        ({"call": {"destination": Endpoint(EndpointKind.NUMBER, "+447911123456")}}, "no_rate"),
        ({"account": {"currency": "EUR"}}, "no_rate"),
        ({"lists": [ALLOW]}, "destination_not_allowed"),
    ],
    ids=["closed", "not a number", "no prefix", "blocked prefix", "deck of another currency", "not allowed"],
)
def test_more_reasons(facts: Facts, changes: dict[str, Any], refusal: str) -> None:
    """A blocked row, no row and a price in other money are no price; a call is never free because of them."""
    assert decide(changed(facts, **changes)).refusal == refusal


@pytest.mark.parametrize(
    ("available", "granted", "held"),
    [
        (19_999, 0, 0),
        (20_000, 60, 20_000),
        (39_999, 60, 20_000),
        (40_000, 120, 40_000),
        (4_799_999, 14_340, 4_780_000),
        (4_800_000, 14_400, 4_800_000),
        (10**12, 14_400, 4_800_000),
    ],
)
def test_a_grant_is_what_is_available(facts: Facts, available: int, granted: int, held: int) -> None:
    """Never more than the platform's four hours, and the hold is the price of the grant."""
    for wallet in (
        {"posted_micros": available},
        {"posted_micros": available + 7, "held_micros": 7},
        {"posted_micros": -7, "credit_limit_micros": available + 7},
    ):
        verdict = decide(changed(facts, wallet=wallet))
        assert (verdict.granted_s, verdict.hold_micros) == (granted, held)


@pytest.mark.parametrize(
    ("application", "account", "granted", "held"),
    [
        (None, 90, 90, 40_000),
        (90, None, 90, 40_000),
        (60, 61, 60, 20_000),
        (30, None, 30, 20_000),
        (181, 500, 180, 60_000),
    ],
)
def test_the_longest_grant_of_application_and_account(
    facts: Facts, application: int | None, account: int | None, granted: int, held: int
) -> None:
    """Both hold. A grant below the first increment by their wish is still a grant, and is priced as it will be billed."""
    limited = changed(facts, application={"limits": up_to(application)}, account={"limits": up_to(account)})
    verdict = decide(limited)
    assert (verdict.granted_s, verdict.hold_micros) == (granted, held)


def test_the_least_grant_is_the_first_increment(facts: Facts, house: "House") -> None:
    """Grace that costs nothing does not make a call, where the first increment cannot be paid."""
    deck = priced(house.rate("46", "0.02", grace_s=59))
    verdict = decide(changed(facts, deck=deck, wallet={"posted_micros": 19_999}))
    assert verdict.refusal == "insufficient_credit"
    assert verdict.trace[-1].saw == {"available": "0.019999", "affordable_s": 59, "least_s": 60}


def test_a_price_of_nothing_is_a_price(facts: Facts, house: "House") -> None:
    """It holds nothing and grants everything, even to a caller without credit."""
    verdict = decide(changed(facts, deck=priced(house.rate("46", "0")), wallet={"posted_micros": 0}))
    assert (verdict.refusal, verdict.granted_s, verdict.hold_micros) == (None, 14_400, 0)


def test_the_connect_fee_belongs_to_the_hold(facts: Facts, house: "House") -> None:
    """And must be paid beside the first increment."""
    deck = priced(house.rate("46", "0.03", first_s=30, next_s=6, fee="0.05"))
    assert decide(changed(facts, deck=deck, wallet={"posted_micros": 64_999})).refusal == "insufficient_credit"
    verdict = decide(changed(facts, deck=deck, wallet={"posted_micros": 65_000}))
    assert (verdict.granted_s, verdict.hold_micros) == (30, 65_000)


def test_a_rate_is_looked_up_at_the_time_of_the_call(facts: Facts, house: "House") -> None:
    """What takes effect a second later does not count yet."""
    later = msgspec.structs.replace(house.rate("46", "0.07"), effective_from=NOW)
    deck = priced(house.rate("46", "0.02"), later)
    before = changed(facts, deck=deck, now=NOW - timedelta(seconds=1))
    assert decide(before).granted_s == 180
    assert decide(changed(facts, deck=deck)).granted_s == 60


def test_a_trace_can_be_written_down(facts: Facts) -> None:
    """As JSON, whichever way it went."""
    for changes in [{}, *(changes for changes, _, _ in BREAKS.values())]:
        written: Iterable[Any] = msgspec.json.decode(msgspec.json.encode(decide(changed(facts, **changes)).trace))
        assert all(set(step) == {"step", "saw", "refusal"} for step in written)


def test_the_rate_says_which_line_of_which_file_it_is_from(facts: Facts) -> None:
    """And of which deck: it is stored with the call."""
    rate = Rate(
        prefix="46", destination="Sweden", rate_nanos_per_min=1, connect_fee_micros=0, first_increment_s=60, increment_s=60,
        effective_from=datetime(2026, 1, 1, tzinfo=UTC), deck="standard", file="deck.csv", line=7,
    )  # fmt: skip
    verdict = decide(msgspec.structs.replace(facts, deck=Deck(name="standard", currency="USD", rows=[rate])))
    assert verdict.rate == rate


def test_a_price_may_depend_on_the_number_that_is_shown(facts: Facts) -> None:
    """The longest origin wins; who shows none pays the price for any."""
    anybody = Rate(
        prefix="46", destination="", rate_nanos_per_min=9, connect_fee_micros=0, first_increment_s=60, increment_s=60,
        effective_from=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    swedes = msgspec.structs.replace(anybody, origin="46", rate_nanos_per_min=1)
    deck = Deck(name="standard", currency="USD", rows=[swedes, anybody])
    found = [
        decide(msgspec.structs.replace(facts, deck=deck, shown=shown)).rate for shown in (None, "+4670123456", "+4670")
    ]
    assert found == [anybody, swedes, swedes]


def quoted(facts: Facts, amount: str | None, currency: str | None = "USD") -> Facts:
    """The same question, with a price from the platform."""
    price = None if amount is None else Price(Decimal(amount), currency)
    return msgspec.structs.replace(facts, call=msgspec.structs.replace(facts.call, provider_rate=price))


def saying(facts: Facts, *, account: Pricing = NOTHING_SAID, application: Pricing = NOTHING_SAID, **more: Any) -> Facts:
    """With what an account and an application say of prices."""
    assert facts.account is not None
    settings = msgspec.structs.replace(facts.application.settings, pricing=application)
    return msgspec.structs.replace(
        facts,
        account=msgspec.structs.replace(facts.account, pricing=account),
        application=msgspec.structs.replace(facts.application, settings=settings),
        **more,
    )


def test_without_a_deck_the_providers_price_and_a_markup_count(facts: Facts) -> None:
    """The account's markup before the application's; nothing without one, or where the cost is not known."""
    quarter, half = Pricing(markup_nanos=250_000_000), Pricing(markup_nanos=500_000_000)
    asked = quoted(facts, "0.02")
    rates = [
        decide(saying(asked, deck=None, **words)).rate
        for words in ({"application": quarter}, {"application": quarter, "account": half})
    ]
    assert [rate and rate.rate_nanos_per_min for rate in rates] == [25_000_000, 30_000_000]
    unknown = (quoted(facts, None), quoted(facts, "0.02", "EUR"), quoted(facts, "0"), asked)
    markups = (quarter, quarter, quarter, NOTHING_SAID)
    for question, markup in zip(unknown, markups, strict=True):
        assert decide(saying(question, deck=None, application=markup)).refusal == "no_rate"


def test_a_deck_goes_before_a_markup(facts: Facts) -> None:
    """What the deck blocks, or prices, is so."""
    verdict = decide(saying(quoted(facts, "5"), application=Pricing(markup_nanos=0)))
    assert verdict.rate is not None and verdict.rate.rate_nanos_per_min < 5 * 10**9


@pytest.mark.parametrize(
    ("cost", "refusal"),
    [("0.019", None), ("0.02", None), ("0.0200000001", "margin_negative"), (None, "margin_negative")],
)
def test_no_call_is_sold_below_its_cost_where_that_is_guarded(
    facts: Facts, cost: str | None, refusal: str | None
) -> None:
    """By application or account; a cost that is not known does not pass."""
    guard = Pricing(guards_margin=True)
    assert decide(saying(quoted(facts, cost), application=guard)).refusal == refusal
    assert decide(saying(quoted(facts, cost), account=guard)).refusal == refusal
    assert decide(saying(quoted(facts, cost), application=guard, account=Pricing(guards_margin=False))).refusal is None
