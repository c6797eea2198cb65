"""A customer's money, and every way in which it may move: plain functions from a wallet to a wallet and its transfers.

Invariant, kept here and again by the schema: `posted + credit_limit >= held >= 0`.
"""

from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from callgate.ledger import accounts
from callgate.ledger.transfer import Occasion, Transfer, TransferKind, transfer_id


class Wallet(msgspec.Struct, frozen=True, kw_only=True):
    """An account's ledger accounts as they stand. `owed_micros` is at least 0 and waits for the next top-up.

    `record_count` numbers the account's call records, `hold_count` is how many holds are open. `day` and `month` are those of
    UTC in which money moved last, numbered: what calls were charged in them, and what was there when the day began together
    with what was paid in since.
    """

    application: str
    account: str
    currency: str
    posted_micros: int = 0
    held_micros: int = 0
    credit_limit_micros: int = 0
    owed_micros: int = 0
    record_count: int = 0
    hold_count: int = 0
    day: int = 0
    day_funds_micros: int = 0
    day_spent_micros: int = 0
    month: int = 0
    month_spent_micros: int = 0

    @property
    def available_micros(self) -> int:
        """What a new call may hold."""
        return self.posted_micros + self.credit_limit_micros - self.held_micros

    @property
    def is_lawful(self) -> bool:
        """Whether what is held is covered, and nothing is below zero that cannot be."""
        return self.available_micros >= 0 and self.held_micros >= 0 and self.owed_micros >= 0


class Movement(NamedTuple):
    """A wallet after money moved, and the transfers that say how."""

    wallet: Wallet
    transfers: tuple[Transfer, ...]


def place_hold(wallet: Wallet, amount_micros: int) -> Wallet:
    """Set money aside. The caller has asked `available_micros` before."""
    assert 0 <= amount_micros <= wallet.available_micros, "a hold that the wallet does not cover"
    return msgspec.structs.replace(
        wallet, held_micros=wallet.held_micros + amount_micros, hold_count=wallet.hold_count + 1
    )


def grow_hold(wallet: Wallet, amount_micros: int) -> Wallet:
    """Set more aside for a call that holds money already. The caller has asked `available_micros` before."""
    assert 0 <= amount_micros <= wallet.available_micros, "a hold that the wallet does not cover"
    return msgspec.structs.replace(wallet, held_micros=wallet.held_micros + amount_micros)


def void_hold(wallet: Wallet, amount_micros: int) -> Wallet:
    """Give back what was set aside."""
    return msgspec.structs.replace(
        wallet, held_micros=wallet.held_micros - amount_micros, hold_count=wallet.hold_count - 1
    )


def post_hold(wallet: Wallet, held_micros: int, charge_micros: int, occasion: Occasion) -> Movement:
    """Take a call's charge from its hold and give back the rest; what goes beyond the hold is an unheld debit."""
    posted_micros = min(held_micros, charge_micros)
    wallet = _spend(void_hold(wallet, held_micros), posted_micros, 0, occasion.at)
    charge = _transfer(
        wallet,
        TransferKind.CHARGE,
        accounts.wallet(wallet.account),
        accounts.revenue(wallet.currency),
        posted_micros,
        occasion,
    )
    rest = debit_unheld(wallet, charge_micros - posted_micros, occasion)
    return Movement(rest.wallet, charge + rest.transfers)


def debit_unheld(
    wallet: Wallet, amount_micros: int, occasion: Occasion, kind: TransferKind = TransferKind.OVERRUN
) -> Movement:
    """Take a charge that nothing was held for: what is available from the wallet, the rest becomes owed."""
    taken_micros = min(amount_micros, wallet.available_micros)
    owed_micros = amount_micros - taken_micros
    revenue = accounts.revenue(wallet.currency)
    taken = _transfer(wallet, kind, accounts.wallet(wallet.account), revenue, taken_micros, occasion)
    owed = _transfer(wallet, kind, accounts.overruns_owed(wallet.account), revenue, owed_micros, occasion)
    return Movement(_spend(wallet, taken_micros, owed_micros, occasion.at), taken + owed)


def correct(wallet: Wallet, difference_micros: int, occasion: Occasion) -> Movement:
    """Put a settled charge right by its difference: above 0 more is taken, without a hold; below 0 it is given back."""
    if difference_micros >= 0:
        return debit_unheld(wallet, difference_micros, occasion, TransferKind.CORRECTION)
    source = accounts.revenue(wallet.currency)
    # Refunds too come from revenue, and name their repayment after the call where this one names the account.
    repaid_name = transfer_id(TransferKind.REPAY, TransferKind.CORRECTION, wallet.account, occasion.subject)
    return _pay_in(
        wallet, TransferKind.CORRECTION, source, wallet.account, -difference_micros, occasion, repaid_name=repaid_name
    )


def top_up(wallet: Wallet, amount_micros: int, occasion: Occasion) -> Movement:
    """Add money, and pay from it first what is owed."""
    return _pay_in(
        wallet, TransferKind.TOPUP, accounts.topups(wallet.currency), wallet.account, amount_micros, occasion
    )


def refund(wallet: Wallet, amount_micros: int, occasion: Occasion) -> Movement:
    """Give back a call's charge or a part of it. The caller has asked how much of it is left."""
    assert occasion.call_id is not None, "a refund names its call"
    source = accounts.revenue(wallet.currency)
    return _pay_in(wallet, TransferKind.REFUND, source, occasion.call_id, amount_micros, occasion)


def adjust(wallet: Wallet, amount_micros: int, occasion: Occasion) -> Movement:
    """Add money by hand, which pays first what is owed, or take it. The caller has asked `available_micros` before."""
    assert amount_micros >= -wallet.available_micros, "an adjustment that the wallet does not cover"
    house, own = accounts.adjustments(wallet.currency), accounts.wallet(wallet.account)
    if amount_micros > 0:
        return _pay_in(wallet, TransferKind.ADJUSTMENT, house, wallet.account, amount_micros, occasion)
    # Named after the house's account in both directions, so that one reference moves money once.
    name = transfer_id(TransferKind.ADJUSTMENT, house, wallet.account, occasion.subject)
    taken = _transfer(wallet, TransferKind.ADJUSTMENT, own, house, -amount_micros, occasion, name)
    wallet = _on_day(wallet, occasion.at)
    return Movement(msgspec.structs.replace(wallet, posted_micros=wallet.posted_micros + amount_micros), taken)


def _pay_in(  # noqa: PLR0913, PLR0917 - the parts of a transfer
    wallet: Wallet,
    kind: TransferKind,
    source: str,
    whose: str,
    amount_micros: int,
    occasion: Occasion,
    repaid_name: str | None = None,
) -> Movement:
    """Money comes in from one of the house's accounts, and pays first what is owed."""
    repaid_micros = min(amount_micros, wallet.owed_micros)
    own, owed = accounts.wallet(wallet.account), accounts.overruns_owed(wallet.account)
    paid_name = transfer_id(kind, source, whose, occasion.subject)
    repaid_name = repaid_name or transfer_id(TransferKind.REPAY, source, whose, occasion.subject)
    paid = _transfer(wallet, kind, source, own, amount_micros, occasion, paid_name)
    repaid = _transfer(wallet, TransferKind.REPAY, own, owed, repaid_micros, occasion, repaid_name)
    wallet = _on_day(wallet, occasion.at)
    is_new_money = kind in {TransferKind.TOPUP, TransferKind.ADJUSTMENT}  # what calls give back was there before
    wallet = msgspec.structs.replace(
        wallet,
        posted_micros=wallet.posted_micros + amount_micros - repaid_micros,
        owed_micros=wallet.owed_micros - repaid_micros,
        day_funds_micros=wallet.day_funds_micros + (amount_micros - repaid_micros if is_new_money else 0),
    )
    return Movement(wallet, paid + repaid)


def spent_micros(wallet: Wallet, at: datetime) -> tuple[int, int]:
    """What calls were charged in the day and in the month of this time, in UTC. What is given back later frees nothing."""
    today = wallet.day_spent_micros if wallet.day >= _day(at) else 0
    return today, wallet.month_spent_micros if wallet.month >= _month(at) else 0


def funds_micros(wallet: Wallet, at: datetime) -> int:
    """What the account could spend when the day of this time began, with what was paid in since."""
    began_with = wallet.day_funds_micros if wallet.day >= _day(at) else wallet.posted_micros
    return began_with + wallet.credit_limit_micros


def _spend(wallet: Wallet, taken_micros: int, owed_micros: int, at: datetime) -> Wallet:
    """A call is charged, and what is taken or owed for it counts in the day and in the month."""
    if taken_micros == owed_micros == 0:
        return wallet
    wallet = _on_day(wallet, at)
    return msgspec.structs.replace(
        wallet,
        posted_micros=wallet.posted_micros - taken_micros,
        owed_micros=wallet.owed_micros + owed_micros,
        day_spent_micros=wallet.day_spent_micros + taken_micros + owed_micros,
        month_spent_micros=wallet.month_spent_micros + taken_micros + owed_micros,
    )


def _on_day(wallet: Wallet, at: datetime) -> Wallet:
    """Money is about to move: where a day or a month has begun since it last did, its counters begin anew.

    A clock that is behind another server's counts what it moves on the later day.
    """
    if wallet.day >= (day := _day(at)):
        return wallet
    month = max(wallet.month, _month(at))
    return msgspec.structs.replace(
        wallet,
        day=day,
        day_funds_micros=wallet.posted_micros,
        day_spent_micros=0,
        month=month,
        month_spent_micros=wallet.month_spent_micros if month == wallet.month else 0,
    )


def _day(at: datetime) -> int:
    return at.astimezone(UTC).toordinal()


def _month(at: datetime) -> int:
    utc = at.astimezone(UTC)
    return utc.year * 12 + utc.month


def _transfer(  # noqa: PLR0913, PLR0917 - the parts of a transfer
    wallet: Wallet,
    kind: TransferKind,
    debit: str,
    credit: str,
    amount_micros: int,
    occasion: Occasion,
    name: str | None = None,
) -> tuple[Transfer, ...]:
    """One transfer, or none where nothing moves; named after what is debited unless it has a name."""
    if amount_micros == 0:
        return ()
    return (
        Transfer(
            application=wallet.application,
            id=name or transfer_id(kind, debit, wallet.account, occasion.subject),
            kind=kind,
            debit=debit,
            credit=credit,
            amount_micros=amount_micros,
            currency=wallet.currency,
            occasion=occasion,
        ),
    )
