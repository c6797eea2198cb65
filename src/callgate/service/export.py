"""Call records as files: which, in which order, and as CSV or one JSON object a line. Parquet is in `parquet`.

Columns are the fields of a record as it is delivered, in that order; later versions add columns at the end.
"""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from enum import StrEnum

import msgspec

from callgate.service.ports import RecordPosition, RecordRange, Store
from callgate.service.records import CallRecord
from callgate.service.reports import RecordReport, report_record

COLUMNS = RecordReport.__struct_fields__

PORTION = 2_000
"""Records that are read, and held in memory, at a time."""


class FileFormat(StrEnum):
    """What records can be written as."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


MEDIA_TYPES = {
    FileFormat.CSV: "text/csv; charset=utf-8",
    FileFormat.NDJSON: "application/x-ndjson",
    FileFormat.PARQUET: "application/vnd.apache.parquet",
}


def position_of(record: CallRecord) -> RecordPosition:
    return RecordPosition(record.ended_at, record.record_id)


async def portions(store: Store, wanted: RecordRange) -> AsyncIterator[Sequence[RecordReport]]:
    """All that is wanted, in the order in which calls ended, a portion at a time."""
    after: RecordPosition | None = None
    while True:
        found = await store.records(wanted, after=after, limit=PORTION)
        if found:
            yield [report_record(record) for record in found]
            after = position_of(found[-1])
        if len(found) < PORTION:
            return


async def lines(store: Store, wanted: RecordRange, form: FileFormat) -> AsyncIterator[bytes]:
    """The bytes of a CSV or ndjson file."""
    async for chunk in lines_of(portions(store, wanted), form):
        yield chunk


async def lines_of(found: AsyncIterator[Sequence[RecordReport]], form: FileFormat) -> AsyncIterator[bytes]:
    """The same of records that were found otherwise."""
    if form is FileFormat.CSV:
        yield csv_lines([COLUMNS])
    async for reports in found:
        if form is FileFormat.CSV:
            yield csv_lines([msgspec.structs.astuple(report) for report in reports])
        else:
            yield _encode_lines(reports)


def csv_lines(rows: Sequence[Sequence[object]]) -> bytes:
    """As RFC 4180 has it, with lines that end in a line feed; what is not known is an empty cell."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


_encode_lines = msgspec.json.Encoder().encode_lines
