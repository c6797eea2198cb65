"""Each of the four invariants, broken on its own: the fault is found, named, and found alone."""

import msgspec
import pytest

from callgate.ledger.verify import Balance, EndedCall, LedgerRows, Moved, OpenHolds, verify
from callgate.ledger.wallet import Wallet

WALLET = Wallet(
    application="app", account="alice", currency="USD", posted_micros=30_000, held_micros=20_000, owed_micros=5_000
)
SOUND = LedgerRows(
    transfers=[
        Moved("app", "USD", "topups:USD", "wallet:alice", 70_000),
        Moved("app", "USD", "wallet:alice", "revenue:USD", 40_000),
        Moved("app", "USD", "owed:alice", "revenue:USD", 5_000),
    ],
    house=[Balance("app", "USD", "topups:USD", -70_000), Balance("app", "USD", "revenue:USD", 45_000)],
    wallets=[WALLET],
    open_holds=[OpenHolds("app", "alice", 20_000)],
    ended_calls=[EndedCall("app", "c1", False, 45_000, 45_000, 1)],
    stray_holds=[],
)


def with_wallet(**fields: int) -> LedgerRows:
    return SOUND._replace(wallets=[msgspec.structs.replace(WALLET, **fields)])


def test_a_sound_ledger_has_no_faults() -> None:
    """And the verdict says how much was looked at."""
    assert verify(SOUND) == (3, 1, 1, ())


def test_an_empty_ledger_is_sound() -> None:
    """Nothing adds up to nothing."""
    assert verify(LedgerRows([], [], [], [], [], [])) == (0, 0, 0, ())


def test_a_balance_that_was_changed_breaks_the_sum_and_the_replay() -> None:
    """A micro is enough, on either side."""
    faults = verify(with_wallet(posted_micros=30_001)).faults
    assert faults == (
        "1: all accounts in USD add up to 0.000001, not to 0",
        "4: wallet:alice (app) is stored as 0.030001, its transfers give 0.03",
    )
    house = [Balance("app", "USD", "topups:USD", -70_000), Balance("app", "USD", "revenue:USD", 44_999)]
    assert verify(SOUND._replace(house=house)).faults == (
        "1: all accounts in USD add up to -0.000001, not to 0",
        "4: revenue:USD (app) is stored as 0.044999, its transfers give 0.045",
    )


def test_what_is_owed_counts_too() -> None:
    """It is a ledger account below zero."""
    assert [fault[0] for fault in verify(with_wallet(owed_micros=5_001)).faults] == ["1", "4"]


def test_currencies_do_not_make_up_for_one_another() -> None:
    """Each adds up on its own."""
    house = [*SOUND.house, Balance("app", "EUR", "topups:EUR", -1), Balance("app", "SEK", "topups:SEK", 1)]
    faults = verify(SOUND._replace(house=house)).faults
    assert [fault for fault in faults if fault.startswith("1")] == [
        "1: all accounts in EUR add up to -0.000001, not to 0",
        "1: all accounts in SEK add up to 0.000001, not to 0",
    ]


def test_a_wallet_that_holds_more_than_it_has() -> None:
    """Its credit limit counts as its own."""
    rows = SOUND._replace(open_holds=[OpenHolds("app", "alice", 30_001)])
    held = msgspec.structs.replace(WALLET, held_micros=30_001)
    (fault,) = verify(rows._replace(wallets=[held])).faults
    assert fault == "2: wallet alice holds 0.030001 of 0.03 with a credit limit of 0.00"
    assert verify(rows._replace(wallets=[msgspec.structs.replace(held, credit_limit_micros=1)])).faults == ()


def test_a_wallet_that_holds_less_than_nothing() -> None:
    """However much it has."""
    faults = verify(with_wallet(held_micros=-1)._replace(open_holds=[OpenHolds("app", "alice", -1)])).faults
    assert faults == ("2: wallet alice holds -0.000001 of 0.03 with a credit limit of 0.00",)


@pytest.mark.parametrize("held", [19_999, 20_001])
def test_what_a_wallet_holds_is_the_sum_of_its_open_holds(held: int) -> None:
    """To the micro."""
    (fault,) = verify(with_wallet(held_micros=held)).faults
    assert fault == f"2: wallet alice says 0.0{held:05} held, its open holds add up to 0.02"


def test_open_holds_of_nobody() -> None:
    """An account of the same name in another application is another account."""
    rows = SOUND._replace(open_holds=[*SOUND.open_holds, OpenHolds("other", "alice", 1)])
    assert verify(rows).faults == ("2: 0.000001 are held for alice, which has no wallet",)


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        (EndedCall("app", "c1", True, 5, 5, 1), "but its hold is open"),
        (EndedCall("app", "c1", False, 5, 5, 0), "and has 0 records, not one"),
        (EndedCall("app", "c1", False, 5, 5, 2), "and has 2 records, not one"),
        (EndedCall("app", "c1", False, 5, 4, 1), "and was charged 0.000005, but 0.000004 moved"),
        (EndedCall("app", "c1", False, 0, 4, 1), "and was charged 0.00, but 0.000004 moved"),
    ],
)
def test_an_ended_call_has_one_outcome(call: EndedCall, fault: str) -> None:
    """One end of its hold, one record, and as much moved as was charged."""
    verdict = verify(SOUND._replace(ended_calls=[call]))
    assert [found.replace("(app) ended,", "(app) ended") for found in verdict.faults] == [
        f"3: call c1 (app) ended {fault}"
    ]
    assert verdict.call_count == 1


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        (EndedCall("app", "c1", False, None, 0, 0), None),
        (EndedCall("app", "c1", False, None, 0, 1), "but has 1 records, and 0.00 moved"),
        (EndedCall("app", "c1", False, None, 4, 0), "but has 0 records, and 0.000004 moved"),
    ],
)
def test_a_call_that_was_never_charged(call: EndedCall, fault: str | None) -> None:
    """Neither has a record, nor did anything move for it; those after it are looked at all the same."""
    faults = verify(SOUND._replace(ended_calls=[call, EndedCall("app", "c2", True, 5, 5, 1)])).faults
    assert faults[-1] == "3: call c2 (app) ended, but its hold is open"
    assert [*faults[:-1]] == ([] if fault is None else [f"3: call c1 (app) was never charged, {fault}"])


def test_no_more_is_given_back_than_was_charged() -> None:
    """To the micro."""
    call = EndedCall("app", "c1", False, 5, 5, 1, refunded_micros=5)
    assert verify(SOUND._replace(ended_calls=[call])).faults == ()
    assert verify(SOUND._replace(ended_calls=[call._replace(refunded_micros=6)])).faults == (
        "3: call c1 (app) ended and was refunded 0.000006, more than its charge of 0.000005",
    )


def test_a_correction_gives_back_or_takes_more() -> None:
    """Once, with a record that says so; what remains of the charge is what moved one way less what moved the other."""
    call = EndedCall("app", "c1", False, 3, 5, 1, corrected_micros=2, correction_count=1)
    assert verify(SOUND._replace(ended_calls=[call])).faults == ()
    assert verify(SOUND._replace(ended_calls=[call._replace(correction_count=2)])).faults == (
        "3: call c1 (app) ended and was corrected 2 times, not once",
    )
    assert verify(SOUND._replace(ended_calls=[call._replace(correction_count=0)])).faults == (
        "3: call c1 (app) ended and 0.000002 were given back without a record that corrects",
    )
    assert verify(SOUND._replace(ended_calls=[call._replace(corrected_micros=1)])).faults == (
        "3: call c1 (app) ended and was charged 0.000003, but 0.000004 moved",
    )


def test_an_open_hold_of_a_call_that_is_not_up() -> None:
    """It would be held for ever."""
    assert verify(SOUND._replace(stray_holds=[("app", "c9")])).faults == (
        "3: the hold of call c9 (app) is open, but the call is not up",
    )


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_transfer_that_is_missing(index: int) -> None:
    """Both of its sides are named."""
    transfers = [moved for place, moved in enumerate(SOUND.transfers) if place != index]
    gone = list(SOUND.transfers)[index]
    faults = verify(SOUND._replace(transfers=transfers)).faults
    assert {fault.split()[1] for fault in faults} == {gone.debit, gone.credit}
    assert {fault[0] for fault in faults} == {"4"}


def test_a_transfer_that_was_never_booked() -> None:
    """Into accounts that nobody stores."""
    transfers = [*SOUND.transfers, Moved("app", "USD", "topups:XXX", "wallet:mallory", 1)]
    assert sorted(verify(SOUND._replace(transfers=transfers)).faults) == [
        "4: topups:XXX (app) is stored as 0.00, its transfers give -0.000001",
        "4: wallet:mallory (app) is stored as 0.00, its transfers give 0.000001",
    ]


def test_the_same_names_in_another_application_are_other_accounts() -> None:
    """Money of one application cannot make up for another's."""
    transfers = [moved._replace(application="other") for moved in SOUND.transfers]
    assert {fault[0] for fault in verify(SOUND._replace(transfers=transfers)).faults} == {"4"}
