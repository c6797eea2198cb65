"""Codes of an authenticator app."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from callgate.service.totp import STEP_S, code_at, matching_step, new_secret, uri_of

SECRET = base64.b32encode(b"12345678901234567890").decode()
"""Of the test vectors of RFC 6238, appendix B."""

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
STEP = int(NOW.timestamp()) // STEP_S


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (20_000_000_000, "353130"),
    ],
)
def test_published_codes(at: int, code: str) -> None:
    """The last six digits of the eight that RFC 6238, appendix B, gives."""
    assert code_at(SECRET, at // STEP_S) == code


@pytest.mark.parametrize(("skew", "is_taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_off_by_one_step(skew: int, is_taken: bool) -> None:  # noqa: FBT001 - a table
    """Either way, and no further."""
    assert (matching_step(SECRET, code_at(SECRET, STEP + skew), NOW, after=0) is not None) is is_taken


def test_no_code_works_twice() -> None:
    """Nor an older one after a newer."""
    code = code_at(SECRET, STEP)
    assert matching_step(SECRET, code, NOW, after=STEP - 1) == STEP
    assert matching_step(SECRET, code, NOW, after=STEP) is None
    assert matching_step(SECRET, code_at(SECRET, STEP - 1), NOW, after=STEP) is None


@pytest.mark.parametrize("code", ["", "12345", "abcdef", "\u0661\u0662\u0663\u0664\u0665\u0666", "0" * 1_000])
def test_what_is_no_code(code: str) -> None:
    """Whatever is typed, nothing is raised."""
    assert matching_step(SECRET, code, NOW + timedelta(days=1), after=0) is None


def test_what_the_app_is_told() -> None:
    """The secret, and whose it is."""
    secret = new_secret()
    assert (
        uri_of(secret, "eva@example.com")
        == f"otpauth://totp/Callgate:eva%40example.com?secret={secret}&issuer=Callgate"
    )
