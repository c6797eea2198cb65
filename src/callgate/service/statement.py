"""An account's statement: its transfers, newest first, each with the balance after it. Never writes."""

from collections.abc import Iterator, Sequence

import msgspec

from callgate.ledger import accounts
from callgate.ledger.transfer import Transfer
from callgate.ledger.wallet import Wallet
from callgate.money import format_micros
from callgate.service.books import AccountKey
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


async def account_statement(store: Store, key: AccountKey, *, limit: int = RECENT) -> list[StatementLine] | None:
    """Return the newest lines, `limit` cut to `MAX_LIST`, or None when there is no such account."""
    found = await store.transfers(key, min(limit, MAX_LIST))
    return None if found is None else list(_lines(*found))


def _lines(wallet: Wallet, transfers: Sequence[Transfer]) -> Iterator[StatementLine]:
    """Walk back from what stands now."""
    posted_micros, owed_micros = wallet.posted_micros, wallet.owed_micros
    own, owed = accounts.wallet(wallet.account), accounts.overruns_owed(wallet.account)
    for transfer in transfers:
        amount_micros = _moved_micros(transfer, own)
        yield StatementLine(
            transfer_id=transfer.id,
            at=rfc3339(transfer.occasion.at),
            kind=transfer.kind,
            amount=format_micros(amount_micros),
            posted=format_micros(posted_micros),
            owed=format_micros(owed_micros),
            currency=transfer.currency,
            reference=transfer.occasion.subject,
            call_id=transfer.occasion.call_id,
            who=transfer.occasion.who,
            why=transfer.occasion.why,
        )
        posted_micros -= amount_micros
        owed_micros += _moved_micros(transfer, owed)


def _moved_micros(transfer: Transfer, name: str) -> int:
    """What a transfer added to a ledger account; below 0 where it took."""
    return transfer.amount_micros * ((transfer.credit == name) - (transfer.debit == name))
