"""The four invariants of the ledger, checked over everything that is stored. Plain code: an engine hands in the rows.

1. For every currency the sum over all ledger accounts is 0.
2. `posted + credit_limit >= held >= 0` for every wallet, and `held` is the sum of its open holds.
3. Every call that ended has exactly one settled outcome, and every hold has exactly one end.
4. Replaying all transfers from an empty ledger gives the stored balances, to the micro.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from callgate.ledger import accounts
from callgate.ledger.wallet import Wallet
from callgate.money import format_micros


class Moved(NamedTuple):
    """A stored transfer, as far as balances go."""

    application: str
    currency: str
    debit: str
    credit: str
    amount_micros: int


class Balance(NamedTuple):
    """The stored balance of a ledger account: credits minus debits."""

    application: str
    currency: str
    name: str
    posted_micros: int


class OpenHolds(NamedTuple):
    """The open holds of one wallet, added up."""

    application: str
    account: str
    held_micros: int


class EndedCall(NamedTuple):
    """A call that ended: how its hold ended, what it was charged, what was taken, recorded and given back for it.

    `corrected_micros` was given back because the charge was an estimate, and `correction_count` records say so.
    `charge_micros` is None where nobody was charged: the end of a start that never came. Whatever moved or was recorded
    for a call that did not end, or that is not stored at all, is told in the same way, and is a fault.
    """

    application: str
    call_id: str
    hold_is_open: bool
    charge_micros: int | None
    moved_micros: int
    record_count: int
    refunded_micros: int = 0
    corrected_micros: int = 0
    correction_count: int = 0


class LedgerRows(NamedTuple):
    """Everything that the invariants speak of, from one moment. `stray_holds` are open holds of calls that are not up."""

    transfers: Iterable[Moved]
    house: Iterable[Balance]
    wallets: Iterable[Wallet]
    open_holds: Iterable[OpenHolds]
    ended_calls: Iterable[EndedCall]
    stray_holds: Iterable[tuple[str, str]]


class Verdict(NamedTuple):
    """What was looked at, and every fault found, each a sentence."""

    transfer_count: int
    wallet_count: int
    call_count: int
    faults: tuple[str, ...]


def verify(rows: LedgerRows) -> Verdict:
    """Check all four invariants; the verdict of a sound ledger has no faults."""
    replayed, transfer_count = _replay(rows.transfers)
    wallets = list(rows.wallets)
    stored = {(b.application, b.currency, b.name): b.posted_micros for b in rows.house}
    for wallet in wallets:
        stored[wallet.application, wallet.currency, accounts.wallet(wallet.account)] = wallet.posted_micros
        stored[wallet.application, wallet.currency, accounts.overruns_owed(wallet.account)] = -wallet.owed_micros
    ended = list(rows.ended_calls)
    faults = [
        *_sums(stored),
        *_wallets(wallets, rows.open_holds),
        *_outcomes(ended),
        *_strays(rows.stray_holds),
        *_replays(stored, replayed),
    ]
    return Verdict(transfer_count, len(wallets), len(ended), tuple(faults))


Ledger = dict[tuple[str, str, str], int]  # application, currency, name: credits minus debits


def _replay(transfers: Iterable[Moved]) -> tuple[Ledger, int]:
    balances: Ledger = defaultdict(int)
    count = 0
    for count, moved in enumerate(transfers, start=1):  # noqa: B007 - the last number is the count
        balances[moved.application, moved.currency, moved.debit] -= moved.amount_micros
        balances[moved.application, moved.currency, moved.credit] += moved.amount_micros
    return balances, count


def _sums(stored: Ledger) -> Iterator[str]:
    sums: dict[str, int] = defaultdict(int)
    for (_, currency, _), posted_micros in stored.items():
        sums[currency] += posted_micros
    for currency, total in sums.items():
        if total:
            yield f"1: all accounts in {currency} add up to {format_micros(total)}, not to 0"


def _wallets(wallets: Iterable[Wallet], open_holds: Iterable[OpenHolds]) -> Iterator[str]:
    held = {(holds.application, holds.account): holds.held_micros for holds in open_holds}
    for wallet in wallets:
        if not wallet.posted_micros + wallet.credit_limit_micros >= wallet.held_micros >= 0:
            yield (
                f"2: wallet {wallet.account} holds {format_micros(wallet.held_micros)} of {format_micros(wallet.posted_micros)}"
                f" with a credit limit of {format_micros(wallet.credit_limit_micros)}"
            )
        holds_micros = held.pop((wallet.application, wallet.account), 0)
        if wallet.held_micros != holds_micros:
            yield (
                f"2: wallet {wallet.account} says {format_micros(wallet.held_micros)} held,"
                f" its open holds add up to {format_micros(holds_micros)}"
            )
    for (_, account), holds_micros in held.items():
        yield f"2: {format_micros(holds_micros)} are held for {account}, which has no wallet"


def _outcomes(ended: Iterable[EndedCall]) -> Iterator[str]:
    for call in ended:
        if call.charge_micros is None:
            if call.record_count or call.moved_micros:
                yield (
                    f"3: call {call.call_id} ({call.application}) was never charged, but has {call.record_count} records,"
                    f" and {format_micros(call.moved_micros)} moved"
                )
            continue
        name = f"3: call {call.call_id} ({call.application}) ended"
        if call.hold_is_open:
            yield f"{name}, but its hold is open"
        if call.record_count != 1:
            yield f"{name} and has {call.record_count} records, not one"
        if call.correction_count > 1:
            yield f"{name} and was corrected {call.correction_count} times, not once"
        if call.corrected_micros and not call.correction_count:
            yield f"{name} and {format_micros(call.corrected_micros)} were given back without a record that corrects"
        moved_micros = call.moved_micros - call.corrected_micros
        if call.charge_micros != moved_micros:
            yield f"{name} and was charged {format_micros(call.charge_micros)}, but {format_micros(moved_micros)} moved"
        if call.refunded_micros > call.moved_micros:  # an estimate may have been refunded before it was corrected
            refunded, charge = format_micros(call.refunded_micros), format_micros(call.moved_micros)
            yield f"{name} and was refunded {refunded}, more than its charge of {charge}"


def _strays(stray_holds: Iterable[tuple[str, str]]) -> Iterator[str]:
    for application, call_id in stray_holds:
        yield f"3: the hold of call {call_id} ({application}) is open, but the call is not up"


def _replays(stored: Ledger, replayed: Ledger) -> Iterator[str]:
    for key in stored.keys() | replayed.keys():
        is_stored, is_replayed = stored.get(key, 0), replayed.get(key, 0)
        if is_stored != is_replayed:
            found = f"{format_micros(is_stored)}, its transfers give {format_micros(is_replayed)}"
            yield f"4: {key[2]} ({key[0]}) is stored as {found}"
