"""Queue a record for every endpoint that wants it, in the transaction that writes it."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

import msgspec

from callgate.service.books import Books
from callgate.service.delivery import Delivery, Lane
from callgate.service.endpoint import Endpoint, RecordType
from callgate.service.records import CallRecord
from callgate.service.reports import report_record, rfc3339

ID_PREFIX = "msg_"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a delivery. `timestamp` is when it happened, the same in every attempt. `data` depends on the type."""

    type: RecordType
    timestamp: str
    data: msgspec.Struct


def queue_record(
    books: Books,
    record: CallRecord,
    endpoints: Sequence[Endpoint],
    kinds: Sequence[RecordType] = (RecordType.CALL_ENDED,),
) -> None:
    """Write the record and what is to be sent of it, under each of these types. `endpoints` are looked up outside the
    lock, like decks.
    """
    books.records.add(record)
    for kind in kinds:
        _queue(books, record, endpoints, kind)


def _queue(books: Books, record: CallRecord, endpoints: Sequence[Endpoint], kind: RecordType) -> None:
    account = (record.key.application, record.account)
    lanes = [Lane(endpoint.id, *account) for endpoint in endpoints if endpoint.wants(kind, *account)]
    if lanes:
        queue_message(books, lanes, kind, record.record_id, record.sequence, report_record(record), record.ended_at)


def queue_message(  # noqa: PLR0913, PLR0917 - the parts of a delivery
    books: Books,
    lanes: Sequence[Lane],
    kind: RecordType,
    record_id: str,
    sequence: int,
    data: msgspec.Struct,
    at: datetime,
) -> None:
    """Put one message into these lanes. `record_id` names it for ever."""
    body = _encode(Message(type=kind, timestamp=rfc3339(at), data=data))
    for lane in lanes:
        delivery = Delivery(
            id=delivery_id(lane.endpoint, kind, record_id),
            lane=lane,
            type=kind,
            sequence=sequence,
            body=body,
            occurred_at=at,
            due_at=at,
        )
        books.deliveries.put(delivery.id, delivery)


def delivery_id(endpoint: str, kind: RecordType, record_id: str) -> str:
    """Name a delivery by what it delivers: queued twice it is one. Without the dot that Standard Webhooks forbid in ids."""
    digest = hashlib.sha256(f"{endpoint} {kind} {record_id}".encode())
    return ID_PREFIX + digest.hexdigest()[:32]


_encode = msgspec.json.Encoder().encode
