"""An account's statement: its transfers, newest first, each with the balance after it. Never writes."""

import asyncio
from typing import NamedTuple

import msgspec

from callgate.ledger import accounts
from callgate.ledger.transfer import Transfer
from callgate.money import format_micros
from callgate.service.books import AccountKey
from callgate.service.look_through import LOOKED_AT, PORTION
from callgate.service.ports import Store
from callgate.service.reports import MAX_LIST, RECENT, rfc3339


class StatementLine(msgspec.Struct, frozen=True, kw_only=True):
    """One transfer as the account's holder sees it.

    `amount` is what it did to the wallet, below 0 when it took money; `posted` and `owed` are what stood after it. What a
    call cost beyond the wallet has an amount of 0 and raises `owed`.
    """

    transfer_id: str
    at: str
    kind: str
    amount: str
    posted: str
    owed: str
    currency: str
    reference: str
    call_id: str | None
    who: str
    why: str


class StatementPosition(NamedTuple):
    """A place in a statement: behind which transfer, and what stood before that one. Transfers never change, nor does this."""

    transfer_id: str
    posted_micros: int
    owed_micros: int


async def account_statement(store: Store, key: AccountKey, *, limit: int = RECENT) -> list[StatementLine] | None:
    """Return the newest lines, `limit` cut to `MAX_LIST`, or None when there is no such account."""
    found = await statement_page(store, key, limit=min(limit, MAX_LIST))
    return None if found is None else found[0]


async def statement_page(
    store: Store, key: AccountKey, *, limit: int, behind: StatementPosition | None = None
) -> tuple[list[StatementLine], StatementPosition | None] | None:
    """Return lines and where the next page begins, None on the last one; or None when there is no such account."""
    found = await store.transfers(key, limit + 1, behind=None if behind is None else behind.transfer_id)
    if found is None:
        return None
    wallet, transfers = found
    place = behind or StatementPosition("", wallet.posted_micros, wallet.owed_micros)
    lines = []
    for transfer in transfers[:limit]:
        lines.append(_line(transfer, place, wallet.account))
        place = _before(transfer, place, wallet.account)
    return lines, place if len(transfers) > limit else None


async def lines_of_kind(
    store: Store, key: AccountKey, kind: str, *, limit: int, behind: StatementPosition | None = None
) -> tuple[list[StatementLine], StatementPosition | None, bool] | None:
    """Return the lines of one kind as `statement_page` does, and whether it stopped for having looked through enough of them.

    Each is read, since what stands after a line is what stood before those that came later.
    """
    place, lines = behind, list[StatementLine]()
    for _ in range(LOOKED_AT // PORTION):
        found = await store.transfers(key, PORTION, behind=None if place is None else place.transfer_id)
        if found is None:
            return None
        wallet, transfers = found
        place = place or StatementPosition("", wallet.posted_micros, wallet.owed_micros)
        for transfer in transfers:
            if transfer.kind == kind:
                lines.append(_line(transfer, place, wallet.account))
            place = _before(transfer, place, wallet.account)
            if len(lines) == limit:
                return lines, place, False
        if len(transfers) < PORTION:
            return lines, None, False
        await asyncio.sleep(0)
    return lines, place, True


def _line(transfer: Transfer, after: StatementPosition, account: str) -> StatementLine:
    own = accounts.wallet(account)
    return StatementLine(
        transfer_id=transfer.id,
        at=rfc3339(transfer.occasion.at),
        kind=transfer.kind,
        amount=format_micros(_moved_micros(transfer, own)),
        posted=format_micros(after.posted_micros),
        owed=format_micros(after.owed_micros),
        currency=transfer.currency,
        reference=transfer.occasion.subject,
        call_id=transfer.occasion.call_id,
        who=transfer.occasion.who,
        why=transfer.occasion.why,
    )


def _before(transfer: Transfer, after: StatementPosition, account: str) -> StatementPosition:
    """Walk back over one transfer."""
    return StatementPosition(
        transfer.id,
        after.posted_micros - _moved_micros(transfer, accounts.wallet(account)),
        after.owed_micros + _moved_micros(transfer, accounts.overruns_owed(account)),
    )


def _moved_micros(transfer: Transfer, name: str) -> int:
    """What a transfer added to a ledger account; below 0 where it took."""
    return transfer.amount_micros * ((transfer.credit == name) - (transfer.debit == name))
