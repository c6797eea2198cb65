"""Why a call was decided as it was, and how one would be that has not happened."""

from typing import TYPE_CHECKING

import msgspec
import pytest

from callgate.errors import Invalid, NotFound
from callgate.protocol.call import CallKey
from callgate.service.elastic import DEFAULT_TERMS
from callgate.service.explain import Explanation, explain_call, explain_what_if

if TYPE_CHECKING:
    from tests.conftest import House

RULE = """[[rule]]
name = "no-germany"
condition = 'country == "DE"'
effect = "refuse"
text = "No."
mode = "binding"
"""


@pytest.fixture
def alice(house: "House") -> "House":
    """She has 0.07, and calls to Germany are refused by a rule."""
    house.open("alice", "0.07")
    house.apply_rules(RULE)
    return house


def explained(house: "House", call: str = "c1") -> Explanation:
    return house.run(explain_call(house.store, CallKey("app", call)))


def what_if(house: "House", caller: str, to: str) -> Explanation:
    catalog = msgspec.structs.replace(house.catalog(), rules={"app": house.rules})
    asked = explain_what_if(house.store, catalog, "app", caller, to, now=house.now, elastic=DEFAULT_TERMS)
    return house.run(asked)


def dump(house: "House") -> list[list[object]]:
    """Every row of every table."""
    tables = [row[0] for row in house.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return [house.rows(f"SELECT * FROM {table}") for table in tables]  # noqa: S608


def test_a_call_that_was_let_through_is_explained(alice: "House") -> None:
    """Its steps, the row that priced it, what was held, and what was answered; the same after it has ended."""
    alice.hear(alice.arrived())
    found = explained(alice)
    assert (found.outcome, found.granted_s, found.held_s, found.hold, found.currency) == (
        "connect", 180, 180, "0.06", "USD"
    )  # fmt: skip
    assert found.rate is not None
    assert (found.rate.prefix, found.rate.rate_per_minute, found.rate.increments) == ("46", "0.02", "60/60")
    assert found.answer["action"]["maxDuration"] == 180
    steps = {step["step"]: step["saw"] for step in found.trace}
    assert steps["rate"]["rate_per_minute"] == "0.02"
    assert steps["grant"] == {"granted_s": 180, "held_s": 180, "hold": "0.06", "currency": "USD"}
    assert steps["answer"]["answer"] == found.answer
    alice.hear(alice.ended(seconds=61))
    assert explained(alice) == found


def test_a_refused_call_is_explained(alice: "House") -> None:
    """By the rule, where one refused it."""
    alice.hear(alice.arrived(to=alice.germany))
    alice.hear(alice.arrived("c2", to=alice.unpriced))
    found = explained(alice)
    assert (found.outcome, found.refusal, found.rule, found.hold, found.rate) == (
        "refuse", "rule", "no-germany", None, None
    )  # fmt: skip
    assert found.reason is not None and found.reason.endswith("Rule: no-germany.")
    assert (explained(alice, "c2").refusal, explained(alice, "c2").rule) == ("no_rate", None)


def test_what_was_never_decided_is_not_explained(alice: "House") -> None:
    """A call that we never heard of, and one of which we only heard the end."""
    alice.hear(alice.ended("c9"))
    for call in ("c1", "c9"):
        with pytest.raises(NotFound):
            explained(alice, call)


@pytest.mark.parametrize(
    ("caller", "to", "refusal"),
    [
        ("user:alice", "+46701740605", None),
        ("user:alice", "0046 70-174 06 05", None),
        ("user:alice", "+4930123456", "rule"),
        ("user:alice", "+33123456789", "no_rate"),
        ("user:alice", "+46123", "destination_invalid"),
        ("user:alice", "112", "destination_invalid"),
        ("user:alice", "sip:bob@example.com", "no_route"),
        ("user:nobody", "+46701740605", "caller_unknown"),
        ("+46700000001", "+46701740605", "caller_unknown"),
    ],
)
def test_a_call_that_has_not_happened_is_judged_as_it_would_be(
    alice: "House", caller: str, to: str, refusal: str | None
) -> None:
    """It is what the call itself then meets, and asking leaves nothing behind."""
    before = dump(alice)
    found = what_if(alice, caller, to)
    assert (found.refusal, found.call_id) == (refusal, None)
    assert dump(alice) == before
    if refusal is None:
        assert (found.granted_s, found.hold) == (180, "0.06")
        alice.hear(alice.arrived())
        assert msgspec.json.decode(alice.call().answer) == found.answer
        assert explained(alice).trace == found.trace


def test_what_if_sees_what_other_calls_hold(alice: "House") -> None:
    """As the next call would."""
    alice.hear(alice.arrived())
    assert what_if(alice, "user:alice", alice.sweden).refusal == "insufficient_credit"


@pytest.mark.parametrize(("caller", "to"), [("alice", "+46701740605"), ("user:", "+46701740605"), ("user:a", "fax:5")])
def test_what_cannot_be_read_is_said(alice: "House", caller: str, to: str) -> None:
    """With what would do."""
    with pytest.raises(Invalid):
        what_if(alice, caller, to)
