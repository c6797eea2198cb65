"""Bring the rows that a batch names onto the shelves, locked: one round for calls and accounts, one for each other kind.

The order of locks is the same on every node, so that no two wait for each other: calls, accounts and wallets by their keys,
then the other kinds one after the other. Sums over rows that nobody locks are taken last, when everybody who could change
them is locked out.
"""

from collections.abc import Sequence

from callgate.protocol.call import CallKey
from callgate.service.books import AccountKey, Books, CallerKey, IdentityKey, Keys
from callgate.service.records import Call
from callgate.storage import call_rows, rows, usage_rows
from callgate.storage.alone import ALONE
from callgate.storage.postgres.session import Connection
from callgate.storage.postgres.statements import (
    ACCOUNT_ROW,
    CALL_ROW,
    EMERGENCIES,
    IDENTITY_ROW,
    LOCK_CALLERS,
    OPEN_HOLDS,
    REFUNDED,
    Statements,
    load_alone,
)

_CALL = slice(1, 1 + len(call_rows.CALL))
_ACCOUNT = slice(_CALL.stop, _CALL.stop + len(rows.ACCOUNT))
_WALLET = slice(_ACCOUNT.stop, _ACCOUNT.stop + len(rows.WALLET))
_USAGE = slice(_WALLET.stop, _WALLET.stop + len(usage_rows.USAGE))


async def load(connection: Connection, statements: Statements, books: Books, keys: Keys) -> None:
    if keys.calls or keys.identities or keys.accounts or keys.deliveries:
        await _load_calls(connection, statements, books, keys)
    for kind in ALONE:
        if wanted := kind.keys(keys):
            statement = load_alone(kind.table, kind.columns, kind.key, is_locked=kind.is_locked)
            found = await connection.fetch(statement, *_arrays(kind.parts(wanted), len(kind.key)))
            kind.load(books, wanted, map(tuple, found))
    if keys.refunds:
        for row in await connection.fetch(REFUNDED, *_arrays(keys.refunds, 2)):
            books.refunded.load(CallKey(row[0], row[1]), row[2])
    if keys.open_holds:
        for row in await connection.fetch(OPEN_HOLDS, *_arrays(keys.open_holds, 2)):
            books.open_holds.load(AccountKey(row[0], row[1]), row[2])
    if keys.emergencies:
        await _load_emergencies(connection, books, keys.emergencies)


async def _load_emergencies(connection: Connection, books: Books, keys: Sequence[CallerKey]) -> None:
    """Behind all others: whoever waits for a caller holds nothing that the one who goes on still wants."""
    named = _arrays(keys, 2)
    await connection.fetch(LOCK_CALLERS, *named)
    up: dict[CallerKey, tuple[Call, ...]] = dict.fromkeys(keys, ())
    for row in await connection.fetch(EMERGENCIES, *named):
        call = call_rows.to_call(tuple(row))
        key = CallerKey(call.key.application, call.caller)
        up[key] = (*up[key], call)
    for key, calls in up.items():
        books.emergencies.load(key, calls)


async def _load_calls(connection: Connection, statements: Statements, books: Books, keys: Keys) -> None:
    for call_key in keys.calls:
        books.calls.load(call_key, None)
    for identity_key in keys.identities:
        books.identities.load(identity_key, None)
    for account_key in keys.accounts:
        books.accounts.load(account_key, None)
        books.wallets.load(account_key, None)
        books.usages.load(account_key, None)
    named = [*_arrays(keys.calls, 2), *_arrays(keys.identities, 2), *_arrays(keys.accounts, 2)]
    if keys.deliveries:
        named.append(keys.deliveries)
    for row in await connection.fetch(statements.load(with_deliveries=bool(keys.deliveries)), *named):
        match row[0]:
            case kind if kind == CALL_ROW:
                call = call_rows.to_call(row[_CALL])
                books.calls.load(call.key, call)
            case kind if kind == IDENTITY_ROW:
                books.identities.load(IdentityKey(row[1], row[2]), row[4])
            case kind if kind == ACCOUNT_ROW:
                account = rows.to_account(row[_ACCOUNT])
                opened_key = AccountKey(account.application, account.id)
                books.accounts.load(opened_key, account)
                books.wallets.load(opened_key, rows.to_wallet(row[_WALLET]))
                books.usages.load(opened_key, usage_rows.to_usage(row[_USAGE]))


def _arrays(keys: Sequence[Sequence[str]], width: int) -> list[Sequence[str]]:
    """Keys as one array for each of their parts."""
    return list(zip(*keys, strict=True)) if keys else [()] * width
