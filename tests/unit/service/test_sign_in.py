"""An app's users: kept, throttled, and told whether they may call; what we sign is worth nothing elsewhere."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from callgate.errors import Conflict, Invalid, NotFound
from callgate.policy.account import Status
from callgate.service import throttle
from callgate.service.books import AccountKey
from callgate.service.manage_users import AddUser, RemoveUser, SetPassword
from callgate.service.sign_in import FindPayer, SignInRefused, ticket_for
from callgate.service.signing import Signing, refer, referred
from callgate.service.throttle import Throttle
from callgate.service.ticket import LIVES, read_ticket

if TYPE_CHECKING:
    from tests.conftest import House

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = b"k" * 32


def add(house: "House", name: str, account: str = "alice") -> object:
    return house.perform(AddUser(application=house.app, name=name, account=account, password="kept", now=NOW))


def test_a_user_brings_the_identity_of_their_name(house: "House") -> None:
    """Who pays is known from then on, and stays known when they may sign in no more."""
    house.open("alice")
    add(house, "zoe")
    payer = FindPayer(application=house.application, user="zoe")
    assert house.perform(payer) == "alice"
    changed = house.perform(SetPassword(application=house.app, name="zoe", password="other"))
    assert changed.password == "other"
    house.perform(RemoveUser(application=house.app, name="zoe"))
    assert house.perform(payer) == "alice"
    for job in (
        SetPassword(application=house.app, name="zoe", password="x"),
        RemoveUser(application=house.app, name="zoe"),
    ):
        with pytest.raises(NotFound, match="no user zoe in application app"):
            house.perform(job)


def test_users_that_cannot_be_kept(house: "House") -> None:
    """A name that is taken, somebody else's identity, no account, no name."""
    house.open("alice")
    house.open("bob")
    add(house, "zoe")
    with pytest.raises(Conflict, match="exists already"):
        add(house, "zoe")
    with pytest.raises(Conflict, match="an identity of account bob"):
        add(house, "bob")
    with pytest.raises(NotFound, match="no account carol"):
        add(house, "carol", "carol")
    with pytest.raises(Invalid):
        add(house, "")


@pytest.mark.parametrize(
    ("status", "refusal"), [(Status.SUSPENDED, "account_suspended"), (Status.CLOSED, "account_closed")]
)
def test_who_may_not_call_gets_no_token(house: "House", status: Status, refusal: str) -> None:
    """The account says no; so does the application, first of all; and somebody must pay."""
    house.open("alice")
    house.set_status("alice", status)
    payer = FindPayer(application=house.application, user="alice")
    suspended = msgspec.structs.replace(house.application, status=Status.SUSPENDED)
    for job, expected in (
        (payer, refusal),
        (FindPayer(application=suspended, user="alice"), "application_suspended"),
        (FindPayer(application=house.application, user="nobody"), "caller_unknown"),
    ):
        with pytest.raises(SignInRefused) as told:
            house.perform(job)
        assert told.value.refusal == expected


def test_a_ticket_says_who_pays() -> None:
    """For as long as tickets live."""
    text = ticket_for(AccountKey("app", "alice"), "t1", "+46701740605", key=KEY, now=NOW)
    ticket = read_ticket(KEY, text, "app", NOW).ticket
    assert ticket is not None
    assert (ticket.account, ticket.id, ticket.to, ticket.expires_at) == ("alice", "t1", "+46701740605", NOW + LIVES)


def test_a_reference_is_good_for_its_application_and_key() -> None:
    """What is no reference, or another's, is none of ours."""
    text = refer(KEY, "app", "r1")
    assert referred(KEY, "app", text) == "r1"
    for custom in (text + "x", text.replace("r1", "r2"), "cgh1_", "hello", text + "ä", text + "x" * 300):
        assert referred(KEY, "app", custom) is None
    assert referred(KEY, "other", text) is None
    assert referred(b"another key", "app", text) is None
    assert "k" * 4 not in repr(Signing(tickets=KEY, holds=KEY))


def test_tries_are_counted_in_a_window() -> None:
    """One by one and name by name; a success does not count, and a window ends."""
    brake = Throttle(2, timedelta(seconds=60))
    assert [brake.begin("zoe", NOW) for _ in range(2)] == [0, 0]
    assert brake.begin("zoe", NOW + timedelta(seconds=20)) == 40
    assert brake.begin("bob", NOW) == 0
    brake.forgive("zoe")
    brake.forgive("nobody")
    assert brake.begin("zoe", NOW + timedelta(seconds=59, milliseconds=900)) == 0
    assert brake.begin("zoe", NOW + timedelta(seconds=59, milliseconds=900)) == 1
    assert brake.begin("zoe", NOW + timedelta(seconds=60)) == 0


def test_few_names_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was heard of longest ago is forgotten first."""
    monkeypatch.setattr(throttle, "MOST_KEPT", 2)
    brake = Throttle(1, timedelta(seconds=60))
    assert [brake.begin(name, NOW) for name in ("a", "b", "c")] == [0, 0, 0]
    assert (brake.begin("c", NOW), brake.begin("a", NOW)) == (60, 0)
