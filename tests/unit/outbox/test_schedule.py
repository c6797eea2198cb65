"""When a delivery is tried again, and when it is given up."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.outbox.schedule import (
    DELAYS,
    MAX_RETRY_AFTER,
    Answer,
    Fate,
    conclude,
    delay_after,
    read_retry_after,
    read_status,
)
from callgate.service.delivery import Delivery, DeliveryState, Lane
from callgate.service.endpoint import RecordType

NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)
NO_WAIT = timedelta(0)


def attempted(times: int) -> Delivery:
    """A delivery that has been sent that many times."""
    return Delivery(
        id="msg_1",
        lane=Lane("ep_1", "app", "alice"),
        type=RecordType.CALL_ENDED,
        sequence=1,
        body=b"{}",
        occurred_at=NOW,
        due_at=NOW + timedelta(seconds=30),
        state=DeliveryState.NEXT,
        attempt_count=times,
        attempted_at=NOW,
    )


def test_waits_are_those_that_receivers_are_told() -> None:
    """5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h: the longest outage that loses nothing is three days."""
    waits = [delay_after(attempt, 0).total_seconds() for attempt in range(1, len(DELAYS) + 1)]
    assert waits == [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]


@given(attempt=st.integers(1, len(DELAYS)), jitter=st.floats(0, 1, exclude_max=True))
def test_jitter_only_lengthens_a_wait_and_by_a_tenth_at_most(attempt: int, jitter: float) -> None:
    """Nobody is asked sooner than the schedule says."""
    assert delay_after(attempt, 0) <= delay_after(attempt, jitter) <= delay_after(attempt, 0) * 1.1


@given(attempt=st.integers(1, len(DELAYS)), asked=st.integers(0, 86_400), jitter=st.floats(0, 1, exclude_max=True))
def test_the_longer_of_both_waits_holds(attempt: int, asked: int, jitter: float) -> None:
    """A receiver may ask for a longer wait than ours, not for a shorter one."""
    answer = Answer(Fate.RETRY, "answered 503", timedelta(seconds=asked))
    again = conclude(attempted(attempt), answer, NOW, jitter)
    assert again.state is DeliveryState.NEXT
    assert again.due_at - NOW == max(delay_after(attempt, jitter), timedelta(seconds=asked))


def test_the_tenth_failure_parks() -> None:
    """After the last wait comes one more attempt; then it is given up, and says why."""
    answer = Answer(Fate.RETRY, "answered 503")
    assert conclude(attempted(9), answer, NOW, 0).state is DeliveryState.NEXT
    parked = conclude(attempted(10), answer, NOW, 0)
    assert (parked.state, parked.why) == (DeliveryState.PARKED, "answered 503")


def test_attempts_lost_to_crashes_count() -> None:
    """A worker that died with the tenth attempt in its hands does not make room for twenty more."""
    assert conclude(attempted(11), Answer(Fate.RETRY, "no answer"), NOW, 0).state is DeliveryState.PARKED


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        (200, Fate.DELIVERED),
        (204, Fate.DELIVERED),
        (299, Fate.DELIVERED),
        (199, Fate.RETRY),
        (301, Fate.RETRY),
        (307, Fate.RETRY),
        (401, Fate.RETRY),
        (403, Fate.RETRY),
        (404, Fate.RETRY),
        (408, Fate.RETRY),
        (423, Fate.RETRY),
        (425, Fate.RETRY),
        (429, Fate.RETRY),
        (500, Fate.RETRY),
        (503, Fate.RETRY),
        (400, Fate.DEAD),
        (409, Fate.DEAD),
        (413, Fate.DEAD),
        (415, Fate.DEAD),
        (422, Fate.DEAD),
        (410, Fate.GONE),
    ],
)
def test_what_an_answer_means(status: int, fate: Fate) -> None:
    """What speaks of the record parks it, what speaks of the receiver is tried again, 410 ends the endpoint."""
    assert read_status(status, None, NOW).fate is fate


@pytest.mark.parametrize("fate", [Fate.DEAD, Fate.GONE])
def test_what_would_fail_again_is_parked_at_once(fate: Fate) -> None:
    """No attempts are spent on it."""
    assert conclude(attempted(1), Answer(fate, "answered 400"), NOW, 0).state is DeliveryState.PARKED


def test_a_delivered_record_forgets_its_failures() -> None:
    """What went wrong before it arrived is of no interest afterwards."""
    done = conclude(attempted(3), Answer(Fate.DELIVERED), NOW, 0)
    assert (done.state, done.why, done.attempt_count) == (DeliveryState.DELIVERED, "", 3)


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        (None, NO_WAIT),
        ("", NO_WAIT),
        ("soon", NO_WAIT),
        ("-5", NO_WAIT),
        ("1.5", NO_WAIT),
        ("\u0665", NO_WAIT),
        ("120", timedelta(seconds=120)),
        ("Mon, 23 Nov 2026 07:00:30 GMT", timedelta(seconds=30)),
        ("Mon, 23 Nov 2026 07:00:30 -0000", timedelta(seconds=30)),
        ("Mon, 23 Nov 2026 06:00:00 GMT", NO_WAIT),
        ("Mon, 23 Nov 2099 06:00:00 GMT", MAX_RETRY_AFTER),
        ("9" * 400, MAX_RETRY_AFTER),
        ("Mon, 99 Nov 2026 06:00:00 GMT", NO_WAIT),
    ],
)
def test_retry_after_is_read_in_both_forms_and_bounded(text: str | None, wait: timedelta) -> None:
    """Seconds or an HTTP date; what cannot be read asks for nothing."""
    assert read_retry_after(text, NOW) == wait
