"""Elastic holds: a slice at a time, a warning before the credit ends, and the call ended while its hold covers it."""

from typing import TYPE_CHECKING

import pytest

from callgate.errors import Invalid
from callgate.policy.account import Status
from callgate.protocol.call import CallResult
from callgate.service.books import AccountKey
from callgate.service.extend import ExtendHold, Extension
from callgate.service.records import Flag
from callgate.service.reports import account_report
from callgate.service.set_account import SetAccount

if TYPE_CHECKING:
    from tests.conftest import Exchange, House

SLICE = 100_000
"""What 300 seconds cost at 0.02 a minute."""


def begin(house: "House", credit: str, *, max_seconds: int | None = None) -> None:
    """A call of an elastic account, just answered; the clock stands at its answer."""
    house.open("alice", credit, max_seconds=max_seconds)
    house.set_elastic()
    house.perform(house.job(house.arrived()))
    house.tick(10)
    house.perform(house.job(house.answered()))


def held(house: "House") -> tuple[int, int]:
    """Seconds and micros."""
    elastic = house.call().elastic
    assert elastic is not None
    return elastic.held_s, house.wallet().held_micros


def test_a_slice_is_held_and_the_platform_is_told_a_longer_limit(house: "House") -> None:
    """Other calls may have the rest of the money."""
    house.open("alice", "5")
    house.set_elastic()
    assert house.granted_s(house.hear(house.arrived("c1")).answer) == 1_800
    assert house.granted_s(house.hear(house.arrived("c2")).answer) == 1_800
    assert house.wallet().held_micros == 2 * SLICE


@pytest.mark.parametrize(("credit", "max_seconds", "granted_s"), [("0.1", None, 300), ("5", 300, 300), ("5", 400, 400)])
def test_what_fits_a_slice_is_held_as_ever(
    house: "House", credit: str, max_seconds: int | None, granted_s: int
) -> None:
    """A limit that the operator set stays the limit."""
    house.open("alice", credit, max_seconds=max_seconds)
    house.set_elastic()
    assert house.granted_s(house.hear(house.arrived()).answer) == granted_s
    assert (house.call().elastic is None) == (granted_s == 300)


def test_the_hold_grows_before_its_slice_ends(house: "House") -> None:
    """A minute before; up to the limit that the platform was told, and then nothing more is done."""
    begin(house, "5")
    house.tick(239.999999)
    assert (house.extend(), held(house)) == ([], (300, SLICE))
    house.tick(0.000001)
    for slices in (2, 3, 4, 5, 6):
        assert (house.extend(), held(house)) == ([], (300 * slices, slices * SLICE))
        assert (house.extend(), held(house)) == ([], (300 * slices, slices * SLICE))
        house.tick(300)
    elastic = house.call().elastic
    assert elastic is not None and elastic.look_at is None
    house.hear(house.ended(seconds=1_801, is_cut=True))
    assert (house.call().charge_micros, house.wallet().held_micros, house.faults()) == (6 * SLICE, 0, ())


def test_until_the_answer_is_heard_talking_may_have_begun_at_once(house: "House") -> None:
    """A slice too early costs nothing; the answer moves the timer."""
    house.open("alice", "5")
    house.set_elastic()
    house.perform(house.job(house.arrived()))
    house.tick(240)
    assert (house.extend(), held(house)) == ([], (600, 2 * SLICE))
    house.perform(house.job(house.answered()))
    house.tick(539.999999)
    assert (house.extend(), held(house)) == ([], (600, 2 * SLICE))
    house.tick(0.000001)
    assert (house.extend(), held(house)) == ([], (900, 3 * SLICE))


def test_who_runs_out_is_warned_and_then_hung_up(house: "House", exchange: "type[Exchange]") -> None:
    """A minute before the money is gone, and ten seconds before; the call costs no more than is held."""
    begin(house, "0.2")
    platform = exchange()
    house.tick(240)
    assert (house.extend(platform), held(house)) == ([], (600, 2 * SLICE))
    house.tick(300)
    assert house.extend(platform) == [("warn", "c1@c1")]
    house.tick(49.999999)
    assert house.extend(platform) == [("warn", "c1@c1")]
    house.tick(0.000001)
    assert house.extend(platform) == [("warn", "c1@c1"), ("hang up", "c1@c1")]
    assert platform.said == [("Your credit is nearly used up. This call will end in a moment.", "en-US")]
    house.tick(60)
    assert len(house.extend(platform)) == 2
    house.hear(house.ended(seconds=591))
    call = house.call()
    assert (call.flags, call.charge_micros, house.wallet().posted_micros) == ((Flag.CREDIT_ENDED,), 2 * SLICE, 0)
    assert house.faults() == ()


def test_the_last_of_the_credit_is_talked_away(house: "House") -> None:
    """Less than a slice is held too."""
    begin(house, "0.14")
    house.tick(240)
    assert (house.extend(), held(house)) == ([], (420, 140_000))
    house.tick(120)
    assert house.extend() == [("warn", "c1@c1")]


def test_a_refused_extension_is_tried_again_before_the_call_is_ended(house: "House") -> None:
    """Somebody paid in, or another call gave its money back."""
    begin(house, "0.12", max_seconds=3_600)
    house.tick(240)
    assert (house.extend(), held(house)) == ([], (360, 120_000))
    house.tick(60)
    assert house.extend() == [("warn", "c1@c1")]
    house.top_up("alice", "1", "second")
    house.tick(50)
    assert (house.extend(), held(house)) == ([], (660, 220_000))
    elastic = house.call().elastic
    assert elastic is not None and not elastic.is_refused
    assert house.faults() == ()


def test_a_call_that_the_platform_did_not_end_is_ended_again(house: "House", exchange: "type[Exchange]") -> None:
    """Every five seconds, until it is; its end is asked about soon after that."""
    begin(house, "0.12")
    house.tick(240)
    house.extend()
    house.tick(110)
    down, up = exchange(is_down=True), exchange()
    assert house.extend(down) == [("hang up", "c1@c1")]
    house.tick(4)
    assert len(house.extend(down)) == 1
    house.tick(1)
    assert house.extend(up) == [("hang up", "c1@c1")]
    house.tick(30)
    assert (house.extend(up), house.heal(house.ended(seconds=356))) == (up.done, 1)
    assert (house.call().settled_by, house.call().charge_micros, house.faults()) == ("provider", 120_000, ())


def test_a_server_that_was_down_catches_up(house: "House", exchange: "type[Exchange]") -> None:
    """Timers are rows: what was talked meanwhile is held at once, as far as the money goes; then the call is ended."""
    begin(house, "0.30")
    house.tick(700)
    platform = exchange()
    assert (house.extend(platform), held(house)) == ([], (900, 3 * SLICE))
    house.tick(500)
    assert (house.extend(platform), held(house)) == ([("hang up", "c1@c1")], (900, 3 * SLICE))
    house.hear(house.ended(seconds=1_200))
    wallet = house.wallet()
    assert (wallet.posted_micros, wallet.owed_micros, house.call().flags) == (
        0,
        100_000,
        (Flag.CREDIT_ENDED, Flag.OVERRUN),
    )
    assert house.faults() == ()


def test_an_end_that_races_an_extension_settles_once(house: "House") -> None:
    """With whatever is held then, in either order."""
    begin(house, "5")
    house.tick(240)
    extend = ExtendHold(call=house.call().key, now=house.now)
    assert house.perform(extend) is Extension.HELD
    assert house.perform(extend) is Extension.NOTHING
    house.hear(house.ended(seconds=250))
    assert house.perform(extend) is Extension.NOTHING
    assert (house.call().charge_micros, house.wallet().held_micros, len(house.records())) == (SLICE, 0, 1)
    house.perform(house.job(house.arrived("c2")))
    house.tick(240)
    house.hear(house.ended("c2", 30))
    assert house.perform(ExtendHold(call=house.call("c2").key, now=house.now)) is Extension.NOTHING
    assert house.faults() == ()


def test_a_call_whose_end_is_unclear_grows_no_more(house: "House") -> None:
    """It is over, whatever it was."""
    begin(house, "5")
    house.hear(house.ended(seconds=3, result=CallResult.BUSY))
    house.tick(300)
    assert (house.extend(), held(house)) == ([], (300, SLICE))


def test_suspending_an_account_leaves_its_live_calls_alone(house: "House") -> None:
    """They go on, and so does what they hold."""
    begin(house, "5")
    house.set_status("alice", Status.SUSPENDED)
    house.tick(240)
    assert (house.extend(), held(house)) == ([], (600, 2 * SLICE))


def test_a_lost_end_of_an_elastic_call_is_estimated_by_what_is_held(house: "House") -> None:
    """Not by the limit that the platform was told."""
    begin(house, "5")
    house.tick(1_800 + 120)
    assert house.heal(None) == 1
    assert (house.call().duration_s, house.call().charge_micros, house.faults()) == (300, SLICE, ())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("locale=sv-SE",), ("Ditt saldo är nästan slut. Samtalet avslutas strax.", "sv-SE")),
        (("locale=fi-FI",), ("Your credit is nearly used up. This call will end in a moment.", "en-US")),
        (("locale=fi-FI", "warning=Saldo loppuu"), ("Saldo loppuu", "fi-FI")),
    ],
)
def test_the_warning_is_in_the_words_of_the_application(
    house: "House", exchange: "type[Exchange]", words: tuple[str, ...], said: tuple[str, str]
) -> None:
    """Its own, else ours in its language, else ours in English."""
    house.set_application(*words)
    begin(house, "0.12")
    house.tick(240)
    house.extend()
    house.tick(60)
    platform = exchange()
    house.extend(platform)
    assert platform.said == [said]


def test_the_exposure_is_shown(house: "House") -> None:
    """A slice for each call while the server lives, and all that the platform was told while it does not."""
    key = AccountKey("app", "alice")
    begin(house, "5")
    house.perform(house.job(house.arrived("c2")))
    report = house.run(account_report(house.store, key))
    assert report is not None and report.elastic and report.exposure is not None
    exposure = report.exposure
    assert (exposure.call_count, exposure.seconds, exposure.amount) == (2, 600, "0.20")
    assert (exposure.seconds_if_down, exposure.amount_if_down) == (3_600, "1.20")
    house.perform(SetAccount(application="app", account="alice", words=("elastic=off",)))
    for call in ("c1", "c2"):
        house.hear(house.ended(call, 1))
    report = house.run(account_report(house.store, key))
    assert report is not None and report.exposure is None
    with pytest.raises(Invalid, match="on or off"):
        house.perform(SetAccount(application="app", account="alice", words=("elastic=maybe",)))


def test_an_end_that_overtook_its_start_is_held_as_a_whole(house: "House") -> None:
    """There was no time for the hold to grow in; the books say the same as if it had."""
    house.open("alice", "1")
    house.set_elastic()
    house.hear(house.ended(seconds=1_800))
    house.hear(house.arrived())
    call = house.call()
    assert (call.granted_s, call.charge_micros, call.flags) == (1_800, 6 * SLICE, ())
    assert (house.wallet().posted_micros, house.faults()) == (1_000_000 - 6 * SLICE, ())
