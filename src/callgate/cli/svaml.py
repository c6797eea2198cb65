"""`callgate svaml ...`: answers to the platform."""

import sys
from pathlib import Path
from typing import Literal

from callgate.cli.desk import AsJson, say, say_json
from callgate.errors import Invalid

Event = Literal["ice", "ace", "pie", "dice", "notify", "conference-pie", "patch", "patch-leg"]

MAX_FILE_BYTES = 1024 * 1024


def check(file: Path, *, event: Event, older: bool = False, json: AsJson = False) -> int:
    """Say what is wrong with an answer, with JSON path and line; exit 1 when anything is.

    Parameters
    ----------
    file
        JSON file, or - for standard input.
    event
        What it would answer; patch changes a running call, patch-leg one leg of it.
    older
        Let pass what only older documents of the platform allow.
    """
    from callgate.protocol import sinch
    from callgate.protocol.places import line_of

    content = _content(file)
    faults = [
        {"path": fault.path, "line": line_of(content, fault.path), "found": fault.found, "expected": fault.expected}
        for fault in sinch.check(content, event, strict=not older)
    ]
    if json:
        say_json(faults)
    elif not faults:
        say("Nothing is wrong with it.")
    else:
        say("\n".join("line {line}, {path}: found {found}; expected {expected}".format(**fault) for fault in faults))
    return 1 if faults else 0


def _content(file: Path) -> bytes:
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(MAX_FILE_BYTES)
        with file.open("rb") as opened:
            return opened.read(MAX_FILE_BYTES)
    except OSError as error:
        raise Invalid(str(file), error.strerror or str(error), "a readable JSON file") from error
