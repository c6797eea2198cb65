"""One debit, one credit, one amount: the only way in which money moves. Never changed, never deleted."""

from datetime import datetime
from enum import StrEnum

import msgspec


class TransferKind(StrEnum):
    """Why money moved."""

    TOPUP = "topup"
    REPAY = "repay"  # money that comes in pays first what is owed
    CHARGE = "charge"
    OVERRUN = "overrun"  # what a call cost beyond its hold, or without one
    CORRECTION = "correction"  # the true charge came after an estimate had been settled
    REFUND = "refund"  # of a call's charge, or a part of it
    ADJUSTMENT = "adjustment"  # by an operator's hand


class Occasion(msgspec.Struct, frozen=True, kw_only=True):
    """What caused transfers: `subject` (a call id, a reference) makes their ids unique, `who` and `why` say who asked."""

    subject: str
    at: datetime
    call_id: str | None = None
    who: str = ""
    why: str = ""


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """`amount_micros` moves from `debit` to `credit`, both of one application and one currency.

    Sides are ledger accounts as `ledger.accounts` names them. `id` is unique within the application and follows from
    the occasion, so that the same thing cannot move money twice.
    """

    application: str
    id: str
    kind: TransferKind
    debit: str
    credit: str
    amount_micros: int
    currency: str
    occasion: Occasion


def transfer_id(kind: TransferKind, source: str, whose: str, subject: str) -> str:
    """Name a transfer after what caused it.

    `source` is the ledger account where the money came from, of which only the kind is used: it keeps transfers of one
    cause apart. `whose` is the account, or the call that is refunded.
    """
    return f"{kind}/{source.partition(':')[0]}/{whose}/{subject}"
