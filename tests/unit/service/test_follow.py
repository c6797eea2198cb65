"""Following calls: each is told as it is decided and as it ends, once, from a moment on."""

from typing import TYPE_CHECKING

import pytest

from callgate.service import follow
from callgate.service.follow import Follower

if TYPE_CHECKING:
    from tests.conftest import House


class Tail:
    """A follower that has begun."""

    def __init__(self, house: "House", application: str | None = None) -> None:
        self._house, self._follower = house, Follower(house.store, house.now, application)
        assert self.look() == []

    def look(self) -> list[tuple[str, str, str | None]]:
        """What is new: what happened, to which call, and its refusal."""
        news = self._house.run(self._follower.look())
        return [(each.what, each.call.key.call_id, each.call.refusal) for each in news]


@pytest.fixture
def tail(house: "House") -> Tail:
    house.open("alice", "10")
    return Tail(house)


def test_a_call_is_told_as_it_is_decided_and_as_it_ends(house: "House", tail: Tail) -> None:
    """What comes between is no news."""
    house.hear(house.arrived())
    assert tail.look() == [("decided", "c1", None)]
    house.hear(house.answered())
    assert tail.look() == []
    house.hear(house.ended(seconds=30))
    assert tail.look() == [("ended", "c1", None)]
    assert tail.look() == []


def test_a_repeat_is_no_news(house: "House", tail: Tail) -> None:
    """Neither of a decision nor of an end."""
    house.hear(house.arrived())
    house.hear(house.ended(seconds=30))
    assert tail.look() == [("decided", "c1", None), ("ended", "c1", None)]
    house.hear(house.arrived())
    house.hear(house.ended(seconds=30))
    assert tail.look() == []


def test_a_refusal_is_told(house: "House", tail: Tail) -> None:
    """With its reason."""
    house.hear(house.arrived(user="nobody"))
    assert tail.look() == [("decided", "c1", "caller_unknown")]


def test_what_was_before_is_not_told(house: "House", tail: Tail) -> None:
    """Only the end of a call that was decided before somebody began to look."""
    house.hear(house.arrived())
    house.hear(house.arrived("c2"))
    late = Tail(house)
    house.hear(house.ended(seconds=30))
    assert late.look() == [("ended", "c1", None)]
    assert [what for what, _, _ in tail.look()] == ["decided", "ended", "decided"]


def test_an_end_without_a_start_is_told_when_it_is_given_up(house: "House", tail: Tail) -> None:
    """No callback tells of that: the follower asks about it at each look."""
    house.hear(house.ended(seconds=30))
    assert tail.look() == []
    house.tick(601)
    assert house.expire() == 1
    assert [(what, call) for what, call, _ in tail.look()] == [("ended", "c1")]
    assert tail.look() == []


def test_one_application_is_followed_alone(house: "House") -> None:
    """Others are passed over."""
    house.open("alice", "10")
    own, other = Tail(house, house.app), Tail(house, "another")
    house.hear(house.arrived())
    assert (own.look(), other.look()) == ([("decided", "c1", None)], [])


def test_calls_are_forgotten_beyond_a_bound(house: "House", tail: Tail, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were heard of longest ago: a repeat tells them again."""
    monkeypatch.setattr(follow, "MEMORY", 1)
    for call in ("c1", "c2"):
        house.hear(house.arrived(call))
        tail.look()
    house.hear(house.arrived("c2"))
    assert tail.look() == []
    house.hear(house.arrived("c1"))
    assert tail.look() == [("decided", "c1", None)]
