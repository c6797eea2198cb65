"""Nobody but us ends a call into a conference: our timer puts the participant out when the grant is over."""

from typing import TYPE_CHECKING

import pytest

from callgate.errors import PlatformFailed
from callgate.protocol.call import EndpointKind
from callgate.service.elastic import LONGEST_PARTING_S

if TYPE_CHECKING:
    from tests.conftest import House


@pytest.fixture
def lounge(house: "House") -> "House":
    """Alice, who can pay for two and a half minutes in a conference, is in one."""
    house.open("alice", "0.05")
    house.set_application("conference=0.02")
    house.hear(house.arrived(to="lounge", kind=EndpointKind.CONFERENCE))
    house.hear(house.answered())
    return house


def test_a_participant_is_put_out_at_the_end_of_the_grant(lounge: "House") -> None:
    """Once, and never after it; what the end then says is what is charged."""
    granted_s = lounge.call().granted_s
    assert granted_s == 150
    talked_s, done = 1, list[tuple[str, str]]()
    while ("put out of lounge", "c1@c1") not in done:
        lounge.tick(1)
        talked_s, done = talked_s + 1, lounge.extend()
    assert granted_s - LONGEST_PARTING_S <= talked_s <= granted_s  # some seconds early: the platform takes its time
    assert lounge.extend() == []
    lounge.hear(lounge.ended(seconds=talked_s, to="lounge", kind=EndpointKind.CONFERENCE))
    assert 46_000 <= sum(micros for *_, micros in lounge.moved()) <= 50_000
    assert (lounge.wallet().held_micros, lounge.faults()) == (0, ())


def test_the_timer_goes_on_after_a_failure_and_stops_with_the_call(lounge: "House") -> None:
    """The platform that fails is asked again; a call that has ended is left alone."""
    lounge.tick(200)
    failing = lounge.exchange(PlatformFailed("down", is_retryable=True))
    assert lounge.extend(failing) == [("put out of lounge", "c1@c1")]
    lounge.tick(60)
    assert lounge.extend() == [("put out of lounge", "c1@c1")]
    lounge.hear(lounge.ended(seconds=100, to="lounge", kind=EndpointKind.CONFERENCE))
    lounge.tick(200)
    assert lounge.extend() == []


def test_a_conference_that_costs_nothing_ends_at_the_longest_grant(house: "House") -> None:
    """It holds no money, but is not open for ever."""
    house.open("alice", "0", max_seconds=600)
    house.set_application("conference=free")
    house.hear(house.arrived(to="lounge", kind=EndpointKind.CONFERENCE))
    house.hear(house.answered())
    house.tick(601)
    assert house.extend() == [("put out of lounge", "c1@c1")]
