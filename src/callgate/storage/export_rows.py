"""Files of call records as rows of a table and back."""

import msgspec

from callgate.service.export_file import ExportFile
from callgate.storage.rows import Row, from_us, to_us

EXPORT_KEY = ("name",)
EXPORT = ExportFile.__struct_fields__


def from_export(file: ExportFile) -> Row:
    written_at = None if file.written_at is None else to_us(file.written_at)
    named = msgspec.structs.asdict(file) | {
        "since": to_us(file.since), "until": to_us(file.until), "written_at": written_at,
    }  # fmt: skip
    return tuple(named.values())


def to_export(row: Row) -> ExportFile:
    named = dict(zip(EXPORT, row, strict=True))
    written_at = named["written_at"]
    named |= {
        "since": from_us(named["since"]),
        "until": from_us(named["until"]),
        "written_at": None if written_at is None else from_us(written_at),
    }
    return ExportFile(**named)
