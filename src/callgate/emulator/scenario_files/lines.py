"""Where things stand in a TOML file: the parser gives values without their lines."""

import re
from collections import Counter
from collections.abc import Mapping

_TABLE = re.compile(r"^\s*(\[\[?)\s*([^\]#]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"^\s*([A-Za-z0-9_.-]+|\"[^\"]*\"|'[^']*')\s*=")


def lines_of(text: str) -> dict[str, int]:
    """Map paths such as `call[1].expect.outcome` to the lines where they are set; tables to the lines of their heads."""
    found: dict[str, int] = {}
    counted: Counter[str] = Counter()
    inside = ""
    for number, line in enumerate(text.splitlines(), 1):
        if table := _TABLE.match(line):
            inside = _enter(table[2].replace(" ", ""), counted, is_array=table[1] == "[[")
            found.setdefault(inside, number)
        elif key := _KEY.match(line):
            name = key[1].strip("\"'")
            found.setdefault(f"{inside}.{name}" if inside else name, number)
    return found


def line_of(path: str, lines: Mapping[str, int]) -> int:
    """The line of a path, or of what it stands in."""
    while path and path not in lines:
        path = re.sub(r"(\.[^.\[]+|\[[^\]]*\])$|^[^.\[]+$", "", path)
    return lines.get(path, 1)


def _enter(name: str, counted: Counter[str], *, is_array: bool) -> str:
    """The path of a table: arrays on the way to it mean their last element."""
    path = ""
    parts = name.split(".")
    for depth, part in enumerate(parts):
        path = f"{path}.{part}" if path else part
        if is_array and depth == len(parts) - 1:
            counted[path] += 1
        if counted[path]:
            path = f"{path}[{counted[path] - 1}]"
    return path
