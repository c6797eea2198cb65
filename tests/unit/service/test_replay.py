"""A recorded call is judged again by what is in force, and nothing of it is written."""

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from callgate.errors import NotFound
from callgate.protocol import WireRequest, sinch
from callgate.protocol.call import CallArrived, CallKey
from callgate.service.authorize import Authorize
from callgate.service.elastic import DEFAULT_TERMS
from callgate.service.replay import Replay, replay_call

if TYPE_CHECKING:
    from tests.conftest import House

NO_SWEDEN = """[[rule]]
name = "no-sweden"
condition = 'country == "SE"'
effect = "refuse"
mode = "binding"
"""


@pytest.fixture
def alice(house: "House") -> "House":
    """She has 0.07: three minutes to Sweden."""
    house.open("alice", "0.07")
    return house


def ask(house: "House", call_id: str = "c1", to: str = "+46701740605", user: str = "alice") -> None:
    """A call arrives as the platform says it, its question is kept."""
    body = msgspec.json.encode(
        {
            "event": "ice", "callid": call_id, "timestamp": "2026-11-23T12:00:00Z", "version": 1, "user": user, "cli": "",
            "to": {"type": "number", "endpoint": to}, "domain": "pstn", "applicationKey": "app", "originationType": "MXP",
        }
    )  # fmt: skip
    call = sinch.understand(WireRequest(method="POST", path="", headers={}, body=body))
    assert isinstance(call, CallArrived)
    job = house.job(call)
    assert isinstance(job, Authorize)
    house.perform(Authorize(**{**{name: getattr(job, name) for name in job.__dataclass_fields__}, "body": body}))


def replay(house: "House", call_id: str = "c1") -> Replay:
    catalog = house.catalog()
    if house.rules is not None:
        catalog = msgspec.structs.replace(catalog, rules={"app": house.rules})
    return house.run(replay_call(house.store, catalog, CallKey("app", call_id), now=house.now, elastic=DEFAULT_TERMS))


def dump(house: "House") -> list[list[Any]]:
    """Every row of every table."""
    tables = [row[0] for row in house.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return [house.rows(f"SELECT * FROM {table}") for table in tables]  # noqa: S608


def test_by_the_same_rules_and_with_the_same_money_it_is_the_same(alice: "House") -> None:
    """As of then it held what it held; now it would too, once the call is over and nothing was charged."""
    ask(alice)
    alice.hear(alice.ended(seconds=None))
    before = dump(alice)
    found = replay(alice)
    assert dump(alice) == before
    assert found.recorded == found.then == found.now
    assert (found.recorded.outcome, found.recorded.granted_s, found.recorded.hold) == ("connect", 180, "0.06")
    assert (found.first_then, found.first_now) == (None, None)
    assert not any(step.differs for step in found.steps)


def test_a_new_rule_is_the_step_that_differs(alice: "House") -> None:
    """Both as of then and now; every step of what was recorded is there, in its order."""
    ask(alice)
    alice.apply_rules(NO_SWEDEN)
    found = replay(alice)
    assert found.then is not None
    assert (found.recorded.refusal, found.then.refusal, found.then.rule, found.now.rule) == (
        None, "rule", "no-sweden", "no-sweden"
    )  # fmt: skip
    assert found.then.reason is not None and found.then.reason.endswith("Rule: no-sweden.")
    assert (found.first_then, found.first_now) == ("rules", "rules")
    assert [step.step for step in found.steps if step.differs] == ["rules"]
    names = [step.step for step in found.steps]
    assert names.index("destination") < names.index("rules") < names.index("rate") < names.index("credit")


def test_a_rule_that_is_gone_differs_too(alice: "House") -> None:
    """What refused the call then is not asked any more."""
    alice.apply_rules(NO_SWEDEN)
    ask(alice)
    alice.apply_rules("")
    found = replay(alice)
    assert found.then is not None
    assert (found.recorded.rule, found.then.outcome, found.now.outcome) == ("no-sweden", "connect", "connect")
    assert (found.first_then, found.first_now) == ("rules", "rules")


def test_as_of_then_it_has_the_money_of_then(alice: "House") -> None:
    """While the call is up it holds nearly all that there is: the same call could not be made now, yet could then."""
    ask(alice)
    found = replay(alice)
    assert found.then is not None
    assert (found.then.outcome, found.now.refusal) == ("connect", "insufficient_credit")
    assert (found.first_then, found.first_now) == (None, "credit")


def test_a_call_of_nobody_is_judged_now_alone(alice: "House") -> None:
    """There is no account as of then whose money could be looked at."""
    ask(alice, user="mallory")
    alice.open("mallory", "1")
    found = replay(alice)
    assert (found.recorded.refusal, found.then) == ("caller_unknown", None)
    assert (found.now.outcome, found.first_now) == ("connect", "caller")


def test_what_has_no_question_on_record_cannot_be_asked_again(alice: "House") -> None:
    """An end without a start, and a call that nobody heard of."""
    alice.hear(alice.ended("c9"))
    for call_id in ("c9", "c1"):
        with pytest.raises(NotFound):
            replay(alice, call_id)
