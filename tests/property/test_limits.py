"""Laws of limits: a tighter one never lets through what a looser one refused, and never grants more."""

from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from callgate.ledger.wallet import Wallet
from callgate.policy.account import Account
from callgate.policy.limits import UNLIMITED, Limits, bounds_of
from callgate.policy.usage import Called, Usage
from callgate.protocol.call import CallArrived, CallKey, Endpoint, EndpointKind, Origin
from callgate.rating.deck import Deck
from callgate.rating.rate import Rate
from callgate.service.application import ApplicationRow
from callgate.service.decide import Facts, Verdict, decide

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000
NUMBERS = ("+46701740605", "+46701740606", "+46841234567", "+4930123456", "+469001234567")
KINDS = ("mobile", "fixed_line", "premium_rate")
COUNTRIES = ("SE", "DE", "NO")

amounts = st.integers(0, 3_000_000)
counts = st.integers(0, 6)
seconds = st.integers(1, 14_400)
agos = st.lists(st.integers(0, 4_000), max_size=6).map(
    lambda many: tuple(sorted(NOW_US - each * 1_000_000 for each in many))
)

VALUES = {
    "countries": st.lists(st.sampled_from(COUNTRIES), unique=True).map(tuple),
    "number_types": st.lists(st.sampled_from(KINDS), unique=True).map(tuple),
    "risk_classes": st.lists(st.sampled_from(("low", "elevated", "high")), unique=True).map(tuple),
    "ceiling_price_micros": amounts,
    "concurrent_calls": counts,
    "calls_per_minute": counts,
    "destinations_per_hour": counts,
    "repeats_per_hour": counts,
    "spend_per_call_micros": amounts,
    "spend_per_hour_micros": amounts,
    "spend_per_day_micros": amounts,
    "spend_per_month_micros": amounts,
    "max_seconds": seconds,
    "min_seconds": seconds,
}

limits = st.fixed_dictionaries({}, optional={name: st.none() | value for name, value in VALUES.items()}).map(
    lambda named: msgspec.structs.replace(UNLIMITED, **named)
)
called = st.lists(
    st.builds(Called, st.sampled_from(NUMBERS), st.booleans(), agos.filter(bool)), max_size=4, unique_by=lambda each: each.number
).map(tuple)  # fmt: skip
usages = st.builds(
    Usage,
    application=st.just("app"),
    account=st.just("alice"),
    calls=agos,
    called=called,
    spent=st.lists(st.tuples(st.integers(NOW_US // 60_000_000 - 70, NOW_US // 60_000_000), amounts), max_size=3).map(tuple),
)  # fmt: skip
rates = st.builds(
    Rate,
    prefix=st.just("4"),
    destination=st.just("4"),
    rate_nanos_per_min=st.integers(0, 3_000_000_000),
    connect_fee_micros=amounts,
    first_increment_s=st.integers(1, 60),
    increment_s=st.integers(1, 60),
    effective_from=st.just(datetime(2020, 1, 1, tzinfo=UTC)),
)


@st.composite
def wallets(draw: st.DrawFn) -> Wallet:
    held = draw(amounts)
    return Wallet(
        application="app", account="alice", currency="USD", posted_micros=held + draw(amounts), held_micros=held,
        hold_count=draw(counts), day=NOW.toordinal(), day_spent_micros=draw(amounts), day_funds_micros=draw(amounts),
        month=NOW.year * 12 + NOW.month, month_spent_micros=draw(amounts),
    )  # fmt: skip


def verdict(application: Limits, account: Limits, to: str, wallet: Wallet, usage: Usage, rate: Rate) -> Verdict:  # noqa: PLR0913, PLR0917 - facts of a decision
    row = ApplicationRow(key="app", provider="sinch", name="", created_at=NOW, sealed_secrets=(), limits=application)
    call = CallArrived(
        key=CallKey("app", "c"), name="ice", destination=Endpoint(EndpointKind.NUMBER, to), fingerprint="", user="alice",
        origin=Origin.IN_APP,
    )  # fmt: skip
    return decide(
        Facts(
            call=call,
            application=row,
            account=Account(application="app", id="alice", currency="USD", limits=account),
            wallet=wallet,
            usage=usage,
            deck=Deck(name="standard", currency="USD", rows=[rate]),
            now=NOW,
        )
    )


def tighter(before: Limits, name: str, draw: st.DrawFn) -> Limits:
    """The same limits, one of them tighter than before."""
    value, new = getattr(before, name), draw(VALUES[name])
    if value is not None:
        match value:
            case tuple():
                new = tuple(each for each in value if each in new)
            case int() if name == "min_seconds":
                new = max(value, new)
            case _:
                new = min(value, new)
    return msgspec.structs.replace(before, **{name: new})


@given(st.data(), limits, limits, st.sampled_from(NUMBERS), wallets(), usages, rates)
def test_tightening_never_lets_through(  # noqa: PLR0913, PLR0917 - facts of a decision
    data: st.DataObject, application: Limits, account: Limits, to: str, wallet: Wallet, usage: Usage, rate: Rate
) -> None:  # fmt: skip
    """Whichever limit, on the application or on the account: what was refused stays refused, what is granted never grows."""
    name = data.draw(st.sampled_from(sorted(VALUES)))
    loose = verdict(application, account, to, wallet, usage, rate)
    if data.draw(st.booleans()):
        tight = verdict(tighter(application, name, data.draw), account, to, wallet, usage, rate)
    else:
        tight = verdict(application, tighter(account, name, data.draw), to, wallet, usage, rate)
    if loose.refusal is not None:
        assert tight.refusal is not None
    assert (tight.granted_s, tight.hold_micros) <= (loose.granted_s, loose.hold_micros)


@given(limits, limits)
def test_both_levels_say_the_same_in_either_order(one: Limits, other: Limits) -> None:
    """It does not matter which of two tighter limits is the application's."""
    assert bounds_of(one, other, "USD", is_verified=True) == bounds_of(other, one, "USD", is_verified=True)


@given(limits, st.sampled_from(NUMBERS), wallets(), usages, rates)
def test_a_hold_stays_within_every_cap(account: Limits, to: str, wallet: Wallet, usage: Usage, rate: Rate) -> None:
    """What is charged in the window, what is held, and the new hold together."""
    found = verdict(UNLIMITED, account, to, wallet, usage, rate)
    if found.refusal is not None:
        return
    held = wallet.held_micros + found.hold_micros
    for cap, spent in (
        (account.spend_per_call_micros, found.hold_micros),
        (account.spend_per_day_micros, wallet.day_spent_micros + held),
        (account.spend_per_month_micros, wallet.month_spent_micros + held),
    ):
        assert not isinstance(cap, int) or spent <= cap or found.hold_micros == 0
