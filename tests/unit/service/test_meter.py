"""What the server counts of itself, in memory that processes may share."""

from callgate.policy.refusal import Refusal
from callgate.protocol.call import CallAnswered, CallArrived
from callgate.service.meter import BUCKETS_US, STRIPE_BYTES, Meter, cumulated


def test_a_decision_is_counted_once() -> None:
    """By its name, and in the bucket of how long it took; an end of a bucket belongs to it."""
    meter = Meter()
    meter.decided("connect", BUCKETS_US[0] / 1_000_000)
    meter.decided(Refusal.NO_RATE, 0.0000001)
    meter.decided(Refusal.NO_RATE, 5.0)
    found = meter.read()
    assert (found.connects, found.refusals["no_rate"], sum(found.refusals.values())) == (1, 2, 2)
    assert (found.buckets[0], found.buckets[-1], sum(found.buckets)) == (2, 1, 3)
    assert list(cumulated(found.buckets))[-1] == 3
    assert found.total_us == 5_000_500


def test_strangers_make_no_labels() -> None:
    """Whatever comes is counted under a name of ours."""
    meter = Meter()
    for kind in (CallArrived, CallAnswered, CallAnswered, int):
        meter.heard(kind)
    meter.rejected(401)
    meter.rejected(418)
    found = meter.read()
    assert found.callbacks == {"arrived": 1, "answered": 2, "input": 0, "ended": 0, "other": 1}
    assert found.rejected == {400: 0, 401: 1, 404: 0, 405: 0, 408: 0, 413: 0, 503: 0}


def test_processes_add_up() -> None:
    """Each counts in its own stripe, and sees all of them."""
    memory = memoryview(bytearray(3 * STRIPE_BYTES))
    meters = [Meter(memory, place) for place in range(3)]
    for place, meter in enumerate(meters):
        for _ in range(place + 1):
            meter.decided("connect", 0.001)
    assert [meter.read().connects for meter in meters] == [6, 6, 6]
    assert Meter(memory, 2).read().connects == 6  # who takes the place of one that died goes on
