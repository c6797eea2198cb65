"""`callgate cdr ...`: call records as files."""

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

from callgate.cli.desk import AsJson, Config, open_books
from callgate.cli.times import parse_since
from callgate.errors import Invalid
from callgate.service.export import FileFormat


async def export(
    *,
    since: str,
    until: str | None = None,
    format: FileFormat = FileFormat.CSV,  # noqa: A002 - the option's own name
    app: str | None = None,
    account: str | None = None,
    output: Path | None = None,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Write call records as CSV, one JSON object a line, or Parquet, in the order in which calls ended.

    Parameters
    ----------
    since
        Calls that ended since then, such as 24h, 7d or 2026-11-23T07:00:00Z.
    until
        And before then; now unless given.
    format
        csv, ndjson or parquet.
    app
        Only records of this application.
    account
        Only records of this account.
    output
        The file to write; standard output unless given, which Parquet cannot be written to.
    """
    from callgate.app import clock
    from callgate.service.export import lines
    from callgate.service.parquet import write_parquet
    from callgate.service.ports import RecordRange

    now = clock()
    form = FileFormat.NDJSON if json else format
    wanted = RecordRange(
        since=parse_since(since, "--since", now),
        until=now if until is None else parse_since(until, "--until", now),
        application=app,
        account=account,
    )
    if form is FileFormat.PARQUET and output is None:
        raise Invalid("--output", "none", "a file, which Parquet needs")
    async with open_books(config) as store:
        if form is FileFormat.PARQUET and output is not None:
            await write_parquet(store, wanted, output)
            return 0
        with _opened(output) as file:
            async for portion in lines(store, wanted, form):
                file.write(portion)
    return 0


def _opened(output: Path | None) -> AbstractContextManager[BinaryIO]:
    """The file, or standard output, which stays open."""
    return nullcontext(sys.stdout.buffer) if output is None else output.open("wb")
