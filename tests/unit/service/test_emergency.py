"""Emergency calls connect before anything else is asked, hold nothing and cost nothing; two at a time of a caller."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from callgate.ledger.hold import HoldState
from callgate.policy.account import Status
from callgate.policy.refusal import Refusal
from callgate.protocol.call import CallResult, EndpointKind, Origin
from callgate.protocol.life import CallState
from callgate.service.block import BlockAccount
from callgate.service.books import AccountKey
from callgate.service.explain import explain_call
from callgate.service.hang_up import hang_up_account
from callgate.service.overrule import Overrule
from callgate.service.records import Flag, SettledBy
from callgate.service.reports import call_report
from callgate.service.set_account import SetAccount
from callgate.service.set_limits import SetAccountLimits
from callgate.service.set_status import SetAccountStatus

if TYPE_CHECKING:
    from tests.conftest import House

CONNECT = {"name": "connectPstn", "number": "112", "cli": "private", "maxDuration": 14_400}


@pytest.fixture
def home(house: "House") -> "House":
    """An application at home in Sweden, with an account that has no money."""
    house.set_application("home_country=SE")
    house.open("alice")
    return house


def place(house: "House", name: str = "c1", **asked: Any) -> dict[str, Any]:
    """Dial 112, and return the action that was answered."""
    action: dict[str, Any] = msgspec.json.decode(house.hear(house.arrived(name, **{"to": "112"} | asked)).answer)[
        "action"
    ]
    return action


def test_it_connects_without_money(home: "House") -> None:
    """Nothing is held, the trace has the one step that was asked, and the call stands out."""
    assert place(home) == CONNECT
    call, wallet = home.call(), home.wallet()
    assert (call.state, call.account, call.refusal, call.flags) == (CallState.ARRIVED, "alice", None, (Flag.EMERGENCY,))
    assert (wallet.held_micros, wallet.hold_count) == (0, 0)
    assert msgspec.json.decode(call.trace) == [
        {"step": "emergency", "saw": {"number": "112", "up": 0, "most": 2}, "refusal": None}
    ]
    assert home.faults() == ()


def everything_against_it(house: "House") -> None:
    """Whatever any step may refuse for: each of them alone would."""
    house.perform(BlockAccount(application=house.app, account="alice", until=house.now + timedelta(hours=1)))
    words = (
        "countries=",
        "number_types=",
        "ceiling_price=0",
        "concurrent_calls=0",
        "calls_per_minute=0",
        "spend_per_day=0",
    )
    house.perform(SetAccountLimits(application=house.app, account="alice", words=words))
    house.perform(SetAccount(application=house.app, account="alice", words=("hours=off", "caller_id=require")))
    house.apply_rules(
        '[[rule]]\nname = "none"\nwhen = "true"\neffect = "refuse"\nmode = "binding"\n'.replace("when", "condition")
    )
    house.deck()


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.SUSPENDED, Status.CLOSED])
def test_it_is_asked_before_all_that_refuses(home: "House", status: Status) -> None:
    """Application and account suspended or closed, blocked, out of every limit and hour, refused by a rule, without a price."""
    everything_against_it(home)
    home.set_status("alice", status)
    home.application = msgspec.structs.replace(home.application, status=Status.SUSPENDED)
    usage = home.rows("SELECT * FROM usages")
    assert place(home) == CONNECT
    assert home.rows("SELECT * FROM usages") == usage  # it counts towards nothing
    assert home.hear(home.arrived("c2")).answer == home.hang_up
    assert home.call("c2").refusal is Refusal.APPLICATION_SUSPENDED


def test_a_caller_whom_nobody_knows_is_connected(home: "House") -> None:
    """A stranger, in the app or not; there is no account, and so no record."""
    for name, asked in {
        "app": {"user": "stranger"},
        "sip": {"user": None, "cli": "+46709999999", "origin": Origin.SIP},
        "withheld": {"user": None, "origin": Origin.SIP},
    }.items():
        assert place(home, name, **asked) == CONNECT
        assert home.call(name).account is None
        home.hear(home.answered(name))
        home.hear(home.ended(name, 300, user=None, to="112", debit="0.01"))
        call = home.call(name)
        assert (call.state, call.duration_s, call.charge_micros) == (CallState.ENDED, 300, None)
        assert (call.settled_by, call.ask_at) == (SettledBy.DISCONNECT, None)
    assert home.records() == []
    assert home.faults() == ()


def test_it_is_settled_for_nothing(home: "House") -> None:
    """With a record for the account, whatever the platform charged; a repeat moves nothing."""
    place(home)
    assert home.hear(home.answered()).answer == home.go_on
    home.hear(home.ended(seconds=600, to="112", debit="0.50"))
    home.hear(home.ended(seconds=600, to="112", debit="0.50"))
    [record] = home.records()
    assert (record.account, record.destination, record.duration_s, record.billed_s, record.charge_micros) == (
        "alice", "112", 600, 0, 0,
    )  # fmt: skip
    call = home.call()
    assert call.hold is not None and call.hold.state is HoldState.VOIDED
    assert (home.transfers(), home.faults()) == ([], ())


def test_two_at_a_time_of_one_caller(home: "House") -> None:
    """The third hangs up; another caller is not counted; when one has ended there is room again."""
    assert [place(home, name)["name"] for name in ("a", "b", "c")] == ["connectPstn", "connectPstn", "hangup"]
    call = home.call("c")
    assert (call.state, call.refusal, call.flags) == (
        CallState.REFUSED,
        Refusal.TOO_MANY_CONCURRENT_CALLS,
        (Flag.EMERGENCY,),
    )
    assert place(home, "d", user="bob") == CONNECT
    home.hear(home.ended("a", to="112"))
    assert place(home, "e") == CONNECT
    assert place(home, "f")["name"] == "hangup"
    assert home.faults() == ()


def test_an_end_that_is_lost_does_not_lock_a_caller_out(home: "House") -> None:
    """A call that was never answered counts for as long as a phone may ring; one that was, until it ends."""
    place(home, "a")
    place(home, "b")
    home.hear(home.answered("a"))
    assert place(home, "c")["name"] == "hangup"
    home.tick(180)
    assert place(home, "d") == CONNECT
    assert place(home, "e")["name"] == "hangup"


def test_callers_who_show_nothing_are_not_counted_together(home: "House") -> None:
    """Nobody is refused for what somebody else does."""
    asked: dict[str, Any] = {"user": None, "origin": Origin.SIP}
    assert [place(home, str(number), **asked) for number in range(4)] == [CONNECT] * 4


def test_only_exactly_that_number_and_only_as_a_number(home: "House") -> None:
    """Whatever else is dialled goes the way of every call."""
    for name, asked in {"a": {"to": "1121"}, "b": {"to": "+112"}, "c": {"kind": EndpointKind.USER}}.items():
        assert place(home, name, **asked)["name"] != "connectPstn"
        assert Flag.EMERGENCY not in home.call(name).flags
    home.set_application("home_country=none")
    assert place(home, "d")["name"] == "hangup"
    home.set_application("emergency_numbers=112")
    assert place(home, "e") == CONNECT


def test_a_repeat_gets_the_same_and_another_question_conflicts(home: "House") -> None:
    """Step 3 stands before it."""
    first = home.hear(home.arrived(to="112")).answer
    assert home.hear(home.arrived(to="112")).answer == first
    home.tick(300)
    assert home.hear(home.arrived(to="112")).answer == first
    assert home.hear(home.arrived(to="90000")).answer == home.hang_up
    assert Flag.CONFLICT in home.call().flags


def test_the_caller_s_own_number_is_shown(home: "House") -> None:
    """So that they can be called back; any other stays hidden."""
    home.open("zoe", "0", "user:zoe", "number:+46701111111")
    assert place(home, "a", user="zoe", cli="+46701111111") == CONNECT | {"cli": "+46701111111"}
    assert place(home, "b", user="zoe", cli="+46702222222") == CONNECT


def test_its_end_may_come_first(home: "House") -> None:
    """The answer hangs up; nothing moves."""
    home.hear(home.ended(seconds=10, to="112"))
    assert place(home) == {"name": "hangup"}
    assert (home.call().state, home.call().duration_s, home.transfers()) == (CallState.ENDED, 10, [])
    assert home.faults() == ()


@pytest.mark.parametrize("user", ["alice", "stranger"])
def test_an_end_that_never_comes_is_asked_about(home: "House", user: str) -> None:
    """And estimated, for nothing; the true one corrects once, for nothing."""
    place(home, user=user)
    home.hear(home.answered())
    home.tick(14_400 + 120)
    assert home.heal(None) == 1
    assert (home.call().state, home.call().settled_by) == (CallState.ENDED, SettledBy.ESTIMATE)
    home.hear(home.ended(seconds=77, user=user, to="112"))
    assert (home.call().settled_by, home.call().duration_s) == (SettledBy.DISCONNECT, 77)
    home.hear(home.ended(seconds=77, user=user, to="112"))
    assert len(home.records()) == (2 if user == "alice" else 0)
    assert (home.transfers(), home.faults()) == ([], ())


def test_an_end_whose_facts_contradict_each_other_is_asked_about(home: "House") -> None:
    """As of any other call."""
    place(home)
    home.hear(home.ended(result=CallResult.OTHER, to="112"))
    assert Flag.END_UNCLEAR in home.call().flags
    assert home.call().state is CallState.ARRIVED


def test_the_kill_switch_lets_it_go_on(home: "House") -> None:
    """Its other calls are ended; and an account may be closed meanwhile."""
    home.top_up("alice", "5")
    place(home, "a")
    home.hear(home.arrived("b"))
    exchange = home.exchange()
    done = home.run(hang_up_account(home.store, exchange, AccountKey(home.app, "alice")))
    assert done.ended == ("b",)
    home.hear(home.ended("b"))
    home.perform(SetAccountStatus(application=home.app, account="alice", status=Status.CLOSED))
    home.hear(home.answered("a"))
    home.hear(home.ended("a", 60, to="112"))
    assert home.call("a").state is CallState.ENDED
    assert home.faults() == ()


def test_it_is_explained(home: "House") -> None:
    """Nothing is held, for no time."""
    place(home)
    found = home.run(explain_call(home.store, home.call().key))
    assert (found.outcome, found.hold, found.held_s, found.granted_s) == ("connect", None, 0, 14_400)
    assert [step["step"] for step in found.trace] == ["emergency", "answer"]
    report = home.run(call_report(home.store, home.call().key, home.now))
    assert report is not None
    assert (report.hold, report.flags) == (None, ("emergency",))


@pytest.mark.parametrize("is_decided", [False, True])
def test_late_or_not_it_was_put_through(home: "House", is_decided: bool) -> None:  # noqa: FBT001 - two cases of one law
    """The fallback of an emergency call connects, and is the decision, whatever the late job came to."""
    place(home, "a")
    place(home, "b")
    asked = home.arrived("c", to="112")
    decided_at = home.now
    if is_decided:
        assert home.hear(asked).answer == home.hang_up
    late = Overrule(
        call=asked, decided_at=decided_at, body=b"{}", answer=b'{"action":{}}', now=home.now, is_emergency=True
    )
    home.perform(late)
    home.perform(late)
    call = home.call("c")
    assert (call.state, call.refusal, call.answer) == (CallState.ARRIVED, None, b'{"action":{}}')
    assert set(call.flags) == {Flag.EMERGENCY, Flag.LATE}
    home.hear(home.answered("c"))
    home.hear(home.ended("c", 60, to="112"))
    assert (home.call("c").state, home.faults()) == (CallState.ENDED, ())
