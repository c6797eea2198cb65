"""Add money to an account. A reference is used once: the same again moves nothing, with another amount it conflicts."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from callgate.errors import AmountInvalid, Conflict, Invalid, NotFound
from callgate.ledger import accounts
from callgate.ledger.transfer import Occasion, TransferKind, transfer_id
from callgate.ledger.wallet import Wallet, top_up
from callgate.money import format_micros
from callgate.policy.account import Status
from callgate.service.books import AccountKey, Books, Keys

MAX_REFERENCE = 200

MAX_WHY = 500


class ToppedUp(NamedTuple):
    """The transfer that added the money, and the wallet after it. `is_repeat`: it had been added before."""

    transfer_id: str
    wallet: Wallet
    is_repeat: bool


@dataclass(frozen=True, kw_only=True)
class TopUp:
    """`reference` is the caller's own name for this payment, unique within the account; `why` may say what it is for."""

    application: str
    account: str
    amount_micros: int
    reference: str
    now: datetime
    who: str = ""
    why: str = ""

    def keys(self) -> Keys:
        return Keys(accounts=(self._account(),), transfers=((self.application, self._transfer_id()),))

    def run(self, books: Books) -> ToppedUp:
        """Raises `AmountInvalid`, `Invalid`, `NotFound`, `Conflict`."""
        if self.amount_micros <= 0:
            raise AmountInvalid("amount", format_micros(self.amount_micros), "more than 0")
        check_reference(self.reference)
        if self.why:
            check_why(self.why)
        account, wallet = books.accounts.get(self._account()), books.wallets.get(self._account())
        if account is None or wallet is None:
            raise NotFound(f"there is no account {self.account} in application {self.application}")
        before = books.moved.get((self.application, self._transfer_id()))
        if before is not None and before.amount_micros != self.amount_micros:
            raise Conflict(
                f"reference {self.reference} was used for {format_micros(before.amount_micros)} {wallet.currency} before"
            )
        if before is not None:
            return ToppedUp(before.id, wallet, is_repeat=True)
        if account.status is Status.CLOSED:
            raise Conflict(f"account {self.account} is closed")
        movement = top_up(wallet, self.amount_micros, self._occasion())
        books.move(movement)
        return ToppedUp(self._transfer_id(), movement.wallet, is_repeat=False)

    def _occasion(self) -> Occasion:
        return Occasion(subject=self.reference, at=self.now, who=self.who, why=self.why)

    def _account(self) -> AccountKey:
        return AccountKey(self.application, self.account)

    def _transfer_id(self) -> str:
        return transfer_id(TransferKind.TOPUP, accounts.topups(""), self.account, self.reference)


def check_reference(reference: str) -> None:
    """Raise `Invalid` for what cannot name a payment."""
    if not reference or len(reference) > MAX_REFERENCE or not reference.isprintable():
        raise Invalid("reference", repr(reference[:50]), f"1 to {MAX_REFERENCE} printable characters")


def check_why(why: str) -> None:
    """What is said of money that somebody moves by hand. Raises `Invalid`."""
    if not why.strip() or len(why) > MAX_WHY or not why.isprintable():
        raise Invalid("why", repr(why[:50]), f"a reason of 1 to {MAX_WHY} printable characters")
