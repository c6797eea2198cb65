"""What commands, the API and the dashboard read, in the shapes that `interfaces` fixes. Never writes.

Amounts are decimal strings with their currency beside them, times RFC 3339 in UTC.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from callgate.ledger.verify import Verdict, verify
from callgate.ledger.wallet import Wallet
from callgate.money import format_micros, format_nanos
from callgate.policy.account import Account
from callgate.policy.limits import account_defaults, filled, shown
from callgate.protocol.call import CallKey
from callgate.protocol.life import LIVE
from callgate.rating.charge import charge_micros
from callgate.service.books import AccountKey
from callgate.service.callout import PREFIX as CALLOUT_PREFIX
from callgate.service.delivery import Delivery, DeliveryState
from callgate.service.endpoint import Endpoint
from callgate.service.ports import Store
from callgate.service.reason import reason_of, refused_by
from callgate.service.records import Call, Callback, CallRecord, held_s

RECENT = 50
"""Calls that a list shows unless told otherwise."""

MAX_LIST = 1_000


class ExposureReport(msgspec.Struct, frozen=True, kw_only=True):
    """What live calls of an account with elastic holds may use: a slice each while the server lives, and all that the
    platform lets them have while it does not.
    """

    call_count: int
    seconds: int
    amount: str
    seconds_if_down: int
    amount_if_down: str


class AccountReport(msgspec.Struct, frozen=True, kw_only=True):
    """An account and its money. `exposure` is None where its calls hold all of their money at once; `low_balance` and `locale`
    where its application says when its balance is low and what its callers understand.
    """

    id: str
    application: str
    currency: str
    status: str
    posted: str
    held: str
    available: str
    credit_limit: str
    owed: str
    deck: str
    identities: tuple[str, ...]
    verified: bool
    limits: dict[str, Any]
    elastic: bool
    exposure: ExposureReport | None
    low_balance: str | None
    pricing: dict[str, str]
    permissions: dict[str, str]
    locale: str | None


class DecisionReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided. `outcome` is `connect` or `refuse`; `reason` says the refusal in a sentence. `rule` is the operator's
    rule that refused, where one did.
    """

    outcome: str
    refusal: str | None
    rule: str | None
    reason: str | None
    granted_s: int
    trace: list[dict[str, Any]]


class CallReport(msgspec.Struct, frozen=True, kw_only=True):
    """One call. `decision` is None for an end that came without a start. `hold` is what is held now, and for `held_s`
    seconds. `ask_at` is when the platform is asked what became of it, if nothing is heard before; it was `ask_count` times.
    """

    call_id: str
    application: str
    state: str
    account: str | None
    caller: str
    destination: str
    decision: DecisionReport | None
    hold: str | None
    held_s: int | None
    charge: str | None
    currency: str | None
    rate_per_minute: str | None
    decided_at: str
    answered_at: str | None
    ended_at: str | None
    duration_s: int | None
    billed_s: int | None
    result: str | None
    reason: str | None
    settled_by: str | None
    ask_at: str | None
    ask_count: int
    flags: tuple[str, ...]
    seconds_left: int | None
    events: list[dict[str, Any]]


class RecordReport(msgspec.Struct, frozen=True, kw_only=True):
    """The record of an ended call, as it is delivered and exported."""

    call_id: str
    account: str
    caller: str
    destination: str
    started_at: str
    answered_at: str | None
    ended_at: str
    duration_s: int
    billed_s: int
    charge: str
    currency: str
    cost: str | None
    cost_currency: str | None
    result: str
    reason: str
    settled_by: str
    application: str
    record_id: str
    sequence: int
    corrects: str | None


class EndpointReport(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint without its secrets. `events`, `applications` and `accounts` empty mean all; `why` says why it is disabled,
    or what fails, since `failing_since`.
    """

    id: str
    kind: str
    url: str
    options: dict[str, str]
    events: tuple[str, ...]
    applications: tuple[str, ...]
    accounts: tuple[str, ...]
    allow_private: bool
    state: str
    failing_since: str | None
    why: str
    created_at: str


class DeliveryReport(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery. `due_at` is None once it is delivered or parked; `why` is what went wrong the last time."""

    id: str
    endpoint: str
    state: str
    type: str
    application: str
    account: str
    sequence: int
    attempts: int
    occurred_at: str
    attempted_at: str | None
    due_at: str | None
    why: str
    body: Any


class FaultReport(msgspec.Struct, frozen=True, kw_only=True):
    """A callback that failed its signature. `is_known`: the key that it names is one of ours. `more` failed beside it."""

    at: str
    provider: str
    application: str
    is_known: bool
    path: str
    ingredient: str
    explanation: str
    more: int


async def account_report(store: Store, key: AccountKey) -> AccountReport | None:
    """Return the account, or None when there is none of that id."""
    found = await store.account(key)
    if found is None:
        return None
    is_exposed = found.account.is_elastic or found.wallet.held_micros > 0
    live = await store.calls(key.application, account=key.account, only_live=True, limit=MAX_LIST) if is_exposed else ()
    return report_account(*found, live=live)


def report_account(
    account: Account, wallet: Wallet, identities: tuple[str, ...], live: Sequence[Call] = ()
) -> AccountReport:
    """Say what is known of an account; `live` are its calls that are up, as far as its exposure is of interest."""
    return AccountReport(
        id=account.id,
        application=account.application,
        currency=account.currency,
        status=account.status,
        posted=format_micros(wallet.posted_micros),
        held=format_micros(wallet.held_micros),
        available=format_micros(wallet.available_micros),
        credit_limit=format_micros(wallet.credit_limit_micros),
        owed=format_micros(wallet.owed_micros),
        deck=account.deck,
        identities=identities,
        verified=account.is_verified,
        limits=shown(filled(account.limits, account_defaults(account.currency, is_verified=account.is_verified))),
        elastic=account.is_elastic,
        exposure=_exposure(account, live),
        low_balance=None if account.low_balance_micros is None else format_micros(account.low_balance_micros),
        pricing=account.pricing.shown(),
        permissions=account.permissions.shown(),
        locale=account.locale or None,
    )


def _exposure(account: Account, live: Sequence[Call]) -> ExposureReport | None:
    """None for an account that is not elastic and has no elastic call left."""
    calls = [(call, call.elastic, call.rate) for call in live]
    elastic = [(call, elastic, rate) for call, elastic, rate in calls if elastic is not None and rate is not None]
    if not elastic and not account.is_elastic:
        return None
    return ExposureReport(
        call_count=len(elastic),
        seconds=sum(each.slice_s for _, each, _ in elastic),
        amount=format_micros(sum(charge_micros(rate, each.slice_s) for _, each, rate in elastic)),
        seconds_if_down=sum(call.granted_s for call, _, _ in elastic),
        amount_if_down=format_micros(sum(charge_micros(rate, call.granted_s) for call, _, rate in elastic)),
    )


async def call_report(store: Store, key: CallKey, now: datetime) -> CallReport | None:
    """Return one call with its callbacks, or None when it was never heard of."""
    call = await find_call(store, key)
    return None if call is None else report_call(call, now, await store.callbacks(call.key))


async def find_call(store: Store, key: CallKey) -> Call | None:
    """Return a call by its id, or one that we placed by our reference, whatever id the platform has given it since."""
    call = await store.call(key)
    if call is None and key.call_id.startswith(CALLOUT_PREFIX):
        return await store.call_referred(*key)
    return call


async def call_reports(  # noqa: PLR0913 - what a list can be limited to
    store: Store,
    now: datetime,
    *,
    application: str | None = None,
    account: str | None = None,
    only_live: bool = False,
    limit: int = RECENT,
) -> list[CallReport]:
    """Return calls, newest first, without their callbacks. `limit` is cut to `MAX_LIST`."""
    calls = await store.calls(application, account=account, only_live=only_live, limit=min(limit, MAX_LIST))
    return [report_call(call, now) for call in calls]


def report_call(call: Call, now: datetime, callbacks: Sequence[Callback] = ()) -> CallReport:
    """Say what is known of a call at this moment."""
    is_live = call.state in LIVE
    return CallReport(
        call_id=call.key.call_id,
        application=call.key.application,
        state=call.state,
        account=call.account,
        caller=call.caller,
        destination=call.destination,
        decision=_decision(call),
        hold=format_micros(call.hold.amount_micros)
        if call.hold is not None and is_live and call.rate is not None
        else None,
        held_s=held_s(call) if is_live else None,
        charge=None if call.charge_micros is None else format_micros(call.charge_micros),
        currency=call.currency,
        rate_per_minute=None if call.rate is None else format_nanos(call.rate.rate_nanos_per_min),
        decided_at=rfc3339(call.decided_at),
        answered_at=None if call.answered_at is None else rfc3339(call.answered_at),
        ended_at=None if call.ended_at is None else rfc3339(call.ended_at),
        duration_s=call.duration_s,
        billed_s=call.billed_s,
        result=call.result,
        reason=call.reason,
        settled_by=call.settled_by,
        ask_at=None if call.ask_at is None else rfc3339(call.ask_at),
        ask_count=call.ask_count,
        flags=call.flags,
        seconds_left=_seconds_left(call, now) if is_live else None,
        events=[_event(callback) for callback in callbacks],
    )


def _decision(call: Call) -> DecisionReport | None:
    if not call.answer:
        return None
    trace: list[dict[str, Any]] = msgspec.json.decode(call.trace)
    rule = refused_by(call.refusal, trace)
    return DecisionReport(
        outcome="connect" if call.rate is not None and call.refusal is None else "refuse",
        refusal=call.refusal,
        rule=rule,
        reason=reason_of(call.refusal, rule),
        granted_s=call.granted_s,
        trace=trace,
    )


def _seconds_left(call: Call, now: datetime) -> int:
    """Seconds of the grant that are left; the clock of a call that has not been answered has not started."""
    if call.answered_at is None:
        return call.granted_s
    return max(0, call.granted_s - int((now - call.answered_at).total_seconds()))


def _event(callback: Callback) -> dict[str, Any]:
    """One callback as it came; a body that is not JSON is shown as text."""
    return {
        "at": rfc3339(callback.at),
        "event": callback.name,
        "sent": _json(callback.body),
        "answer": _json(callback.answer),
        "note": callback.note,
    }


def _json(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return body.decode(errors="replace")


def report_record(record: CallRecord) -> RecordReport:
    return RecordReport(
        call_id=record.key.call_id,
        account=record.account,
        caller=record.caller,
        destination=record.destination,
        started_at=rfc3339(record.started_at),
        answered_at=None if record.answered_at is None else rfc3339(record.answered_at),
        ended_at=rfc3339(record.ended_at),
        duration_s=record.duration_s,
        billed_s=record.billed_s,
        charge=format_micros(record.charge_micros),
        currency=record.currency,
        cost=record.cost,
        cost_currency=record.cost_currency,
        result=record.result,
        reason=record.reason,
        settled_by=record.settled_by,
        application=record.key.application,
        record_id=record.record_id,
        sequence=record.sequence,
        corrects=record.corrects,
    )


def rfc3339(at: datetime) -> str:
    """Write an aware time as the API does, to the millisecond."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def endpoint_reports(store: Store) -> list[EndpointReport]:
    """Return the endpoints in the order in which they were added."""
    return [report_endpoint(endpoint) for endpoint in await store.endpoints()]


def report_endpoint(endpoint: Endpoint) -> EndpointReport:
    return EndpointReport(
        id=endpoint.id,
        kind=endpoint.kind,
        url=endpoint.url,
        options=dict(endpoint.options),
        events=endpoint.types,
        applications=endpoint.applications,
        accounts=endpoint.accounts,
        allow_private=endpoint.allow_private,
        state=endpoint.state,
        failing_since=None if endpoint.failing_since is None else rfc3339(endpoint.failing_since),
        why=endpoint.why,
        created_at=rfc3339(endpoint.created_at),
    )


async def delivery_reports(
    store: Store, *, state: DeliveryState | None = None, limit: int = RECENT
) -> list[DeliveryReport]:
    """Return deliveries, those that were queued last first. `limit` is cut to `MAX_LIST`."""
    return [report_delivery(delivery) for delivery in await store.deliveries(state, min(limit, MAX_LIST))]


def report_delivery(delivery: Delivery) -> DeliveryReport:
    is_open = delivery.state in (DeliveryState.NEXT, DeliveryState.WAITING)
    return DeliveryReport(
        id=delivery.id,
        endpoint=delivery.lane.endpoint,
        state=delivery.state,
        type=delivery.type,
        application=delivery.lane.application,
        account=delivery.lane.account,
        sequence=delivery.sequence,
        attempts=delivery.attempt_count,
        occurred_at=rfc3339(delivery.occurred_at),
        attempted_at=None if delivery.attempted_at is None else rfc3339(delivery.attempted_at),
        due_at=rfc3339(delivery.due_at) if is_open else None,
        why=delivery.why,
        body=msgspec.json.decode(delivery.body),
    )


async def fault_reports(store: Store, *, limit: int = RECENT) -> list[FaultReport]:
    """Return callbacks that were not genuine, newest first. `limit` is cut to `MAX_LIST`."""
    return [
        FaultReport(
            at=rfc3339(fault.at),
            provider=fault.provider,
            application=fault.application,
            is_known=fault.is_known,
            path=fault.path,
            ingredient=fault.ingredient,
            explanation=fault.explanation,
            more=fault.more_count,
        )
        for fault in await store.faults(min(limit, MAX_LIST))
    ]


async def ledger_verdict(store: Store) -> Verdict:
    """Check the four invariants on what is stored now."""
    return await store.inspect_ledger(verify)
