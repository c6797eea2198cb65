"""Passwords: what is kept tells nothing, and who does not exist takes as long to refuse as who does."""

import time

import pytest

from callgate.errors import Invalid
from callgate.passwords import check_password, hash_password, is_password


def test_a_password_is_itself_and_no_other() -> None:
    """What is kept differs each time, and holds nothing of it."""
    kept = hash_password("correct horse")
    assert is_password(kept, "correct horse")
    assert not is_password(kept, "correct horse ")
    assert not is_password(kept, "")
    assert kept != hash_password("correct horse") and "horse" not in kept and kept.startswith("$argon2id$")


def test_nobody_has_no_password() -> None:
    """Not even the one that takes the time; and what is kept may be damaged."""
    assert not is_password(None, "of nobody")
    assert not is_password("", "x") and not is_password("$argon2id$v=19$rubbish", "x")


def test_time_does_not_tell_who_exists() -> None:
    """Both ways hash once: neither may take half of the other's time."""
    kept = hash_password("correct horse")

    def fastest(known: str | None) -> float:
        times = []
        for _ in range(5):
            began = time.process_time()
            assert not is_password(known, "wrong")
            times.append(time.process_time() - began)
        return min(times)

    assert 0.5 < fastest(kept) / fastest(None) < 2


@pytest.mark.parametrize("clear", ["", "short", "x" * 257, "line\nbreaks", "nul\0nul\0nul"])
def test_a_password_that_cannot_be_set_is_not_shown(clear: str) -> None:
    """The error says what would do, and not what was found."""
    with pytest.raises(Invalid) as caught:
        check_password(clear)
    assert len(clear) < 3 or clear not in str(caught.value)
