"""Files of call records on a schedule, to a folder or an object store: each written once, whole, with a manifest after it.

One server does it at a time, under a lease. What is not there yet is known from the books, so that whoever comes next goes on.
"""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Protocol

import aiohttp
import msgspec

from callgate.errors import DeliveryFailed, Error, StorageUnavailable
from callgate.logs import log
from callgate.outbox.s3 import S3
from callgate.service.export import PORTION, FileFormat, lines_of
from callgate.service.export_file import ExportFile
from callgate.service.parquet import write_portions
from callgate.service.ports import Store
from callgate.service.reports import RecordReport, report_record
from callgate.service.scheduled_export import (
    Bucket,
    ConcludeExport,
    Every,
    PlanExport,
    beginning,
    manifest_of,
    next_file,
)

LOOK_S = 5.0
"""How often it is looked whether a file's time is over."""

AGAIN_S = 60.0
"""How long a file that could not be written is left alone."""

CHUNK = 1 << 20

MANIFEST = ".manifest.json"


class Place(Protocol):
    """Where files go."""

    async def digest_of(self, name: str) -> str | None:
        """The digest of a file that is there, None for none. Raises `DeliveryFailed`."""
        ...

    async def put(self, name: str, file: Path, digest: str) -> None:
        """Put a file there, whole or not at all, and never over another one. Raises `DeliveryFailed`."""
        ...


class Folder:
    """A folder of this machine, or one that is mounted here."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def digest_of(self, name: str) -> str | None:
        path = self._folder / name
        try:
            return await asyncio.to_thread(_digest, path) if path.exists() else None
        except OSError as error:
            raise _failed(self._folder, error) from error

    async def put(self, name: str, file: Path, digest: str) -> None:
        del digest
        try:
            await asyncio.to_thread(self._put, name, file)
        except FileExistsError as error:
            raise DeliveryFailed(
                f"{self._folder / name} is there already; it is not written over", is_retryable=False
            ) from error
        except OSError as error:
            raise _failed(self._folder, error) from error

    def _put(self, name: str, file: Path) -> None:
        """Copied under a hidden name, since it may be another disk; then it has its own name, at once and on disk."""
        part = self._folder / f".{name}.part"
        with file.open("rb") as source, part.open("wb") as target:
            while chunk := source.read(CHUNK):
                target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
        os.link(part, self._folder / name)
        part.unlink()
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _failed(folder: Path, error: OSError) -> DeliveryFailed:
    return DeliveryFailed(
        f"{folder}: {error.strerror or error}; it must be there, and ours to write", is_retryable=True
    )


@asynccontextmanager
async def placed(to: Path | Bucket, clock: Callable[[], datetime]) -> AsyncIterator[Place]:
    """Where files go, for as long as the block runs."""
    if isinstance(to, Path):
        yield Folder(to)
        return
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield S3(session, to, clock)


class Exporter:
    """Writes files as their time comes."""

    def __init__(
        self, store: Store, place: Place, clock: Callable[[], datetime], every: Every, form: FileFormat
    ) -> None:
        self._store = store
        self._place = place
        self._clock = clock
        self._every = every
        self._form = form

    async def work(self) -> None:
        """Until cancelled. A place that is away for a while is tried again; files wait for it in their order."""
        while True:
            try:
                await self.plan()
                is_well = await self.write_due()
            except StorageUnavailable as error:
                log.warning("export.waits", error=str(error))
                is_well = True
            await asyncio.sleep(LOOK_S if is_well else AGAIN_S)

    async def plan(self) -> None:
        """Write down what belongs into the file whose time is over. Raises `StorageUnavailable`."""
        last, now = await self._store.last_export(), self._clock()
        if last is None:
            return await self._store.perform(PlanExport(file=beginning(await self._store.records_mark(), now)))
        if next_file(last, 0, now, self._every, self._form) is None:
            return None
        file = next_file(last, await self._store.records_mark(), now, self._every, self._form)
        assert file is not None, "time goes on"
        return await self._store.perform(PlanExport(file=file))

    async def write_due(self) -> bool:
        """Write what is planned and not there, oldest first. False where one could not be. Raises `StorageUnavailable`."""
        for file in await self._store.due_exports():
            try:
                written = await self._write(file)
            except (Error, OSError) as error:
                if isinstance(error, StorageUnavailable):
                    raise
                log.error("export.failed", file=file.name, error=str(error))
                await self._store.perform(ConcludeExport(file=msgspec.structs.replace(file, why=str(error))))
                return False
            await self._store.perform(ConcludeExport(file=written))
            log.info("export.written", file=file.name, records=written.count, bytes=written.size)
        return True

    async def _write(self, file: ExportFile) -> ExportFile:
        """Raises `DeliveryFailed`, `OSError`."""
        form = FileFormat(file.name.rpartition(".")[2])
        with tempfile.TemporaryDirectory(prefix="callgate-export-") as folder:
            path = Path(folder) / file.name
            counted = _Counted(self._portions(file))
            if form is FileFormat.PARQUET:
                await write_portions(counted, path)
            else:
                with path.open("wb") as target:
                    async for chunk in lines_of(counted, form):
                        target.write(chunk)
            digest = await asyncio.to_thread(_digest, path)
            written = msgspec.structs.replace(
                file, count=counted.count, size=path.stat().st_size, digest=digest, why="", written_at=self._clock()
            )
            await self._put(file.name, path, digest)
            manifest = Path(folder) / "manifest"
            manifest.write_bytes(manifest_of(written, form))
            await self._put(file.name + MANIFEST, manifest, _digest(manifest))
        return written

    async def _put(self, name: str, path: Path, digest: str) -> None:
        """What is there already, from before a crash, is the same bytes; anything else is somebody's, and stays."""
        there = await self._place.digest_of(name)
        if there is None:
            await self._place.put(name, path, digest)
        elif there != digest:
            raise DeliveryFailed(f"{name} is there already, with other bytes; move it away", is_retryable=False)

    async def _portions(self, file: ExportFile) -> AsyncIterator[Sequence[RecordReport]]:
        after = file.after
        while after < file.up_to:
            found = await self._store.numbered_records(after=after, up_to=file.up_to, limit=PORTION)
            if not found:
                return
            yield [report_record(record) for _, record in found]
            after = found[-1][0]


class _Counted:
    """Portions, and how many records went by."""

    def __init__(self, portions: AsyncIterator[Sequence[RecordReport]]) -> None:
        self._portions = portions
        self.count = 0

    def __aiter__(self) -> AsyncIterator[Sequence[RecordReport]]:
        return self

    async def __anext__(self) -> Sequence[RecordReport]:
        portion = await anext(self._portions)
        self.count += len(portion)
        return portion


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def export_for_ever(
    store: Store, to: Path | Bucket, clock: Callable[[], datetime], every: Every, form: FileFormat
) -> None:
    """What a server does beside its calls."""
    async with placed(to, clock) as place:
        await Exporter(store, place, clock, every, form).work()
