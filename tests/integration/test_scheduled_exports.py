"""Files of call records on a schedule: each record in exactly one file, each file once, whatever happens between."""

import asyncio
import csv
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import arro3.io
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from object_store import NAME, REGION, ObjectStore, object_store

from callgate.errors import DeliveryFailed
from callgate.outbox.exports import MANIFEST, Exporter, Folder, placed
from callgate.outbox.s3 import DIGEST_HEADER, NOTHING, sign
from callgate.service.export import COLUMNS, FileFormat
from callgate.service.export_file import ExportFile
from callgate.service.scheduled_export import Bucket, ConcludeExport, Every, PlanExport, begin_of, beginning, next_file
from callgate.storage.postgres import PostgresStore


def call(house: Any, name: str) -> None:
    house.hear(house.arrived(name))
    house.hear(house.answered(name))
    house.hear(house.ended(name, 61))


def exporter(house: Any, place: Any, every: Every = Every.DAY, form: FileFormat = FileFormat.CSV) -> Exporter:
    return Exporter(house.store, place, lambda: house.now, every, form)


def look(house: Any, place: Any, every: Every = Every.DAY, form: FileFormat = FileFormat.CSV) -> bool:
    """What a server does every few seconds."""

    async def steps() -> bool:
        one = exporter(house, place, every, form)
        await one.plan()
        return await one.write_due()

    return bool(house.run(steps()))


def calls_in(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8") as file:
        return [row["call_id"] for row in csv.DictReader(file)]


def test_each_record_is_in_the_file_of_the_day_on_which_it_was_settled(house: Any, tmp_path: Path) -> None:
    """Also one whose call ended days before. What was settled before it began is in none; a day without calls has a file."""
    house.open("alice", "100")
    call(house, "before")
    folder = Folder(tmp_path)
    assert look(house, folder)
    assert list(tmp_path.iterdir()) == []
    call(house, "c1")
    house.hear(house.arrived("late"))
    house.tick(86_400)
    assert look(house, folder)
    house.hear(house.ended("late", 61))
    call(house, "c2")
    house.tick(86_400)
    assert look(house, folder) and look(house, folder)
    house.tick(86_400)
    assert look(house, folder)
    files = sorted(path.name for path in tmp_path.iterdir())
    days = ("records-2026-11-23.csv", "records-2026-11-24.csv", "records-2026-11-25.csv")
    assert files == sorted([*days, *(day + MANIFEST for day in days)])
    assert [calls_in(tmp_path / day) for day in days] == [["c1"], ["late", "c2"], []]
    content = (tmp_path / days[1]).read_bytes()
    assert json.loads((tmp_path / (days[1] + MANIFEST)).read_text()) == {
        "file": days[1], "format": "csv", "since": "2026-11-24T00:00:00.000Z", "until": "2026-11-25T00:00:00.000Z",
        "records": 2, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "columns": list(COLUMNS),
    }  # fmt: skip


def test_time_without_a_server_is_in_one_file(house: Any, tmp_path: Path) -> None:
    """Hours in which nobody could settle anything have no files of their own."""
    house.open("alice", "100")
    folder = Folder(tmp_path)
    look(house, folder, Every.HOUR, FileFormat.NDJSON)
    call(house, "c1")
    house.tick(5 * 3_600)
    look(house, folder, Every.HOUR, FileFormat.NDJSON)
    (file,) = tmp_path.glob("*.ndjson")
    assert file.name == "records-2026-11-23T16.ndjson"
    assert [json.loads(line)["call_id"] for line in file.read_text().splitlines()] == ["c1"]
    said = json.loads((tmp_path / (file.name + MANIFEST)).read_text())
    assert (said["since"], said["until"]) == ("2026-11-23T12:00:00.000Z", "2026-11-23T17:00:00.000Z")


def test_parquet_is_written_too(house: Any, tmp_path: Path) -> None:
    """With the columns of an export by command."""
    house.open("alice", "100")
    look(house, Folder(tmp_path), form=FileFormat.PARQUET)
    call(house, "c1")
    house.tick(86_400)
    look(house, Folder(tmp_path), form=FileFormat.PARQUET)
    table = arro3.io.read_parquet(tmp_path / "records-2026-11-23.parquet").read_all()
    assert table.column_names == list(COLUMNS) and table.num_rows == 1


class Cut(Exception):
    """The process ends here."""


class Unsteady:
    """A folder whose process ends before or after a file is there."""

    def __init__(self, folder: Path) -> None:
        self._folder = Folder(folder)
        self.cuts: list[str] = []

    async def digest_of(self, name: str) -> str | None:
        return await self._folder.digest_of(name)

    async def put(self, name: str, file: Path, digest: str) -> None:
        if self.cuts[:1] == ["before"]:
            raise Cut(self.cuts.pop(0))
        await self._folder.put(name, file, digest)
        if self.cuts[:1] == ["after"]:
            raise Cut(self.cuts.pop(0))


def test_a_file_is_written_once_wherever_the_process_ends(house: Any, tmp_path: Path) -> None:
    """Before it, after it, and between it and its manifest; what comes meanwhile belongs to the next one."""
    house.open("alice", "100")
    unsteady = Unsteady(tmp_path)
    look(house, unsteady)
    call(house, "c1")
    house.tick(86_400)
    for cut in ("before", "after", "after"):
        unsteady.cuts = [cut]
        with pytest.raises(Cut):
            look(house, unsteady)
        call(house, f"meanwhile-{len(list(tmp_path.iterdir()))}-{cut}")
    written = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert look(house, unsteady)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == written
    assert calls_in(tmp_path / "records-2026-11-23.csv") == ["c1"]
    assert house.run(house.store.due_exports()) == []
    house.tick(86_400)
    look(house, unsteady)
    assert len(calls_in(tmp_path / "records-2026-11-24.csv")) == 3


def test_nothing_is_written_over(house: Any, tmp_path: Path) -> None:
    """A file of somebody else's stays; the reason is kept, the next file waits, and both come when it is moved away."""
    house.open("alice", "100")
    folder = Folder(tmp_path)
    look(house, folder)
    strange = tmp_path / "records-2026-11-23.csv"
    strange.write_text("mine")
    for _ in range(2):
        house.tick(86_400)
        assert not look(house, folder)
    assert strange.read_text() == "mine"
    first, second = house.run(house.store.due_exports())
    assert "with other bytes; move it away" in first.why and second.why == ""
    strange.unlink()
    assert look(house, folder)
    assert house.run(house.store.due_exports()) == []
    with pytest.raises(DeliveryFailed, match="not written over"):
        asyncio.run(folder.put("records-2026-11-23.csv", tmp_path / "records-2026-11-24.csv", ""))


def test_a_folder_that_is_away_is_waited_for(house: Any, tmp_path: Path) -> None:
    """Such as a network disk; nothing is lost."""
    house.open("alice", "100")
    there = tmp_path / "mounted"
    look(house, Folder(there))
    call(house, "c1")
    house.tick(86_400)
    assert not look(house, Folder(there))
    assert "it must be there" in house.run(house.store.due_exports())[0].why
    there.mkdir()
    assert look(house, Folder(there))
    assert calls_in(there / "records-2026-11-23.csv") == ["c1"]


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with object_store() as there:
        yield there


def bucket(store: ObjectStore, **said: str) -> Bucket:
    usual = {"url": store.url, "region": REGION, "name": NAME, "prefix": "", "key": store.key, "secret": store.secret}
    return Bucket(**usual | said)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_files_go_to_an_object_store_with_signed_requests(house: Any, store: ObjectStore) -> None:
    """Each once: a second look, and a second server, find it there; what is strange is not written over."""
    house.open("alice", "100")

    async def steps(to: Bucket) -> bool:
        async with placed(to, lambda: datetime.now(UTC)) as place:
            one = exporter(house, place)
            await one.plan()
            return await one.write_due()

    to = bucket(store, prefix="voice/år 1/")
    house.run(steps(to))
    call(house, "c1")
    house.tick(86_400)
    assert house.run(steps(to))
    name = "voice/år 1/records-2026-11-23.csv"
    assert store.names() == [name, name + MANIFEST]
    content = store.read(name)
    assert [row["call_id"] for row in csv.DictReader(content.decode().splitlines())] == ["c1"]
    assert json.loads(store.read(name + MANIFEST))["sha256"] == hashlib.sha256(content).hexdigest()
    house.tick(86_400)
    store.client.put_object(Bucket=NAME, Key="voice/år 1/records-2026-11-24.csv", Body=b"mine")
    assert not house.run(steps(to))
    assert store.read("voice/år 1/records-2026-11-24.csv") == b"mine"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"secret": "wrong"}, "403: look at export_s3_key, export_s3_secret"),
        ({"key": "AKIAIOSFODNN7EXAMPLE"}, "403: look at export_s3_key, export_s3_secret"),
        ({"name": "no-such-bucket"}, "404: there is no such bucket"),
        ({"url": "http://127.0.0.1:9"}, "the object store does not answer"),
    ],
)
def test_what_is_wrong_with_an_object_store_is_said(store: ObjectStore, tmp_path: Path, said: Any, told: str) -> None:
    """With what to do; nothing of the key."""
    file = tmp_path / "x"
    file.write_bytes(b"x")

    async def steps() -> None:
        async with placed(bucket(store, **said), lambda: datetime.now(UTC)) as place:
            with pytest.raises(DeliveryFailed) as failed:
                await place.put("x", file, hashlib.sha256(b"x").hexdigest())
            assert told in str(failed.value) and store.secret not in str(failed.value)

    asyncio.run(steps())


def test_signatures_are_those_of_the_makers_own_library() -> None:
    """Byte for byte, with and without a body, blanks and letters of other languages in the name."""
    at = datetime(2026, 11, 23, 7, 0, 0, tzinfo=UTC)
    for method, path, digest in (("PUT", "/records/a%20b/%C3%A5.csv", "a" * 64), ("HEAD", "/records/x", NOTHING)):
        url = f"https://s3.example.com{path}"
        headers = {DIGEST_HEADER: digest, "if-none-match": "*", "content-length": "5"}
        ours = sign(method, url, headers, digest, Bucket("", REGION, "", "", "AKID", "secret"), at)
        request = AWSRequest(method, url, headers=headers | {"X-Amz-Content-SHA256": digest})
        request.context.update(timestamp="20261123T070000Z", payload_signing_enabled=True)
        theirs = S3SigV4Auth(Credentials("AKID", "secret"), "s3", REGION)
        theirs.payload = lambda _, digest=digest: digest  # type: ignore[method-assign,misc]
        request.headers["X-Amz-Date"] = "20261123T070000Z"
        canonical = theirs.canonical_request(request)
        signature = theirs.signature(theirs.string_to_sign(request, canonical), request)
        assert ours["authorization"].endswith(f"Signature={signature}")


def test_plans_are_made_once() -> None:
    """By the UTC clock; a second server's plan for the same file changes nothing, and neither does a late word."""
    now = datetime(2026, 11, 23, 12, 34, tzinfo=UTC)
    assert begin_of(now, Every.DAY) == datetime(2026, 11, 23, tzinfo=UTC)
    assert begin_of(now, Every.HOUR) == datetime(2026, 11, 23, 12, tzinfo=UTC)
    begun = beginning(7, now)
    assert next_file(begun, 9, now + timedelta(minutes=25), Every.HOUR, FileFormat.CSV) is None
    file = next_file(begun, 9, now + timedelta(minutes=26), Every.HOUR, FileFormat.CSV)
    assert file is not None and (file.name, file.after, file.up_to) == ("records-2026-11-23T12.csv", 7, 9)


def test_several_servers_plan_one_file(postgres_url: str) -> None:
    """The first plan stands; a file that has arrived is not said to be missing."""
    now = datetime(2026, 11, 24, 0, 0, 1, tzinfo=UTC)

    async def steps() -> None:
        one = PostgresStore(postgres_url)
        await one.migrate()
        await one.open()
        try:
            assert await one.records_mark() == 0
            assert await one.last_export() is None
            file = ExportFile(name="records-2026-11-23.csv", since=now, until=now, after=0, up_to=5)
            await asyncio.gather(*(one.perform(PlanExport(file=file)) for _ in range(3)))
            assert await one.due_exports() == [file] == [await one.last_export()]
            done = ExportFile(name=file.name, since=now, until=now, after=0, up_to=5, written_at=now, digest="d")
            for each in (done, file):
                await one.perform(ConcludeExport(file=each))
            assert (await one.due_exports(), await one.last_export()) == ([], done)
        finally:
            await one.close()

    asyncio.run(steps())
