"""Where things stand in a TOML document: the parser of the standard library gives values without their places.

Only for text that it has parsed: what is looked for here is known to be well-formed.
"""

import re
from typing import NamedTuple

_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!"")|""(?!"))*"{3,5}'
    r"|'''(?:[^']|'(?!'')|''(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_HEAD = re.compile(r"(\[\[?)\s*([^\]]*?)\s*\]\]?")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*'""")


class Place(NamedTuple):
    """Counted from 1, in characters."""

    line: int
    column: int


class Found(NamedTuple):
    """A key's own place, and the offset at which its value begins in the text."""

    place: Place
    value: int


class Places:
    """The places of keys: `(table, number of the table in its array, key)`. Tables have the key ''."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(each.end() for each in re.finditer("\n", text))]
        self._found: dict[tuple[str, int, str], Found] = {}
        self._read()

    def of(self, table: str, number: int, key: str = "") -> Place:
        """The place of a key, or of its table where the key is not there."""
        found = self._found.get((table, number, key)) or self._found.get((table, number, ""))
        return found.place if found is not None else Place(1, 1)

    def inside(self, table: str, number: int, key: str, at: int) -> Place:
        """The place of a character of a string value, given as an offset into what the string means.

        In a string with escapes it is the place of the key: offsets there are not those of the document.
        """
        found = self._found.get((table, number, key))
        quoted = _STRING.match(self._text, found.value) if found is not None else None
        if found is None or quoted is None:
            return self.of(table, number, key)
        marks = 3 if quoted[0].startswith(('"""', "'''")) else 1
        begins = found.value + marks
        if marks == 3 and self._text.startswith(("\n", "\r\n"), begins):  # noqa: PLR2004 - that first newline is no part
            begins = self._text.index("\n", begins) + 1
        if quoted[0].startswith('"') and "\\" in quoted[0]:
            return found.place
        return self._place(begins + at)

    def _read(self) -> None:
        """Line by line, from one statement to the next: a value may go on over lines in brackets or in a long string."""
        counted: dict[str, int] = {}
        table, number, at = "", 0, 0
        text = self._text
        while at < len(text):
            if text[at] in " \t\r\n":
                at += 1
            elif text[at] == "#":
                at = self._end_of_line(at)
            elif head := _HEAD.match(text, at) if text[at] == "[" else None:
                table = head[2].strip("\"'")
                number = counted.get(table, -1) + 1 if head[1] == "[[" else 0
                counted[table] = number
                self._found.setdefault((table, number, ""), Found(self._place(at), at))
                at = self._end_of_line(head.end())
            else:
                at = self._keep_key(table, number, at)

    def _keep_key(self, table: str, number: int, at: int) -> int:
        equals = self._text.index("=", at)
        key = _KEY.match(self._text, at)
        value = equals + 1
        while self._text[value] in " \t":
            value += 1
        if key is not None:
            self._found.setdefault((table, number, key[0].strip("\"'")), Found(self._place(at), value))
        return self._end_of_value(value)

    def _end_of_value(self, at: int) -> int:
        depth = 0
        while at < len(self._text):
            each = self._text[at]
            if each in "\"'" and (quoted := _STRING.match(self._text, at)):
                at = quoted.end()
                continue
            if each == "#":
                at = self._end_of_line(at)
                continue
            depth += (each in "[{") - (each in "]}")
            if each == "\n" and depth <= 0:
                return at
            at += 1
        return at

    def _end_of_line(self, at: int) -> int:
        end = self._text.find("\n", at)
        return len(self._text) if end < 0 else end

    def _place(self, at: int) -> Place:
        line = self._text.count("\n", 0, at)
        return Place(line + 1, at - self._starts[line] + 1)
