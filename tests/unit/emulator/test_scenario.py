"""What `callgate call` is told on its command line becomes a scenario, or a clear error."""

import pytest

from callgate.emulator.scenario import (
    Outcome,
    Party,
    PartyKind,
    parse_callee,
    parse_caller,
    parse_outcome,
    parse_talk_s,
)
from callgate.errors import Invalid


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("user:alice", Party(PartyKind.USER, "alice")),
        ("alice", Party(PartyKind.USER, "alice")),
        ("user:4711", Party(PartyKind.USER, "4711")),
        ("+46701740605", Party(PartyKind.NUMBER, "+46701740605")),
        ("46 70-174 06 05", Party(PartyKind.NUMBER, "+46701740605")),
    ],
)
def test_a_caller_is_a_user_or_a_number(text: str, expected: Party) -> None:
    """A bare word is a user, digits are a number, and `user:` makes a user of anything."""
    assert parse_caller(text) == expected


@pytest.mark.parametrize("text", ["", "user:", "user:a b", "sip:a@b", "+46", "4711", "a b"])
def test_a_caller_that_cannot_call_is_refused(text: str) -> None:
    """The error names the option and shows what was found."""
    with pytest.raises(Invalid) as caught:
        parse_caller(text)
    assert caught.value.where == "--from"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+46701740605", Party(PartyKind.NUMBER, "+46701740605")),
        ("0046701740605", Party(PartyKind.NUMBER, "+46701740605")),
        ("number:+46701740605", Party(PartyKind.NUMBER, "+46701740605")),
        ("112", Party(PartyKind.NUMBER, "112")),
        ("+46123", Party(PartyKind.NUMBER, "+46123")),
        ("user:bob", Party(PartyKind.USER, "bob")),
        ("conference:standup", Party(PartyKind.CONFERENCE, "standup")),
        ("sip:alice@example.com", Party(PartyKind.SIP, "alice@example.com")),
        ("did:+46846500400", Party(PartyKind.DID, "+46846500400")),
    ],
)
def test_a_callee_is_anything_that_can_be_dialled(text: str, expected: Party) -> None:
    """Numbers need not exist; the other kinds say their kind."""
    assert parse_callee(text) == expected


@pytest.mark.parametrize(
    "text", ["", "bob", "user:", "conference:", f"conference:{'x' * 65}", "sip:alice", "did:112", "fax:+46701740605"]
)
def test_a_callee_that_cannot_be_dialled_is_refused(text: str) -> None:
    """The error names the option, and says what would do."""
    with pytest.raises(Invalid) as caught:
        parse_callee(text)
    assert caught.value.where == "--to"


@pytest.mark.parametrize(
    ("text", "seconds"), [("65s", 65), ("65", 65), ("2m", 120), ("1m5s", 65), ("1h", 3600), ("1h1m1s", 3661), ("0", 0)]
)
def test_talk_is_read_in_the_ways_people_write_it(text: str, seconds: int) -> None:
    """Hours, minutes and seconds, the seconds' letter optional."""
    assert parse_talk_s(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-5", "1.5m", "65x", "5s1m", "25h", "99999999"])
def test_talk_that_is_no_duration_is_refused(text: str) -> None:
    """Nothing is guessed, and nothing is longer than a day."""
    with pytest.raises(Invalid):
        parse_talk_s(text)


def test_an_unknown_outcome_is_refused_with_all_that_would_do() -> None:
    """The list in the error is the whole list."""
    with pytest.raises(Invalid, match=", ".join(Outcome)):
        parse_outcome("vanished")
