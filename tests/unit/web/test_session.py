"""The signed cookie and the brake on wrong tokens."""

from datetime import UTC, datetime, timedelta

import pytest

from callgate.web.session import FAILURES_ALLOWED, FAILURES_WINDOW, SESSION_LASTS, Brake, SessionSigner

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SIGNER = SessionSigner(b"the operator's key")
A_SECOND = timedelta(seconds=1)


def test_a_cookie_names_its_token_until_it_expires() -> None:
    """To the second."""
    cookie = SIGNER.issue("d1", NOW)
    assert SIGNER.read(cookie, NOW + SESSION_LASTS - A_SECOND) == "d1"
    assert SIGNER.read(cookie, NOW + SESSION_LASTS) is None


def test_a_changed_cookie_is_nobodys() -> None:
    """Whichever character was changed."""
    cookie = SIGNER.issue("d1", NOW)
    for index, was in enumerate(cookie):
        other = "0" if was != "0" else "1"
        assert SIGNER.read(cookie[:index] + other + cookie[index + 1 :], NOW) is None


@pytest.mark.parametrize(
    "value", ["", ".", "..", "d1", "d1.9999999999", "d1.9999999999.", "\u00e9.1.\u00e9", "a" * 5_000]
)
def test_what_was_never_signed_is_nobodys(value: str) -> None:
    """Whatever a browser sends, nothing is raised."""
    assert SIGNER.read(value, NOW) is None


def test_another_key_signs_other_cookies() -> None:
    """Cookies do not outlive a change of the operator's key."""
    assert SessionSigner(b"another key").read(SIGNER.issue("d1", NOW), NOW) is None


def test_the_brake_holds_after_the_last_allowed_failure() -> None:
    """And lets go when the first of them is a minute old."""
    brake = Brake()
    for _ in range(FAILURES_ALLOWED):
        assert brake.wait_s(NOW) == 0
        brake.note_failure(NOW)
    assert brake.wait_s(NOW) == 60
    assert brake.wait_s(NOW + FAILURES_WINDOW - A_SECOND / 2) == 1
    assert brake.wait_s(NOW + FAILURES_WINDOW) == 0
