"""Structs of the service as rows of a table and back. Columns are named beside their values; engines share this."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from callgate.ledger.transfer import Occasion, Transfer, TransferKind
from callgate.ledger.wallet import Wallet
from callgate.policy.account import Account, Status
from callgate.policy.alerts import NONE_YET, Alerts
from callgate.policy.limits import Limits
from callgate.policy.permissions import ALL_INHERITED, Permissions
from callgate.policy.pricing import NOTHING_SAID, Pricing
from callgate.service.application import ApplicationRow, ApplicationSettings, SealedSecret
from callgate.service.books import DeckHead
from callgate.service.lease import Lease
from callgate.service.reply import Reply
from callgate.service.signature_fault import SignatureFault
from callgate.service.token import Role, Token

Row = tuple[Any, ...]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_us(at: datetime) -> int:
    """An aware time as microseconds since 1970 UTC, exactly."""
    return (at - EPOCH) // _MICROSECOND


def from_us(at: int) -> datetime:
    return EPOCH + timedelta(microseconds=at)


def to_us_or_none(at: datetime | None) -> int | None:
    return None if at is None else to_us(at)


def from_us_or_none(at: int | None) -> datetime | None:
    return None if at is None else from_us(at)


_encode = msgspec.json.Encoder().encode
_decode_alerts = msgspec.json.Decoder(Alerts).decode
_decode_limits = msgspec.json.Decoder(Limits).decode
_decode_permissions = msgspec.json.Decoder(Permissions).decode
_decode_pricing = msgspec.json.Decoder(Pricing).decode
_decode_settings = msgspec.json.Decoder(ApplicationSettings).decode
_decode_secrets = msgspec.json.Decoder(tuple[SealedSecret, ...]).decode


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
        to_us_or_none(head.imported_at),
        head.imported_by,
    )


def to_deck_head(row: Row) -> DeckHead:
    named = dict(zip(DECK, row, strict=True))
    return DeckHead(imported_at=from_us_or_none(named.pop("imported_at")), **named)


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
        to_us_or_none(token.expires_at),
        to_us_or_none(token.last_used_at),
    )


def to_token(row: Row) -> Token:
    named = dict(zip(TOKEN, row, strict=True))
    named |= {
        "role": Role(named["role"]),
        "created_at": from_us(named["created_at"]),
        "expires_at": from_us_or_none(named["expires_at"]),
        "last_used_at": from_us_or_none(named["last_used_at"]),
    }
    return Token(**named)


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
