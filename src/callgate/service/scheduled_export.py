"""Call records as a file for each day or hour: which records belong into which file, once and for ever.

A file has the records that were settled in its time, in the order in which they were written to the books. So each record is in
exactly one file, also one whose call ended long before it could be settled. What belongs into a file is written down when its
time is over; the file itself may then be written later, again after a crash, and always the same.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import msgspec

from callgate.service.books import Books, Keys
from callgate.service.export import COLUMNS, FileFormat
from callgate.service.export_file import ExportFile
from callgate.service.reports import rfc3339


class Every(StrEnum):
    """How often a file is written."""

    DAY = "day"
    HOUR = "hour"


LENGTHS = {Every.DAY: timedelta(days=1), Every.HOUR: timedelta(hours=1)}

_STEMS = {Every.DAY: "records-%Y-%m-%d", Every.HOUR: "records-%Y-%m-%dT%H"}

BEGINNING = "beginning"
"""The name of the first row: no file, but where the first one begins. What was settled before is exported by command."""


class Bucket(NamedTuple):
    """An object store as the place where files go: its `url` without a slash at its end, `prefix` with one."""

    url: str
    region: str
    name: str
    prefix: str
    key: str
    secret: str

    def __repr__(self) -> str:
        return f"Bucket({self.url}/{self.name}/{self.prefix})"


def begin_of(now: datetime, every: Every) -> datetime:
    """When the day or the hour began that is now, in UTC."""
    whole = now.replace(minute=0, second=0, microsecond=0)
    return whole.replace(hour=0) if every is Every.DAY else whole


def next_file(last: ExportFile, mark: int, now: datetime, every: Every, form: FileFormat) -> ExportFile | None:
    """The file whose time is over, None while it is not. `mark` is the number of the last record that there is.

    Where no server ran for longer, one file has all of that time: nothing was settled meanwhile.
    """
    until = begin_of(now, every)
    if until <= last.until:
        return None
    stem = (until - LENGTHS[every]).strftime(_STEMS[every])
    return ExportFile(name=f"{stem}.{form}", since=last.until, until=until, after=last.up_to, up_to=mark)


def beginning(mark: int, now: datetime) -> ExportFile:
    """From here on."""
    return ExportFile(name=BEGINNING, since=now, until=now, after=mark, up_to=mark, written_at=now)


def manifest_of(file: ExportFile, form: FileFormat) -> bytes:
    """What stands beside a file once it is whole: whoever reads it waits for this. The same whenever it is written."""
    said = {
        "file": file.name,
        "format": form,
        "since": rfc3339(file.since),
        "until": rfc3339(file.until),
        "records": file.count,
        "bytes": file.size,
        "sha256": file.digest,
        "columns": COLUMNS,
    }
    return msgspec.json.format(msgspec.json.encode(said), indent=2) + b"\n"


@dataclass(frozen=True, kw_only=True)
class PlanExport:
    """Write down what belongs into a file. Safe to repeat: the first one stands."""

    file: ExportFile

    def keys(self) -> Keys:
        return Keys(exports=(self.file.name,))

    def run(self, books: Books) -> None:
        if books.exports.get(self.file.name) is None:
            books.exports.put(self.file.name, self.file)


@dataclass(frozen=True, kw_only=True)
class ConcludeExport:
    """The file has arrived, or says why not."""

    file: ExportFile

    def keys(self) -> Keys:
        return Keys(exports=(self.file.name,))

    def run(self, books: Books) -> None:
        known = books.exports.get(self.file.name)
        if known is not None and known.written_at is None:
            books.exports.put(self.file.name, self.file)
