"""Call records as a Parquet file, in bounded memory: a group of rows for each portion.

Needs the extra `callgate[parquet]`. Amounts are decimals of 6 places, times microseconds in UTC; `cost` is text, since
carriers' decimals have no bound.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callgate.errors import Invalid
from callgate.service.export import COLUMNS, portions
from callgate.service.ports import RecordRange, Store
from callgate.service.reports import RecordReport

if TYPE_CHECKING:
    from arro3.core import RecordBatch

TIMES = frozenset({"started_at", "answered_at", "ended_at"})
NUMBERS = frozenset({"duration_s", "billed_s", "sequence"})
AMOUNTS = frozenset({"charge"})
NULLABLE = frozenset({"answered_at", "cost", "cost_currency", "corrects"})

DIGITS, PLACES = 28, 6
"""Of amounts: 9.2 trillion units in micros have 19 digits."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def write_parquet(store: Store, wanted: RecordRange, path: Path) -> None:
    """Write the file. Raises `Invalid` where the extra is not installed."""
    await write_portions(portions(store, wanted), path)


async def write_portions(found: AsyncIterator[Sequence[RecordReport]], path: Path) -> None:
    """The same of records that were found otherwise."""
    try:
        import arro3.core as arrow  # noqa: PLC0415 - an extra
        import arro3.io  # noqa: PLC0415
    except ImportError:
        raise Invalid("format", "parquet, for which a library is missing", "pip install 'callgate[parquet]'") from None

    loop = asyncio.get_running_loop()

    async def next_portion() -> Sequence[RecordReport] | None:
        return await anext(found, None)

    def batches() -> "Iterator[RecordBatch]":
        while (reports := asyncio.run_coroutine_threadsafe(next_portion(), loop).result()) is not None:
            arrays = [_array(arrow, name, [getattr(each, name) for each in reports]) for name in COLUMNS]
            yield arrow.RecordBatch.from_arrays(arrays, schema=schema)

    schema = arrow.Schema([arrow.Field(name, _type(arrow, name), nullable=name in NULLABLE) for name in COLUMNS])
    reader = arrow.RecordBatchReader.from_batches(schema, batches())
    await asyncio.to_thread(arro3.io.write_parquet, reader, path, compression="zstd(1)", max_row_group_size=10_000)


def _type(arrow: Any, name: str) -> Any:
    if name in TIMES:
        return arrow.DataType.timestamp("us", tz="UTC")
    if name in NUMBERS:
        return arrow.DataType.int64()
    return arrow.DataType.decimal128(DIGITS, PLACES) if name in AMOUNTS else arrow.DataType.string()


def _array(arrow: Any, name: str, values: list[Any]) -> Any:
    """One column. Times and amounts are made from what Arrow can take from Python."""
    if name in TIMES:
        numbers = [None if each is None else (datetime.fromisoformat(each) - _EPOCH) // _MICROSECOND for each in values]
        return arrow.Array(numbers, arrow.DataType.int64()).cast(_type(arrow, name))
    if name in AMOUNTS:
        return arrow.Array(values, arrow.DataType.string()).cast(_type(arrow, name))
    return arrow.Array(values, _type(arrow, name))


_MICROSECOND = timedelta(microseconds=1)
