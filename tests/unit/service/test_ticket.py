"""Call tickets: what one says, that nobody else can write one, where it is found, and that it is hidden."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.service.ticket import LIVES, Ticket, find_ticket, hide_tickets, issue_ticket, read_ticket

KEY, NOW = b"k" * 32, datetime(2026, 11, 23, 12, tzinfo=UTC)
TICKET = Ticket("app", "alice", "0123456789abcdef", int((NOW + LIVES).timestamp()), "+46701740605")
TEXT = issue_ticket(KEY, TICKET)


def test_a_ticket_is_read_as_it_was_written() -> None:
    """For as long as it lives, in its own application."""
    assert read_ticket(KEY, TEXT, "app", NOW).ticket == TICKET
    assert read_ticket(KEY, TEXT, "app", NOW + LIVES - timedelta(milliseconds=1)).ticket == TICKET
    assert read_ticket(KEY, TEXT, "app", NOW + LIVES).fault == "expired"
    assert read_ticket(KEY, TEXT, "other", NOW).fault == "of another application"
    assert read_ticket(b"another key", TEXT, "app", NOW).fault == "not ours"


@pytest.mark.parametrize(
    "text", ["", "cgt1_", "cgt1_.", "cgt1_e30.e30", "ä" * 20, "x" * 100_000, TEXT + "x", TEXT[5:] + " "]
)
def test_what_is_no_ticket_is_not_ours(text: str) -> None:
    """However it is written."""
    presented = read_ticket(KEY, text, "app", NOW)
    assert (presented.ticket, presented.fault) == (None, "not ours")


@given(st.integers(5, len(TEXT) - 1), st.sampled_from("ABCabc019-_."))
def test_no_letter_of_a_ticket_can_be_changed(place: int, letter: str) -> None:
    """The signature covers all of it; nothing is guessed from a part of it."""
    changed = TEXT[:place] + letter + TEXT[place + 1 :]
    presented = read_ticket(KEY, changed, "app", NOW)
    assert (presented.ticket == TICKET) == (changed == TEXT)


def test_a_ticket_is_found_where_apps_can_put_it() -> None:
    """In its call header, in any case; in `custom`, alone or as old kits write headers there."""
    assert find_ticket({"Callgate-Ticket": f" {TEXT} "}, "") == TEXT
    assert find_ticket({"callgate-ticket": "rubbish"}, TEXT) == "rubbish"
    assert find_ticket({}, TEXT) == TEXT
    assert find_ticket({}, f'{{"callgate-ticket":"{TEXT}","more":1}}') == TEXT
    assert find_ticket({"x-else": TEXT}, "something of the app's own") == ""


def test_tickets_are_hidden_in_what_is_stored() -> None:
    """Everything around them stays, byte for byte."""
    body = f'{{"callHeaders":[{{"key":"callgate-ticket","value":"{TEXT}"}}],"custom":"{TEXT}","to":1}}'.encode()
    assert (
        hide_tickets(body)
        == b'{"callHeaders":[{"key":"callgate-ticket","value":"cgt1_***"}],"custom":"cgt1_***","to":1}'
    )
    other = b'{"event":"ice"}'
    assert hide_tickets(other) is other
