"""How money moves in and out of a wallet. Plain values: what the books make of them is tested with the use cases."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta, timezone, tzinfo

import msgspec
import pytest

from callgate.ledger import accounts
from callgate.ledger.transfer import Occasion, Transfer, TransferKind, transfer_id
from callgate.ledger.wallet import (
    Movement,
    Wallet,
    adjust,
    correct,
    debit_unheld,
    funds_micros,
    grow_hold,
    place_hold,
    post_hold,
    refund,
    spent_micros,
    top_up,
    void_hold,
)

OCCASION = Occasion(subject="c1", at=datetime(2026, 11, 23, tzinfo=UTC), call_id="c1", who="who", why="why")


def wallet(posted: int = 0, held: int = 0, limit: int = 0, owed: int = 0) -> Wallet:
    return Wallet(
        application="app",
        account="alice",
        currency="USD",
        posted_micros=posted,
        held_micros=held,
        credit_limit_micros=limit,
        owed_micros=owed,
    )


def figures(of: Wallet) -> tuple[int, int, int]:
    return of.posted_micros, of.held_micros, of.owed_micros


def legs(transfers: tuple[Transfer, ...]) -> list[tuple[str, str, str, int]]:
    return [(transfer.kind.value, transfer.debit, transfer.credit, transfer.amount_micros) for transfer in transfers]


def assert_books_balance(before: Wallet, movement: Movement) -> None:
    """What the transfers say is what happened to the wallet, and the wallet keeps its law."""
    sums: dict[str, int] = defaultdict(int)
    for transfer in movement.transfers:
        assert (transfer.application, transfer.currency, transfer.occasion) == ("app", "USD", OCCASION)
        assert transfer.amount_micros > 0
        sums[transfer.debit] -= transfer.amount_micros
        sums[transfer.credit] += transfer.amount_micros
    after = movement.wallet
    assert after.posted_micros - before.posted_micros == sums["wallet:alice"]
    assert before.owed_micros - after.owed_micros == sums["owed:alice"]
    assert sum(sums.values()) == 0
    assert after.posted_micros + after.credit_limit_micros >= after.held_micros >= 0
    assert after.owed_micros >= 0
    assert len({transfer.id for transfer in movement.transfers}) == len(movement.transfers)


@pytest.mark.parametrize(
    ("posted", "held", "limit", "available"), [(10, 0, 0, 10), (10, 4, 0, 6), (-3, 2, 9, 4), (5, 5, 0, 0)]
)
def test_available_is_posted_and_credit_limit_less_what_is_held(
    posted: int, held: int, limit: int, available: int
) -> None:
    """In one figure, which is what a new call may hold."""
    assert wallet(posted, held, limit).available_micros == available


def test_a_hold_sets_money_aside_and_a_void_gives_it_back() -> None:
    """Nothing is posted by either, and other holds are left alone."""
    held = place_hold(wallet(10, 3), 7)
    assert figures(held) == (10, 10, 0)
    assert figures(void_hold(held, 7)) == (10, 3, 0)


@pytest.mark.parametrize("amount", [-1, 8])
def test_a_hold_that_is_not_covered_is_our_own_bug(amount: int) -> None:
    """Nobody may place it: the decision has asked before."""
    with pytest.raises(AssertionError, match=r"^a hold that the wallet does not cover\b"):
        place_hold(wallet(10, 3), amount)


def test_a_hold_of_nothing_is_covered_by_nothing() -> None:
    """A call may be free."""
    assert place_hold(wallet(), 0) == msgspec.structs.replace(wallet(), hold_count=1)


def test_a_hold_may_reach_into_the_credit_limit() -> None:
    """To its last micro."""
    assert place_hold(wallet(0, 0, 9), 9).available_micros == 0


@pytest.mark.parametrize(
    ("posted", "charge", "left", "moved"),
    [
        (100, 0, (100, 5, 0), []),
        (100, 25, (75, 5, 0), [("charge", "wallet:alice", "revenue:USD", 25)]),
        (100, 60, (40, 5, 0), [("charge", "wallet:alice", "revenue:USD", 60)]),
        (
            100,
            61,
            (39, 5, 0),
            [("charge", "wallet:alice", "revenue:USD", 60), ("overrun", "wallet:alice", "revenue:USD", 1)],
        ),
        (
            100,
            95,
            (5, 5, 0),
            [("charge", "wallet:alice", "revenue:USD", 60), ("overrun", "wallet:alice", "revenue:USD", 35)],
        ),
        (
            100,
            96,
            (5, 5, 1),
            [
                ("charge", "wallet:alice", "revenue:USD", 60),
                ("overrun", "wallet:alice", "revenue:USD", 35),
                ("overrun", "owed:alice", "revenue:USD", 1),
            ],
        ),
        (
            65,
            100,
            (5, 5, 40),
            [("charge", "wallet:alice", "revenue:USD", 60), ("overrun", "owed:alice", "revenue:USD", 40)],
        ),
    ],
)
def test_a_hold_of_60_is_posted_beside_another_of_5(
    posted: int, charge: int, left: tuple[int, int, int], moved: list[tuple[str, str, str, int]]
) -> None:
    """The charge comes from the hold, what is beyond from what is available, the rest is owed; the other hold stays."""
    before = wallet(posted, 65)
    movement = post_hold(before, 60, charge, OCCASION)
    assert figures(movement.wallet) == left
    assert legs(movement.transfers) == moved
    assert_books_balance(before, movement)


def test_an_overrun_may_use_the_credit_limit() -> None:
    """It is available like other money, down to the last micro; only then something is owed."""
    before = wallet(0, 60, 100)
    movement = post_hold(before, 60, 110, OCCASION)
    assert figures(movement.wallet) == (-100, 0, 10)
    assert_books_balance(before, movement)


@pytest.mark.parametrize(
    ("amount", "left", "kinds"),
    [
        (0, (10, 4, 2), []),
        (6, (4, 4, 2), ["wallet:alice"]),
        (7, (4, 4, 3), ["wallet:alice", "owed:alice"]),
    ],
)
def test_a_debit_without_a_hold_leaves_held_money_alone(
    amount: int, left: tuple[int, int, int], kinds: list[str]
) -> None:
    """It takes at most what is available; the rest joins what is owed."""
    before = wallet(10, 4, 0, 2)
    movement = debit_unheld(before, amount, OCCASION)
    assert figures(movement.wallet) == left
    assert [(transfer.kind, transfer.debit) for transfer in movement.transfers] == [("overrun", kind) for kind in kinds]
    assert_books_balance(before, movement)


@pytest.mark.parametrize(
    ("owed", "left", "moved"),
    [
        (0, (10, 0, 0), [("topup", "topups:USD", "wallet:alice", 10)]),
        (
            4,
            (6, 0, 0),
            [("topup", "topups:USD", "wallet:alice", 10), ("repay", "wallet:alice", "owed:alice", 4)],
        ),
        (
            10,
            (0, 0, 0),
            [("topup", "topups:USD", "wallet:alice", 10), ("repay", "wallet:alice", "owed:alice", 10)],
        ),
        (
            14,
            (0, 0, 4),
            [("topup", "topups:USD", "wallet:alice", 10), ("repay", "wallet:alice", "owed:alice", 10)],
        ),
    ],
)
def test_a_top_up_first_pays_what_is_owed(
    owed: int, left: tuple[int, int, int], moved: list[tuple[str, str, str, int]]
) -> None:
    """In the same step, and no more than is owed."""
    before = wallet(owed=owed)
    movement = top_up(before, 10, OCCASION)
    assert figures(movement.wallet) == left
    assert legs(movement.transfers) == moved
    assert_books_balance(before, movement)


@pytest.mark.parametrize(
    ("amount", "left", "moved"),
    [
        (0, (10, 4, 3), []),
        (
            2,
            (10, 4, 1),
            [("adjustment", "adjustments:USD", "wallet:alice", 2), ("repay", "wallet:alice", "owed:alice", 2)],
        ),
        (
            5,
            (12, 4, 0),
            [("adjustment", "adjustments:USD", "wallet:alice", 5), ("repay", "wallet:alice", "owed:alice", 3)],
        ),
        (-6, (4, 4, 3), [("adjustment", "wallet:alice", "adjustments:USD", 6)]),
    ],
)
def test_an_adjustment(amount: int, left: tuple[int, int, int], moved: list[tuple[str, str, str, int]]) -> None:
    """What is added pays first what is owed; what is taken leaves held money alone, and may take all the rest."""
    before = wallet(10, 4, 0, 3)
    movement = adjust(before, amount, OCCASION)
    assert figures(movement.wallet) == left
    assert legs(movement.transfers) == moved
    assert_books_balance(before, movement)


def test_an_adjustment_that_is_not_covered_is_our_own_bug() -> None:
    """By a micro."""
    with pytest.raises(AssertionError, match=r"^an adjustment that the wallet does not cover\b"):
        adjust(wallet(10, 4), -7, OCCASION)


@pytest.mark.parametrize(
    ("amount", "left", "moved"),
    [
        (2, (10, 4, 1), [("refund", "revenue:USD", "wallet:alice", 2), ("repay", "wallet:alice", "owed:alice", 2)]),
        (9, (16, 4, 0), [("refund", "revenue:USD", "wallet:alice", 9), ("repay", "wallet:alice", "owed:alice", 3)]),
    ],
)
def test_a_refund_comes_from_revenue(
    amount: int, left: tuple[int, int, int], moved: list[tuple[str, str, str, int]]
) -> None:
    """And pays first what is owed."""
    before = wallet(10, 4, 0, 3)
    movement = refund(before, amount, OCCASION)
    assert figures(movement.wallet) == left
    assert legs(movement.transfers) == moved
    assert_books_balance(before, movement)


def test_a_refund_of_no_call_is_our_own_bug() -> None:
    """Its transfers are named after the call."""
    with pytest.raises(AssertionError, match=r"^a refund names its call\b"):
        refund(wallet(10), 1, msgspec.structs.replace(OCCASION, call_id=None))


@pytest.mark.parametrize(
    ("difference", "left", "moved"),
    [
        (0, (10, 4, 3), []),
        (
            7,
            (4, 4, 4),
            [("correction", "wallet:alice", "revenue:USD", 6), ("correction", "owed:alice", "revenue:USD", 1)],
        ),
        (
            -5,
            (12, 4, 0),
            [("correction", "revenue:USD", "wallet:alice", 5), ("repay", "wallet:alice", "owed:alice", 3)],
        ),
    ],
)
def test_a_correction_moves_the_difference(
    difference: int, left: tuple[int, int, int], moved: list[tuple[str, str, str, int]]
) -> None:
    """More is taken like any debit without a hold; what was too much comes back, and pays first what is owed."""
    before = wallet(10, 4, 0, 3)
    movement = correct(before, difference, OCCASION)
    assert figures(movement.wallet) == left
    assert legs(movement.transfers) == moved
    assert_books_balance(before, movement)


def test_the_name_of_every_transfer() -> None:
    """Stored names say what was done already: another release must give the same ones."""
    occasion = msgspec.structs.replace(OCCASION, subject="ref", call_id="c1")
    indebted = wallet(10, 4, 0, 3)
    movements = {
        "charge": post_hold(wallet(4, 4), 4, 9, occasion),
        "overrun": debit_unheld(indebted, 7, occasion),
        "top-up": top_up(indebted, 9, occasion),
        "refund": refund(indebted, 9, occasion),
        "added": adjust(indebted, 9, occasion),
        "taken": adjust(indebted, -1, occasion),
        "corrected up": correct(indebted, 9, occasion),
        "corrected down": correct(indebted, -9, occasion),
    }
    assert {done: [transfer.id for transfer in movement.transfers] for done, movement in movements.items()} == {
        "charge": ["charge/wallet/alice/ref", "overrun/owed/alice/ref"],
        "overrun": ["overrun/wallet/alice/ref", "overrun/owed/alice/ref"],
        "top-up": ["topup/topups/alice/ref", "repay/topups/alice/ref"],
        "refund": ["refund/revenue/c1/ref", "repay/revenue/c1/ref"],
        "added": ["adjustment/adjustments/alice/ref", "repay/adjustments/alice/ref"],
        "taken": ["adjustment/adjustments/alice/ref"],
        "corrected up": ["correction/wallet/alice/ref", "correction/owed/alice/ref"],
        "corrected down": ["correction/revenue/alice/ref", "repay/correction/alice/ref"],
    }


def test_everything_else_of_a_wallet_stays_as_it_is() -> None:
    """Whatever moves."""
    before = msgspec.structs.replace(wallet(100, 60, 7, 3), record_count=9)
    for movement in (
        post_hold(before, 60, 1_000, OCCASION),
        debit_unheld(before, 1_000, OCCASION),
        top_up(before, 1, OCCASION),
        refund(before, 1, OCCASION),
        adjust(before, -1, OCCASION),
        correct(before, -1, OCCASION),
    ):
        after = movement.wallet
        assert (after.application, after.account, after.currency) == ("app", "alice", "USD")
        assert (after.credit_limit_micros, after.record_count) == (7, 9)


def test_transfers_are_named_after_what_caused_them() -> None:
    """So that the same cause cannot move money twice, and different ones never clash."""
    assert transfer_id(TransferKind.CHARGE, "wallet:alice", "alice", "c1") == "charge/wallet/alice/c1"
    assert transfer_id(TransferKind.CHARGE, "wallet:a:b", "a:b", "c1") == "charge/wallet/a:b/c1"
    ids = {
        transfer_id(kind, debit, account, subject)
        for kind in TransferKind
        for debit in ("wallet:alice", "owed:alice", "topups:USD")
        for account in ("alice", "bob")
        for subject in ("c1", "c1/c2", "")
    }
    assert len(ids) == len(TransferKind) * 3 * 2 * 3


def test_the_chart_of_accounts() -> None:
    """Customers have two ledger accounts each; the rest is the house's own."""
    assert [accounts.wallet("a"), accounts.overruns_owed("a"), accounts.topups("USD"), accounts.revenue("USD")] == [
        "wallet:a",
        "owed:a",
        "topups:USD",
        "revenue:USD",
    ]
    assert [accounts.is_of_house(name) for name in ("wallet:a", "owed:a", "topups:USD", "revenue:USD")] == [
        False,
        False,
        True,
        True,
    ]


def at(month: int, day: int, hour: int = 12, *, zone: tzinfo = UTC) -> Occasion:
    return Occasion(subject="c1", at=datetime(2026, month, day, hour, tzinfo=zone), call_id="c1", who="who", why="why")


def charged(of: Wallet, micros: int, occasion: Occasion) -> Wallet:
    """A call of so much, held and settled."""
    return post_hold(place_hold(of, micros), micros, micros, occasion).wallet


def test_holds_are_counted_while_they_are_open() -> None:
    held = place_hold(place_hold(wallet(posted=10), 1), 2)
    assert held.hold_count == 2
    assert grow_hold(held, 3).hold_count == 2
    assert void_hold(held, 1).hold_count == 1
    assert post_hold(held, 1, 1, OCCASION).wallet.hold_count == 1


def test_a_hold_grows_by_what_is_available_and_no_further() -> None:
    held = place_hold(wallet(posted=10, limit=5), 4)
    assert figures(grow_hold(held, 0)) == (10, 4, 0)
    assert figures(grow_hold(held, 11)) == (10, 15, 0)
    for amount in (-1, 12):
        with pytest.raises(AssertionError, match="a hold that the wallet does not cover"):
            grow_hold(held, amount)


def test_what_calls_were_charged_counts_in_the_day_and_in_the_month() -> None:
    """Also what could not be taken and is owed; money that moves in another way is not spent."""
    spent = charged(wallet(posted=100), 30, at(11, 23))
    assert spent_micros(spent, at(11, 23).at) == (30, 30)
    overrun = debit_unheld(spent, 90, at(11, 23, 23)).wallet
    assert figures(overrun) == (0, 0, 20)
    assert spent_micros(overrun, at(11, 23).at) == (120, 120)
    paid = top_up(overrun, 50, at(11, 23)).wallet
    assert spent_micros(adjust(paid, -5, at(11, 23)).wallet, at(11, 23).at) == (120, 120)
    assert spent_micros(refund(paid, 30, at(11, 23)).wallet, at(11, 23).at) == (120, 120)


def test_a_day_and_a_month_begin_anew_at_midnight_in_utc() -> None:
    """Whether money moves then or not, and wherever the clock hangs that tells the time."""
    spent = charged(wallet(posted=100), 30, at(11, 29))
    assert spent_micros(spent, at(11, 30).at) == (0, 30)
    assert spent_micros(spent, at(12, 1, 0).at) == (0, 0)
    next_day = charged(spent, 7, at(11, 30))
    assert spent_micros(next_day, at(11, 30).at) == (7, 37)
    next_month = charged(next_day, 5, at(12, 1, 0))
    assert spent_micros(next_month, at(12, 1).at) == (5, 5)
    assert spent_micros(charged(next_month, 1, at(12, 2)), at(12, 2).at) == (1, 6)
    india, samoa = timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-11))
    assert spent_micros(charged(spent, 7, at(11, 30, 3, zone=india)), at(11, 29).at) == (37, 37)
    assert spent_micros(charged(spent, 7, at(11, 30, 22, zone=samoa)), at(12, 1).at) == (7, 7)


def test_a_clock_that_is_behind_counts_on_the_later_day() -> None:
    ahead = charged(wallet(posted=100), 30, at(12, 1, 0))
    behind = charged(ahead, 7, at(11, 30, 23))
    assert spent_micros(behind, at(12, 1).at) == (37, 37)
    assert spent_micros(behind, at(11, 30).at) == (37, 37)
    assert funds_micros(behind, at(11, 30).at) == funds_micros(behind, at(12, 1).at) == 100


def test_a_year_has_months_of_its_own() -> None:
    """A month of another year is another month, also the one after December."""
    spent = charged(wallet(posted=100), 30, at(1, 31))
    for other in (datetime(2027, 1, 31, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)):
        assert spent_micros(spent, other) == (0, 0)
    december = charged(wallet(posted=100), 30, at(12, 31))
    later = msgspec.structs.replace(OCCASION, at=datetime(2027, 1, 1, tzinfo=UTC))
    assert spent_micros(charged(december, 1, later), later.at) == (1, 1)


def test_the_funds_of_a_day_are_what_it_began_with_and_what_was_paid_in_since() -> None:
    """Less what a payment repays; what calls give back was there before, and what they cost lessens nothing."""
    morning = top_up(wallet(posted=100, limit=20, owed=10), 50, at(11, 23)).wallet
    assert funds_micros(morning, at(11, 23).at) == 100 + 40 + 20
    spent = charged(adjust(morning, 5, at(11, 23)).wallet, 60, at(11, 23))
    assert funds_micros(spent, at(11, 23).at) == 165
    for back in (refund(spent, 60, at(11, 23)), correct(spent, -60, at(11, 23)), adjust(spent, -5, at(11, 23))):
        assert funds_micros(back.wallet, at(11, 23).at) == 165
    assert funds_micros(spent, at(11, 24).at) == 85 + 20
    assert funds_micros(adjust(spent, -5, at(11, 24)).wallet, at(11, 24).at) == 85 + 20
    assert funds_micros(charged(spent, 5, at(11, 24)), at(11, 24).at) == 85 + 20
