"""What happens to an account is told to who wants to hear it, once, in the transaction in which it happens."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import described
import msgspec
import pytest

from callgate.policy.alerts import LIMITS, NONE_YET, Alerts, is_newly_depleted, is_newly_low, limit_of
from callgate.policy.refusal import Refusal
from callgate.service.account_events import REPORTS, EventReport, name_of, tell, tell_blocked
from callgate.service.asyncapi import describe
from callgate.service.block import BlockAccount
from callgate.service.books import AccountKey, Books, Keys
from callgate.service.endpoint import Endpoint, RecordType
from callgate.service.overrule import Overrule
from callgate.service.reports import rfc3339
from callgate.service.set_account import SetAccount
from callgate.service.set_limits import SetAccountLimits

if TYPE_CHECKING:
    from tests.conftest import House

ALICE = AccountKey("app", "alice")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def endpoint(*types: RecordType, accounts: tuple[str, ...] = ()) -> Endpoint:
    return Endpoint(
        id="ep_1", url="https://8.8.8.8/", types=types, allow_private=False, created_at=NOW, sealed_secrets=(b"",),
        accounts=accounts,
    )  # fmt: skip


def listen(house: "House", *types: RecordType, accounts: tuple[str, ...] = ()) -> None:
    listening = endpoint(*types, accounts=accounts)
    house.add_endpoint(listening)
    house.endpoints = (listening,)


def heard(house: "House") -> list[dict[str, Any]]:
    """Bodies, in the order in which they were queued, each as its schema says."""
    bodies = [each.body for each in reversed(house.run(house.store.deliveries(None, 100)))]
    for body in bodies:
        described.check(body)
    return list(map(json.loads, bodies))


def call(house: "House", name: str, seconds: int, user: str = "alice") -> None:
    house.hear(house.arrived(name, user=user))
    house.hear(house.ended(name, seconds, user=user))


def test_a_refused_call_is_told_with_its_reason(house: "House") -> None:
    """With what an operator needs to look further; the event is named for ever."""
    listen(house, RecordType.CALL_REFUSED)
    house.open("alice", "1")
    house.hear(house.arrived(to=house.unpriced))
    (said,) = heard(house)
    assert said == {
        "type": "call.refused", "timestamp": "2026-11-23T12:00:00.000Z",
        "data": {
            "event_id": name_of(AccountKey(house.app, "alice"), 1), "sequence": 1, "application": house.app,
            "account": "alice", "currency": "USD", "call_id": "c1", "caller": "alice", "destination": house.unpriced,
            "refusal": "no_rate",
            "reason": "The account's rate deck has no price for this destination, or blocks it.",
        },
    }  # fmt: skip


def test_a_repeated_question_is_told_once_and_events_are_numbered(house: "House") -> None:
    """A repeat gets the stored answer and tells nothing; each new refusal is the next of its account."""
    listen(house, RecordType.CALL_REFUSED)
    house.open("alice", "1")
    house.open("bob", "1")
    for name, user in (("c1", "alice"), ("c1", "alice"), ("c2", "bob"), ("c3", "alice")):
        house.hear(house.arrived(name, user=user, to=house.unpriced))
    assert [(each["data"]["account"], each["data"]["sequence"]) for each in heard(house)] == [
        ("alice", 1), ("bob", 1), ("alice", 2),
    ]  # fmt: skip


def test_nobody_is_told_of_a_caller_who_is_nobody(house: "House") -> None:
    """There is no account whose event it could be."""
    listen(house)
    house.hear(house.arrived(user="mallory"))
    assert heard(house) == []


def test_what_nobody_wants_leaves_nothing(house: "House") -> None:
    """Neither deliveries nor anything remembered: who asks for it later begins with what happens then."""
    listen(house, RecordType.CALL_ENDED, accounts=("bob",))
    house.open("alice", "0.02")
    house.hear(house.arrived(to=house.unpriced))
    call(house, "c2", 61)
    assert heard(house) == []
    opened = house.run(house.store.account(AccountKey(house.app, "alice")))
    assert opened is not None and opened.account.alerts == NONE_YET


def test_a_low_balance_is_told_once_until_it_has_risen(house: "House") -> None:
    """The application's threshold; what is held meanwhile does not count as spent."""
    listen(house, RecordType.BALANCE_LOW)
    house.set_application("low_balance=0.05")
    house.open("alice", "0.10")
    house.hear(house.arrived("held"))  # all of it is held for the longest call, and given back
    house.hear(house.ended("held"))
    assert heard(house) == []
    call(house, "c1", 121)  # 60 of them are one step of two cents
    call(house, "c2", 1)
    assert [each["data"] for each in heard(house)] == [
        {
            "event_id": name_of(AccountKey(house.app, "alice"), 1), "sequence": 1, "application": house.app,
            "account": "alice", "currency": "USD", "balance": "0.04", "available": "0.04", "credit_limit": "0.00",
            "threshold": "0.05", "call_id": "c1",
        }
    ]  # fmt: skip
    house.top_up("alice", "0.10", "second")
    call(house, "c3", 1)  # 0.10 left: well
    assert len(heard(house)) == 1
    call(house, "c4", 181)
    assert [each["data"]["balance"] for each in heard(house)] == ["0.04", "0.02"]


def test_a_top_up_that_one_call_uses_up_is_told_again(house: "House") -> None:
    """Though nobody looked while the balance was well."""
    listen(house, RecordType.BALANCE_LOW)
    house.set_application("low_balance=0.05")
    house.open("alice", "0.06")
    call(house, "c1", 1)
    house.top_up("alice", "0.06", "second")
    call(house, "c2", 181)
    assert [each["data"]["call_id"] for each in heard(house)] == ["c1", "c2"]


def test_an_account_has_its_own_threshold(house: "House") -> None:
    """It takes the place of the application's, and none switches it off for the account alone."""
    listen(house, RecordType.BALANCE_LOW)
    house.set_application("low_balance=0.05")
    for account, word in (("alice", "0.09"), ("bob", "none"), ("carol", "default")):
        house.open(account, "0.10")
        house.perform(SetAccount(application=house.app, account=account, words=(f"low_balance={word}",)))
        call(house, f"{account}-1", 1, account)
        call(house, f"{account}-2", 121, account)
    told = [(each["data"]["account"], each["data"]["threshold"], each["data"]["call_id"]) for each in heard(house)]
    assert told == [("alice", "0.09", "alice-1"), ("carol", "0.05", "carol-2")]


def test_a_depleted_balance_is_told_by_the_call_that_used_it_up(house: "House") -> None:
    """And not again by those that are refused afterwards, until money came in."""
    listen(house, RecordType.BALANCE_DEPLETED)
    house.open("alice", "0.04")
    call(house, "c1", 61)
    for name in ("c2", "c3"):
        house.hear(house.arrived(name))
    assert [(each["type"], each["data"]["call_id"]) for each in heard(house)] == [("balance.depleted", "c1")]
    house.top_up("alice", "0.01", "second")  # less than a call costs
    house.hear(house.arrived("c4"))
    house.hear(house.arrived("c5"))
    assert [each["data"]["call_id"] for each in heard(house)] == ["c1", "c4"]


def test_credit_that_is_only_held_is_not_depleted(house: "House") -> None:
    """A second call is refused because the first one holds everything: the money is still there."""
    listen(house, RecordType.BALANCE_DEPLETED, RecordType.CALL_REFUSED)
    house.open("alice", "0.04")
    house.hear(house.arrived("c1"))
    house.hear(house.arrived("c2"))
    assert [each["type"] for each in heard(house)] == ["call.refused"]


def test_a_late_decision_that_is_overruled_is_told_as_refused(house: "House") -> None:
    """The caller was hung up on, whatever the job still did."""
    listen(house, RecordType.CALL_REFUSED)
    house.open("alice", "1")
    arrived, decided_at = house.arrived(), house.now
    house.hear(arrived)
    overrule = Overrule(
        call=arrived, decided_at=decided_at, body=b"{}", answer=b"{}", now=house.now, endpoints=house.endpoints
    )
    for _ in range(2):
        house.perform(overrule)
    assert [each["data"]["refusal"] for each in heard(house)] == ["not_decided_in_time"]


def test_events_and_records_of_an_account_share_its_lane(house: "House") -> None:
    """So they arrive in the order in which things happened."""
    listen(house)
    house.set_application("low_balance=1")
    house.open("alice", "0.04")
    call(house, "c1", 61)
    house.hear(house.arrived("c2"))
    assert [each["type"] for each in heard(house)] == [
        "balance.low", "balance.depleted", "call.ended", "call.refused",
    ]  # fmt: skip
    states = [each.state for each in house.run(house.store.deliveries(None, 100))]
    assert states == ["waiting", "waiting", "waiting", "next"]


def test_a_reached_limit_is_told_once_in_its_window(house: "House") -> None:
    """Each refusal is told, the limit once, and again when its window is over."""
    listen(house, RecordType.LIMIT_REACHED, RecordType.CALL_REFUSED)
    house.open("alice", "10")
    house.perform(
        SetAccountLimits(application=house.app, account="alice", words=("concurrent_calls=1", "max_seconds=60"))
    )
    house.hear(house.arrived("c1"))
    for name in ("c2", "c3"):
        house.hear(house.arrived(name))
    house.tick(3_600)
    house.hear(house.arrived("c4"))
    told = [(each["type"], each["data"]["call_id"], each["data"].get("limit")) for each in heard(house)]
    assert told == [
        ("call.refused", "c2", None), ("limit.reached", "c2", "concurrent_calls"),
        ("call.refused", "c3", None),
        ("call.refused", "c4", None), ("limit.reached", "c4", "concurrent_calls"),
    ]  # fmt: skip


class Block:
    """A job that blocks an account, as a fraud rule would."""

    def __init__(self, house: "House") -> None:
        self._house = house
        self._key = AccountKey(house.app, "alice")

    def keys(self) -> Keys:
        return Keys(accounts=(self._key,))

    def run(self, books: Books) -> None:
        account = books.accounts.get(self._key)
        assert account is not None
        tell_blocked(
            books, account, why="40 destinations in an hour", until="2026-11-24T12:00:00.000Z", call_id="c9",
            endpoints=self._house.endpoints, now=self._house.now,
        )  # fmt: skip


def test_a_block_is_told(house: "House") -> None:
    """Whoever blocks says why, and until when."""
    listen(house)
    house.open("alice", "1")
    house.perform(Block(house))
    (said,) = heard(house)
    assert said["type"] == "account.blocked"
    assert said["data"]["why"] == "40 destinations in an hour"
    assert (said["data"]["until"], said["data"]["call_id"]) == ("2026-11-24T12:00:00.000Z", "c9")


def limit(house: "House", *words: str) -> None:
    house.perform(SetAccountLimits(application=house.app, account="alice", words=words))


def test_the_refusal_that_begins_a_block_tells_it(house: "House") -> None:
    """With how many there were, the last reason and the end of the block; the calls refused by the block tell no other."""
    listen(house, RecordType.ACCOUNT_BLOCKED)
    house.open("alice", "1")
    limit(house, "countries=SE", "block_after=3", "block_minutes=30")
    for name in ("c1", "c2"):
        house.hear(house.arrived(name, to=house.germany))
    assert heard(house) == []
    began_at = house.now
    for name in ("c3", "c3", "c4"):
        house.hear(house.arrived(name, to=house.germany))
    (said,) = heard(house)
    assert (house.call("c3").refusal, house.call("c4").refusal) == ("country_blocked", "blocked")
    assert said["data"]["why"] == (
        "3 suspicious refusals within an hour, the last: Calls to this country are not allowed."
    )
    assert said["data"]["until"] == rfc3339(began_at + timedelta(minutes=30))
    assert said["data"]["call_id"] == "c3"


def test_a_second_block_is_told_too(house: "House") -> None:
    """When the first has run out, and what led to it is forgotten; a block by hand is none of these."""
    listen(house, RecordType.ACCOUNT_BLOCKED)
    house.open("alice", "1")
    limit(house, "countries=SE", "block_after=1", "block_minutes=1")
    house.perform(BlockAccount(application=house.app, account="alice", until=house.now + timedelta(minutes=5)))
    house.hear(house.arrived("c1", to=house.germany))
    assert heard(house) == []
    house.tick(300)
    house.hear(house.arrived("c2", to=house.germany))
    house.tick(60)
    house.hear(house.arrived("c3", to=house.germany))
    assert [each["data"]["call_id"] for each in heard(house)] == ["c2", "c3"]
    assert heard(house)[0]["data"]["why"].startswith("1 suspicious refusal within an hour")


def test_a_block_comes_after_what_led_to_it(house: "House") -> None:
    """In the lane of the account, written by the transaction of the refusal."""
    listen(house)
    house.open("alice", "1")
    limit(house, "repeats_per_hour=1", "block_after=1")
    call(house, "c1", 1)
    house.hear(house.arrived("c2"))
    assert [each["type"] for each in heard(house)] == [
        "call.ended", "call.refused", "limit.reached", "account.blocked",
    ]  # fmt: skip


def test_a_rule_that_cannot_be_judged_is_told_once_an_hour(house: "House") -> None:
    """With its error, for each account; one in shadow refuses nobody, and is not told."""
    listen(house, RecordType.RULE_FAILED)
    bad = "condition = 'int(custom) > 5'\neffect = 'refuse'\n"
    house.apply_rules(f"[[rule]]\nname = 'watch'\n{bad}\n[[rule]]\nname = 'bad'\n{bad}mode = 'binding'\n")
    for user in ("alice", "bob"):
        house.open(user, "1")
    for name, user in (("a", "alice"), ("b", "alice"), ("c", "bob")):
        house.hear(house.arrived(name, user=user))
    house.tick(3_600)
    house.hear(house.arrived("d"))
    told = heard(house)
    assert [(each["type"], each["data"]["account"], each["data"]["call_id"]) for each in told] == [
        ("rule.failed", "alice", "a"), ("rule.failed", "bob", "c"), ("rule.failed", "alice", "d"),
    ]  # fmt: skip
    assert (told[0]["data"]["rule"], told[0]["data"]["window"]) == ("bad", "2026-11-23T12Z")
    assert told[0]["data"]["error"]


def test_an_emergency_call_is_told(house: "House") -> None:
    """Of callers with an account and without, also when the third call is refused; once for each call, and nothing else."""
    listen(house)
    house.set_application("home_country=SE")
    house.open("alice", "1")
    for name, user in (("a", "alice"), ("a", "alice"), ("b", "alice"), ("c", "alice"), ("d", "stranger")):
        house.hear(house.arrived(name, user=user, to="112"))
    told = heard(house)
    assert [(each["data"]["call_id"], each["data"]["account"], each["data"]["outcome"]) for each in told] == [
        ("a", "alice", "connect"), ("b", "alice", "connect"), ("c", "alice", "refuse"), ("d", "", "connect"),
    ]  # fmt: skip
    assert {each["type"] for each in told} == {"call.emergency"}
    assert (told[0]["data"]["caller"], told[0]["data"]["destination"], told[0]["data"]["sequence"]) == (
        "alice",
        "112",
        1,
    )


def test_an_endpoint_of_one_account_hears_of_no_stranger(house: "House") -> None:
    """Who has no account is told to endpoints that are limited to none."""
    listen(house, accounts=("alice",))
    house.set_application("home_country=SE")
    house.open("alice", "1")
    house.hear(house.arrived("a", user="stranger", to="112"))
    house.hear(house.arrived("b", to="112"))
    assert [each["data"]["call_id"] for each in heard(house)] == ["b"]


@pytest.mark.parametrize("kind", REPORTS)
def test_every_event_is_what_its_schema_says(kind: RecordType, house: "House") -> None:
    """A JSON Schema in the AsyncAPI document, with every field of the data required and described by its type."""
    document = describe()
    message = document["components"]["messages"][kind.value.replace(".", "_")]
    schema = document["components"]["schemas"][message["payload"]["$ref"].rpartition("/")[2]]
    data = document["components"]["schemas"][schema["properties"]["data"]["$ref"].rpartition("/")[2]]
    fields = list(REPORTS[kind].__struct_fields__)
    assert schema["properties"]["type"] == {"const": kind.value}
    assert sorted(data["required"]) == sorted(data["properties"]) == sorted(fields)
    assert all(each["description"] for each in data["properties"].values())
    listen(house)
    house.open("alice", "1")
    amounts = dict.fromkeys(("balance", "available", "credit_limit", "threshold"), "-1.50")
    said = dict.fromkeys(fields, "x") | amounts | {"until": "2026-11-23T07:00:00.000Z", "outcome": "refuse"}
    own = {name: said[name] for name in fields[len(EventReport.__struct_fields__) :]}

    class Tell(Block):
        def run(self, books: Books) -> None:
            account = books.accounts.get(self._key)
            assert account is not None
            tell(books, account, kind, own, house.endpoints, house.now)

    house.perform(Tell(house))
    assert list(heard(house)[0]["data"]) == fields


@pytest.mark.parametrize(
    ("alerts", "before", "after", "expected"),
    [
        (Alerts(threshold_micros=50), 60, 40, True),
        (Alerts(threshold_micros=50), 60, 50, False),
        (Alerts(threshold_micros=50), 40, 30, True),  # nobody listened when it fell
        (Alerts(threshold_micros=50, is_low=True), 40, 30, False),
        (Alerts(threshold_micros=50, is_low=True), 50, 30, True),  # it had risen since
        (Alerts(), 10, 0, False),
    ],
)
def test_when_a_balance_is_newly_low(alerts: Alerts, before: int, after: int, *, expected: bool) -> None:
    """Below the threshold, and not told since it was last there."""
    assert is_newly_low(alerts, before, after) is expected


def test_when_a_balance_is_newly_depleted() -> None:
    """Once, until money comes in."""
    told = Alerts(depleted_micros=10)
    assert is_newly_depleted(NONE_YET, 0)
    assert not is_newly_depleted(told, 10) and not is_newly_depleted(told, 5)
    assert is_newly_depleted(told, 11)


def test_a_limit_is_told_of_once_a_window() -> None:
    """By the UTC clock, in the window that its own figure has."""
    assert limit_of(Refusal.NO_RATE, NOW) is None
    for refusal, (limit, window) in LIMITS.items():
        expected = {"minute": "2026-11-23T12:00Z", "hour": "2026-11-23T12Z", "day": "2026-11-23"}
        assert limit_of(refusal, NOW) == (limit, expected[window])


def test_what_an_account_was_told_survives_in_its_row() -> None:
    """As short as it can be: most accounts were told nothing."""
    assert msgspec.json.encode(NONE_YET) == b"{}"
    told = Alerts(count=3, threshold_micros=5, is_low=True, depleted_micros=0, limits={"spend": "2026-11-23"})
    assert msgspec.json.decode(msgspec.json.encode(told), type=Alerts) == told
