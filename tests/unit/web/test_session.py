"""The brakes on wrong tries, and what a cookie is to the server."""

from datetime import UTC, datetime, timedelta

from callgate.service.operator import SESSION_LASTS, new_session, session_digest
from callgate.service.operator_rows import SessionKind
from callgate.web.session import FAILURES_ALLOWED, FAILURES_WINDOW, MAX_NAMES, Brake, Brakes

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
A_SECOND = timedelta(seconds=1)


def test_a_cookie_is_found_by_its_hash_alone() -> None:
    """What is kept does not hold what the browser has; two are never the same."""
    (first, clear), (second, _) = (new_session(SessionKind.OPERATOR, "eva", NOW) for _ in range(2))
    assert first.digest == session_digest(clear) != second.digest
    assert clear not in repr(first)
    assert first.expires_at == NOW + SESSION_LASTS
    assert session_digest("\udcff" * 5_000)  # whatever a browser sends, nothing is raised


def test_the_brake_holds_after_the_last_allowed_failure() -> None:
    """And lets go when the first of them is a minute old."""
    brake = Brake()
    for _ in range(FAILURES_ALLOWED):
        assert brake.wait_s(NOW) == 0
        brake.note_failure(NOW)
    assert brake.wait_s(NOW) == 60
    assert brake.wait_s(NOW + FAILURES_WINDOW - A_SECOND / 2) == 1
    assert brake.wait_s(NOW + FAILURES_WINDOW) == 0


def test_each_name_has_a_brake() -> None:
    """Who guesses at one keeps nobody else out, and cannot fill the memory with names."""
    brakes = Brakes()
    for _ in range(FAILURES_ALLOWED):
        brakes.of("eva").note_failure(NOW)
    assert (brakes.of("eva").wait_s(NOW), brakes.of("adam").wait_s(NOW)) == (60, 0)
    brakes.forgive("eva")
    assert brakes.of("eva").wait_s(NOW) == 0
    kept = brakes.of("first")
    for number in range(MAX_NAMES):
        brakes.of(str(number))
    assert brakes.of("first") is not kept
