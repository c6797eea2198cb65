"""Laws of permissions: tightened ones never let through what looser ones refused, and never grant more."""

from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from callgate.ledger.wallet import Wallet
from callgate.policy.account import Account
from callgate.policy.caller_id import Screening
from callgate.policy.limits import UNLIMITED
from callgate.policy.permissions import Permissions
from callgate.protocol.call import CallArrived, CallKey, Endpoint, EndpointKind, Origin
from callgate.rating.deck import Deck
from callgate.rating.rate import Rate
from callgate.rating.tariff import FREE
from callgate.service.application import ApplicationRow, ApplicationSettings
from callgate.service.decide import Facts, Verdict, decide

CLI = "+46701111111"
HOURS = ("24/7", "Mo-Fr 08:00-18:00", "Mo-Su 20:00-04:00", "Sa-Su 10:00-14:00; PH 10:00-12:00", "off")
TO = (
    Endpoint(EndpointKind.NUMBER, "+46701740605"),
    Endpoint(EndpointKind.USER, "bob"),
    Endpoint(EndpointKind.SIP, "bob@example.com"),
)

permissions = st.builds(
    Permissions,
    hours=st.sampled_from([None, "", *HOURS]),
    timezone=st.sampled_from([None, "Europe/Stockholm", "Asia/Tokyo", "America/New_York"]),
    holidays=st.sampled_from([None, "", "12-25", "2026-11-23,12-25"]),
    caller_id=st.sampled_from([None, *Screening]),
    caller_ids=st.sampled_from([None, "", "any", "+4670*", CLI]),
)
moments = st.datetimes(datetime(2026, 11, 20), datetime(2026, 12, 27)).map(lambda each: each.replace(tzinfo=UTC))  # noqa: DTZ001 - see the end


def verdict(application: Permissions, account: Permissions, cli: str | None, to: Endpoint, now: datetime) -> Verdict:
    both = account.under(application)
    settings = ApplicationSettings(permissions=application, sip={"example.com": FREE})
    return decide(
        Facts(
            call=CallArrived(
                key=CallKey("app", "c"), name="ice", destination=to, fingerprint="", user="alice", origin=Origin.IN_APP,
                cli=cli,
            ),
            application=ApplicationRow(
                key="app", provider="sinch", name="", created_at=now, sealed_secrets=(), limits=UNLIMITED, settings=settings
            ),
            account=Account(application="app", id="alice", currency="USD", limits=UNLIMITED, permissions=account),
            wallet=Wallet(application="app", account="alice", currency="USD", posted_micros=70_000),
            deck=Deck(name="standard", currency="USD", rows=[RATE]),
            now=now,
            shown=cli if cli is not None and both.may_show(cli) else None,
        )
    )  # fmt: skip


RATE = Rate(
    prefix="46", destination="Sweden", rate_nanos_per_min=20_000_000, connect_fee_micros=0, first_increment_s=60,
    increment_s=60, effective_from=datetime(2020, 1, 1, tzinfo=UTC),
)  # fmt: skip


@st.composite
def tightened(draw: st.DrawFn, both: Permissions) -> Permissions:
    """What holds, with one of it tighter: a day closed more, a holiday more, a number less, a stricter word."""
    match draw(st.sampled_from(["hours", "holidays", "caller_id", "caller_ids"])):
        case "hours":
            hours = both.hours or ("Mo-Su 00:00-24:00" if both.holidays else "24/7")
            hours = "Mo-Su 00:00-24:00; PH 00:00-24:00" if hours == "24/7" else hours
            hours = "Mo off" if hours == "off" else hours
            day = draw(st.sampled_from(["Mo", "Fr", "Sa-Su", "PH"]))
            return msgspec.structs.replace(both, hours=f"{hours}; {day} off")
        case "holidays" if both.hours is None or ("PH" not in both.hours and both.hours != "24/7"):
            return msgspec.structs.replace(both, holidays=f"{both.holidays or '12-25'},11-30")
        case "caller_id":
            later = [each for each in Screening if list(Screening).index(each) >= list(Screening).index(both.screening)]
            return msgspec.structs.replace(both, caller_id=draw(st.sampled_from(later)))
        case _:
            return msgspec.structs.replace(both, caller_ids="")


@given(st.data(), permissions, permissions, st.sampled_from([None, CLI, "+4930123456"]), st.sampled_from(TO), moments)
def test_tightening_never_lets_through(  # noqa: PLR0913, PLR0917 - facts of a decision
    data: st.DataObject,
    application: Permissions,
    account: Permissions,
    cli: str | None,
    to: Endpoint,
    now: datetime,
) -> None:
    """Whatever is tightened: what was refused stays refused, what is granted never grows."""
    loose = verdict(application, account, cli, to, now)
    tight = verdict(application, data.draw(tightened(account.under(application))), cli, to, now)
    if loose.refusal is not None:
        assert tight.refusal is not None
    assert (tight.granted_s, tight.hold_micros) <= (loose.granted_s, loose.hold_micros)


@given(permissions, st.sampled_from([None, CLI]), st.sampled_from(TO), moments)
def test_it_does_not_matter_who_says_it(said: Permissions, cli: str | None, to: Endpoint, now: datetime) -> None:
    """The application for all of its accounts, or the account for itself."""
    nothing = Permissions()
    inherited, own = verdict(said, nothing, cli, to, now), verdict(nothing, said, cli, to, now)
    assert (inherited.refusal, inherited.trace) == (own.refusal, own.trace)
