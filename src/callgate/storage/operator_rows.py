"""Operators and sessions as rows of their tables and back."""

from callgate.service.operator_rows import Operator, Session, SessionKind
from callgate.service.token import Role
from callgate.storage.rows import Row, from_us, to_us

OPERATOR_KEY = ("name",)
OPERATOR = (*OPERATOR_KEY, "role", "password_hash", "sealed_totp", "totp_step", "created_at", "signed_in_at")
SESSION_KEY = ("digest",)
SESSION = (
    *SESSION_KEY,
    "kind",
    "subject",
    "created_at",
    "expires_at",
    "seen_at",
    "role",
    "application",
    "sub",
    "sealed_id_token",
)


def from_operator(operator: Operator) -> Row:
    return (
        operator.name,
        str(operator.role),
        operator.password_hash,
        operator.sealed_totp,
        operator.totp_step,
        to_us(operator.created_at),
        None if operator.signed_in_at is None else to_us(operator.signed_in_at),
    )


def to_operator(row: Row) -> Operator:
    name, role, password_hash, sealed_totp, totp_step, created_at, signed_in_at = row
    return Operator(
        name=name,
        role=Role(role),
        password_hash=password_hash,
        sealed_totp=sealed_totp,
        totp_step=totp_step,
        created_at=from_us(created_at),
        signed_in_at=None if signed_in_at is None else from_us(signed_in_at),
    )


def from_session(session: Session) -> Row:
    return (
        session.digest,
        str(session.kind),
        session.subject,
        to_us(session.created_at),
        to_us(session.expires_at),
        to_us(session.seen_at),
        None if session.role is None else str(session.role),
        session.application,
        session.sub,
        session.sealed_id_token,
    )


def to_session(row: Row) -> Session:
    digest, kind, subject, created_at, expires_at, seen_at, role, application, sub, sealed_id_token = row
    return Session(
        digest=digest,
        kind=SessionKind(kind),
        subject=subject,
        created_at=from_us(created_at),
        expires_at=from_us(expires_at),
        seen_at=from_us(seen_at),
        role=None if role is None else Role(role),
        application=application,
        sub=sub,
        sealed_id_token=sealed_id_token,
    )
