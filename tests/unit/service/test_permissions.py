"""Opening hours, caller id screening and risk classes as calls meet them: whose word counts, and for which destinations."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from callgate.errors import Invalid
from callgate.policy.refusal import Refusal
from callgate.protocol.call import EndpointKind, Origin
from callgate.service.books import AccountKey
from callgate.service.set_account import SetAccount
from callgate.service.set_limits import SetAccountLimits

if TYPE_CHECKING:
    from tests.conftest import House

OWN, SWITCHBOARD, STRANGER = "+46701111111", "+46871000000", "+46709999999"
GERMAN_MOBILE, GERMAN_LINE, SWEDISH_PREMIUM = "+4915123456789", "+4930123456", "+469001234567"


def allow(house: "House", *words: str) -> None:
    house.perform(SetAccount(application=house.app, account="alice", words=words))


def allow_all(house: "House", *words: str) -> None:
    house.set_application(*words)


def place(house: "House", name: str, **asked: Any) -> tuple[Refusal | None, str | None]:
    """Why a call is refused, and the number that the callee sees."""
    answer = msgspec.json.decode(house.hear(house.arrived(name, **asked)).answer)
    return house.call(name).refusal, answer["action"].get("cli")


def saw(house: "House", name: str, step: str) -> dict[str, Any] | None:
    """What a step of a call saw; None where it was not asked."""
    trace = msgspec.json.decode(house.call(name).trace)
    return next((each["saw"] for each in trace if each["step"] == step), None)


def test_hours_of_the_application_hold_for_its_accounts(house: "House") -> None:
    """Until an account has hours of its own; the trace says what the clock on the wall showed."""
    house.open("alice", "500")
    house.now = datetime(2026, 11, 23, 18, 30, tzinfo=UTC)
    allow_all(house, "hours=Mo-Fr 08:00-18:00", "timezone=Europe/Stockholm")
    assert place(house, "a")[0] is Refusal.OUTSIDE_HOURS
    assert saw(house, "a", "hours") == {"local": "2026-11-23T19:30+01:00", "zone": "Europe/Stockholm"}
    allow(house, "timezone=America/New_York")
    assert place(house, "b")[0] is None
    allow(house, "timezone=default", "hours=Mo-Fr 08:00-20:00")
    assert place(house, "c")[0] is None
    allow(house, "holidays=2026-11-23")
    assert place(house, "d")[0] is Refusal.OUTSIDE_HOURS
    allow(house, "hours=24/7")
    assert place(house, "e")[0] is None


@pytest.mark.parametrize(
    ("kind", "to"),
    [(EndpointKind.USER, "bob"), (EndpointKind.CONFERENCE, "room"), (EndpointKind.SIP, "bob@example.com")],
)
def test_hours_hold_for_all_that_is_dialled(house: "House", kind: EndpointKind, to: str) -> None:
    """Also for what no price list is asked about."""
    house.open("alice", "500")
    allow_all(house, "conference=free", "sip=example.com:free")
    assert place(house, "a", kind=kind, to=to)[0] is None
    allow_all(house, "hours=off")
    assert place(house, "b", kind=kind, to=to)[0] is Refusal.OUTSIDE_HOURS


def test_hours_count_from_the_moment_of_the_call(house: "House") -> None:
    """A call that is up when the doors close goes on, and a repeat gets what was answered."""
    house.open("alice", "500")
    house.now = datetime(2026, 11, 23, 17, 59, tzinfo=UTC)
    allow(house, "hours=Mo-Fr 08:00-18:00")
    answer = house.hear(house.arrived("a")).answer
    house.tick(120)
    assert house.hear(house.arrived("a")).answer == answer
    assert place(house, "b")[0] is Refusal.OUTSIDE_HOURS
    house.hear(house.answered("a"))
    house.hear(house.ended("a", 60))
    assert house.faults() == ()


def test_numbers_that_may_be_shown(house: "House") -> None:
    """The account's own, those that it rents, those that it or its application may show; any other is hidden."""
    house.open("alice", "500", "user:alice", f"number:{OWN}")
    assert [place(house, name, cli=cli) for name, cli in (("a", OWN), ("b", SWITCHBOARD), ("c", None))] == [
        (None, OWN),
        (None, "private"),
        (None, "private"),
    ]
    allow_all(house, "caller_ids=+4687100*")
    assert place(house, "d", cli=SWITCHBOARD) == (None, SWITCHBOARD)
    allow(house, f"caller_ids={STRANGER}")
    assert place(house, "e", cli=SWITCHBOARD) == (None, "private")
    assert place(house, "f", cli=STRANGER) == (None, STRANGER)
    allow(house, "caller_ids=none")
    assert place(house, "g", cli=STRANGER) == (None, "private")
    house.rented = {SWITCHBOARD: frozenset({AccountKey(house.app, "alice")})}
    assert place(house, "h", cli=SWITCHBOARD) == (None, SWITCHBOARD)
    house.rented = {SWITCHBOARD: frozenset({AccountKey(house.app, "bob"), AccountKey("another", "alice")})}
    assert place(house, "i", cli=SWITCHBOARD) == (None, "private")


def test_a_stranger_s_number_refuses_where_the_operator_says_so(house: "House") -> None:
    """On the account or on the application; a withheld one only where a number is required. The trace has both numbers."""
    house.open("alice", "500", "user:alice", f"number:{OWN}")
    allow_all(house, "caller_id=refuse")
    assert place(house, "a", cli=OWN) == (None, OWN)
    assert place(house, "b", cli=STRANGER)[0] is Refusal.CALLER_ID_NOT_ALLOWED
    assert saw(house, "b", "caller_id") == {"asked": STRANGER, "shown": None, "screening": "refuse"}
    assert place(house, "c")[0] is None
    allow(house, "caller_id=require")
    assert place(house, "d")[0] is Refusal.CALLER_ID_NOT_ALLOWED
    allow(house, "caller_id=hide")
    assert place(house, "e", cli=STRANGER) == (None, "private")


def test_where_the_callee_sees_no_number_none_is_asked_about(house: "House") -> None:
    """Calls to app users and into conferences."""
    house.open("alice", "500")
    allow_all(house, "conference=free", "sip=example.com:free", "caller_id=require")
    assert place(house, "a", kind=EndpointKind.USER, to="bob", cli=STRANGER)[0] is None
    assert place(house, "b", kind=EndpointKind.CONFERENCE, to="room", cli=STRANGER)[0] is None
    refused = place(house, "c", kind=EndpointKind.SIP, to="bob@example.com", cli=STRANGER)[0]
    assert refused is Refusal.CALLER_ID_NOT_ALLOWED


def test_a_number_that_may_be_shown_proves_nobody(house: "House") -> None:
    """Who pays is another question: the application trusts numbers of accounts alone."""
    house.open("alice", "500")
    allow_all(house, "trust=number", f"caller_ids={STRANGER}")
    refused = place(house, "a", user=None, origin=Origin.SIP, cli=STRANGER)[0]
    assert refused is Refusal.CALLER_UNKNOWN


@pytest.mark.parametrize(
    ("words", "home", "to", "is_refused"),
    [
        ("risk_classes=low", "none", GERMAN_LINE, False),
        ("risk_classes=low", "none", GERMAN_MOBILE, True),
        ("risk_classes=low", "DE", GERMAN_MOBILE, False),
        ("risk_classes=low", "SE", GERMAN_MOBILE, True),
        ("risk_classes=low,elevated", "SE", GERMAN_MOBILE, False),
        ("risk_classes=low,elevated", "SE", SWEDISH_PREMIUM, True),
        ("risk_classes=-high", "SE", SWEDISH_PREMIUM, True),
        ("risk_classes=-high", "SE", GERMAN_MOBILE, False),
        ("risk_classes=all", "SE", SWEDISH_PREMIUM, False),
        ("risk_classes=", "SE", GERMAN_LINE, True),
        ("number_types=-mobile,-premium_rate", "SE", GERMAN_MOBILE, True),
        ("number_types=-mobile,-premium_rate", "SE", GERMAN_LINE, False),
    ],
)
def test_risk_classes_and_kinds_of_numbers(house: "House", words: str, home: str, to: str, is_refused: bool) -> None:  # noqa: FBT001 - the expectation
    """Allowed ones are named, or with a minus those that are not; what is abroad depends on where home is."""
    house.open("alice", "500")
    house.deck(house.rate("4", "0.01"))
    allow_all(house, f"home_country={home}")
    house.perform(SetAccountLimits(application=house.app, account="alice", words=(words,)))
    assert (place(house, "a", to=to)[0] is Refusal.NUMBER_TYPE_BLOCKED) is is_refused


@pytest.mark.parametrize(
    "word", ["risk_classes=none,low", "risk_classes=low,-high", "number_types=-cell", "risk_classes=-"]
)
def test_words_of_risk_that_cannot_be_read(house: "House", word: str) -> None:
    """They are not passed over."""
    house.open("alice", "500")
    with pytest.raises(Invalid, match=word.partition("=")[0]):
        house.perform(SetAccountLimits(application=house.app, account="alice", words=(word,)))
