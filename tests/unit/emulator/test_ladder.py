"""A call drawn for people: what was sent, what was answered."""

from decimal import Decimal
from typing import Any

from callgate.emulator.ladder import describe_answer, describe_sent, draw
from callgate.emulator.sinch import Exchange

ICE = {
    "event": "ice",
    "timestamp": "2026-07-01T12:00:00Z",
    "user": "alice",
    "cli": "private",
    "to": {"type": "number", "endpoint": "+46701740605"},
}


def exchange(
    sent: dict[str, Any] = ICE, status: int | None = 200, answer: Any = None, fault: str | None = None
) -> Exchange:
    return Exchange(sent=sent, status=status, answer=answer, ms=1.2, fault=fault)


def test_a_rung_has_the_time_the_event_and_the_answer() -> None:
    """Two lines: above what the platform said, below what came back."""
    answer = {"instructions": [{"name": "say", "text": "Hi"}], "action": {"name": "connectPstn", "maxDuration": 180}}
    above, below = draw(exchange(answer=answer)).plain.splitlines()
    assert above.split() == ["12:00:00", "ICE", "alice", "calls", "number", "+46701740605"]
    assert below.strip() == "200  say (text Hi), then connectPstn (maxDuration 180)  1.2 ms"


def test_an_end_tells_reason_duration_and_debit() -> None:
    """A call that nobody answered has no duration to tell."""
    dice = {
        "event": "dice",
        "reason": "CALLERHANGUP",
        "result": "ANSWERED",
        "duration": 65,
        "debit": {"currencyId": "USD", "amount": Decimal("0.02")},
    }
    assert describe_sent(dice) == "CALLERHANGUP / ANSWERED, 65 s, debit 0.02 USD"
    del dice["duration"]
    assert describe_sent(dice) == "CALLERHANGUP / ANSWERED, debit 0.02 USD"


def test_a_shown_number_is_told_beside_the_user() -> None:
    """So that one sees which of the two the gate went by."""
    assert describe_sent({**ICE, "cli": "+46846500400"}) == "alice showing +46846500400 calls number +46701740605"


def test_answers_that_are_no_svaml_are_shown_as_they_are() -> None:
    """Nothing is hidden, and markup in them styles nothing."""
    assert describe_answer(exchange(answer={})) == "{}"
    assert describe_answer(exchange(answer=None)) == "an empty body"
    assert describe_answer(exchange(answer=["[red]"])) == "['[red]']"
    assert describe_answer(exchange(answer={"action": "hangup"})) == "{'action': 'hangup'}"
    assert describe_answer(exchange(status=None, fault="no answer within 5 s")) == "no answer within 5 s"
    assert "[red]x" in draw(exchange(answer={"action": {"name": "[red]x"}})).plain
