"""Every refusal of a decision, and which of them a call is told of that several apply to: the first in this order."""

from array import array
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any

import msgspec
import pytest

from callgate.ledger.wallet import Wallet
from callgate.policy.account import Account, Status
from callgate.policy.limits import UNLIMITED, change_limits
from callgate.policy.number_list import ListKind, NumberList, parse_entry
from callgate.policy.refusal import Refusal
from callgate.policy.rules.document import read_rules
from callgate.policy.rules.judge import compile_rules
from callgate.policy.usage import Called, Usage
from callgate.protocol.call import CallArrived, CallKey, Endpoint, EndpointKind, Origin, Price
from callgate.rating.deck import Deck
from callgate.rating.rate import Rate
from callgate.service.application import ApplicationRow
from callgate.service.decide import Facts, decide

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
RATE = Rate(
    prefix="46", destination="Sweden", rate_nanos_per_min=20_000_000, connect_fee_micros=0, first_increment_s=60,
    increment_s=60, effective_from=NOW - timedelta(days=1),
)  # fmt: skip
SOUND = Facts(
    call=CallArrived(
        key=CallKey("app", "c"),
        name="ice",
        destination=Endpoint(EndpointKind.NUMBER, "+46701740605"),
        fingerprint="",
        user="alice",
        cli="+46709999999",
        origin=Origin.IN_APP,
        provider_rate=Price(Decimal("0.01"), "USD"),
    ),
    application=ApplicationRow(
        key="app", provider="sinch", name="", created_at=NOW, sealed_secrets=(), limits=UNLIMITED
    ),
    account=Account(application="app", id="alice", currency="USD", limits=UNLIMITED),
    wallet=Wallet(application="app", account="alice", currency="USD", posted_micros=5_000_000, hold_count=1),
    usage=Usage(
        application="app",
        account="alice",
        calls=(int(NOW.timestamp() - 1) * 1_000_000,),
        called=(Called("+46841234567", True, (int(NOW.timestamp() - 1) * 1_000_000,)),),
    ),
    deck=Deck(name="standard", currency="USD", rows=[RATE]),
    now=NOW,
)
"""A call that is let through; one call of the account is up, one was tried a moment ago."""

Break = Callable[[Facts], Facts]


def sets(**fields: Any) -> Break:
    """Parts of the facts, or fields of theirs: `account={"status": ...}`."""

    def broken(facts: Facts) -> Facts:
        for name, value in fields.items():
            part = getattr(facts, name)
            facts = msgspec.structs.replace(
                facts, **{name: msgspec.structs.replace(part, **value) if isinstance(value, dict) else value}
            )
        return facts

    return broken


def limited(*words: str) -> Break:
    def broken(facts: Facts) -> Facts:
        assert facts.account is not None
        limits = change_limits(facts.account.limits, list(words))
        return sets(account={"limits": limits})(facts)

    return broken


def said(*words: str) -> Break:
    def broken(facts: Facts) -> Facts:
        return sets(application={"settings": facts.application.settings.changed(list(words))})(facts)

    return broken


def listed(kind: ListKind, prefix: str) -> Break:
    def broken(facts: Facts) -> Facts:
        entries = array("q", [parse_entry(prefix) or 0])
        each = NumberList(name=str(kind), kind=kind, account=None, entries=entries)
        return msgspec.structs.replace(facts, lists=[*facts.lists, each])

    return broken


def used(**fields: Any) -> Break:
    return sets(usage=fields)


def called(facts: Facts) -> Facts:
    """The number was called a moment ago, when there was no room for a further one."""
    assert facts.usage is not None
    at = (int(NOW.timestamp() - 1) * 1_000_000,)
    again = Called(facts.call.destination.address, False, at)
    return limited("repeats_per_hour=1")(used(called=(*facts.usage.called, again))(facts))


RULES = compile_rules(
    read_rules("[[rule]]\nname = 'r'\ncondition = 'true'\neffect = 'refuse'\nmode = 'binding'\n", "rules.toml")
)
BLOCKED_UNTIL = NOW + timedelta(hours=1)

ORDER: list[tuple[Refusal, Break]] = [
    (Refusal.APPLICATION_SUSPENDED, sets(application={"status": Status.SUSPENDED})),
    (Refusal.CALLER_UNKNOWN, sets(account=None, wallet=None, usage=None)),
    (Refusal.ACCOUNT_SUSPENDED, sets(account={"status": Status.SUSPENDED})),
    (Refusal.ACCOUNT_CLOSED, sets(account={"status": Status.CLOSED})),
    (Refusal.DESTINATION_INVALID, sets(call={"destination": Endpoint(EndpointKind.NUMBER, "+46123")})),
    (Refusal.NO_ROUTE, sets(call={"destination": Endpoint(EndpointKind.SIP, "bob@example.com")})),
    (Refusal.BLOCKED, used(blocked_until=int(BLOCKED_UNTIL.timestamp()) * 1_000_000)),
    (Refusal.DESTINATION_BLOCKED, listed(ListKind.DENY, "+46*")),
    (Refusal.DESTINATION_NOT_ALLOWED, listed(ListKind.ALLOW, "+45*")),
    (Refusal.COUNTRY_BLOCKED, limited("countries=NO")),
    (Refusal.NUMBER_TYPE_BLOCKED, limited("number_types=fixed_line")),
    (Refusal.CALLER_ID_NOT_ALLOWED, said("caller_id=refuse")),
    (Refusal.OUTSIDE_HOURS, said("hours=off")),
    (Refusal.RULE, sets(rules=RULES)),
    (Refusal.NO_RATE, sets(deck=None)),
    (Refusal.RATE_TOO_HIGH, limited("ceiling_price=0.01")),
    (Refusal.MARGIN_NEGATIVE, lambda facts: said("margin_guard=on")(sets(call={"provider_rate": None})(facts))),
    (Refusal.TOO_MANY_CONCURRENT_CALLS, limited("concurrent_calls=1")),
    (Refusal.TOO_MANY_CALLS, limited("calls_per_minute=1")),
    (Refusal.TOO_MANY_DESTINATIONS, limited("destinations_per_hour=1")),
    (Refusal.REPEATED_DESTINATION, called),
    (Refusal.SPEND_CAP_REACHED, limited("spend_per_day=0.01")),
    (Refusal.INSUFFICIENT_CREDIT, sets(wallet={"posted_micros": 19_999})),
]
"""In the order of the steps: each refusal, and what brings it about for a call that is sound but for that."""

APART = {
    frozenset({Refusal.ACCOUNT_SUSPENDED, Refusal.ACCOUNT_CLOSED}),  # one account has one status
    frozenset({Refusal.DESTINATION_INVALID, Refusal.NO_ROUTE}),  # and one call one destination
}
"""Reasons that cannot be there together."""

NEEDS_ACCOUNT = {
    refusal
    for refusal, breaks in ORDER
    if refusal
    not in {
        Refusal.APPLICATION_SUSPENDED, Refusal.CALLER_UNKNOWN, Refusal.DESTINATION_INVALID, Refusal.NO_ROUTE,
        Refusal.DESTINATION_BLOCKED, Refusal.DESTINATION_NOT_ALLOWED, Refusal.CALLER_ID_NOT_ALLOWED, Refusal.OUTSIDE_HOURS,
        Refusal.RULE, Refusal.NO_RATE, Refusal.MARGIN_NEGATIVE,
    }
}  # fmt: skip
"""Reasons that are facts of an account, which nobody is whom nobody knows."""


def broken(reasons: Iterable[Refusal]) -> Facts:
    """The sound call with all of these reasons against it; that nobody knows the caller comes last, it takes the account away."""
    facts, breaks = SOUND, dict(ORDER)
    for refusal in sorted(reasons, key=lambda each: each is Refusal.CALLER_UNKNOWN):
        facts = breaks[refusal](facts)
    return facts


def test_a_sound_call_is_let_through() -> None:
    """Else what follows would say nothing."""
    assert decide(SOUND).refusal is None


@pytest.mark.parametrize("refusal", [refusal for refusal, _ in ORDER])
def test_each_refuses_alone(refusal: Refusal) -> None:
    """It ends the trace, and nothing is granted or held."""
    verdict = decide(broken([refusal]))
    assert (verdict.refusal, verdict.granted_s, verdict.hold_micros, verdict.rate) == (refusal, 0, 0, None)
    assert [step.refusal for step in verdict.trace] == [None] * (len(verdict.trace) - 1) + [refusal]


def test_of_any_two_the_first_wins() -> None:
    """Whatever the other is; it is not even looked at."""
    for first, second in combinations([refusal for refusal, _ in ORDER], 2):
        if {first, second} not in APART and not (first is Refusal.CALLER_UNKNOWN and second in NEEDS_ACCOUNT):
            assert decide(broken([second, first])).refusal is first, (first, second)


def test_with_all_against_it_each_shows_as_those_before_are_mended() -> None:
    """From the first to the last, a step at a time."""
    left = [
        refusal
        for refusal, _ in ORDER
        if refusal not in {Refusal.CALLER_UNKNOWN, Refusal.ACCOUNT_CLOSED, Refusal.NO_ROUTE}
    ]
    told = [decide(broken(left[place:])).refusal for place in range(len(left))]
    assert told == left
    assert decide(broken([])).refusal is None


def test_no_refusal_is_missing() -> None:
    """But for the two that are made without a decision: another call under the same id, and one that came too late."""
    assert {refusal for refusal, _ in ORDER} == set(Refusal) - {Refusal.CALL_CONFLICT, Refusal.NOT_DECIDED_IN_TIME}


def test_the_order_is_that_of_the_names() -> None:
    """As operators read them in the reference."""
    assert [refusal for refusal, _ in ORDER] == [refusal for refusal in Refusal if refusal in dict(ORDER)]
