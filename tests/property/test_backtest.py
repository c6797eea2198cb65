"""A backtest changes nothing, and what it says would happen is what happens."""

from array import array
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.policy.number_list import ListKind, NumberList, judge_lists, parse_entry
from callgate.policy.rules.document import read_rules
from callgate.protocol import WireRequest, sinch
from callgate.protocol.call import CallArrived
from callgate.service.authorize import Authorize
from callgate.service.backtest import BacktestReport, Trial, backtest

if TYPE_CHECKING:
    from tests.conftest import House

NewHouse = Callable[..., AbstractContextManager["House"]]

DIALLED = ("+46701740605", "+4930123456", "+447911123456", "+33123456789", "+46123")

conditions = st.sampled_from(
    [
        "true", "country == 'SE'", "country == 'DE' && available < 3", "rate_per_minute > 0.025", "available < 1.0",
        "destination.startsWith('+4670')", "hour >= 12", "user == 'alice'", "int(custom) > 5", "!is_priced",
    ]
)  # fmt: skip
effects = st.sampled_from(
    [
        "effect = 'refuse'", "effect = 'refuse'\ntext = 'No.'", "effect = 'cap'\nseconds = 61",
        "effect = 'cap'\nseconds = 7", "effect = 'connect'\nto = '+4930123456'",
        "effect = 'connect'\nto = '+46701740606'",
    ]
)  # fmt: skip
rules = st.builds(
    lambda parts: "".join(
        f'[[rule]]\nname = "r{number}"\ncondition = "{condition}"\n{effect}\nmode = "{mode}"\n'
        for number, (condition, effect, mode) in enumerate(parts)
    ),
    st.lists(st.tuples(conditions, effects, st.sampled_from(["binding", "shadow"])), max_size=4),
)
calls = st.lists(
    st.tuples(st.sampled_from(DIALLED), st.sampled_from(["alice", "bob", "nobody"]), st.integers(0, 200)), max_size=6
)


def ice(number: int, to: str, user: str) -> bytes:
    """A question as the platform asks it."""
    body = {
        "event": "ice", "callid": f"c{number}", "timestamp": "2026-11-23T12:00:00Z", "version": 1,
        "user": user, "cli": "", "to": {"type": "number", "endpoint": to}, "domain": "pstn",
        "applicationKey": "app", "originationType": "MXP",
    }  # fmt: skip
    return msgspec.json.encode(body)


def place(house: "House", number: int, to: str, user: str, talked_s: int) -> None:
    """A whole call: asked, and where it is let through, ended."""
    body = ice(number, to, user)
    call = sinch.understand(WireRequest(method="POST", path="", headers={}, body=body))
    assert isinstance(call, CallArrived)
    job = house.job(call)
    assert isinstance(job, Authorize)
    answer = house.perform(
        Authorize(**{**{name: getattr(job, name) for name in job.__dataclass_fields__}, "body": body})
    )
    house.tick(1)
    if house.granted_s(answer.answer):
        seconds = min(talked_s, house.granted_s(answer.answer))
        house.hear(house.ended(f"c{number}", seconds or None, user=user, to=to))


def try_rules(house: "House", document: str, **words: Any) -> BacktestReport:
    return try_on(house, Trial(rules=read_rules(document, "rules.toml")), **words)


def try_on(house: "House", trial: Trial, **words: Any) -> BacktestReport:
    async def rest() -> None:
        pass

    catalog = words.pop("catalog", house.catalog())
    if house.rules is not None:
        catalog = msgspec.structs.replace(catalog, rules={"app": house.rules})
    since, until = house.now - timedelta(days=7), house.now
    return house.run(backtest(house.store, catalog, "app", trial, since=since, until=until, rest=rest, **words))


def dump(house: "House") -> list[list[Any]]:
    """Every row of every table."""
    tables = [row[0] for row in house.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return [house.rows(f"SELECT * FROM {table}") for table in tables]  # noqa: S608


def open_accounts(house: "House") -> None:
    house.open("alice", "5")
    house.open("bob", "0.03")


@settings(deadline=None, max_examples=40)
@given(before=rules, placed=calls, tried=rules)
def test_a_backtest_changes_nothing(new_house: NewHouse, before: str, placed: Any, tried: str) -> None:
    """Not a row of any table, whatever the rules are and whatever had happened; and no job is performed."""
    with new_house() as house:
        open_accounts(house)
        house.apply_rules(before)
        for number, (to, user, talked_s) in enumerate(placed):
            place(house, number, to, user, talked_s)
        was, perform = dump(house), house.store.perform
        house.store.perform = None  # type: ignore[assignment, method-assign]
        report = try_rules(house, tried)
        house.store.perform = perform  # type: ignore[method-assign]
        assert dump(house) == was
        assert report.calls == report.judged == len(placed)


@settings(deadline=None, max_examples=40)
@given(placed=calls, document=rules)
def test_the_rules_in_force_change_nothing(new_house: NewHouse, placed: Any, document: str) -> None:
    """Calls that were decided by binding rules are decided the same when they are judged by them again."""
    with new_house() as house:
        open_accounts(house)
        house.apply_rules(document.replace('"shadow"', '"binding"'))
        for number, (to, user, talked_s) in enumerate(placed):
            place(house, number, to, user, talked_s)
        assert try_rules(house, document).changes == []


@settings(deadline=None, max_examples=40)
@given(placed=calls, document=rules)
def test_what_a_backtest_says_is_what_happens(new_house: NewHouse, placed: Any, document: str) -> None:
    """Each first call of an account, judged by rules that were not there, is decided as they decide it once they are."""
    first = {user: (to, talked_s) for to, user, talked_s in reversed(placed)}
    with new_house() as house, new_house() as other:
        for each in (house, other):
            open_accounts(each)
        other.apply_rules(document.replace('"shadow"', '"binding"'))
        for number, (user, (to, talked_s)) in enumerate(first.items()):
            place(house, number, to, user, talked_s)
            place(other, number, to, user, talked_s)
        report = try_rules(house, document)
        changes = {change.call_id: change for change in report.changes}
        for number in range(len(first)):
            was, really = house.call(f"c{number}"), other.call(f"c{number}")
            told = changes.get(f"c{number}")
            expected = (was.refusal, was.granted_s, was.destination)
            if told is not None:
                expected = (told.after.refusal, told.after.granted_s, told.after.destination)  # type: ignore[assignment]
            assert expected == (really.refusal, really.granted_s, really.destination)


entries = st.lists(
    st.sampled_from(["+46701740605", "+4670*", "+46*", "+49*", "+4930123456", "+33*", "+1*"]), max_size=3
).map(lambda texts: array("q", sorted({parse_entry(text) for text in texts if parse_entry(text) is not None})))  # type: ignore[type-var]
number_lists = st.builds(
    lambda name, kind, content: NumberList(name=name, kind=kind, account=None, entries=content),
    st.sampled_from(["one", "two"]), st.sampled_from(ListKind), entries,
)  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(
    placed=calls,
    in_force=number_lists,
    tried=st.lists(number_lists, min_size=1, max_size=2, unique_by=lambda x: x.name),
)
def test_lists_are_tried_as_if_they_were_in_force(
    new_house: NewHouse, placed: Any, in_force: NumberList, tried: list[NumberList]
) -> None:
    """One list takes the place of that of its name, and calls are decided as `judge_lists` has it; those that were refused
    before lists are asked stay so, and lists that are in force change nothing when they are tried.
    """
    with new_house() as house:
        open_accounts(house)
        for number, (to, user, talked_s) in enumerate(placed):
            place(house, number, to, user, talked_s)
        catalog = msgspec.structs.replace(house.catalog(), lists={"app": [in_force]})
        report = try_on(house, Trial(lists=tried), catalog=catalog)
        changes = {change.call_id: change.after.refusal for change in report.changes}
        met = [each for each in (in_force,) if each.name not in {other.name for other in tried}] + tried
        for number, (to, user, _) in enumerate(placed):
            was = house.call(f"c{number}").refusal
            is_asked = user != "nobody" and to != "+46123"
            refusal, _ = judge_lists(to, met) if is_asked else (None, None)
            assert changes.get(f"c{number}", was) == (refusal or was)
        again = try_on(house, Trial(lists=[in_force]), catalog=catalog)
        assert again.already == again.changed
