"""Give back a call's charge, or a part of it, to the account that paid. Never more than it was charged."""

from dataclasses import dataclass
from datetime import datetime

from callgate.errors import AmountInvalid, Conflict, NotFound
from callgate.ledger import accounts
from callgate.ledger.transfer import Occasion, TransferKind, transfer_id
from callgate.ledger.wallet import refund
from callgate.money import format_micros
from callgate.protocol.call import CallKey
from callgate.service.adjust import Moved
from callgate.service.books import Books, Keys
from callgate.service.records import Call
from callgate.service.top_up import check_reference, check_why


@dataclass(frozen=True, kw_only=True)
class Refund:
    """`reference` is unique among the call's refunds: the same again moves nothing, with another amount it conflicts.

    The call's record stays as it is: a refund is a transfer of its own that names the call.
    """

    call: CallKey
    amount_micros: int
    why: str
    reference: str
    now: datetime
    who: str

    def keys(self) -> Keys:
        transfer = (self.call.application, self._transfer_id())
        return Keys(calls=(self.call,), transfers=(transfer,), refunds=(self.call,))

    def run(self, books: Books) -> Moved:
        """Raises `AmountInvalid`, `Invalid`, `NotFound` for a call that is unknown; `Conflict` for one that was not
        charged so much, or where the reference was used for something else.
        """
        if self.amount_micros <= 0:
            raise AmountInvalid("amount", format_micros(self.amount_micros), "more than 0")
        check_reference(self.reference)
        check_why(self.why)
        call = books.calls.get(self.call)
        if call is None:
            raise NotFound(f"there is no call {self.call.call_id} in application {self.call.application}")
        if call.charge_micros is None or call.account is None:
            raise Conflict(f"call {self.call.call_id} was not charged: it is {call.state}")
        wallet = books.wallet(self.call.application, call.account)
        before = books.moved.get((self.call.application, self._transfer_id()))
        if before is not None and (before.amount_micros, before.occasion.call_id) != (
            self.amount_micros,
            self.call.call_id,
        ):
            used_for = f"{format_micros(before.amount_micros)} {wallet.currency} of call {before.occasion.call_id}"
            raise Conflict(f"reference {self.reference} was used for {used_for} before")
        if before is not None:
            return Moved(before.id, wallet, is_repeat=True)
        refunded_micros = self._check_amount(call, books.refunded.get(self.call) or 0)
        occasion = Occasion(subject=self.reference, at=self.now, call_id=self.call.call_id, who=self.who, why=self.why)
        movement = refund(wallet, self.amount_micros, occasion)
        books.move(movement)
        books.refunded.put(self.call, refunded_micros + self.amount_micros)
        return Moved(self._transfer_id(), movement.wallet, is_repeat=False)

    def _check_amount(self, call: Call, refunded_micros: int) -> int:
        """Return what was refunded before. Raises `Conflict` when there is not so much left."""
        assert call.charge_micros is not None, "the caller has asked"
        left_micros = max(0, call.charge_micros - refunded_micros)  # an estimate may have been refunded, then corrected
        if self.amount_micros > left_micros:
            asked, charge, left = (
                f"{format_micros(micros)} {call.currency}"
                for micros in (self.amount_micros, call.charge_micros, left_micros)
            )
            raise Conflict(
                f"{asked} cannot be refunded: call {self.call.call_id} was charged {charge}, at most {left} is possible"
            )
        return refunded_micros

    def _transfer_id(self) -> str:
        return transfer_id(TransferKind.REFUND, accounts.revenue(""), self.call.call_id, self.reference)
