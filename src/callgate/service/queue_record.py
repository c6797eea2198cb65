"""Queue a record for every endpoint that wants it, in the transaction that writes it."""

import hashlib
from collections.abc import Sequence

import msgspec

from callgate.service.books import Books
from callgate.service.delivery import Delivery, Lane
from callgate.service.endpoint import Endpoint, RecordType
from callgate.service.records import CallRecord
from callgate.service.reports import RecordReport, report_record, rfc3339

ID_PREFIX = "msg_"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a delivery. `timestamp` is when it happened, the same in every attempt."""

    type: RecordType
    timestamp: str
    data: RecordReport


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
    wanted = [endpoint for endpoint in endpoints if endpoint.wants(kind)]
    if not wanted:
        return
    body = _encode(Message(type=kind, timestamp=rfc3339(record.ended_at), data=report_record(record)))
    for endpoint in wanted:
        delivery = Delivery(
            id=delivery_id(endpoint.id, kind, record.record_id),
            lane=Lane(endpoint.id, record.key.application, record.account),
            type=kind,
            sequence=record.sequence,
            body=body,
            occurred_at=record.ended_at,
            due_at=record.ended_at,
        )
        books.deliveries.put(delivery.id, delivery)


def delivery_id(endpoint: str, kind: RecordType, record_id: str) -> str:
    """Name a delivery by what it delivers: queued twice it is one. Without the dot that Standard Webhooks forbid in ids."""
    digest = hashlib.sha256(f"{endpoint} {kind} {record_id}".encode())
    return ID_PREFIX + digest.hexdigest()[:32]


_encode = msgspec.json.Encoder().encode
