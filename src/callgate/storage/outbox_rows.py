"""Endpoints and deliveries to them as rows of tables and back."""

import msgspec

from callgate.service.delivery import Delivery, DeliveryState, Lane
from callgate.service.endpoint import Endpoint, EndpointState, RecordType
from callgate.storage.rows import Row, from_us, from_us_or_none, to_us, to_us_or_none

_encode = msgspec.json.Encoder().encode
_decode_options = msgspec.json.Decoder(dict[str, str]).decode
_decode_words = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_sealed = msgspec.json.Decoder(tuple[bytes, ...]).decode


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
        to_us_or_none(endpoint.old_secret_until),
        endpoint.state,
        endpoint.why,
        endpoint.kind,
        _encode(endpoint.options).decode(),
        _encode(endpoint.applications).decode(),
        _encode(endpoint.accounts).decode(),
        to_us_or_none(endpoint.failing_since),
    )


def to_endpoint(row: Row) -> Endpoint:
    named = dict(zip(ENDPOINT, row, strict=True))
    named |= {
        "types": tuple(RecordType(word) for word in named["types"].split()),
        "allow_private": bool(named["allow_private"]),
        "created_at": from_us(named["created_at"]),
        "sealed_secrets": _decode_sealed(named["sealed_secrets"]),
        "old_secret_until": from_us_or_none(named["old_secret_until"]),
        "state": EndpointState(named["state"]),
        "options": _decode_options(named["options"]),
        "applications": _decode_words(named["applications"]),
        "accounts": _decode_words(named["accounts"]),
        "failing_since": from_us_or_none(named["failing_since"]),
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
        to_us_or_none(delivery.attempted_at),
        delivery.why,
    )


CONCLUDED_KEY = (*DELIVERY_KEY, "attempted_at")
CONCLUDED = (*CONCLUDED_KEY, "due_at", "state", "attempt_count", "why")
"""What is written down of a delivery that was sent: of its claim, which its time tells from any other."""


def from_concluded(delivery: Delivery) -> Row:
    return (
        delivery.id,
        to_us_or_none(delivery.attempted_at),
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
        attempted_at=from_us_or_none(attempted),
        why=why,
    )
