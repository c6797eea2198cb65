"""Which number a caller may show: how the numbers are read, and what becomes of a call that asks for another."""

import pytest

from callgate.errors import Invalid
from callgate.policy.caller_id import Screening, judge_caller_id, may_show, read_caller_ids, read_screening
from callgate.policy.refusal import Refusal

OWN, OTHER = "+46700000001", "+46700000002"


@pytest.mark.parametrize(
    ("screening", "asked", "shown", "refusal"),
    [
        (Screening.HIDE, OWN, OWN, None),
        (Screening.HIDE, OTHER, None, None),
        (Screening.HIDE, None, None, None),
        (Screening.REFUSE, OWN, OWN, None),
        (Screening.REFUSE, OTHER, None, Refusal.CALLER_ID_NOT_ALLOWED),
        (Screening.REFUSE, None, None, None),
        (Screening.REQUIRE, OWN, OWN, None),
        (Screening.REQUIRE, OTHER, None, Refusal.CALLER_ID_NOT_ALLOWED),
        (Screening.REQUIRE, None, None, Refusal.CALLER_ID_NOT_ALLOWED),
    ],
)
def test_what_becomes_of_a_call(
    screening: Screening, asked: str | None, shown: str | None, refusal: Refusal | None
) -> None:
    """A number that may be shown never refuses; one that is withheld only where one is required."""
    assert judge_caller_id(screening, asked, shown) is refusal


def test_each_word_refuses_what_the_one_before_does() -> None:
    """Tightening lets nothing through that was refused."""
    calls = [(OWN, OWN), (OTHER, None), (None, None)]
    refused = [{call for call in calls if judge_caller_id(screening, *call) is not None} for screening in Screening]
    assert refused[0] < refused[1] < refused[2]


def test_numbers_and_prefixes() -> None:
    """They are kept in order, each once; `any` is every number."""
    kept = read_caller_ids("caller_ids", "+46 70-000 00 01, +4687*,+46700000001")
    assert kept == "+46700000001,+4687*"
    told = [may_show(kept, number) for number in (OWN, OTHER, "+46871234567", "+4686123456", "+4687")]
    assert told == [True, False, True, False, True]
    assert may_show(read_caller_ids("caller_ids", "any"), OTHER)
    assert not may_show("", OTHER)


@pytest.mark.parametrize(
    "text", ["46*", "+46x", "any,+46*", "switchboard", ",".join(f"+4670{n:07}" for n in range(201))]
)
def test_what_is_no_number(text: str) -> None:
    """It is refused with what would do."""
    with pytest.raises(Invalid, match="caller_ids"):
        read_caller_ids("caller_ids", text)


def test_words_of_screening() -> None:
    """One of three."""
    assert [read_screening("caller_id", word) for word in ("hide", "refuse", "require")] == list(Screening)
    with pytest.raises(Invalid, match="hide, refuse, require"):
        read_screening("caller_id", "own")
