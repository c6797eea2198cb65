"""What is asked about a call in neutral words, and how answers are read: what is not clear moves no money."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from callgate.errors import Invalid, PlatformFailed, PlatformRefused
from callgate.protocol import PROVIDERS, sinch
from callgate.protocol.call import CallKey, CallOngoing, CallResult, Endpoint, EndpointKind, Price

KEY, SECRET = "669E367E-6BBA-48AB-AF15-266871C28135", "BeIukql3pTKJ8RGL5zo0DA=="
NOW = datetime(2024, 6, 6, 17, 20, 14, tzinfo=UTC)
CALL = CallKey(KEY, "4398599d1ba84ef3bde0a82dfb61abed")
PROVIDER = PROVIDERS["sinch"]
EVENTS = Path(__file__).parents[2] / "callbacks" / "sinch"


def told(said: Any, status: int = 200) -> Any:
    return PROVIDER.read_told(CALL, status, json.dumps(said).encode())


def test_orders_are_signed_requests() -> None:
    """Each to the call's own path, genuine under the application's key."""
    for request, method, suffix in (
        (PROVIDER.ask(CALL, SECRET, NOW), "GET", ""),
        (PROVIDER.hang_up(CALL, SECRET, NOW), "PATCH", ""),
        (PROVIDER.warn(CALL, SECRET, NOW, "One minute left", "en-US"), "PATCH", "/leg/caller"),
    ):
        assert (request.method, request.path) == (method, f"/calling/v1/calls/id/{CALL.call_id}{suffix}")
        sinch.verify(request, {KEY: SECRET}, NOW)
    with pytest.raises(Invalid, match="at most 600"):
        PROVIDER.warn(CALL, SECRET, NOW, "x" * 601, "")


def test_an_end_is_told_as_a_disconnect_would() -> None:
    """With everything that a settlement rests on; which moment the time is, the platform does not say."""
    ended = told(
        {
            "from": {"type": "Username", "endpoint": "alice"}, "to": {"type": "Number", "endpoint": "46701740605"},
            "callId": CALL.call_id, "duration": 65, "status": "FINAL", "result": "ANSWERED", "reason": "TIMEOUT",
            "timestamp": "2024-01-08T09:48:12", "custom": "x", "debit": {"currencyId": "USD", "amount": 0.04},
        }
    )  # fmt: skip
    assert (ended.key, ended.name, ended.result, ended.duration_s) == (CALL, "final", CallResult.ANSWERED, 65)
    assert (ended.reason, ended.is_cut, ended.user, ended.custom) == ("timeout", True, "alice", "x")
    assert ended.destination == Endpoint(EndpointKind.NUMBER, "+46701740605")
    assert ended.debit == Price(Decimal("0.04"), "USD")
    assert ended.occurred_at is None
    assert ended.extra == {"sinch": {"timestamp": "2024-01-08T09:48:12+00:00"}}


@pytest.mark.parametrize(
    ("result", "duration", "expected"),
    [
        ("BUSY", 0, (CallResult.BUSY, None)),
        ("NOANSWER", None, (CallResult.NO_ANSWER, None)),
        ("FAILED", -5, (CallResult.FAILED, None)),
        ("N/A", 10**9, (CallResult.NONE, None)),
        ("CANCEL", 3, (CallResult.OTHER, 3)),
        (None, None, (CallResult.OTHER, None)),
    ],
)
def test_results(result: str | None, duration: int | None, expected: tuple[CallResult, int | None]) -> None:
    """Open words, and no duration that cannot be one."""
    ended = told({"status": "FINAL", "result": result, "duration": duration})
    assert (ended.result, ended.duration_s) == expected
    assert ended.user is None and ended.extra == {}


def test_other_answers() -> None:
    """Still up; not known; and what says neither, which is no answer."""
    assert told({"status": "ongoing", "callId": CALL.call_id}) == CallOngoing()
    assert told({"errorCode": 40400}, 404) is None
    for said in ({}, {"status": "PAUSED"}, {"status": 5}, {"status": "FINAL", "callId": "another"}):
        with pytest.raises(PlatformFailed) as failed:
            told(said)
        assert failed.value.is_retryable


def test_a_404_of_something_else_is_no_answer() -> None:
    """A proxy's, or a wrong path's: only the platform's own number says that a call is not known."""
    for said in ({}, {"errorCode": 40401}, []):
        with pytest.raises(PlatformFailed, match="not the platform") as failed:
            told(said, 404)
        assert failed.value.is_retryable
        with pytest.raises(PlatformFailed, match="not the platform"):
            PROVIDER.read_done(404, json.dumps(said).encode())


def test_orders_are_read() -> None:
    """Done, no such call, refused."""
    assert PROVIDER.read_done(204, b"")
    assert not PROVIDER.read_done(404, b'{"errorCode":40400}')
    with pytest.raises(PlatformRefused):
        PROVIDER.read_done(400, b'{"errorCode":40003}')


def test_the_host_that_is_asked() -> None:
    """The call's own, if it is one of the platform's; else the region's that was set."""
    own = "https://calling-use1.api.sinch.com/calling/v1/calls/id/x"
    assert PROVIDER.base_url("euc1", own) == "https://calling-use1.api.sinch.com"
    assert PROVIDER.base_url("euc1", "https://evil.example.com/x") == "https://calling-euc1.api.sinch.com"
    assert next(iter(PROVIDER.REGIONS)) == "global"


def test_the_module_has_no_other_names() -> None:
    """A slip is told as Python tells it."""
    with pytest.raises(AttributeError, match="no attribute 'rset'"):
        sinch.rset  # type: ignore[attr-defined]  # noqa: B018
