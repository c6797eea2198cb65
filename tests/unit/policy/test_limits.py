"""Limits: how they are set in words, and how those of application and account go together."""

import pytest

from callgate.errors import Invalid
from callgate.policy.limits import UNLIMITED, Limits, bounds_of, change_limits


@pytest.mark.parametrize(
    ("application", "account", "longest"),
    [
        (None, None, 14_400),
        (60, None, 60),
        (None, 60, 60),
        (60, 90, 60),
        (90, 60, 60),
        (14_400, 14_400, 14_400),
        (1, 2, 1),
    ],
)
def test_limits_of_both_must_hold(application: int | None, account: int | None, longest: int) -> None:
    """The smaller one counts, and never more than the platform's four hours."""
    both = (Limits(max_seconds=application), Limits(max_seconds=account))
    assert bounds_of(*both, "USD", is_verified=False).max_seconds == longest


@pytest.mark.parametrize(
    ("words", "max_seconds"),
    [
        ([], 90),
        (["max_seconds=1"], 1),
        (["max_seconds=14400"], 14_400),
        (["max_seconds=060"], 60),
        (["max_seconds=none"], None),
        (["max_seconds=5", "max_seconds=7"], 7),
    ],
)
def test_words_set_and_lift(words: list[str], max_seconds: int | None) -> None:
    """`none` lifts one, `open` all, `defaults` puts all back; the last word of a name counts."""
    assert change_limits(Limits(max_seconds=90), words) == Limits(max_seconds=max_seconds)
    assert change_limits(Limits(max_seconds=90), ["open"]) == UNLIMITED
    assert change_limits(Limits(max_seconds=90), ["defaults"]) == Limits()


@pytest.mark.parametrize(
    "word",
    [
        "max_seconds=0",
        "max_seconds=14401",
        "max_seconds=-1",
        "max_seconds=1.5",
        "max_seconds=",
        "max_seconds= 5",
        "max_seconds=\u0665",
        "max_seconds=\u00b2",
        "max_seconds=" + "0" * 9 + "5",
        "max_seconds=" + "9" * 5_000,
        "max_seconds=None",
        "max_seconds",
        "MAX_SECONDS=5",
        "no_such=5",
        "=5",
        "open=1",
        "",
    ],
)
def test_a_word_that_cannot_be_used_is_named(word: str) -> None:
    """With what was found and what would do; nothing is changed by the words before it."""
    with pytest.raises(Invalid) as refused:
        change_limits(Limits(), ["max_seconds=5", word])
    assert word.partition("=")[2][:20] in str(refused.value) or word in str(refused.value)
    assert "max_seconds" in str(refused.value)


def test_open_is_a_word_of_its_own() -> None:
    """Beside others it could mean two things."""
    with pytest.raises(Invalid):
        change_limits(Limits(), ["open", "max_seconds=5"])
