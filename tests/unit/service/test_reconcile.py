"""Books and a generator's own account of the same calls: equal to the micro, or told where not."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from callgate.ledger.verify import EndedCall, LedgerRows
from callgate.rating.rate import Rate
from callgate.service.reconcile import FAULTS_KEPT, Agreement, Claim, Claims, compare

RATE = Rate(
    prefix="46", destination="Sweden", rate_nanos_per_min=20_000_000, connect_fee_micros=0, first_increment_s=60,
    increment_s=60, effective_from=datetime(2020, 1, 1, tzinfo=UTC),
)  # fmt: skip
SWEDEN, NOWHERE = "+46701740605", "+33123456789"
PRICES = {("user:alice", SWEDEN): ("USD", RATE), ("user:alice", NOWHERE): None}


def ended(call: int, moved: int, *, application: str = "app", call_id: str | None = None) -> EndedCall:
    return EndedCall(
        application=application, call_id=call_id or f"c{call}", hold_is_open=False, charge_micros=moved, moved_micros=moved,
        record_count=1,
    )  # fmt: skip


def look(claimed: Sequence[Claim | None], *calls: EndedCall) -> Agreement:
    rows = LedgerRows(transfers=[], house=[], wallets=[], open_holds=[], ended_calls=calls, stray_holds=[])

    def index_of(call_id: str) -> int | None:
        return int(call_id[1:]) if call_id.startswith("c") else None

    return compare(rows, Claims("app", len(claimed), index_of, lambda index: claimed[index]), PRICES)


def test_what_talked_costs_what_the_deck_says() -> None:
    """Answered and unanswered calls; calls of others are no business of ours."""
    talks = [Claim("user:alice", SWEDEN, 61), Claim("user:alice", SWEDEN, 0), None]
    agreement = look(
        talks, ended(0, 40_000), ended(1, 0), ended(0, 9, call_id="theirs"), ended(1, 9, application="other")
    )
    assert agreement.is_well
    assert (agreement.claimed, agreement.found, agreement.seconds) == (2, 2, 61)
    assert agreement.claimed_micros == agreement.moved_micros == {"USD": 40_000}


@pytest.mark.parametrize(
    ("claim", "calls", "told"),
    [
        (Claim("user:alice", SWEDEN, 61), [ended(0, 39_999)], "which costs 0.04, but 0.039999 moved"),
        (Claim("user:alice", SWEDEN, 61), [ended(0, 40_000), ended(0, 40_000)], "ended twice"),
        (Claim("user:alice", SWEDEN, 61), [], "not in the books as ended"),
        (None, [ended(0, 1)], "moved 0.000001, though it was never let through"),
        (Claim("user:alice", NOWHERE, 5), [ended(0, 0)], "which has no price"),
    ],
)
def test_a_difference_is_told(claim: Claim | None, calls: list[EndedCall], told: str) -> None:
    """A micro too little, a call too many, one that is missing, one that was refused and yet cost something."""
    agreement = look([claim], *calls)
    assert not agreement.is_well
    assert told in agreement.faults[0]


def test_of_very_many_differences_a_few_are_told() -> None:
    """All are counted."""
    agreement = look([Claim("user:alice", SWEDEN, 1)] * 100)
    assert (agreement.fault_count, len(agreement.faults)) == (100, FAULTS_KEPT)


def test_what_the_ledger_finds_itself_counts_too() -> None:
    """An invariant that does not hold, of whatever call."""
    other = EndedCall(
        application="other", call_id="x", hold_is_open=True, charge_micros=1, moved_micros=1, record_count=1
    )
    agreement = look([], other)
    assert agreement.fault_count == 0
    assert not agreement.is_well
