"""What happens to an account, told to the endpoints that want it, in the transaction in which it happens.

Nothing is worked out, and no state is kept, of what nobody wants to hear.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from callgate.ledger.wallet import Wallet
from callgate.money import format_micros
from callgate.policy.account import Account
from callgate.policy.alerts import Alerts, is_newly_depleted, is_newly_low, limit_of, window_of
from callgate.policy.refusal import SENTENCES, Refusal
from callgate.policy.rules.judge import Match
from callgate.policy.usage import Usage, begins_block, blocked_until, suspicions_in_hour
from callgate.service.books import AccountKey, Books
from callgate.service.delivery import Lane
from callgate.service.endpoint import Endpoint, RecordType
from callgate.service.queue_record import queue_message
from callgate.service.records import Call
from callgate.service.reports import rfc3339


class EventReport(msgspec.Struct, frozen=True, kw_only=True):
    """What each event of an account says. `sequence` counts the events of the account that were sent to anybody."""

    event_id: str
    sequence: int
    application: str
    account: str
    currency: str


class BalanceReport(EventReport, frozen=True, kw_only=True):
    """`balance` is what can still be spent, credit limit and what is held included; `available` is without what is held.
    `call_id` is the call that brought it there.
    """

    balance: str
    available: str
    credit_limit: str
    threshold: str
    call_id: str


class RefusedReport(EventReport, frozen=True, kw_only=True):
    """A call that was not let through. `reason` says the refusal in a sentence."""

    call_id: str
    caller: str
    destination: str
    refusal: str
    reason: str


class LimitReport(RefusedReport, frozen=True, kw_only=True):
    """`window` is in which nothing more is told of this limit: a minute, an hour or a day by the UTC clock."""

    limit: str
    window: str


class BlockedReport(EventReport, frozen=True, kw_only=True):
    """`until` is when the block ends; `call_id` is the call that was refused last before it."""

    why: str
    until: str
    call_id: str


class EmergencyReport(EventReport, frozen=True, kw_only=True):
    """An emergency number was dialled. `outcome` is `connect`, or `refuse` for a caller who had two such calls up. Account and
    currency are empty, and `sequence` is 0, for a caller who has no account.
    """

    call_id: str
    caller: str
    destination: str
    outcome: str


class RuleFailedReport(EventReport, frozen=True, kw_only=True):
    """A binding rule could not be judged, so that a call was refused. `window` is the hour by the UTC clock in which nothing more
    is told of this rule and account.
    """

    call_id: str
    caller: str
    destination: str
    rule: str
    error: str
    window: str


REPORTS: dict[RecordType, type[EventReport]] = {
    RecordType.BALANCE_LOW: BalanceReport,
    RecordType.BALANCE_DEPLETED: BalanceReport,
    RecordType.LIMIT_REACHED: LimitReport,
    RecordType.CALL_REFUSED: RefusedReport,
    RecordType.ACCOUNT_BLOCKED: BlockedReport,
    RecordType.CALL_EMERGENCY: EmergencyReport,
    RecordType.RULE_FAILED: RuleFailedReport,
}
"""What the data of each type is."""


def tell_refused(  # noqa: PLR0913, PLR0917 - the facts of a refusal
    books: Books, account: Account, wallet: Wallet, call: Call, endpoints: Sequence[Endpoint], now: datetime
) -> None:
    """A call was refused to a known payer: tell that, and what it says of the account's limits and credit."""
    assert call.refusal is not None, "the caller has asked"
    refused = _refused(call, call.destination, call.refusal)
    tell(books, account, RecordType.CALL_REFUSED, refused, endpoints, now)
    _tell_limit(books, account, call.refusal, refused, endpoints, now)
    if call.refusal is Refusal.INSUFFICIENT_CREDIT and wallet.held_micros == 0:
        _tell_depleted(books, account, wallet, call.key.call_id, endpoints, now)


def tell_balance(  # noqa: PLR0913, PLR0917 - the facts of a movement
    books: Books, before: Wallet, after: Wallet, call_id: str, endpoints: Sequence[Endpoint], now: datetime
) -> None:
    """A call was charged: tell when that left the balance low, or nothing of it."""
    account = books.accounts.get(AccountKey(after.application, after.account))
    assert account is not None, "whoever is charged has an account"
    was_micros, balance_micros = _balance_micros(before), _balance_micros(after)
    if is_newly_low(account.alerts, was_micros, balance_micros):
        said = _balance(account, after, call_id)
        tell(books, account, RecordType.BALANCE_LOW, said, endpoints, now, is_low=True)
    if balance_micros == 0 and was_micros > 0:
        _tell_depleted(books, account, after, call_id, endpoints, now)


def tell_choice_refused(  # noqa: PLR0913, PLR0917 - the facts of a refusal
    books: Books,
    account: Account,
    call: Call,
    destination: str,
    refusal: Refusal,
    endpoints: Sequence[Endpoint],
    now: datetime,
) -> None:
    """What a caller chose in a menu was refused: the call itself is up, so that only a limit is told of."""
    _tell_limit(books, account, refusal, _refused(call, destination, refusal), endpoints, now)


def tell_if_blocked(  # noqa: PLR0913, PLR0917 - the facts of an attempt
    books: Books,
    account: Account,
    before: Usage | None,
    after: Usage,
    call: Call,
    refusal: Refusal,
    endpoints: Sequence[Endpoint],
    now: datetime,
) -> None:
    """An attempt was refused: tell when that was one too many, and the account is blocked from now on."""
    if not begins_block(before, after):
        return
    until = blocked_until(after)
    assert until is not None, "a block that begins has an end"
    count = suspicions_in_hour(before, now) + 1
    why = f"{count} suspicious {'refusal' if count == 1 else 'refusals'} within an hour, the last: {SENTENCES[refusal]}"
    tell_blocked(
        books, account, why=why, until=rfc3339(until), call_id=call.key.call_id, endpoints=endpoints, now=now
    )  # fmt: skip


def tell_rule_failed(  # noqa: PLR0913, PLR0917 - the facts of a refusal
    books: Books, account: Account, call: Call, failed: Match, endpoints: Sequence[Endpoint], now: datetime
) -> None:
    """A rule could not be judged, and refused the call: tell it once an hour."""
    name, window = f"rule {failed.rule}", window_of("hour", now)
    if _state(books, account).limits.get(name) == window:
        return
    limits = {**_state(books, account).limits, name: window}
    said = {
        "call_id": call.key.call_id, "caller": call.caller, "destination": call.destination,
        "rule": failed.rule, "error": failed.error, "window": window,
    }  # fmt: skip
    tell(books, account, RecordType.RULE_FAILED, said, endpoints, now, limits=limits)


def tell_blocked(  # noqa: PLR0913 - the facts of a block
    books: Books,
    account: Account,
    *,
    why: str,
    until: str,
    call_id: str,
    endpoints: Sequence[Endpoint],
    now: datetime,
) -> None:
    """An account was blocked because its calls look like fraud."""
    said = {"why": why, "until": until, "call_id": call_id}
    tell(books, account, RecordType.ACCOUNT_BLOCKED, said, endpoints, now)


def tell(  # noqa: PLR0913, PLR0917 - what is told, of whom, to whom
    books: Books,
    account: Account,
    kind: RecordType,
    facts: dict[str, Any],
    endpoints: Sequence[Endpoint],
    now: datetime,
    **remembered: Any,
) -> None:
    """Queue one event. `remembered` is what the account's `Alerts` keep of it; nothing, where nobody hears it."""
    key = AccountKey(account.application, account.id)
    wanted = [endpoint for endpoint in endpoints if endpoint.wants(kind, *key)]
    if not wanted:
        return
    alerts = msgspec.structs.replace(_state(books, account), **remembered)
    alerts = msgspec.structs.replace(alerts, count=alerts.count + 1)
    books.accounts.put(key, msgspec.structs.replace(books.accounts.get(key) or account, alerts=alerts))
    event_id = name_of(key, alerts.count)
    report = REPORTS[kind](
        event_id=event_id,
        sequence=alerts.count,
        application=key.application,
        account=key.account,
        currency=account.currency,
        **facts,
    )
    lanes = [Lane(endpoint.id, *key) for endpoint in wanted]
    queue_message(books, lanes, kind, event_id, alerts.count, report, now)


def name_of(key: AccountKey, number: int) -> str:
    """Name an event of an account, the same wherever it is worked out."""
    return f"evt_{hashlib.sha256(f'{key.application} {key.account} {number}'.encode()).hexdigest()[:32]}"


def _state(books: Books, account: Account) -> Alerts:
    """As this job has left them."""
    return (books.accounts.get(AccountKey(account.application, account.id)) or account).alerts


def _refused(call: Call, destination: str, refusal: Refusal) -> dict[str, str]:
    return {
        "call_id": call.key.call_id, "caller": call.caller, "destination": destination,
        "refusal": refusal, "reason": SENTENCES[refusal],
    }  # fmt: skip


def _tell_limit(  # noqa: PLR0913, PLR0917 - the facts of a refusal
    books: Books,
    account: Account,
    refusal: Refusal,
    refused: dict[str, str],
    endpoints: Sequence[Endpoint],
    now: datetime,
) -> None:
    """Where the refusal is one of a limit that was not told of in this window."""
    reached = limit_of(refusal, now)
    if reached is None or _state(books, account).limits.get(reached[0]) == reached[1]:
        return
    limit, window = reached
    limits = {**_state(books, account).limits, limit: window}
    said = {**refused, "limit": limit, "window": window}
    tell(books, account, RecordType.LIMIT_REACHED, said, endpoints, now, limits=limits)


def _tell_depleted(  # noqa: PLR0913, PLR0917 - as above
    books: Books, account: Account, wallet: Wallet, call_id: str, endpoints: Sequence[Endpoint], now: datetime
) -> None:
    balance_micros = _balance_micros(wallet)
    if is_newly_depleted(_state(books, account), balance_micros):
        said = _balance(books.accounts.get(AccountKey(account.application, account.id)) or account, wallet, call_id)
        kind = RecordType.BALANCE_DEPLETED
        tell(books, account, kind, said, endpoints, now, depleted_micros=balance_micros)


def _balance(account: Account, wallet: Wallet, call_id: str) -> dict[str, str]:
    return {
        "balance": format_micros(_balance_micros(wallet)),
        "available": format_micros(wallet.available_micros),
        "credit_limit": format_micros(wallet.credit_limit_micros),
        "threshold": format_micros(account.alerts.threshold_micros),
        "call_id": call_id,
    }


def _balance_micros(wallet: Wallet) -> int:
    return wallet.posted_micros + wallet.credit_limit_micros
