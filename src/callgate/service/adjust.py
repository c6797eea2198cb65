"""Correct a balance by hand: add money to an account or take it, and say why. A reference is used once."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from callgate.errors import AmountInvalid, Conflict, NotFound
from callgate.ledger import accounts
from callgate.ledger.transfer import Occasion, Transfer, TransferKind, transfer_id
from callgate.ledger.wallet import Wallet, adjust
from callgate.money import format_micros
from callgate.service.books import AccountKey, Books, Keys
from callgate.service.top_up import check_reference, check_why


class Moved(NamedTuple):
    """The transfer that moved the money, and the wallet after it. `is_repeat`: it had been moved before."""

    transfer_id: str
    wallet: Wallet
    is_repeat: bool


@dataclass(frozen=True, kw_only=True)
class Adjust:
    """`amount_micros` above 0 is added, below 0 taken. `reference` is unique among the account's adjustments."""

    application: str
    account: str
    amount_micros: int
    why: str
    reference: str
    now: datetime
    who: str

    def keys(self) -> Keys:
        return Keys(accounts=(self._account(),), transfers=((self.application, self._transfer_id()),))

    def run(self, books: Books) -> Moved:
        """Raises `AmountInvalid`, `Invalid`, `NotFound`; `Conflict` where the wallet does not have that much, or the
        reference was used for another amount.
        """
        if self.amount_micros == 0:
            raise AmountInvalid("amount", "0.00", "an amount to add, or one below 0 to take")
        check_reference(self.reference)
        check_why(self.why)
        wallet = books.wallets.get(self._account())
        if wallet is None:
            raise NotFound(f"there is no account {self.account} in application {self.application}")
        before = books.moved.get((self.application, self._transfer_id()))
        if before is not None and _signed_micros(before) != self.amount_micros:
            used_for = f"{format_micros(_signed_micros(before))} {wallet.currency}"
            raise Conflict(f"reference {self.reference} was used for {used_for} before")
        if before is not None:
            return Moved(before.id, wallet, is_repeat=True)
        if -self.amount_micros > wallet.available_micros:
            most, asked = format_micros(wallet.available_micros), format_micros(-self.amount_micros)
            raise Conflict(f"{asked} {wallet.currency} cannot be taken: at most {most} {wallet.currency} is possible")
        movement = adjust(
            wallet,
            self.amount_micros,
            Occasion(subject=self.reference, at=self.now, who=self.who, why=self.why),
        )
        books.move(movement)
        return Moved(self._transfer_id(), movement.wallet, is_repeat=False)

    def _account(self) -> AccountKey:
        return AccountKey(self.application, self.account)

    def _transfer_id(self) -> str:
        return transfer_id(TransferKind.ADJUSTMENT, accounts.adjustments(""), self.account, self.reference)


def _signed_micros(transfer: Transfer) -> int:
    """What an adjustment did to the wallet."""
    return transfer.amount_micros if accounts.is_of_house(transfer.debit) else -transfer.amount_micros
