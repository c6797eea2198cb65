"""Call records as files: by command, by API, in bounded memory, each once and in order."""

import csv
import io
import json
import tracemalloc
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import arro3.io
import msgspec
import pytest

from callgate.cli import main
from callgate.service.export import COLUMNS, PORTION, FileFormat, lines
from callgate.service.parquet import write_parquet
from callgate.service.ports import RecordPosition, RecordRange
from callgate.service.records import CallRecord
from callgate.service.reports import RecordReport, report_record
from callgate.vault import new_key

EVER = RecordRange(datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))


async def joined(parts: AsyncIterator[bytes]) -> bytes:
    return b"".join([part async for part in parts])


def settled(house: Any, calls: Iterable[tuple[str, str]]) -> list[RecordReport]:
    """Calls by account and id, each settled a second after the other; gives their records."""
    for account in ("alice", "bob"):
        house.open(account, "100")
    for call, account in calls:
        house.hear(house.arrived(call, user=account))
        house.hear(house.answered(call))
        house.hear(house.ended(call, 61, user=account))
    return [report_record(record) for record in house.records()]


CALLS = [(f"c{number}", ("alice", "bob")[number % 2]) for number in range(7)]


def test_csv_and_ndjson_have_every_record_once_in_order(house: Any) -> None:
    """Columns are the fields of a record; what is not known is empty or null."""
    expected = settled(house, CALLS)
    text = house.run(joined(lines(house.store, EVER, FileFormat.CSV))).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == COLUMNS
    assert [row["call_id"] for row in rows] == [call for call, _ in CALLS]
    assert [Decimal(row["charge"]) for row in rows] == [Decimal("0.04")] * len(CALLS)
    assert {row["corrects"] for row in rows} == {""}
    objects = house.run(joined(lines(house.store, EVER, FileFormat.NDJSON))).splitlines()
    assert [msgspec.json.decode(each, type=RecordReport) for each in objects] == expected


def test_parquet_has_the_same_with_types(house: Any, tmp_path: Path) -> None:
    """Decimals and times with a zone, not text. Read by the library's own reader."""
    expected = settled(house, CALLS)
    path = tmp_path / "cdrs.parquet"
    house.run(write_parquet(house.store, EVER, path))
    table = arro3.io.read_parquet(path).read_all()
    assert tuple(table.column_names) == COLUMNS
    types = {name: str(table.schema.field(name).type) for name in COLUMNS}
    assert "Decimal128(28, 6)" in types["charge"] and "UTC" in types["ended_at"] and "Int64" in types["billed_s"]
    assert table["call_id"].to_pylist() == [each.call_id for each in expected]
    assert table["charge"].to_pylist() == [Decimal(each.charge) for each in expected]
    assert table["answered_at"].to_pylist() == [datetime.fromisoformat(each.answered_at or "") for each in expected]
    assert table["corrects"].to_pylist() == [None] * len(expected)


def test_only_what_is_wanted_is_exported(house: Any) -> None:
    """From a time on and before another, of an account, of an application."""
    every = settled(house, CALLS)
    third = datetime.fromisoformat(every[2].ended_at)

    def found(wanted: RecordRange) -> list[str]:
        text = house.run(joined(lines(house.store, wanted, FileFormat.NDJSON)))
        return [json.loads(line)["call_id"] for line in text.splitlines()]

    assert found(RecordRange(third, EVER.until)) == ["c2", "c3", "c4", "c5", "c6"]
    assert found(RecordRange(EVER.since, third)) == ["c0", "c1"]
    assert found(EVER._replace(account="bob")) == ["c1", "c3", "c5"]
    assert found(EVER._replace(application="another")) == []


def test_pages_meet_without_a_gap(house: Any) -> None:
    """Whatever their size, also where calls ended in the same moment."""
    settled(house, CALLS)
    for limit in (1, 2, 3, 7, 50):
        found: list[str] = []
        after: RecordPosition | None = None
        while page := house.run(house.store.records(EVER, after=after, limit=limit)):
            found += [record.key.call_id for record in page]
            after = RecordPosition(page[-1].ended_at, page[-1].record_id)
        assert found == [call for call, _ in CALLS]


class Endless:
    """A store with very many records: what is asked of a store here is `records` alone."""

    def __init__(self, one: CallRecord, count: int) -> None:
        self._one, self._left = one, count

    async def records(self, wanted: RecordRange, *, after: object, limit: int) -> Sequence[CallRecord]:
        del wanted, after
        count = min(limit, self._left)
        self._left -= count
        return [self._one] * count


@pytest.mark.parametrize("form", FileFormat)
def test_memory_is_bounded(house: Any, form: FileFormat, tmp_path: Path) -> None:
    """Twenty portions take no more than a few."""
    settled(house, CALLS[:1])
    store: Any = Endless(house.records()[0], 20 * PORTION)

    async def steps() -> None:
        if form is FileFormat.PARQUET:
            await write_parquet(store, EVER, tmp_path / "cdrs.parquet")
        else:
            async for _ in lines(store, EVER, form):
                pass

    tracemalloc.start()
    house.run(steps())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16_000_000


def test_the_command_writes_a_file_or_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """An empty time is a file with a header; Parquet needs a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CALLGATE_SECRET_KEY", new_key())

    def run(*words: str) -> int:
        with pytest.raises(SystemExit) as left:
            main(words)
        assert isinstance(left.value.code, int)
        return left.value.code

    assert run("init") == 0
    capfdbinary.readouterr()
    assert run("cdr", "export", "--since", "7d") == 0
    assert capfdbinary.readouterr().out.decode() == ",".join(COLUMNS) + "\n"
    assert run("cdr", "export", "--since", "7d", "--format", "parquet") == 1
    assert "a file, which Parquet needs" in capfdbinary.readouterr().err.decode()
    assert run("cdr", "export", "--since", "7d", "--format", "parquet", "--output", "cdrs.parquet") == 0
    assert arro3.io.read_parquet(tmp_path / "cdrs.parquet").read_all().num_rows == 0
    assert run("cdr", "export", "--since", "yesterday") == 1


def test_a_range_begins_to_the_microsecond(house: Any) -> None:
    """What ended a microsecond before is not of it."""
    settled(house, CALLS[:2])
    first, second = house.run(house.store.records(EVER, after=None, limit=10))
    assert first.ended_at < second.ended_at
    close = RecordRange(first.ended_at + timedelta(microseconds=1), EVER.until)
    assert house.run(house.store.records(close, after=None, limit=10)) == [second]
