"""Structs of the service as rows of a table and back. Columns are named beside their values; engines share this."""

from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

import msgspec

from callgate.ledger.hold import Hold, HoldState
from callgate.ledger.transfer import Occasion, Transfer, TransferKind
from callgate.ledger.wallet import Wallet
from callgate.policy.account import Account, Status
from callgate.policy.alerts import NONE_YET, Alerts
from callgate.policy.limits import Limits
from callgate.policy.permissions import ALL_INHERITED, Permissions
from callgate.policy.pricing import NOTHING_SAID, Pricing
from callgate.policy.refusal import Refusal
from callgate.protocol.call import CallEnded, CallKey
from callgate.protocol.life import CallState
from callgate.rating.rate import Rate
from callgate.service.application import ApplicationRow, ApplicationSettings, SealedSecret
from callgate.service.books import DeckHead
from callgate.service.callout import Callout
from callgate.service.delivery import Delivery, DeliveryState, Lane
from callgate.service.elastic import Elastic
from callgate.service.endpoint import Endpoint, EndpointState, RecordType
from callgate.service.lease import Lease
from callgate.service.records import Call, Callback, CallRecord, Flag, SettledBy
from callgate.service.reply import Reply
from callgate.service.signature_fault import SignatureFault
from callgate.service.token import Role, Token
from callgate.storage.summed_rows import SUMMED, summed

Row = tuple[Any, ...]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_us(at: datetime) -> int:
    """An aware time as microseconds since 1970 UTC, exactly."""
    return (at - _EPOCH) // _MICROSECOND


def from_us(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at)


def _to_us(at: datetime | None) -> int | None:
    return None if at is None else to_us(at)


def _from_us(at: int | None) -> datetime | None:
    return None if at is None else from_us(at)


_encode = msgspec.json.Encoder().encode
_decode_rate = msgspec.json.Decoder(Rate).decode
_decode_elastic = msgspec.json.Decoder(Elastic).decode
_decode_callout = msgspec.json.Decoder(Callout).decode
_decode_ended = msgspec.json.Decoder(CallEnded).decode
_decode_alerts = msgspec.json.Decoder(Alerts).decode
_decode_limits = msgspec.json.Decoder(Limits).decode
_decode_permissions = msgspec.json.Decoder(Permissions).decode
_decode_pricing = msgspec.json.Decoder(Pricing).decode
_decode_settings = msgspec.json.Decoder(ApplicationSettings).decode
_decode_secrets = msgspec.json.Decoder(tuple[SealedSecret, ...]).decode
_decode_record = msgspec.json.Decoder(CallRecord).decode
_decode_options = msgspec.json.Decoder(dict[str, str]).decode
_decode_words = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_sealed = msgspec.json.Decoder(tuple[bytes, ...]).decode


CALL_KEY = ("application", "call_id")
CALL = (
    "application", "call_id", "state", "account", "caller", "destination", "fingerprint", "refusal", "granted_s", "trace",
    "answer", "rate", "hold_micros", "hold_placed_at", "hold_state", "parked", "decided_at", "answered_at", "ended_at",
    "result", "reason", "duration_s", "billed_s", "charge_micros", "currency", "settled_by", "flags", "resource",
    "ask_at", "ask_count", "elastic", "extend_at", "callout", "reference", "peer", "connected",
)  # fmt: skip


DECIDED = (
    *CALL_KEY, "state", "account", "caller", "destination", "fingerprint", "refusal", "granted_s", "trace", "answer", "rate",
    "hold_micros", "hold_placed_at", "hold_state", "decided_at", "currency", "flags", "resource", "ask_at", "ask_count",
    "elastic", "extend_at", "connected",
)  # fmt: skip
"""What a decision writes: the columns of a new call that may be other than null."""


_UNDECIDED = tuple(name for name in Call.__struct_fields__ if name not in {*DECIDED, "key", "hold"})
_undecided = attrgetter(*_UNDECIDED)
_NOTHING = _undecided(Call(key=CallKey("", ""), state=CallState.REFUSED, decided_at=_EPOCH))


def is_just_decided(call: Call) -> bool:
    """Whether nothing is known of a call but what was decided, so that `DECIDED` holds all of it."""
    return _undecided(call) == _NOTHING


def from_decided(call: Call) -> Row:
    """The values of `DECIDED`. Every new call is written from it, so that it is written to cost little."""
    hold = call.hold
    held = (None, None, None) if hold is None else (hold.amount_micros, to_us(hold.placed_at), str(hold.state))
    return (
        *call.key,
        str(call.state),
        call.account,
        call.caller,
        call.destination,
        call.fingerprint,
        call.refusal,
        call.granted_s,
        bytearray(call.trace),  # `sqlite3` binds these at a third of what it asks for bytes
        bytearray(call.answer),
        None if call.rate is None else bytearray(_encode(call.rate)),
        *held,
        to_us(call.decided_at),
        call.currency,
        " ".join(call.flags),
        call.resource,
        _to_us(call.ask_at),
        call.ask_count,
        *_from_elastic(call.elastic),
        call.connected,
    )


def from_call(call: Call) -> Row:
    hold = call.hold
    return (
        *call.key,
        call.state,
        call.account,
        call.caller,
        call.destination,
        call.fingerprint,
        call.refusal,
        call.granted_s,
        call.trace,
        call.answer,
        None if call.rate is None else _encode(call.rate),
        None if hold is None else hold.amount_micros,
        None if hold is None else to_us(hold.placed_at),
        None if hold is None else hold.state,
        None if call.parked is None else _encode(call.parked),
        to_us(call.decided_at),
        _to_us(call.answered_at),
        _to_us(call.ended_at),
        call.result,
        call.reason,
        call.duration_s,
        call.billed_s,
        call.charge_micros,
        call.currency,
        call.settled_by,
        " ".join(call.flags),
        call.resource,
        _to_us(call.ask_at),
        call.ask_count,
        *_from_timed(call),
        call.connected,
    )


def _from_timed(call: Call) -> Row:
    """What may have a timer: the time goes into one column, for the index alone, as do the references of a callout."""
    elastic, callout = call.elastic, call.callout
    if callout is None:
        return (*_from_elastic(elastic), None, None, None)
    timers = [each.look_at for each in (elastic, callout) if each is not None and each.look_at is not None]
    look_at = to_us(min(timers)) if timers else None
    return (elastic and _encode(elastic), look_at, _encode(callout), callout.ref, callout.peer or None)


def _from_elastic(elastic: Elastic | None) -> Row:
    """The struct, and for the index alone the time that it has too."""
    return (None, None) if elastic is None else (_encode(elastic), _to_us(elastic.look_at))


def to_call(row: Row) -> Call:
    named = dict(zip(CALL, row, strict=True))
    key = CallKey(named.pop("application"), named.pop("call_id"))
    del named["extend_at"], named["reference"], named["peer"]
    amount_micros, placed_at, state = named.pop("hold_micros"), named.pop("hold_placed_at"), named.pop("hold_state")
    named |= {
        "state": CallState(named["state"]),
        "refusal": named["refusal"] and Refusal(named["refusal"]),
        "rate": named["rate"] and _decode_rate(named["rate"]),
        "parked": named["parked"] and _decode_ended(named["parked"]),
        "decided_at": from_us(named["decided_at"]),
        "answered_at": _from_us(named["answered_at"]),
        "ended_at": _from_us(named["ended_at"]),
        "settled_by": named["settled_by"] and SettledBy(named["settled_by"]),
        "flags": tuple(Flag(flag) for flag in named["flags"].split()),
        "ask_at": _from_us(named["ask_at"]),
        "elastic": named["elastic"] and _decode_elastic(named["elastic"]),
        "callout": named["callout"] and _decode_callout(named["callout"]),
    }
    hold = state and Hold(amount_micros=amount_micros, placed_at=from_us(placed_at), state=HoldState(state))
    return Call(key=key, hold=hold, **named)


WALLET_KEY = ("application", "account")
WALLET = (
    *WALLET_KEY, "currency", "posted_micros", "held_micros", "credit_limit_micros", "owed_micros", "record_count",
    "hold_count", "day", "day_funds_micros", "day_spent_micros", "month", "month_spent_micros",
)  # fmt: skip


def from_wallet(wallet: Wallet) -> Row:
    return msgspec.structs.astuple(wallet)


def to_wallet(row: Row) -> Wallet:
    return Wallet(**dict(zip(WALLET, row, strict=True)))


ACCOUNT_KEY = ("application", "id")
ACCOUNT = (
    *ACCOUNT_KEY, "currency", "status", "deck", "limits", "is_elastic", "low_balance_micros", "alerts",
    "is_verified", "pricing", "locale", "permissions",
)  # fmt: skip


def from_account(account: Account) -> Row:
    return (
        account.application,
        account.id,
        account.currency,
        account.status,
        account.deck,
        _encode(account.limits).decode(),
        int(account.is_elastic),
        account.low_balance_micros,
        _encode(account.alerts).decode(),
        int(account.is_verified),
        _encode(account.pricing).decode(),
        account.locale,
        _encode(account.permissions).decode(),
    )


def to_account(row: Row) -> Account:
    (
        application,
        account,
        currency,
        status,
        deck,
        limits,
        is_elastic,
        low_balance_micros,
        alerts,
        is_verified,
        pricing,
        locale,
        permissions,
    ) = row
    return Account(
        application=application,
        id=account,
        currency=currency,
        status=Status(status),
        deck=deck,
        limits=_decode_limits(limits),
        is_elastic=bool(is_elastic),
        low_balance_micros=low_balance_micros,
        alerts=_decode_alerts(alerts) if alerts != "{}" else NONE_YET,
        is_verified=bool(is_verified),
        pricing=_decode_pricing(pricing) if pricing != "{}" else NOTHING_SAID,
        locale=locale,
        permissions=_decode_permissions(permissions) if permissions != "{}" else ALL_INHERITED,
    )


APPLICATION_KEY = ("key",)
APPLICATION = (*APPLICATION_KEY, "provider", "name", "status", "created_at", "sealed_secrets", "settings", "limits")


def from_application(row: ApplicationRow) -> Row:
    return (
        row.key,
        row.provider,
        row.name,
        row.status,
        to_us(row.created_at),
        _encode(row.sealed_secrets).decode(),
        _encode(row.settings).decode(),
        _encode(row.limits).decode(),
    )


def to_application(row: Row) -> ApplicationRow:
    key, provider, name, status, created_at, sealed_secrets, settings, limits = row
    return ApplicationRow(
        key=key,
        provider=provider,
        name=name,
        status=Status(status),
        created_at=from_us(created_at),
        sealed_secrets=_decode_secrets(sealed_secrets),
        settings=_decode_settings(settings),
        limits=_decode_limits(limits),
    )


IDENTITY_KEY = ("application", "identity")
IDENTITY = (*IDENTITY_KEY, "account")


DECK_KEY = ("name",)
DECK = (*DECK_KEY, "currency", "version", "row_count", "file", "imported_at", "imported_by")


def from_deck_head(head: DeckHead) -> Row:
    return (
        head.name,
        head.currency,
        head.version,
        head.row_count,
        head.file,
        _to_us(head.imported_at),
        head.imported_by,
    )


def to_deck_head(row: Row) -> DeckHead:
    named = dict(zip(DECK, row, strict=True))
    return DeckHead(imported_at=_from_us(named.pop("imported_at")), **named)


CALLBACK = (*CALL_KEY, "at", "name", "body", "answer", "note", "covered")


def from_callback(callback: Callback) -> Row:
    at, body, answer = to_us(callback.at), bytearray(callback.body), bytearray(callback.answer)  # see `from_decided`
    return (*callback.key, at, callback.name, body, answer, str(callback.note), callback.covered)


def to_callback(row: Row) -> Callback:
    application, call_id, at, name, body, answer, note, covered = row
    return Callback(
        key=CallKey(application, call_id),
        at=from_us(at),
        name=name,
        body=body,
        answer=answer,
        note=note,
        covered=covered,
    )


TRANSFER_KEY = ("application", "id")
TRANSFER = (
    *TRANSFER_KEY, "kind", "debit", "credit", "amount_micros", "currency", "subject", "call_id", "at", "who", "why",
)  # fmt: skip


def from_transfer(transfer: Transfer) -> Row:
    occasion = transfer.occasion
    return (
        transfer.application,
        transfer.id,
        transfer.kind,
        transfer.debit,
        transfer.credit,
        transfer.amount_micros,
        transfer.currency,
        occasion.subject,
        occasion.call_id,
        to_us(occasion.at),
        occasion.who,
        occasion.why,
    )


def to_transfer(row: Row) -> Transfer:
    application, transfer, kind, debit, credit, amount_micros, currency, subject, call_id, at, who, why = row
    return Transfer(
        application=application,
        id=transfer,
        kind=TransferKind(kind),
        debit=debit,
        credit=credit,
        amount_micros=amount_micros,
        currency=currency,
        occasion=Occasion(subject=subject, at=from_us(at), call_id=call_id, who=who, why=why),
    )


HOUSE_KEY = ("application", "currency", "name")
HOUSE = (*HOUSE_KEY, "posted_micros")


RECORD = ("record_id", *CALL_KEY, "account", "sequence", "ended_at", "corrects", "record", *SUMMED)


def from_record(record: CallRecord) -> Row:
    return (
        record.record_id,
        *record.key,
        record.account,
        record.sequence,
        to_us(record.ended_at),
        record.corrects,
        _encode(record),
        *summed(record),
    )


def to_record(row: Row) -> CallRecord:
    """From the column `record` alone, which has all of it."""
    return _decode_record(row[0])


TOKEN_KEY = ("digest",)
TOKEN = (*TOKEN_KEY, "name", "role", "hint", "created_at", "application", "expires_at", "last_used_at")


def from_token(token: Token) -> Row:
    return (
        token.digest,
        token.name,
        token.role,
        token.hint,
        to_us(token.created_at),
        token.application,
        _to_us(token.expires_at),
        _to_us(token.last_used_at),
    )


def to_token(row: Row) -> Token:
    named = dict(zip(TOKEN, row, strict=True))
    named |= {
        "role": Role(named["role"]),
        "created_at": from_us(named["created_at"]),
        "expires_at": _from_us(named["expires_at"]),
        "last_used_at": _from_us(named["last_used_at"]),
    }
    return Token(**named)


ENDPOINT_KEY = ("id",)
ENDPOINT = (
    *ENDPOINT_KEY, "url", "types", "allow_private", "created_at", "sealed_secrets", "old_secret_until", "state", "why",
    "kind", "options", "applications", "accounts", "failing_since",
)  # fmt: skip


def from_endpoint(endpoint: Endpoint) -> Row:
    return (
        endpoint.id,
        endpoint.url,
        " ".join(endpoint.types),
        int(endpoint.allow_private),
        to_us(endpoint.created_at),
        _encode(endpoint.sealed_secrets).decode(),
        _to_us(endpoint.old_secret_until),
        endpoint.state,
        endpoint.why,
        endpoint.kind,
        _encode(endpoint.options).decode(),
        _encode(endpoint.applications).decode(),
        _encode(endpoint.accounts).decode(),
        _to_us(endpoint.failing_since),
    )


def to_endpoint(row: Row) -> Endpoint:
    named = dict(zip(ENDPOINT, row, strict=True))
    named |= {
        "types": tuple(RecordType(word) for word in named["types"].split()),
        "allow_private": bool(named["allow_private"]),
        "created_at": from_us(named["created_at"]),
        "sealed_secrets": _decode_sealed(named["sealed_secrets"]),
        "old_secret_until": _from_us(named["old_secret_until"]),
        "state": EndpointState(named["state"]),
        "options": _decode_options(named["options"]),
        "applications": _decode_words(named["applications"]),
        "accounts": _decode_words(named["accounts"]),
        "failing_since": _from_us(named["failing_since"]),
    }
    return Endpoint(**named)


DELIVERY_KEY = ("id",)
DELIVERY = (
    *DELIVERY_KEY, *Lane._fields, "type", "sequence", "body", "occurred_at", "due_at", "state", "attempt_count",
    "attempted_at", "why",
)  # fmt: skip


def from_delivery(delivery: Delivery) -> Row:
    return (
        delivery.id,
        *delivery.lane,
        delivery.type,
        delivery.sequence,
        delivery.body,
        to_us(delivery.occurred_at),
        to_us(delivery.due_at),
        delivery.state,
        delivery.attempt_count,
        _to_us(delivery.attempted_at),
        delivery.why,
    )


CONCLUDED_KEY = (*DELIVERY_KEY, "attempted_at")
CONCLUDED = (*CONCLUDED_KEY, "due_at", "state", "attempt_count", "why")
"""What is written down of a delivery that was sent: of its claim, which its time tells from any other."""


def from_concluded(delivery: Delivery) -> Row:
    return (
        delivery.id,
        _to_us(delivery.attempted_at),
        to_us(delivery.due_at),
        delivery.state,
        delivery.attempt_count,
        delivery.why,
    )


def to_delivery(row: Row) -> Delivery:
    """Field by field: a backlog is read by the thousand a second."""
    id_, endpoint, application, account, type_, sequence, body, occurred, due, state, attempt_count, attempted, why = (
        row
    )
    return Delivery(
        id=id_,
        lane=Lane(endpoint, application, account),
        type=RecordType(type_),
        sequence=sequence,
        body=body,
        occurred_at=from_us(occurred),
        due_at=from_us(due),
        state=DeliveryState(state),
        attempt_count=attempt_count,
        attempted_at=_from_us(attempted),
        why=why,
    )


FAULT = ("at", "provider", "application", "is_known", "path", "ingredient", "explanation", "more_count")


def from_fault(fault: SignatureFault) -> Row:
    at, provider, application, is_known, *rest = msgspec.structs.astuple(fault)
    return (to_us(at), provider, application, int(is_known), *rest)


def to_fault(row: Row) -> SignatureFault:
    named = dict(zip(FAULT, row, strict=True))
    named |= {"at": from_us(named["at"]), "is_known": bool(named["is_known"])}
    return SignatureFault(**named)


REPLY_KEY = ("scope",)
REPLY = (*REPLY_KEY, "digest", "status", "body", "at")


def from_reply(reply: Reply) -> Row:
    return (reply.scope, reply.digest, reply.status, reply.body, to_us(reply.at))


def to_reply(row: Row) -> Reply:
    scope, digest, status, body, at = row
    return Reply(scope=scope, digest=digest, status=status, body=body, at=from_us(at))


LEASE_KEY = ("name",)
LEASE = (*LEASE_KEY, "holder", "until")


def from_lease(lease: Lease) -> Row:
    return (lease.name, lease.holder, to_us(lease.until))


def to_lease(row: Row) -> Lease:
    name, holder, until = row
    return Lease(name=name, holder=holder, until=from_us(until))
