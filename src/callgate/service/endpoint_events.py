"""What happens to an endpoint, told to the others: the alarm that records do not reach somebody any more.

It belongs to no account. Its lane is named by the endpoint that it tells of, whose lock keeps the lane's order.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime

import msgspec

from callgate.service.books import Books
from callgate.service.delivery import Lane
from callgate.service.endpoint import EMAIL, Endpoint, RecordType, read_url
from callgate.service.queue_record import queue_message
from callgate.service.reports import rfc3339


class DisabledReport(msgspec.Struct, frozen=True, kw_only=True):
    """`where` is the host of its URL, or its addresses: a path may hold a secret."""

    event_id: str
    endpoint: str
    kind: str
    where: str
    why: str
    failing_since: str | None


def tell_disabled(books: Books, endpoint: Endpoint, why: str, at: datetime, endpoints: Sequence[Endpoint]) -> None:
    """An endpoint was disabled by its receiver's word, or because it has failed for days; `endpoint` is as it was before."""
    kind = RecordType.ENDPOINT_DISABLED
    others = [each for each in endpoints if each.id != endpoint.id and each.wants(kind, "", endpoint.id)]
    if not others:
        return
    event_id = f"evt_{hashlib.sha256(f'{endpoint.id} {at.isoformat()}'.encode()).hexdigest()[:32]}"
    report = DisabledReport(
        event_id=event_id,
        endpoint=endpoint.id,
        kind=endpoint.kind,
        where=endpoint.url if endpoint.kind == EMAIL else read_url(endpoint.url).hostname or "",
        why=why,
        failing_since=None if endpoint.failing_since is None else rfc3339(endpoint.failing_since),
    )
    queue_message(books, [Lane(each.id, "", endpoint.id) for each in others], kind, event_id, 0, report, at)
